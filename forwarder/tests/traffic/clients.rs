//! What arrives at the director undamaged: flows to its services, and all else that is on a wire.

use std::net::Ipv4Addr;

use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, PacketBuilder, icmpv4};
use weir::wire::Endpoint;

use super::{
    Rng, hosts,
    packet::{self, LINK, TCP, UDP, set_address, set_word},
    site,
};
use crate::rig;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The wire of the clients and that of the backends, as the rig numbers its ports.
pub const WAN: u8 = 0;
pub const LAN: u8 = 1;

/// A flow of some client.
#[derive(Clone, Copy, Debug)]
struct Flow {
    client: Endpoint,
    service: usize,
    is_open: bool,
}

/// Frames made once, of which all others are copies with other fields.
#[derive(Debug)]
struct Templates {
    tcp: Vec<u8>,
    udp: Vec<u8>,
    echo: Vec<u8>,
    unreachable: Vec<u8>,
    arp: Vec<u8>,
}

impl Templates {
    fn new() -> Self {
        let ip = || PacketBuilder::ethernet2([2; 6], [2; 6]).ipv4([1; 4], [1; 4], 64);
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut frame = Vec::new();
            write(&mut frame);
            frame
        };
        let no_port = icmpv4::DestUnreachableHeader::Port;
        let arp = ArpPacket::new(
            ArpHardwareId::ETHERNET,
            EtherType::IPV4,
            ArpOperation::REQUEST,
            &[2; 6],
            &[1; 4],
            &[0; 6],
            &[1; 4],
        );
        let arp = arp.unwrap();
        let tcp = written(&|frame| ip().tcp(1, 1, 1000, 4096).write(frame, &[]).unwrap());
        Self {
            udp: written(&|frame| ip().udp(1, 1).write(frame, &[]).unwrap()),
            echo: written(&|frame| ip().icmpv4_echo_request(7, 1).write(frame, &[]).unwrap()),
            unreachable: written(&|frame| {
                let error = etherparse::Icmpv4Type::DestinationUnreachable(no_port.clone());
                let quoted = &tcp[LINK..];
                ip().icmpv4(error).write(frame, quoted).unwrap();
            }),
            arp: written(&|frame| {
                let link = PacketBuilder::ethernet2([2; 6], [0xff; 6]);
                link.arp(arp.clone()).write(frame).unwrap();
            }),
            tcp,
        }
    }
}

/// Everybody who sends to the director.
#[derive(Debug)]
pub struct Clients {
    templates: Templates,
    noise: Vec<u8>,
    flows: Vec<Flow>,
    identification: u16,
}

impl Clients {
    /// Clients with so many flows that go on at the same time.
    pub fn new(flows: usize, rng: &mut Rng) -> Self {
        Self {
            templates: Templates::new(),
            noise: (0..8192).map(|_| rng.octet()).collect(),
            flows: (0..flows).map(|_| begin(rng)).collect(),
            identification: 0,
        }
    }

    /// Numbers packets in a row, so that they are known again when they come out.
    pub fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// Lets most flows begin anew, as they do after a pause in which their sessions end.
    pub fn pause(&mut self, rng: &mut Rng) {
        for flow in &mut self.flows {
            flow.is_open &= rng.one_in(8);
        }
    }

    /// Makes a frame in `frame`; returns the port at which it arrives.
    pub fn make(&mut self, frame: &mut Vec<u8>, rng: &mut Rng) -> u8 {
        frame.clear();
        let own = rng.pick(&site::OWN);
        let mut port = rng.pick(&[WAN, WAN, WAN, LAN]);
        let from = Endpoint::new(host(port, rng), rng.word());
        let to = |address, rng: &mut Rng| Endpoint::new(address, rng.word());
        let protocol = rng.pick(&[TCP, UDP]);
        match rng.below(100) {
            0..72 => {
                port = WAN;
                self.go_on(frame, rng);
            }
            72..77 => {
                let to = if rng.one_in(4) { stranger(rng) } else { own };
                self.make_echo(frame, from.address, to, rng);
            }
            77..81 => self.make_error(frame, from.address, own, rng),
            81..87 => return self.make_arp(frame, port, rng),
            87..92 => self.make_flow(frame, protocol, (from, to(stranger(rng), rng)), rng),
            92..95 => self.make_flow(frame, protocol, (from, to(own, rng)), rng),
            95..98 => {
                self.make_echo(frame, from.address, own, rng);
                frame[LINK + 9] = rng.pick(&[2, 4, 47, 50, 112, 132]);
                finish(frame);
            }
            _ => frame.extend((0..rng.below(200)).map(|_| rng.octet())),
        }
        if let Some(destination) = frame.first_chunk_mut() {
            *destination = rig::mac(port).0;
        }
        port
    }

    /// The next segment or datagram of some flow, which may be the first of another.
    fn go_on(&mut self, frame: &mut Vec<u8>, rng: &mut Rng) {
        let ix = rng.below(self.flows.len());
        let mut flow = self.flows[ix];
        let choice = rng.below(32);
        match choice {
            0 => flow = begin(rng),
            // The same client and port, by another service: perhaps to the same backend.
            1 if flow.service < 2 => {
                flow.service = 1 - flow.service;
                flow.is_open = false;
            }
            _ => {}
        }
        let flags = match choice {
            _ if !flow.is_open => SYN,
            2 => SYN,
            3 | 4 => FIN | ACK,
            5 => rng.pick(&[RST, RST | ACK]),
            6 => rng.octet(),
            _ => ACK | rng.pick(&[0, PSH]),
        };
        flow.is_open = flags & (FIN | RST) == 0 || rng.one_in(2);
        self.flows[ix] = flow;
        let (vip, protocol) = site::SERVICES[flow.service];
        self.make_flow(frame, protocol, (flow.client, vip), rng);
        if protocol == TCP {
            frame[LINK + 20 + 13] = flags;
        }
        finish(frame);
    }

