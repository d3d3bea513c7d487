use std::net::Ipv4Addr;

use zerocopy::IntoBytes;

use super::*;
use crate::{
    config::{Forward, GueChecksum, Tunnel},
    control::views::Fault,
    io::pcap::{Blocks, Packet, Way},
    wire::{Mac, Protocol, arp},
};

const DIRECTOR: Mac = Mac([2, 0, 0, 0, 0, 1]);
const DIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const RIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);

/// A backend as it is set up.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a mistake that can be made alone"
)]
#[derive(Clone, Copy)]
struct Server {
    up: bool,
    runs: bool,
    gateway: bool,
    has_vip: bool,
    listens_at_vip: bool,
    unwraps: bool,
    hides_vip: bool,
    mtu: usize,
}

const GOOD: Server = Server {
    up: true,
    runs: true,
    gateway: true,
    has_vip: true,
    listens_at_vip: true,
    unwraps: true,
    hides_vip: true,
    mtu: 1500,
};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 11]);

impl Server {
    /// What it sends for a frame of the director's.
    fn answer(self, frame: &[u8]) -> Option<Vec<u8>> {
        let (to, packet) = (&frame[..6], &frame[14..]);
        if !self.up {
            return None;
        }
        if frame[12..14] == [8, 6] {
            let asked = Ipv4Addr::from_octets(packet[24..28].try_into().unwrap());
            let has = asked == RIP || asked == VIP && self.has_vip && !self.hides_vip;
            return has.then(|| arp_reply(asked, MAC));
        }
        assert_eq!(to, MAC.0);
        assert!(packet.len() <= 1500);
        if packet.len() > self.mtu || !self.runs {
            return None;
        }
        if packet[9] == 4 {
            return if self.unwraps {
                self.answer(&[&frame[..14], &packet[20..]].concat())
            } else {
                Some(ip(
                    RIP,
                    DIP,
                    1,
                    &[&[3, 2, 0, 0, 0, 0, 0, 0], packet].concat(),
                ))
            };
        }
        let (from, at) = (address(packet, 12), address(packet, 16));
        if at == VIP && !self.has_vip || from != DIP && !self.gateway {
            return None;
        }
        let segment = &packet[20..];
        let answer = if packet[9] == 6 {
            let flags = if at == VIP && !self.listens_at_vip {
                0x14
            } else {
                0x12
            };
            let mut answer = [&segment[2..4], &segment[..2]].concat();
            answer.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0, 0, 0, 0, 0, 0]);
            answer
        } else {
            [&[0], &segment[1..]].concat()
        };
        Some(ip(at, from, packet[9], &answer))
    }
}

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::from_octets(packet[at..at + 4].try_into().unwrap())
}

fn arp_reply(address: Ipv4Addr, mac: Mac) -> Vec<u8> {
    let reply = arp::Header::new(arp::Operation::Reply, (mac, address), (DIRECTOR, DIP));
    [&DIRECTOR.0[..], &mac.0, &[8, 6], reply.as_bytes()].concat()
}

fn ip(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let octets = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let head = [
        0x45, 0, octets[0], octets[1], 0, 0, 0, 0, 64, protocol, 0, 0,
    ];
    let macs = [DIRECTOR.0, MAC.0].concat();
    [
        &macs[..],
        &[8, 0],
        &head,
        &from.octets(),
        &to.octets(),
        payload,
    ]
    .concat()
}

fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut blocks = Blocks::default();
    blocks.section("test");
    blocks.interface("lan", 65536);
    for frame in frames {
        blocks.packet(&Packet {
            interface: 0,
            time_ns: 0,
            octets: frame.len(),
            captured: frame,
            way: Way::In,
            comment: "",
        });
    }
    blocks.take()
}

/// One patient.
fn ward(forward: Forward, protocol: Protocol) -> Ward {
    let patient = Patient {
        service: "web".to_owned(),
        backend: "web1".to_owned(),
        forward,
        tunnel: Tunnel::Ipip,
        protocol,
        vip: VIP,
        vip_port: 80,
        rip: RIP,
        rip_port: 8080,
        port: PortIx(1),
        mac: DIRECTOR,
        dip: DIP,
        mtu: 1500,
        neighbour: RIP,
    };
    Ward {
        patients: vec![patient],
        links: vec![Link {
            port: PortIx(1),
            mac: DIRECTOR,
            addresses: vec!["10.1.0.1/24".parse().unwrap()],
        }],
        ..Ward::default()
    }
}

/// What is found of a server, with these frames besides.
fn found(server: Server, forward: Forward, protocol: Protocol, more: &[Vec<u8>]) -> Vec<Fault> {
    let ward = ward(forward, protocol);
    let mut heard = Hearing::default();
    let answers = |frames: Vec<Sent>| -> Vec<_> {
        let answers = frames.iter().map(|(_, frame)| server.answer(frame));
        answers.flatten().collect()
    };
    let known = [answers(ward.who_has()), more.to_vec()].concat();
    heard.listen(&capture(&known), &ward.patients).unwrap();
    let answers = answers(ward.questions(&heard));
    heard.listen(&capture(&answers), &ward.patients).unwrap();
    let examination = examination(&ward, &heard);
    assert_eq!(examination.backends, 1);
    examination.findings.iter().map(|one| one.fault).collect()
}

