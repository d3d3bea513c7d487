//! Frames made by an independent packet library.

use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
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
    pub payload: Vec<u8>,
}

/// From the MAC of a host to that of the rig's port `port`.
pub fn spec(port: u8, from: &str, to: &str) -> Spec {
    Spec {
        macs: [Mac([0x02, 0, 0, 0, 0xff, port]), super::mac(port)],
        from: at(from),
        to: at(to),
        ttl: 64,
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

    fn ip(&self) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2(self.macs[0].0, self.macs[1].0).ipv4(
            self.from.address.octets(),
            self.to.address.octets(),
            self.ttl,
        )
    }

    /// A TCP segment with these flags, written as in `"SA"`.
    pub fn tcp(&self, flags: &str) -> Vec<u8> {
        let mut tcp = self.ip().tcp(self.from.port, self.to.port, 1000, 4096);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'A' => tcp.ack(2000),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                'P' => tcp.psh(),
                _ => panic!("no such flag: {flag}"),
            };
        }
        let mut frame = Vec::new();
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
}