    fn make_flow(
        &mut self,
        frame: &mut Vec<u8>,
        protocol: u8,
        (from, to): (Endpoint, Endpoint),
        rng: &mut Rng,
    ) {
        let is_tcp = protocol == TCP;
        let template = if is_tcp {
            &self.templates.tcp
        } else {
            &self.templates.udp
        };
        frame.extend_from_slice(template);
        self.append_payload(frame, rng);
        let place = packet::place(frame).unwrap();
        place.set_ends(frame, from, to);
        finish(frame);
    }

    fn make_echo(&mut self, frame: &mut Vec<u8>, from: Ipv4Addr, to: Ipv4Addr, rng: &mut Rng) {
        frame.extend_from_slice(&self.templates.echo);
        self.append_payload(frame, rng);
        self.address(frame, from, to);
    }

    /// An error about a packet that a service has sent, or would have.
    fn make_error(&mut self, frame: &mut Vec<u8>, from: Ipv4Addr, to: Ipv4Addr, rng: &mut Rng) {
        frame.extend_from_slice(&self.templates.unreachable);
        let quoted = packet::place_at(frame, LINK + 28).unwrap();
        let (vip, _) = rng.pick(&site::SERVICES);
        let flow = self.flows[rng.below(self.flows.len())];
        quoted.set_ends(frame, vip, flow.client);
        quoted.fix_header(frame);
        frame[LINK + 20] = rng.pick(&[3, 4, 5, 11, 12]);
        frame[LINK + 21] = rng.pick(&[0, 1, 3, 4]);
        let to = if rng.one_in(3) { stranger(rng) } else { to };
        self.address(frame, from, to);
    }

    fn make_arp(&mut self, frame: &mut Vec<u8>, port: u8, rng: &mut Rng) -> u8 {
        frame.extend_from_slice(&self.templates.arp);
        let from = host(port, rng);
        let to = match rng.below(4) {
            0 => from,
            1 => host(port, rng),
            _ => rng.pick(&site::OWN),
        };
        frame[6..12].copy_from_slice(&hosts::mac_of(from));
        frame[LINK + 7] = rng.pick(&[1, 1, 1, 2, 2, 0, 3]);
        frame[LINK + 8..LINK + 14].copy_from_slice(&hosts::mac_of(from));
        set_address(frame, LINK + 14, from);
        set_address(frame, LINK + 24, to);
        port
    }

    fn append_payload(&mut self, frame: &mut Vec<u8>, rng: &mut Rng) {
        let octets = match rng.below(32) {
            0 => rng.below(1600),
            1 => rng.below(3000),
            2..16 => 0,
            _ => rng.below(96),
        };
        let from = rng.below(self.noise.len() - octets);
        frame.extend_from_slice(&self.noise[from..from + octets]);
        let total = u16::try_from(frame.len() - LINK).unwrap();
        set_word(frame, LINK + 2, total);
        if frame[LINK + 9] == UDP {
            set_word(frame, LINK + 24, total - 20);
        }
        let dont_fragment = u16::from(!rng.one_in(3)) << 14;
        set_word(frame, LINK + 6, dont_fragment);
        frame[LINK + 1] = if rng.one_in(8) { rng.octet() } else { 0 };
        let identification = self.next_identification();
        set_word(frame, LINK + 4, identification);
    }

    fn address(&mut self, frame: &mut [u8], from: Ipv4Addr, to: Ipv4Addr) {
        set_address(frame, LINK + 12, from);
        set_address(frame, LINK + 16, to);
        let identification = self.next_identification();
        set_word(frame, LINK + 4, identification);
        finish(frame);
    }
}

fn finish(frame: &mut [u8]) {
    packet::place(frame).unwrap().fix(frame);
}

fn begin(rng: &mut Rng) -> Flow {
    let any = rng.below(site::SERVICES.len());
    let service = rng.pick(&[0, 0, 0, 1, 1, 2, 2, 3, 5, any, any]);
    Flow {
        client: Endpoint::new(client(rng), rng.word() | 0x400),
        service,
        is_open: false,
    }
}

/// Most come by the gateway, some are on the link.
fn client(rng: &mut Rng) -> Ipv4Addr {
    if rng.one_in(8) {
        Ipv4Addr::new(192, 0, 2, 16 + (rng.octet() & 0x3f))
    } else {
        Ipv4Addr::new(198, 51, 100, rng.octet())
    }
}

/// Somebody behind a port.
fn host(port: u8, rng: &mut Rng) -> Ipv4Addr {
    match port {
        WAN => client(rng),
        _ if rng.one_in(4) => rng.pick(&site::NAT_BACKENDS).address,
        _ => Ipv4Addr::new(10, 1, 0, 10 + (rng.octet() & 0x1f)),
    }
}

/// Somebody who is not the director, where there is a route or not.
fn stranger(rng: &mut Rng) -> Ipv4Addr {
    match rng.below(8) {
        0 => Ipv4Addr::new(203, 0, 113, rng.octet()),
        1 => Ipv4Addr::new(10, 2, rng.octet(), rng.octet()),
        2 => site::DEAD,
        n => host(u8::try_from(n & 1).unwrap(), rng),
    }
}