const ALL: [Forward; 4] = [Forward::Nat, Forward::Dr, Forward::Tun, Forward::FullNat];

#[test]
fn a_good_server_has_no_faults() {
    for forward in ALL {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            assert_eq!(
                found(GOOD, forward, protocol, &[]),
                [],
                "{forward:?} {protocol:?}"
            );
        }
    }
}

#[test]
fn what_was_begun_is_ended_by_a_reset_with_a_right_checksum() {
    let text = |frame: &[u8]| {
        let packet = &frame[14..];
        let packet = if packet[9] == 4 {
            &packet[20..]
        } else {
            packet
        };
        let pseudo = [&packet[12..20], &[0, 6, 0, 20], &packet[20..]].concat();
        assert!(crate::wire::checksum::verify(&pseudo));
        (
            u32::from_be_bytes(*packet[24..].first_chunk().unwrap()),
            packet[33],
        )
    };
    for (forward, asked) in ALL.into_iter().zip([2, 2, 2, 1]) {
        let mut ward = ward(forward, Protocol::Tcp);
        let mut heard = Hearing::default();
        let known = capture(&[arp_reply(RIP, MAC)]);
        heard.listen(&known, &ward.patients).unwrap();
        let frames = ward.farewells(&heard);
        assert_eq!(frames.len(), asked, "{forward:?}");
        for (_, frame) in frames {
            assert_eq!(text(&frame), (2, 4));
        }
        ward.patients[0].protocol = Protocol::Udp;
        assert_eq!(ward.farewells(&heard), []);
    }
}

#[test]
fn each_mistake_is_found_in_the_modes_that_it_harms_and_in_no_others() {
    let mistakes: [(Server, Fault, &[Forward]); 7] = [
        (Server { up: false, ..GOOD }, Fault::Unreachable, &ALL),
        (
            Server {
                runs: false,
                ..GOOD
            },
            Fault::Silent,
            &ALL,
        ),
        (
            Server {
                gateway: false,
                ..GOOD
            },
            Fault::Gateway,
            &[Forward::Nat],
        ),
        (
            Server {
                has_vip: false,
                ..GOOD
            },
            Fault::VipMissing,
            &[Forward::Dr],
        ),
        (
            Server {
                unwraps: false,
                ..GOOD
            },
            Fault::Tunnel,
            &[Forward::Tun],
        ),
        (
            Server {
                hides_vip: false,
                ..GOOD
            },
            Fault::AnswersArp,
            &[Forward::Dr, Forward::Tun],
        ),
        (Server { mtu: 1400, ..GOOD }, Fault::Mtu, &ALL),
    ];
    for (server, fault, harmed) in mistakes {
        for forward in ALL {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let mut expected = Vec::from_iter(harmed.contains(&forward).then_some(fault));
                if fault == Fault::VipMissing && forward == Forward::Tun {
                    expected = vec![Fault::Tunnel];
                }
                let found = found(server, forward, protocol, &[]);
                assert_eq!(found, expected, "{fault:?} {forward:?} {protocol:?}");
            }
        }
    }
}

#[test]
fn who_has_the_vip_but_no_server_there_is_told() {
    let closed = Server {
        listens_at_vip: false,
        ..GOOD
    };
    for forward in [Forward::Dr, Forward::Tun] {
        assert_eq!(
            found(closed, forward, Protocol::Tcp, &[]),
            [Fault::VipClosed]
        );
    }
}

#[test]
fn a_stranger_with_the_vip_is_found_and_the_director_is_none() {
    let stranger = arp_reply(VIP, Mac([2, 0, 0, 0, 0, 99]));
    let own = arp_reply(VIP, DIRECTOR);
    for forward in ALL {
        let found = |frames: &[Vec<u8>]| found(GOOD, forward, Protocol::Tcp, frames);
        assert_eq!(found(std::slice::from_ref(&own)), []);
        let twice = [stranger.clone(), own.clone(), stranger.clone()];
        assert_eq!(found(&twice), [Fault::VipElsewhere]);
    }
}

#[test]
fn questions_travel_in_the_tunnel_that_the_backend_has() {
    let vip = |ward: &Ward| {
        let mut heard = Hearing::default();
        let known = capture(&[arp_reply(RIP, MAC)]);
        heard.listen(&known, &ward.patients).unwrap();
        ward.questions(&heard)[1].1[14..].to_vec()
    };
    let inner = vip(&ward(Forward::Dr, Protocol::Tcp));
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: GueChecksum::Off,
    };
    for (tunnel, protocol, headers) in [
        (Tunnel::Ipip, 4, 20),
        (Tunnel::Gre { checksum: false }, 47, 24),
        (Tunnel::Gre { checksum: true }, 47, 28),
        (gue, 17, 32),
    ] {
        let mut ward = ward(Forward::Tun, Protocol::Tcp);
        ward.patients[0].tunnel = tunnel;
        let packet = vip(&ward);
        assert_eq!(packet[9], protocol);
        assert_eq!(packet[headers..], inner, "{tunnel:?}");
        if headers == 28 {
            assert!(crate::wire::checksum::verify(&packet[20..]));
        }
    }
}
