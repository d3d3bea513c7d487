//! What the steps need to know of a family of addresses.

use super::{
    Answer, DropReason, Meta, Transport, Verdict, datagram::Cut, flows::Flows, related::Quote,
};
use crate::{
    io::Frame,
    session::{Datagrams, Table, Templates},
    snapshot::Ip,
};

mod four;
mod six;

/// A family of addresses, by what is done with its packets. Each packet's family is decided when
/// it is read; the steps are made twice, once for each.
pub(super) trait Family: Ip {
    /// The number of its ICMP.
    const ICMP: u8;
    /// The type of its echo requests.
    const ECHO: u8;
    /// The type of the answers to them.
    const ECHO_REPLY: u8;
    /// Octets of an ICMP error at most (RFC 1812 4.3.2.3, RFC 4443 2.4 (c)).
    const LARGEST_ERROR: u16;
    /// Octets that every link takes.
    const LEAST_MTU: u16;
    /// What marks ICMP errors, as in Linux: in IPv4 they are "internetwork control".
    const ERROR_TOS: u8;
    /// Whether the checksum of its ICMP covers the addresses.
    const ICMP_COVERS_ADDRESSES: bool;

    /// The sessions.
    fn sessions(flows: &mut Flows) -> &mut Table<Self>;

    /// Which backends clients of persistent services have.
    fn templates(flows: &mut Flows) -> &mut Templates<Self>;

    /// What becomes of a packet that is larger than the way out allows, of which these are the
    /// MTU for it and that for what it is put into.
    fn too_big<F: Frame>(frame: &F, meta: &Meta<Self>, mtu: [u16; 2]) -> Verdict;

    /// True for a packet of VRRP.
    fn is_vrrp(packet: &[u8]) -> bool;

    /// Type and code of an answer that is an error, and what it tells besides. `told` are those
    /// that a router has told of a tunnel.
    fn error(answer: Answer, told: [u8; 2]) -> Option<([u8; 2], u32)>;

    /// True where an error may be sent about a packet.
    fn may_be_quoted<F: Frame>(frame: &F, meta: &Meta<Self>) -> bool;

    /// True for an ICMP message whose checksum is right.
    fn icmp_ok(message: &[u8], meta: &Meta<Self>) -> bool;

    /// True for an ICMP message that is an error.
    fn is_error(message: &[u8]) -> bool;

    /// Makes an echo request, and its IP header, the reply. False where it is none.
    fn make_echo_reply<F: Frame>(frame: &mut F, meta: &Meta<Self>, hops: u8) -> bool;

    /// Writes the header of an error before the octets that it quotes, which begin at octet 8.
    fn write_error(message: &mut [u8], kind: [u8; 2], value: u32, ends: [Self; 2]);

    /// The packet that an ICMP error quotes, and whether it is about a field of its header. None
    /// for what is no error, or tells the sender of the quoted packet nothing of it.
    fn quoted(message: &[u8]) -> Option<(&[u8], bool)>;

    /// The MTU that an ICMP error tells, where it is about that.
    fn told_mtu(message: &[u8]) -> Option<u16>;

    /// What the headers of a packet say of the datagram that it is a part of. None where it is
    /// whole.
    fn cut(packet: &[u8]) -> Option<Cut>;

    /// True for a part of a datagram.
    fn is_fragment<F: Frame>(frame: &F, meta: &Meta<Self>) -> bool;

    /// Sets what tells the fragments of a datagram from those of others, in one of them.
    fn set_identification<F: Frame>(frame: &mut F, meta: &Meta<Self>, identification: u32);

    /// The datagrams whose fragments meet here.
    fn datagrams(flows: &mut Flows) -> &mut Datagrams<Self>;

    /// The header of a packet that may end anywhere behind it.
    fn read(packet: &[u8]) -> Option<Quote<Self>>;
}
