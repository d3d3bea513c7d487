//! A packet generator in this process, for the link `net_memif` to a device under test.
//!
//! Shared-memory rings push back, so overload shows in what they refuse: loss is counted against
//! the rate that was intended (RFC 2544, 26.1), and a frame that is due while the ring is full is
//! as lost as on a wire. What this process misses because it was not running itself was never
//! intended.

mod frames;
mod link;
mod pace;
mod search;
mod stamp;
mod trial;

pub use frames::Frames;
pub use link::{Link, Server};
pub use search::{Found, search};
pub use trial::{Outcome, Spec, trial};
