//! The ports, with which the headers of TCP and UDP both begin.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Source Port          |       Destination Port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! A view of their own, because an ICMP error need quote no more of them than 8 octets, and
//! because a rewrite of ports is the same for both. `Ports::ref_from_prefix` is the parser.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

/// A pair of ports.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub struct Ports {
    source: U16,
    destination: U16,
}

impl Ports {
    /// From this port to that.
    #[inline]
    pub fn new(source: u16, destination: u16) -> Self {
        Self {
            source: U16::new(source),
            destination: U16::new(destination),
        }
    }

    /// The sender's port.
    #[inline]
    pub fn source(&self) -> u16 {
        self.source.get()
    }

    /// The receiver's port.
    #[inline]
    pub fn destination(&self) -> u16 {
        self.destination.get()
    }

    /// Sets the sender's port.
    #[inline]
    pub fn set_source(&mut self, port: u16) {
        self.source.set(port);
    }

    /// Sets the receiver's port.
    #[inline]
    pub fn set_destination(&mut self, port: u16) {
        self.destination.set(port);
    }
}
