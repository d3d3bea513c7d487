//! What becomes of a frame.

use std::ops::ControlFlow;

use crate::{io::PortIx, snapshot::WorkerIx};

/// What becomes of a frame that does not go on to a transmit queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is turned into an answer to its sender.
    Answer(Answer),
    /// Nobody takes it: its sender is told, or it is dropped for this reason.
    Refuse(DropReason),
    /// It belongs to a session whose backend is told of the client.
    Introduce,
    /// Its session ends, and both ends of that are told.
    EndSession,
    /// Another worker owns its flow.
    HandOver(WorkerIx),
    /// It is a fragment whose flow is known now, and another worker's.
    PassOn(WorkerIx),
    /// It is a fragment, and waits for the first of its datagram.
    Wait,
    /// It is of IPv6: it goes its way among its like.
    OtherFamily,
    /// Another worker remembers its client, and tells which backend it has.
    Visit(WorkerIx),
    /// That worker tells it, as its flows note, to the flow's owner.
    Told(WorkerIx),
    /// It leaves in pieces, by the port that is known of it; all but that is done.
    Fragment {
        /// The most octets of each.
        mtu: u16,
    },
    /// The management thread gets it.
    Punt(Punt),
    /// It ends here.
    Drop(DropReason),
}

// Steps hand it on in one register.
const _: () = assert!(size_of::<ControlFlow<Verdict, PortIx>>() == 4);

impl<T> From<DropReason> for ControlFlow<Verdict, T> {
    fn from(reason: DropReason) -> Self {
        Self::Break(Verdict::Drop(reason))
    }
}

/// Messages that a worker makes of the packets that they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a ping of a DIP or VIP.
    EchoReply,
    /// The TTL has run out.
    TimeExceeded,
    /// No backend takes new flows, or nobody has the port.
    PortUnreachable,
    /// There is no route to the destination.
    NetworkUnreachable,
    /// The director does not speak the protocol.
    ProtocolUnreachable,
    /// TCP that belongs to no connection.
    Reset,
    /// Larger than the way out allows, and not to be fragmented.
    FragmentationNeeded {
        /// Octets that would have fitted.
        mtu: u16,
    },
    /// To a client, what a router has said of the tunnel that its packet was in.
    TunnelError {
        /// The next hop's MTU, where the message has one.
        mtu: u16,
    },
    /// No local port is left towards the backend.
    OutOfPorts,
    /// TCP of a session whose backend is gone.
    SessionReset,
}

impl Answer {
    /// How many kinds there are.
    pub const COUNT: usize = 10;

    /// Names by [`Answer::index`].
    pub const NAMES: [&str; Self::COUNT] = [
        "echo_reply",
        "time_exceeded",
        "port_unreachable",
        "fragmentation_needed",
        "tunnel_error",
        "protocol_unreachable",
        "reset",
        "network_unreachable",
        "out_of_ports",
        "session_reset",
    ];

    /// The place of the kind among all.
    pub fn index(self) -> usize {
        match self {
            Self::EchoReply => 0,
            Self::TimeExceeded => 1,
            Self::PortUnreachable => 2,
            Self::FragmentationNeeded { .. } => 3,
            Self::TunnelError { .. } => 4,
            Self::ProtocolUnreachable => 5,
            Self::Reset => 6,
            Self::NetworkUnreachable => 7,
            Self::OutOfPorts => 8,
            Self::SessionReset => 9,
        }
    }
}

/// Why the management thread gets a frame. Each class has a ring of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punt {
    /// It is ARP or neighbour discovery.
    Arp,
    /// It is complete but for the MAC of its next hop.
    Resolve,
    /// The kernel is to have it: it is for an address of a port that has a TAP.
    Host,
    /// It is VRRP.
    Vrrp,
}

impl Punt {
    /// How many classes there are.
    pub const COUNT: usize = 4;

    /// Names by [`Punt::index`].
    pub const NAMES: [&str; Self::COUNT] = ["arp", "resolve", "host", "vrrp"];

    /// The place of the class among all.
    pub fn index(self) -> usize {
        match self {
            Self::Arp => 0,
            Self::Resolve => 1,
            Self::Host => 2,
            Self::Vrrp => 3,
        }
    }
}

/// The layer at which a frame was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Ethernet and its tags.
    Link,
    /// IPv4 and IPv6.
    Network,
    /// TCP, UDP, ICMP.
    Transport,
    /// What the director serves.
    Service,
    /// What is remembered of flows.
    Session,
    /// The way out.
    Way,
    /// A bound that was reached.
    Limit,
}

impl Layer {
    /// The name as `show drops` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Network => "network",
            Self::Transport => "transport",
            Self::Service => "service",
            Self::Session => "session",
            Self::Way => "way",
            Self::Limit => "limit",
        }
    }
}

