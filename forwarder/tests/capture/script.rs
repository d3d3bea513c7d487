//! Scripts of what comes in by itself.

use std::ops::Range;

use etherparse::{Icmpv4Type, icmpv4::DestUnreachableHeader};
use proptest::prelude::*;
use weir::wire::Mac;

use super::{Arms, BACKENDS, CLIENTS, LIPS};
use crate::rig::frames::{ip, spec};

/// What clients address: six services over TCP, five over UDP, and what is none.
const SERVED: [&str; 12] = [
    "192.0.2.100:80",
    "192.0.2.101:80",
    "192.0.2.102:80",
    "192.0.2.103:80",
    "192.0.2.104:80",
    "192.0.2.105:80",
    "192.0.2.100:53",
    "192.0.2.101:53",
    "192.0.2.102:53",
    "192.0.2.103:53",
    "192.0.2.105:53",
    "192.0.2.100:443",
];

/// Those of them over UDP.
const UDP: Range<usize> = 6..11;

/// Who is pinged.
const PINGED: [&str; 4] = ["192.0.2.2", "192.0.2.100", "10.1.0.1", "192.0.2.104"];

/// Whether a client may reach two services from the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// It may, and collide with itself at a backend that both share.
    Shared,
    /// It does not.
    OfTheService,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A client sends to a service.
    Client {
        client: usize,
        port: u16,
        service: usize,
        flags: &'static str,
        ttl: u8,
        octets: usize,
        fragmentable: bool,
        quirk: u8,
    },
    /// A backend sends to a client, or to what it takes for one, without being asked.
    Stray {
        backend: usize,
        client: usize,
        port: u16,
        tcp: bool,
        flags: &'static str,
    },
    /// A client says that an answer has not got through.
    Complaint {
        client: usize,
        port: u16,
        service: usize,
        octets: usize,
    },
    /// A client pings the director.
    Ping { client: usize, to: usize },
    /// A client and a host behind the director, neither of which is a service.
    Routed {
        outward: bool,
        client: usize,
        host: usize,
        ttl: u8,
    },
    /// Somebody asks who has an address.
    Arp { from: u8, target: usize },
    /// One of the above, with one octet changed.
    Bent { step: Box<Step>, at: usize, by: u8 },
    /// Anything.
    Garbage(Vec<u8>),
    /// Time passes.
    Pass { ms: u64 },
}

/// What happens, in order.
pub type Script = Vec<Step>;

const FLAGS: [&str; 13] = [
    "S", "S", "A", "PA", "PA", "FA", "F", "R", "RA", "SA", "SF", "", "P",
];

fn client() -> impl Strategy<Value = (usize, u16, usize)> {
    (0..CLIENTS.len(), 40_000_u16..40_003, 0..SERVED.len())
}

/// A segment or datagram of this flow.
fn segment(flow: (usize, u16, usize), flags: &'static str, quirk: u8) -> Step {
    let (client, port, service) = flow;
    Step::Client {
        client,
        port,
        service,
        flags,
        ttl: 64,
        octets: 8,
        fragmentable: false,
        quirk,
    }
}

/// A conversation as hosts have it, cut off somewhere, with pauses.
fn conversation() -> impl Strategy<Value = Script> {
    const SAID: [&str; 6] = ["S", "A", "PA", "PA", "FA", "A"];
    let quirk = prop_oneof![4 => Just(0_u8), 1 => 1..5_u8];
    (
        client(),
        quirk,
        1..=SAID.len(),
        proptest::option::of(500..150_000_u64),
    )
        .prop_map(|(flow, quirk, length, pause)| {
            let mut steps: Script = SAID[..length]
                .iter()
                .map(|flags| segment(flow, flags, quirk))
                .collect();
            if let Some(ms) = pause {
                steps.insert(length / 2, Step::Pass { ms });
            }
            steps
        })
}

