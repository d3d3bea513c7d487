//! Frames made by an independent packet library.

use std::net::Ipv4Addr;

use etherparse::{
    Icmpv4Type, IpDscp, IpEcn, IpHeaders, Ipv4Extensions, Ipv4Header, PacketBuilder,
    PacketBuilderStep,
};
use weir::wire::{Endpoint, Mac};

/// Text to endpoint, as in `"192.0.2.1:80"`.
pub fn at(text: &str) -> Endpoint {
    let (address, port) = text.split_once(':').expect("address:port");
    Endpoint::new(address.parse().unwrap(), port.parse().unwrap())
}

/// Text to address.
pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// A frame to be made, with what most tests leave as it is.
#[derive(Clone, Debug)]
pub struct Spec {
    pub macs: [Mac; 2],
    pub from: Endpoint,
    pub to: Endpoint,
    pub ttl: u8,
    pub tos: u8,
    pub id: u16,
    pub dont_fragment: bool,
    /// Offset in units of 8 octets, and whether more fragments follow.
    pub fragment: (u16, bool),
    /// IPv4 options, a multiple of 4 octets.
    pub options: Vec<u8>,
    /// TCP options, a multiple of 4 octets.
    pub tcp_options: Vec<u8>,
    /// Sequence and acknowledgement number of a segment.
    pub numbers: [u32; 2],
    pub payload: Vec<u8>,
}

/// From the MAC of a host to that of the rig's port `port`.
pub fn spec(port: u8, from: &str, to: &str) -> Spec {
    Spec {
        macs: [Mac([0x02, 0, 0, 0, 0xff, port]), super::mac(port)],
        from: at(from),
        to: at(to),
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        fragment: (0, false),
        options: Vec::new(),
        tcp_options: Vec::new(),
        numbers: [1000, 2000],
        payload: b"payload".to_vec(),
    }
}

impl Spec {
    pub fn payload(self, payload: &[u8]) -> Self {
        Self {
            payload: payload.to_vec(),
            ..self
        }
    }

    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    pub fn macs(self, source: Mac, destination: Mac) -> Self {
        Self {
            macs: [source, destination],
            ..self
        }
    }

    pub fn from(self, from: &str) -> Self {
        let from = at(from);
        Self { from, ..self }
    }

    pub fn to(self, to: &str) -> Self {
        let to = at(to);
        Self { to, ..self }
    }

    /// As it leaves by a port to a neighbour: with other MACs and a TTL one lower.
    pub fn out(self, port: u8, neighbour: Mac) -> Self {
        let ttl = self.ttl - 1;
        self.macs(super::mac(port), neighbour).ttl(ttl)
    }

    pub fn tos(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// May be fragmented, and has this identification.
    pub fn may_fragment(self, id: u16) -> Self {
        Self {
            id,
            dont_fragment: false,
            ..self
        }
    }

    /// The fragment at so many octets.
    pub fn fragment(self, offset: u16, more: bool) -> Self {
        let fragment = (offset / 8, more);
        Self {
            fragment,
            ..self.may_fragment(0x0f0f)
        }
    }

    pub fn options(self, options: &[u8]) -> Self {
        Self {
            options: options.to_vec(),
            ..self
        }
    }

    pub fn tcp_options(self, options: &[u8]) -> Self {
        Self {
            tcp_options: options.to_vec(),
            ..self
        }
    }

    pub fn numbers(self, sequence: u32, acknowledgement: u32) -> Self {
        let numbers = [sequence, acknowledgement];
        Self { numbers, ..self }
    }

    fn ip(&self) -> PacketBuilderStep<IpHeaders> {
        let header = Ipv4Header {
            dscp: IpDscp::try_new(self.tos >> 2).unwrap(),
            ecn: IpEcn::try_new(self.tos & 3).unwrap(),
            identification: self.id,
            dont_fragment: self.dont_fragment,
            more_fragments: self.fragment.1,
            fragment_offset: self.fragment.0.try_into().unwrap(),
            time_to_live: self.ttl,
            source: self.from.address.octets(),
            destination: self.to.address.octets(),
            options: self.options.as_slice().try_into().unwrap(),
            ..Ipv4Header::default()
        };
        PacketBuilder::ethernet2(self.macs[0].0, self.macs[1].0)
            .ip(IpHeaders::Ipv4(header, Ipv4Extensions::default()))
    }

    /// A TCP segment with these flags, written as in `"SA"`.
    pub fn tcp(&self, flags: &str) -> Vec<u8> {
        let [sequence, acknowledgement] = self.numbers;
        let ports = (self.from.port, self.to.port);
        let mut tcp = self.ip().tcp(ports.0, ports.1, sequence, 4096);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'A' => tcp.ack(acknowledgement),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                'P' => tcp.psh(),
                _ => panic!("no such flag: {flag}"),
            };
        }
        let mut frame = Vec::new();
        let tcp = tcp.options_raw(&self.tcp_options).unwrap();
        tcp.write(&mut frame, &self.payload).unwrap();
        frame
    }

    /// A UDP datagram.
    pub fn udp(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .udp(self.from.port, self.to.port)
            .write(&mut frame, &self.payload)
            .unwrap();
        frame
    }

    /// An ICMP echo request.
    pub fn echo(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .icmpv4_echo_request(7, 1)
            .write(&mut frame, &self.payload)
            .unwrap();
        frame
    }

    /// An ICMP message of any type.
    pub fn icmp(&self, kind: Icmpv4Type) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .icmpv4(kind)
            .write(&mut frame, &self.payload)
            .unwrap();
        frame
    }

    /// A packet of any protocol, its payload as it is.
    pub fn protocol(&self, protocol: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        self.ip()
            .write(&mut frame, protocol.into(), &self.payload)
            .unwrap();
        frame
    }
}
