//! What the steps need to know of a family of addresses.

use super::{
    Answer, Bench, DropReason, Meta, Rewrite, Step, Transport, Verdict, flows::Flows,
    related::Quote,
};
use crate::{
    io::Frame,
    session::{FlowKey, Table, Templates},
    snapshot::{Ip, Snapshot},
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

    /// What tells the datagram of a fragment from others, if services may have to do with it.
    fn datagram(meta: &Meta<Self>, head: &[u8], snapshot: &Snapshot) -> Option<FlowKey>;

    /// Makes a fragment a packet of its flow, where that is known.
    fn join<F: Frame>(frame: &F, meta: &mut Meta<Self>, bench: &mut Bench<'_>) -> Step;

    /// True for a fragment whose receiver sees one address in place of many.
    fn is_to_be_told_apart<F: Frame>(
        frame: &F,
        meta: &Meta<Self>,
        rewrite: &Rewrite<Self>,
        snapshot: &Snapshot,
    ) -> bool;

    /// Tells the fragments of a session's datagram from those of others behind that address.
    fn tell_apart<F: Frame>(frame: &mut F, meta: &Meta<Self>, rewrite: &Rewrite<Self>);

    /// A key of IPv4.
    fn four(key: FlowKey<Self>) -> Option<FlowKey>;

    /// The header of a packet that may end anywhere behind it.
    fn read(packet: &[u8]) -> Option<Quote<Self>>;
}