fn odd() -> impl Strategy<Value = Step> {
    let flags = || proptest::sample::select(&FLAGS[..]);
    let size = prop_oneof![6 => 0..64_usize, 1 => 1420..1473_usize];
    let odd_client = (
        client(),
        flags(),
        prop_oneof![9 => 2..=255_u8, 1 => 0..2_u8],
        size,
    )
        .prop_flat_map(|((client, port, service), flags, ttl, octets)| {
            (any::<bool>(), 0..8_u8).prop_map(move |(fragmentable, quirk)| Step::Client {
                client,
                port,
                service,
                flags,
                ttl,
                octets,
                fragmentable,
                quirk,
            })
        });
    let ends = (0..BACKENDS.len(), 0..CLIENTS.len() + LIPS.len(), client());
    let stray =
        (ends, any::<bool>(), flags()).prop_map(|((backend, client, (_, port, _)), tcp, flags)| {
            Step::Stray {
                backend,
                client,
                port,
                tcp,
                flags,
            }
        });
    let complaint =
        (client(), 20..64_usize).prop_map(|((client, port, service), octets)| Step::Complaint {
            client,
            port,
            service,
            octets,
        });
    let whole = prop_oneof![
        6 => odd_client,
        3 => complaint,
        3 => stray,
        1 => (0..CLIENTS.len(), 0..PINGED.len()).prop_map(|(client, to)| Step::Ping { client, to }),
        2 => (any::<bool>(), 0..CLIENTS.len(), 0..BACKENDS.len(), 0..4_u8).prop_map(
            |(outward, client, host, ttl)| Step::Routed { outward, client, host, ttl }),
        1 => (any::<u8>(), 0..PINGED.len()).prop_map(|(from, target)| Step::Arp { from, target }),
    ];
    prop_oneof![
        12 => whole.clone(),
        2 => (whole, 0..64_usize, 1..=255_u8).prop_map(|(step, at, by)| Step::Bent {
            step: Box::new(step), at, by }),
        1 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Step::Garbage),
        1 => (1..200_000_u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// Conversations and odd things, side by side.
pub fn script() -> impl Strategy<Value = Script> {
    let conversations = proptest::collection::vec(conversation(), 0..12);
    let odds = proptest::collection::vec(odd(), 0..24);
    (conversations, odds, any::<u64>()).prop_map(|(conversations, odds, mut order)| {
        let mut lines: Vec<_> = conversations
            .into_iter()
            .chain([odds])
            .map(Script::into_iter)
            .collect();
        let mut script = Script::new();
        while !lines.is_empty() {
            order = order
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let line = usize::try_from(order >> 33).unwrap() % lines.len();
            match lines[line].next() {
                Some(step) => script.push(step),
                None => drop(lines.remove(line)),
            }
        }
        script
    })
}

/// True of what belongs to a FULLNAT service, or seems to.
pub fn is_full_nat(step: &Step) -> bool {
    match step {
        Step::Client { service, .. } | Step::Complaint { service, .. } => {
            SERVED[*service].starts_with("192.0.2.105:")
        }
        Step::Stray { client, .. } => *client >= CLIENTS.len(),
        Step::Bent { step, .. } => is_full_nat(step),
        _ => false,
    }
}

/// The frame of a step and the port it comes in on. None where nothing comes in.
pub fn frame(step: &Step, arms: Arms, ports: Ports) -> Option<(u8, Vec<u8>)> {
    let (wan, lan) = (0, arms.lan());
    Some(match *step {
        Step::Client { .. } => (wan, to_service(step, ports)?),
        Step::Stray {
            backend,
            client,
            port,
            tcp,
            flags,
        } => {
            let from = |port| format!("{}:{port}", BACKENDS[backend]);
            let to = match client.checked_sub(CLIENTS.len()) {
                None => format!("{}:{port}", CLIENTS[client]),
                // A port that no session can have.
                Some(lip) => format!("{}:{}", LIPS[lip], port % 1000),
            };
            if tcp {
                (lan, spec(lan, &from(8080), &to).tcp(flags))
            } else {
                (lan, spec(lan, &from(53), &to).udp())
            }
        }
        Step::Complaint { .. } => (wan, complaint(step, ports)?),
        Step::Ping { client, to } => {
            let [from, to] = [CLIENTS[client], PINGED[to]].map(|end| format!("{end}:0"));
            (wan, spec(wan, &from, &to).echo())
        }
        Step::Routed {
            outward,
            client,
            host,
            ttl,
        } => {
            let outside = format!("{}:99", CLIENTS[client]);
            let inside = |port| format!("{}:{port}", BACKENDS[host]);
            if outward {
                (lan, spec(lan, &inside(1234), &outside).ttl(ttl).udp())
            } else {
                (wan, spec(wan, &outside, &inside(8080)).ttl(ttl).tcp("PA"))
            }
        }
        Step::Arp { from, target } => (wan, arp(from, PINGED[target])),
        Step::Bent { ref step, at, by } => {
            let (port, mut frame) = frame(step, arms, ports)?;
            if let Some(octet) = frame.get_mut(at) {
                *octet ^= by;
            }
            (port, frame)
        }
        Step::Garbage(ref octets) => (wan, octets.clone()),
        Step::Pass { .. } => return None,
    })
}

fn to_service(step: &Step, ports: Ports) -> Option<Vec<u8>> {
    let Step::Client {
        client,
        port,
        service,
        flags,
        ttl,
        octets,
        fragmentable,
        quirk,
    } = *step
    else {
        return None;
    };
    let mut payload = vec![0; octets];
    payload.push(quirk);
    let spec = spec(0, &ports.client(client, port, service), SERVED[service])
        .ttl(ttl)
        .payload(&payload);
    let mut frame = if UDP.contains(&service) {
        spec.udp()
    } else {
        spec.tcp(flags)
    };
    if fragmentable {
        allow_fragments(&mut frame);
    }
    Some(frame)
}

/// About what the client might have got from the service.
fn complaint(step: &Step, ports: Ports) -> Option<Vec<u8>> {
    let Step::Complaint {
        client,
        port,
        service,
        octets,
    } = *step
    else {
        return None;
    };
    let client = ports.client(client, port, service);
    let answer = spec(0, SERVED[service], &client).ttl(60);
    let answer = if UDP.contains(&service) {
        answer.udp()
    } else {
        answer.tcp("PA")
    };
    let quoted = &answer[14..answer.len().min(14 + octets)];
    let unreachable = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Host);
    Some(
        spec(0, &client, SERVED[service])
            .payload(quoted)
            .icmp(unreachable),
    )
}

impl Ports {
    /// A client's end of a conversation with a service.
    fn client(self, client: usize, port: u16, service: usize) -> String {
        let port = match self {
            Self::Shared => port,
            Self::OfTheService => port + 100 * u16::try_from(service).unwrap(),
        };
        format!("{}:{port}", CLIENTS[client])
    }
}

/// Takes DF away.
pub fn allow_fragments(frame: &mut [u8]) {
    frame[20] &= !0x40;
    let sum = u32::from(u16::from_be_bytes([frame[24], frame[25]])) + 0x4000;
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    frame[24..26].copy_from_slice(&folded.to_be_bytes());
}

/// A host that nobody else talks to asks who has `target`.
fn arp(from: u8, target: &str) -> Vec<u8> {
    let host = host_mac(from);
    let mut frame = [
        &[0xff; 6][..],
        &host,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &host,
    ]
    .concat();
    frame.extend([192, 0, 2, 200 + from % 50]);
    frame.extend([0; 6]);
    frame.extend(ip(target).octets());
    frame
}

fn host_mac(host: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0xaa, host]
}

/// The host at `address` answers `to`, the director at `asker`.
pub fn arp_reply(address: [u8; 4], to: Mac, asker: [u8; 4]) -> Vec<u8> {
    let host = host_mac(address[3]);
    let mut frame = [&to.0[..], &host, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &host].concat();
    frame.extend(address);
    frame.extend(to.0);
    frame.extend(asker);
    frame
}
