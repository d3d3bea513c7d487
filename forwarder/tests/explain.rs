//! The law: what `weir explain` says of a flow is what becomes of its next packet, and saying it
//! changes nothing.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod capture;
mod rig;

#[path = "explain/six.rs"]
mod six;
#[path = "explain/words.rs"]
mod words;

use std::{
    collections::BTreeMap,
    io::{Cursor, Seek},
    net::IpAddr,
};

use capture::{Arms, BACKENDS, CLIENTS, Ports, Step, answers, config, frame, script};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use rig::{
    Rig,
    frames::{at, spec},
    mac,
};
use weir::{
    config::Config,
    control::{
        Books,
        explain::{Flow, FlowOf, Scene, Unstarted, explain, owner},
        replay::{Inputs, Replay},
        views::{Explained, Explanation, Verdict},
    },
    io::{PortIx, pcap::Writer},
    path::{Inquiry, Recall, Recalled, Worker},
    wire::{Endpoint, Mac, Protocol},
};

const SCHEDULERS: [&str; 10] = [
    "rr",
    "wrr",
    "Maglev, maglev_slots: 251, hash_port: true",
    "Maglev, maglev_slots: 251, hash_port: true, balance_factor: 110",
    "wlc",
    "nq",
    "ovf",
    "lblcr",
    "random, draws: 3",
    "sh, fallback: true",
];

/// Addresses that no host has, or the director, or nobody.
const ODD: [&str; 17] = [
    "192.0.2.2",
    "10.1.0.1",
    "192.0.2.100",
    "192.0.2.101",
    "192.0.2.102",
    "192.0.2.103",
    "192.0.2.104",
    "192.0.2.105",
    "10.1.0.200",
    "10.1.0.201",
    "10.1.0.99",
    "10.1.0.255",
    "192.0.2.0",
    "0.0.0.0",
    "127.0.0.1",
    "224.0.0.1",
    "255.255.255.255",
];

fn flow() -> impl Strategy<Value = Flow> {
    let all = || {
        let hosts = CLIENTS.into_iter().chain(BACKENDS);
        select(hosts.chain(ODD).collect::<Vec<_>>())
    };
    let port = || select(vec![80_u16, 53, 8080, 443, 40_000, 40_001, 40_002]);
    let client = || (select(&CLIENTS[..]), 40_000_u16..40_003);
    let served = || (select(&ODD[2..8]), select(vec![80_u16, 53]));
    let backend = || (select(&BACKENDS[..]), select(vec![80_u16, 53, 8080]));
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp]);
    let ends = prop_oneof![
        6 => (client(), served()),
        4 => (backend(), client()),
        2 => ((all(), port()), (all(), port())),
    ];
    (protocol, ends).prop_map(|(protocol, (source, destination))| {
        Flow::Four(FlowOf {
            protocol,
            source: at(&format!("{}:{}", source.0, source.1)),
            destination: at(&format!("{}:{}", destination.0, destination.1)),
        })
    })
}

/// The packet that an explanation speaks of, made by another library.
fn packet(explained: &Explanation, port: u8) -> Vec<u8> {
    let Explanation {
        source,
        destination,
        ..
    } = explained;
    let spec = spec(port, &source.to_string(), &destination.to_string()).payload(b"");
    match &*explained.packet {
        "TCP SYN" => spec.tcp("S"),
        "TCP ACK" => spec.tcp("A"),
        _ => spec.udp(),
    }
}

/// What replay says of one frame that comes in alone.
fn replayed(config: &Config, port: u16, frame: &[u8]) -> Explained {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.write(1_700_000_000_000_000_000, frame).unwrap();
    let capture = Box::new(Cursor::new(writer.finish().unwrap()));
    let mut inputs = Inputs::default();
    inputs.add(PortIx(port), "in.pcap".into(), capture).unwrap();
    let mut replay = Replay::new(config, [], 0).unwrap();
    let mut told = tempfile::tempfile().unwrap();
    replay.explain(Box::new(told.try_clone().unwrap()));
    replay.run(&mut inputs).unwrap();
    told.rewind().unwrap();
    serde_json::from_reader(told).unwrap()
}

