//! Sessions that two directors share: each has copies of those that the other one carries.
//!
//! It is done by a thread of its own: the management thread owes adverts their time. Workers write
//! into their journals what becomes of their sessions ([`crate::path::Sharing`]); this thread
//! makes messages of it, [`link`] brings them to the other director, whose thread gives each
//! session to the worker that owns its slot there. A link that comes about begins with all
//! sessions that there are. All rings are bounded: what finds no room in a journal is told by the
//! worker's next sweep, and what finds none behind the link waits for it at the sender.

mod kept;
mod key;
mod link;
mod message;
mod share;
mod standing;
mod thread;

pub use crate::path::Sharing;
pub use kept::{KeepError, Kept, keep};
pub use key::{Key, KeyError};
pub use share::Share;
pub use standing::{Counts, Shared, Standing};
pub use thread::{Helper, SyncError};

#[cfg(test)]
mod tests;
