//! One worker's flow state.
//!
//! A [`Table`] belongs to one worker and has no locks. It finds a [`Session`] by the packets of
//! either direction and counts the connections of each backend as they change.

#![deny(clippy::indexing_slicing)]

mod counts;
mod datagrams;
mod entry;
mod ids;
mod index;
mod introduction;
mod journal;
mod key;
mod local_ports;
mod table;
pub mod tcp;
mod templates;
mod timeouts;

pub use counts::BackendCounts;
pub use datagrams::{Awaiting, DATAGRAM_MS, DatagramIx, Datagrams, Joined, Misfit, Part};
pub use entry::{Checksums, Deltas, Forward, New, Session};
pub use ids::{BackendIx, FixedIx, Generation, ServiceIx};
pub use introduction::{Introduction, Means, Phase};
pub use journal::{Journal, Told};
pub use key::{Family, FlowKey, FlowPorts, Hash, fold};
pub use local_ports::Ports;
pub use table::{Counters, PUBLIC_TRIES, Refused, SessionIx, Table};
pub use templates::{Template, Templates};
pub use timeouts::Timeouts;