#[test]
fn a_configuration_is_explained_as_it_is_replayed() {
    let mut runner = TestRunner::deterministic();
    let mut ends = BTreeMap::<String, u32>::new();
    for (arms, workers) in [(Arms::Two, 1), (Arms::One, 3)] {
        for (scheduler, other) in SCHEDULERS
            .into_iter()
            .zip(["Route", "Drop"].into_iter().cycle())
        {
            // Half of the backends have to be asked for.
            let text = config(workers, arms, scheduler)
                .replace("(address: \"10.1.0.12\"", "(address: \"10.1.0.112\"")
                .replace("(address: \"10.1.0.14\"", "(address: \"10.1.0.114\"")
                .replacen("ports: [", &format!("other: {other}, ports: ["), 1);
            let parsed = Config::parse(&text, "test.ron").unwrap();
            let unstarted = Unstarted::new(&parsed).unwrap();
            for _ in 0..150 {
                let flow = flow().new_tree(&mut runner).unwrap().current();
                let said = explain(&flow, None, &unstarted.scene()).unwrap();
                assert_eq!(said, explain(&flow, None, &unstarted.scene()).unwrap());
                let port = said.port.strip_prefix('p').unwrap().parse().unwrap();
                let frame = packet(&said, port);
                let done = replayed(&parsed, port.into(), &frame);
                let what = format!("{flow} {said:#?} {done:#?}");
                assert_eq!(said.verdict, done.verdict, "{what}");
                assert_eq!(said.reason, done.reason, "{what}");
                assert_eq!(said.backend, done.backend, "{what}");
                assert_eq!(said.direction, done.direction, "{what}");
                assert_eq!(said.new_session, done.new_session, "{what}");
                if done.verdict == Verdict::Forward {
                    assert_eq!(said.changes, done.changes, "{what}");
                    assert_eq!(said.hop, done.hop, "{what}");
                }
                assert!(
                    done.service.is_none() || said.service == done.service,
                    "{what}"
                );
                // A question for the MAC is not the packet itself.
                let sent = done.sent.into_iter();
                let sent: Vec<_> = sent.filter(|sent| !sent.frame.contains("ARP")).collect();
                assert_eq!(said.sent, sent, "{flow}");
                *ends
                    .entry(format!("{:?} {:?}", said.verdict, said.reason))
                    .or_default() += 1;
            }
        }
    }
    let seen: Vec<&str> = ends.keys().map(String::as_str).collect();
    assert_eq!(
        seen,
        [
            "Answer Some(\"port_unreachable\")",
            "Answer Some(\"reset\")",
            "Drop Some(\"destination_invalid\")",
            "Drop Some(\"neighbour_not_on_link\")",
            "Drop Some(\"no_session\")",
            "Drop Some(\"other_refused\")",
            "Drop Some(\"source_invalid\")",
            "Drop Some(\"source_own\")",
            "Forward None",
            "Punt Some(\"resolve\")",
        ]
    );
}

/// A director that runs, and is asked.
struct Asked {
    rig: Rig,
    books: Books,
    arms: Arms,
}

impl Asked {
    fn new(workers: usize, arms: Arms, scheduler: &str) -> Self {
        Self::of(&config(workers, arms, scheduler), arms)
    }

    fn of(text: &str, arms: Arms) -> Self {
        let rig = Rig::new(text);
        let books = Books::new(rig.manager.roster(), Vec::new());
        Self { rig, books, arms }
    }

    /// Asks the owner, as the observer does, and explains.
    fn explain(&mut self, flow: &Flow) -> Explanation {
        let Self { rig, books, .. } = self;
        let snapshot = rig.manager.snapshot();
        let owner = owner(&snapshot, flow);
        let Flow::Four(four) = flow else {
            unreachable!("the rig's world is of IPv4")
        };
        let recall = owner.map(|owner| {
            let (source, destination) = (four.source, four.destination);
            let recall = Recall::new(source, destination, four.protocol, &snapshot.four.services);
            let recall = Recalled::Four(Box::new(recall));
            let inquiries = &rig.inquiries[owner.index()];
            inquiries.asked.push(Inquiry::Recall(recall)).unwrap();
            rig.workers[owner.index()].turn(rig.now);
            match inquiries.answered.pop() {
                Some(Inquiry::Recall(recall)) => recall,
                other => unreachable!("{other:?}"),
            }
        });
        let scene = Scene::new(&rig.manager, books, rig.now);
        explain(flow, recall.as_ref(), &scene).unwrap()
    }

