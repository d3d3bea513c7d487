//! What the configuration says of the links.

use std::collections::BTreeSet;

use super::{Key, Link};
use crate::wire::Mac;

/// What the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The ports, each once.
    pub links: Vec<Link>,
    /// Neighbours that are never asked and never age.
    pub permanent: Vec<(Key, Mac)>,
    /// Neighbours to keep resolved: backends and gateways.
    pub wanted: BTreeSet<Key>,
}