/// Makes the enum, and with it the list that counters and `show drops` follow.
macro_rules! drop_reasons {
    ($($variant:ident, $name:literal, $layer:ident, $text:literal;)+) => {
        /// Why a frame ended here. Every reason has a counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $text] $variant,)+
        }

        impl DropReason {
            /// All of them, in the order of the packet's way.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name of the counter.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Where on the packet's way.
            pub fn layer(self) -> Layer {
                match self { $(Self::$variant => Layer::$layer,)+ }
            }

            /// One line for people.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

drop_reasons! {
    FrameShort, "frame_short", Link, "shorter than its Ethernet header";
    NotForMac, "not_for_mac", Link,
        "addressed to another MAC, or to a group and neither ARP nor neighbour discovery";
    VlanDepth, "vlan_depth", Link, "more than one 802.1Q tag";
    EthertypeUnknown, "ethertype_unknown", Link,
        "neither IPv4 nor ARP, nor IPv6 where the port has it";
    HeadersSplit, "headers_split", Link, "headers reach beyond the first segment";
    Ipv4Short, "ipv4_short", Network, "shorter than its IPv4 header";
    Ipv4Version, "ipv4_version", Network, "IPv4 by its ethertype, but not by its version";
    Ipv4HeaderLength, "ipv4_header_length", Network, "IPv4 header length below 20";
    Ipv4TotalLength, "ipv4_total_length", Network,
        "IPv4 total length beyond the frame or below the header";
    Ipv4Checksum, "ipv4_checksum", Network, "wrong IPv4 header checksum";
    Ipv4Options, "ipv4_options", Network, "IPv4 options beyond their header, or a source route";
    Ipv6Short, "ipv6_short", Network, "shorter than its IPv6 header and the headers behind it";
    Ipv6Version, "ipv6_version", Network, "IPv6 by its ethertype, but not by its version";
    Ipv6PayloadLength, "ipv6_payload_length", Network,
        "IPv6 payload length beyond the frame";
    Ipv6Extensions, "ipv6_extensions", Network,
        "too many IPv6 extension headers, or a route that goes on from here";
    SourceInvalid, "source_invalid", Network, "from a multicast, broadcast, loopback or no address";
    SourceOwn, "source_own", Network, "from an address of this director: looped or forged";
    DestinationInvalid, "destination_invalid", Network,
        "to a multicast, broadcast, loopback or no address";
    Fragment, "fragment", Transport, "a fragment addressed to the director itself";
    FragmentMalformed, "fragment_malformed", Transport,
        "a fragment that no datagram can have, or a first one without its ports";
    FragmentOverlap, "fragment_overlap", Transport,
        "a fragment of what came already, or of a datagram in which two did not fit";
    FragmentUntold, "fragment_untold", Service,
        "a part of a datagram, to a service whose backends are told the client's address in each";
    Untold, "untold", Service,
        "of a client whose backend could not be told its address before";
    FragmentOrphaned, "fragment_orphaned", Session,
        "a fragment whose first did not come in time, or went nowhere";
    TcpMalformed, "tcp_malformed", Transport, "TCP header short or with a wrong data offset";
    UdpMalformed, "udp_malformed", Transport, "UDP header short or with a wrong length";
    IcmpMalformed, "icmp_malformed", Transport, "shorter than an ICMP header";
    IcmpChecksum, "icmp_checksum", Transport, "wrong ICMP checksum";
    ProtocolUnknown, "protocol_unknown", Service, "to the director, and neither TCP, UDP nor ICMP";
    IcmpUnhandled, "icmp_unhandled", Service,
        "ICMP to the director, neither an echo request nor an error";
    IcmpUnmatched, "icmp_unmatched", Session, "an ICMP error to the director, about no session";
    NoService, "no_service", Service, "to an address of the director, but to no service";
    OtherRefused, "other_refused", Service, "not for the director, and `other` is Drop";
    SourceDenied, "source_denied", Service, "from a client that the service's filter denies";
    Untranslatable, "untranslatable", Service,
        "from a host inside, and nothing that SNAT translates";
    SourceElsewhere, "source_elsewhere", Service,
        "from a host inside, by a port that does not lead to it: forged, or gone astray";
    NoSession, "no_session", Session, "TCP that belongs to no session and opens none";
    FlowTaken, "flow_taken", Session,
        "the client already reaches this backend from the same port, by another service";
    BackendGone, "backend_gone", Session,
        "of a session whose backend is down or removed, or whose client is denied by now";
    TableFull, "table_full", Session, "no room for a new session";
    NoRoute, "no_route", Way, "no route to the destination";
    TtlExpired, "ttl_expired", Way, "TTL run out, and no answer allowed";
    TooBig, "too_big", Way, "larger than the way out allows, and no answer allowed";
    NoHeadroom, "no_headroom", Way, "no room in the buffer for another header";
    NeighbourFailed, "neighbour_failed", Way,
        "the next hop does not answer ARP or neighbour discovery";
    RateLimited, "rate_limited", Limit,
        "a new session beyond the rate of its service or of the client's prefix";
    AnswerLimited, "answer_limited", Limit, "would be answered, but the rate is used up";
    HandOverFull, "hand_over_full", Limit, "the ring to the owner is full";
    PuntFull, "punt_full", Limit, "the ring to the management thread is full";
    FragmentsFull, "fragments_full", Limit, "a fragment, and no room to wait for others";
    PoolDry, "pool_dry", Limit, "no buffer left to fragment it into";
    TxFull, "tx_full", Limit, "the transmit queue, or the ring to it, is full";
}