    /// The flow of a session, or of the answers to it; none where there are no sessions.
    fn remembered(&self, pick: proptest::sample::Index) -> Option<Flow> {
        let tables = self.rig.workers.iter().map(Worker::sessions);
        let flows = tables.flat_map(|table| {
            table.page(0, table.capacity()).flat_map(|(_, session)| {
                let (client, protocol) = (session.client(), session.protocol());
                let seen = session.local().unwrap_or(client);
                [(client, session.vip()), (session.rip(), seen)].map(|(source, destination)| {
                    Flow::Four(FlowOf {
                        protocol,
                        source,
                        destination,
                    })
                })
            })
        });
        let flows: Vec<Flow> = flows.collect();
        (!flows.is_empty()).then(|| flows[pick.index(flows.len())])
    }

    /// Lets a step of a script happen, and the backends answer.
    fn play(&mut self, step: &Step) {
        if let Step::Pass { ms } = step {
            self.rig.pass_ms(*ms);
        }
        if let Some((port, frame)) = frame(step, self.arms, Ports::Shared) {
            self.feed(port, &frame);
        }
        self.rig.settle();
    }

    /// Lets a frame come in and the backends answer; what came out of the frame itself.
    fn feed(&mut self, port: u8, frame: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let sent = self.rig.exchange(port, frame);
        for answer in sent.iter().flat_map(|(_, frame)| answers(self.arms, frame)) {
            self.rig.exchange(self.arms.lan(), &answer);
        }
        sent
    }
}

#[test]
fn a_running_director_does_what_it_says_and_is_not_disturbed_by_saying_it() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::<String, u32>::new();
    for (workers, arms) in [(1, Arms::Two), (3, Arms::One)] {
        for scheduler in SCHEDULERS {
            let mut asked = Asked::new(workers, arms, scheduler);
            for _ in 0..6 {
                for step in script().new_tree(&mut runner).unwrap().current() {
                    asked.play(&step);
                    let (any, pick) = (flow(), any::<proptest::sample::Index>());
                    let drawn = (any, pick).new_tree(&mut runner).unwrap().current();
                    for flow in asked.remembered(drawn.1).into_iter().chain([drawn.0]) {
                        let what = hold(&mut asked, &flow);
                        *seen.entry(what).or_default() += 1;
                    }
                }
            }
        }
    }
    for what in [
        "new Forward None",
        "Forward Forward None",
        "Reverse Forward None",
        "over Forward None",
        "none Drop Some(\"flow_taken\")",
        "none Answer Some(\"port_unreachable\")",
        "none Answer Some(\"reset\")",
        "none Punt Some(\"resolve\")",
    ] {
        assert!(seen.contains_key(what), "no {what} in {seen:#?}");
    }
}

/// Asks twice, and holds the packet to it. What it was, in short.
fn hold(asked: &mut Asked, flow: &Flow) -> String {
    // What has expired is removed by whoever looks for it first.
    asked.rig.sweep();
    let before = asked.rig.counted();
    let said = asked.explain(flow);
    assert_eq!(said, asked.explain(flow), "asking moved something");
    assert_eq!(asked.rig.counted(), before, "asking was counted");

    let port: u8 = said.port.strip_prefix('p').unwrap().parse().unwrap();
    let frame = packet(&said, port);
    let (sent, moved) = asked.rig.moved(|rig| rig.exchange(port, &frame));
    let what = format!("{flow} {said:#?} {moved:?}");
    let mut counted = told(&moved, asked);
    if matches!(
        said.reason.as_deref(),
        Some("resolve" | "neighbour_not_on_link")
    ) {
        // It may be an answer that waits, or that cannot be delivered.
        counted.retain(|name| !name.starts_with("answer."));
    }
    assert_eq!(counters(&said), counted, "{what}");
    let sent: Vec<_> = sent
        .iter()
        .filter(|(_, out)| out[12..14] == [8, 0])
        .collect();
    assert_eq!(said.sent.len(), sent.len(), "{what}");
    for (said_sent, (port, out)) in said.sent.iter().zip(sent) {
        assert_eq!(said_sent.port, format!("p{port}"), "{what}");
        let hop = said.hop.as_ref().unwrap();
        assert_eq!(hop.port, said_sent.port, "{what}");
        let macs = format!("{} > {}", mac(*port), hop.mac.as_ref().unwrap());
        let leaves = format!("{} > {}", mac_at(out, 6), mac_at(out, 0));
        assert_eq!(leaves, macs, "{what}");
        if said.verdict == Verdict::Forward {
            assert_eq!(ends(out), changed(&said), "{what}");
        }
    }
    for answer in asked.rig.take_all() {
        drop(answer);
    }
    let kind = match (&said.session, said.new_session) {
        (Some(_), true) => "over".to_owned(),
        (Some(_), false) if said.packet == "TCP SYN" => "over, none".to_owned(),
        (None, true) => "new".to_owned(),
        (Some(_), false) => format!("{:?}", said.direction.unwrap()),
        (None, false) => "none".to_owned(),
    };
    format!("{kind} {:?} {:?}", said.verdict, said.reason)
}

