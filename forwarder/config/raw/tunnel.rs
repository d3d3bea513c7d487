//! Tunnels as typed. All kinds share one group of keys, so that one which belongs to another kind
//! is told from one that is misspelt.

use serde::Deserialize;

use super::Number;
use crate::config::written::Written;

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::config) enum Tunnel<'a> {
    Ipip,
    Gre(Wrapping<'a>),
    Gue(Wrapping<'a>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(in crate::config) struct Wrapping<'a> {
    pub(in crate::config) port: Option<Number<'a>>,
    pub(in crate::config) checksum: Option<Written<'a, Checksum>>,
}

#[derive(Deserialize)]
pub(in crate::config) enum Checksum {
    Off,
    Full,
    Remote,
}
