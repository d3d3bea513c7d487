//! What a packet is: one file a protocol, all with the same skeleton.
//!
//! Each file has a `Header` that lies over the octets of a frame without copying them, a `parse`
//! that checks every length once, setters where the packet's way writes, and a test module with
//! one packet in octets. Nothing here panics, whatever the octets are.

#![deny(clippy::indexing_slicing)]

mod address;

pub use address::{Endpoint, Mac, Protocol};