fn mac_at(frame: &[u8], offset: usize) -> Mac {
    Mac(frame[offset..offset + 6].try_into().unwrap())
}

/// What an explanation says that would be counted: sessions begun, packets of the backend, what
/// ended it.
fn counters(said: &Explanation) -> Vec<String> {
    let mut names = Vec::new();
    if let (Some(service), Some(backend)) = (&said.service, &said.backend) {
        let direction = format!("{:?}", said.direction.unwrap()).to_lowercase();
        names.push(format!("{service}/{backend}.{direction}"));
        if said.new_session {
            names.push(format!("{service}/{backend}.connections"));
        }
    }
    let reason = said.reason.as_deref().unwrap_or_default();
    match said.verdict {
        Verdict::Drop if reason == "neighbour_not_on_link" => {
            names.push("punt.resolve".into());
        }
        Verdict::Drop => names.push(format!("drop.{reason}")),
        Verdict::Answer => names.push(format!("answer.{reason}")),
        Verdict::Punt => names.push(format!("punt.{reason}")),
        Verdict::Forward | Verdict::Wait | Verdict::LeftOut => {}
    }
    names.sort();
    names
}

/// What was counted, in the same words.
fn told(moved: &[(String, u64)], asked: &Asked) -> Vec<String> {
    let backends = asked.backends();
    let mut names: Vec<String> = moved
        .iter()
        .filter_map(|(name, _)| match name.split_once('.')? {
            ("drop" | "answer" | "punt", _) => Some(name.clone()),
            (place, what) => {
                let ix: usize = place.strip_prefix("backend")?.parse().ok()?;
                Some(format!("{}.{what}", backends[ix]))
            }
        })
        .collect();
    names.sort();
    names
}

impl Asked {
    /// `SERVICE/BACKEND` by the number of the backend.
    fn backends(&self) -> Vec<String> {
        let services = self.books.services().into_iter();
        services
            .flat_map(|service| {
                let name = service.name;
                let backends = service.backends.into_iter();
                backends.map(move |backend| format!("{name}/{}", backend.name))
            })
            .collect()
    }
}

/// Source, destination and TTL of a frame that was sent, and the addresses of its tunnel.
type Ends = (Endpoint, Endpoint, u8, Option<String>);

fn ends(frame: &[u8]) -> Ends {
    let tunnel = (frame[23] == 4).then(|| {
        let outer = SlicedPacket::from_ethernet(frame).unwrap();
        let Some(NetSlice::Ipv4(ip)) = outer.net else {
            unreachable!("it says that it is IPv4")
        };
        let header = ip.header();
        format!("{} > {}", header.source_addr(), header.destination_addr())
    });
    let packet = &frame[if tunnel.is_some() { 34 } else { 14 }..];
    let read = SlicedPacket::from_ip(packet).unwrap();
    let Some(NetSlice::Ipv4(ip)) = read.net else {
        unreachable!("it says that it is IPv4")
    };
    let (source, destination) = match read.transport.unwrap() {
        TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port()),
        other => unreachable!("{other:?}"),
    };
    let header = ip.header();
    (
        Endpoint::new(header.source_addr(), source),
        Endpoint::new(header.destination_addr(), destination),
        header.ttl(),
        tunnel,
    )
}

/// The same of the packet that was explained, with the changes done to it.
fn changed(said: &Explanation) -> Ends {
    let to = |field: &str| {
        let mut changes = said.changes.iter();
        changes
            .find(|change| change.field == field)
            .map(|change| change.to.clone())
    };
    let end = |field: &str, was: String| at(&to(field).unwrap_or(was));
    (
        end("source", said.source.to_string()),
        end("destination", said.destination.to_string()),
        to("ttl").unwrap().parse().unwrap(),
        to("tunnel"),
    )
}

/// The line of a step; none where the packet does not get there.
fn line(said: &Explanation, step: &str) -> Option<String> {
    let found = said.steps.iter().find(|one| one.step == step);
    found.map(|one| one.text.clone())
}
