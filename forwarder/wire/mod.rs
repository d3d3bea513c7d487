//! What a packet is: one file a protocol, all with the same skeleton.
//!
//! Each file has a `Header` that lies over the octets of a frame without copying them, a `parse`
//! that checks every length once, setters where the packet's way writes, and a test module with
//! one packet in octets. Nothing here panics, whatever the octets are.
//!
//! A frame may go on behind its first segment, the head. Where a length field counts octets that
//! need not lie in the head, `parse_head` takes the octets of the head and how many there are in
//! all segments together; the payload it gives is the part that lies in the head.

#![deny(clippy::indexing_slicing)]

mod address;
pub mod arp;
pub mod checksum;
pub mod ethernet;
mod family;
pub mod gre;
pub mod gue;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
mod listener;
pub mod ndp;
mod ports;
pub mod proxy;
pub mod quic;
pub mod tcp;
pub mod tunnel;
pub mod udp;
pub mod usual;
pub mod vrrp;

pub use address::{Endpoint, Mac, Protocol};
pub use family::{Address, IpHeader, Outer};
pub use listener::Listener;
pub use ports::Ports;
pub use tunnel::{GueChecksum, Tunnel};
