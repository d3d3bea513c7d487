//! The built program on captures: what goes in, what comes out, what is counted.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Output},
};

use rig::{
    frames::{Spec, ip, spec},
    mac,
};
use serde_json::Value;
use tempfile::TempDir;
use weir::{
    io::pcap::{Reader, Writer},
    wire::{Mac, arp, ethernet},
};

const MS: u64 = 1_000_000;
const BEGIN: u64 = 1_700_000_000_000 * MS;

/// A NAT service on two ports, with these workers, this scheduler and these neighbours.
fn config(workers: &str, scheduler: &str, neighbours: &str) -> String {
    format!(
        r#"(
    dpdk: (workers: {workers}, main_core: 0),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    neighbours: [{neighbours}],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            scheduler: {scheduler},
            backends: [
                (name: "web1", address: "10.1.0.11:8080"),
                (name: "web2", address: "10.1.0.12:8080"),
            ],
        ),
    ],
)"#
    )
}

const KNOWN: &str = r#"
    (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
    (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
    (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
"#;

/// A frame at so many nanoseconds after the beginning.
type Timed = (u64, Vec<u8>);

/// A directory with captures and what `weir replay` makes of them.
struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new(config: &str, inputs: &[(&str, &[Timed])]) -> Self {
        let bench = Self {
            directory: TempDir::new().unwrap(),
        };
        fs::write(bench.path("weir.ron"), config).unwrap();
        for (name, frames) in inputs {
            let file = File::create(bench.path(&format!("{name}.pcap"))).unwrap();
            let mut writer = Writer::new(file).unwrap();
            for (time, frame) in *frames {
                writer.write(BEGIN + time, frame).unwrap();
            }
            writer.finish().unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn weir(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .current_dir(self.directory.path())
            .args(["replay", "--config", "weir.ron"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Replays wan.pcap and lan.pcap; everything that comes out has the suffix.
    fn replay(&self, suffix: &str) -> Value {
        let [wan, lan] = ["wan", "lan"].map(|port| format!("{port}={port}{suffix}.pcap"));
        let [stats, explain] = ["stats", "explain"].map(|name| format!("{name}{suffix}.json"));
        let ran = self.weir(&[
            "--in",
            "wan=wan.pcap",
            "lan=lan.pcap",
            "--out",
            &wan,
            &lan,
            "--stats",
            &stats,
            "--explain",
            &explain,
        ]);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        serde_json::from_slice(&fs::read(self.path(&stats)).unwrap()).unwrap()
    }

    /// The frames in a capture: those that are ARP, and the others.
    fn written(&self, name: &str) -> (Vec<Timed>, Vec<Timed>) {
        let mut reader = Reader::new(File::open(self.path(name)).unwrap()).unwrap();
        let (mut frames, mut frame) = (Vec::new(), Vec::new());
        while let Some(captured) = reader.next_frame(&mut frame).unwrap() {
            frames.push((captured.time_ns - BEGIN, frame.clone()));
        }
        frames
            .into_iter()
            .partition(|(_, frame)| frame[12..14] == [0x08, 0x06])
    }

    fn refusal(&self, arguments: &[&str]) -> String {
        let ran = self.weir(arguments);
        assert_eq!(ran.status.code(), Some(1));
        String::from_utf8(ran.stderr).unwrap()
    }
}

/// What `spec` is once it has left by a port towards this MAC.
fn out(port: u8, next_hop: u8, spec: Spec) -> Spec {
    spec.macs(mac(port), Mac([2, 0, 0, 0, 0, next_hop])).ttl(63)
}

/// A connection that opens, and a segment of none.
fn connection() -> [Vec<Timed>; 2] {
    let (client, vip, rip) = ("192.0.2.9:31337", "192.0.2.100:80", "10.1.0.12:8080");
    [
        vec![
            (0, spec(0, client, vip).tcp("S")),
            (2 * MS, spec(0, client, vip).tcp("A")),
            (3 * MS + 7, spec(0, "192.0.2.9:4", vip).tcp("R")),
        ],
        vec![(MS, spec(1, rip, client).tcp("SA"))],
    ]
}

#[test]
fn nat_goes_both_ways_at_the_times_of_the_captures() {
    let [wan, lan] = connection();
    let bench = Bench::new(&config("[1]", "rr", KNOWN), &[("wan", &wan), ("lan", &lan)]);
    let stats = bench.replay("-out");
    let (client, vip, rip) = ("192.0.2.9:31337", "192.0.2.100:80", "10.1.0.12:8080");
    let towards = |flags| out(1, 0xb2, spec(0, client, rip)).tcp(flags);
    assert_eq!(
        bench.written("lan-out.pcap").1,
        [(0, towards("S")), (2 * MS, towards("A"))]
    );
    let back = out(0, 0xc9, spec(1, vip, client)).tcp("SA");
    assert_eq!(bench.written("wan-out.pcap").1, [(MS, back)]);

    assert_eq!(stats["virtual_ns"], 3 * MS + 7);
    let service = &stats["services"][0];
    assert_eq!(service["connections"], 1);
    assert_eq!(service["in_packets"], 2);
    assert_eq!(service["out_packets"], 1);
    assert_eq!(service["backends"][1]["active"], 1);
    let sessions = stats["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["state"], "ESTABLISHED");
    assert_eq!(sessions[0]["client"], client);
    let drops = stats["drops"].as_array().unwrap();
    let dropped = drops.iter().filter(|drop| drop["packets"] != 0);
    let dropped: Vec<_> = dropped
        .map(|drop| (&drop["reason"], &drop["packets"]))
        .collect();
    assert_eq!(dropped, [(&"no_session".into(), &1.into())]);
    assert_eq!(stats["ports"][0]["rx_frames"], 3);
    assert_eq!(stats["ports"][0]["mac"], mac(0).to_string());
}

#[test]
fn every_frame_is_explained() {
    let [mut wan, lan] = connection();
    wan.push((4 * MS, spec(0, "192.0.2.9:1", "192.0.2.2:1").echo()));
    let bench = Bench::new(&config("[1]", "rr", KNOWN), &[("wan", &wan), ("lan", &lan)]);
    bench.replay("-out");
    let explained = fs::read_to_string(bench.path("explain-out.json")).unwrap();
    let lines: Vec<Value> = explained
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |key: &str| -> Vec<Value> { lines.iter().map(|line| line[key].clone()).collect() };
    assert_eq!(told("number"), [1, 1, 2, 3, 4]);
    assert_eq!(told("port"), ["wan", "lan", "wan", "wan", "wan"]);
    assert_eq!(told("new_session"), [true, false, false, false, false]);
    assert_eq!(
        told("verdict"),
        ["forward", "forward", "forward", "drop", "answer"]
    );
    let none = Value::Null;
    let web2: Value = "web2".into();
    assert_eq!(
        told("backend"),
        [web2.clone(), web2.clone(), web2, none.clone(), none.clone()]
    );
    assert_eq!(told("direction")[..2], ["forward", "reverse"]);
    assert_eq!(
        told("reason"),
        [
            none.clone(),
            none.clone(),
            none,
            "no_session".into(),
            "echo_reply".into()
        ]
    );
    assert_eq!(lines[1]["sent"][0]["port"], "wan");
    assert_eq!(
        lines[1]["sent"][0]["frame"],
        "02:00:00:00:00:00 > 02:00:00:00:00:c9, \
         IP 192.0.2.100:80 > 192.0.2.9:31337, ttl 63, TCP SYN ACK, 61 octets"
    );
    assert_eq!(lines[3]["sent"], Value::Array(Vec::new()));
    let states = lines.iter().map(|line| &line["session"]["state"]);
    assert_eq!(
        states.collect::<Vec<_>>(),
        ["SYN_RECV", "SYN_RECV", "ESTABLISHED"]
            .map(Value::from)
            .iter()
            .chain([&Value::Null; 2])
            .collect::<Vec<_>>()
    );
    let neighbours = lines.iter().map(|line| &line["hop"]["neighbour"]);
    assert_eq!(
        neighbours.collect::<Vec<_>>(),
        [
            &"10.1.0.12".into(),
            &"192.0.2.9".into(),
            &"10.1.0.12".into(),
            &Value::Null,
            &Value::from("192.0.2.9")
        ]
    );
    assert_eq!(
        lines[1]["changes"],
        serde_json::json!([
            {"field": "source", "from": "10.1.0.12:8080", "to": "192.0.2.100:80"},
            {"field": "ttl", "from": "64", "to": "63"},
        ])
    );
    assert_eq!(lines[4]["changes"], Value::Array(Vec::new()));
}

/// Clients that each open a connection and are answered by the backend that was chosen.
fn crowd(backend: impl Fn(u16) -> &'static str) -> [Vec<Timed>; 2] {
    let client = |number: u16| format!("192.0.2.9:{}", 2000 + number);
    let all = || (0..200_u16).map(|number| (u64::from(number) * 1000, number));
    [
        all()
            .map(|(time, n)| (time, spec(0, &client(n), "192.0.2.100:80").tcp("S")))
            .collect(),
        all()
            .map(|(time, n)| (MS + time, spec(1, backend(n), &client(n)).tcp("SA")))
            .collect(),
    ]
}

#[test]
fn the_same_input_gives_the_same_octets_whoever_owns_the_sessions() {
    let [wan, _] = crowd(|_| "10.1.0.11:8080");
    let one = config("[1]", "Maglev, hash_port: true", KNOWN);
    // Which backend answers a client is known from a first replay.
    let first = Bench::new(&one, &[("wan", &wan), ("lan", &[])]);
    first.replay("-out");
    let chosen: Vec<bool> = first
        .written("lan-out.pcap")
        .1
        .iter()
        .map(|(_, frame)| frame[33] == 11)
        .collect();
    assert!(chosen.contains(&true) && chosen.contains(&false));
    let [wan, lan] = crowd(|number| {
        if chosen[usize::from(number)] {
            "10.1.0.11:8080"
        } else {
            "10.1.0.12:8080"
        }
    });
    let inputs: [(&str, &[Timed]); 2] = [("wan", &wan), ("lan", &lan)];
    let alone = Bench::new(&one, &inputs);
    alone.replay("-1");
    alone.replay("-2");
    assert_eq!(alone.written("wan-1.pcap").1.len(), 200);
    let octets = |bench: &Bench, name: &str| fs::read(bench.path(name)).unwrap();
    for name in ["wan-1.pcap", "lan-1.pcap", "stats-1.json", "explain-1.json"] {
        let again = name.replace("-1", "-2");
        assert!(
            octets(&alone, name) == octets(&alone, &again),
            "{name} differs"
        );
    }
    let three = config("[1, 2, 3]", "Maglev, hash_port: true", KNOWN);
    let shared = Bench::new(&three, &inputs);
    let stats = shared.replay("-1");
    assert_ne!(stats["workers"][0]["handed_over"], 0);
    for name in ["wan-1.pcap", "lan-1.pcap"] {
        assert!(
            octets(&alone, name) == octets(&shared, name),
            "{name} differs"
        );
    }
}

/// Every question for an address among ARP frames, and when it was asked.
fn asked_for(frames: &[Timed], address: &str) -> Vec<u64> {
    let asks = |frame: &[u8]| {
        let (arp, _) = arp::parse(&frame[ethernet::LEN..]).unwrap();
        arp.operation() == arp::Operation::Request && arp.target_ip() == ip(address)
    };
    let asking = frames.iter().filter(|(_, frame)| asks(frame));
    asking.map(|(time, _)| *time).collect()
}

#[test]
fn neighbours_are_asked_and_answers_heard_in_virtual_time() {
    let config = config(
        "[1]",
        "rr",
        r#"(address: "192.0.2.9", mac: "02:00:00:00:00:c9")"#,
    );
    let asked = arp::Header::request((mac(1), ip("10.1.0.1")), ip("10.1.0.12"));
    let mut reply = vec![0; ethernet::LEN + arp::LEN];
    let link = ethernet::Link {
        destination: mac(1),
        source: Mac([2, 0, 0, 0, 0, 0xb2]),
        tag: None,
        ethertype: ethernet::ETHERTYPE_ARP,
    };
    let answer = asked.reply(link.source);
    answer.emit(link.emit(&mut reply).unwrap()).unwrap();
    let syn = |port: u16| spec(0, &format!("192.0.2.9:{port}"), "192.0.2.100:80").tcp("S");
    // Round robin begins with the second backend; the first never answers.
    let wan = [(0, syn(1)), (MS, syn(2)), (10_000 * MS, syn(3))];
    let lan = [(50 * MS, reply)];
    let bench = Bench::new(&config, &[("wan", &wan), ("lan", &lan)]);
    let stats = bench.replay("-out");
    let (asked, forwarded) = bench.written("lan-out.pcap");
    let to_web2 = |port| {
        let spec = spec(0, &format!("192.0.2.9:{port}"), "10.1.0.12:8080");
        out(1, 0xb2, spec).tcp("S")
    };
    assert_eq!(
        forwarded,
        [(50 * MS, to_web2(1)), (10_000 * MS, to_web2(3))]
    );
    // Three questions, given up, and again after a while: when due, though no frame came then.
    let web1 = asked_for(&asked, "10.1.0.11");
    assert_eq!(web1, [0, 1000, 2000, 8000].map(|ms| ms * MS));
    let drops = stats["drops"].as_array().unwrap();
    let unresolved = drops
        .iter()
        .find(|drop| drop["reason"] == "neighbour_unresolved");
    assert_eq!(unresolved.unwrap()["packets"], 1);
}

#[test]
fn the_end_waits_until_nobody_is_waited_for() {
    let config = config(
        "[1]",
        "rr",
        r#"(address: "192.0.2.9", mac: "02:00:00:00:00:c9")"#,
    );
    let syn = spec(0, "192.0.2.9:1", "192.0.2.100:80").tcp("S");
    let bench = Bench::new(&config, &[("wan", &[(0, syn)]), ("lan", &[])]);
    let stats = bench.replay("-out");
    assert!(stats["virtual_ns"].as_u64().unwrap() >= 3000 * MS);
    let drops = stats["drops"].as_array().unwrap();
    let dropped = drops.iter().filter(|drop| drop["packets"] != 0);
    let reasons: Vec<_> = dropped.map(|drop| &drop["reason"]).collect();
    assert_eq!(reasons, ["neighbour_unresolved"]);
}

#[test]
fn what_cannot_be_replayed_is_refused_with_its_place() {
    let [wan, _] = connection();
    let bench = Bench::new(&config("[1]", "rr", KNOWN), &[("wan", &wan)]);
    let whole = fs::read(bench.path("wan.pcap")).unwrap();
    assert_eq!(
        bench.refusal(&["--in", "wann=wan.pcap"]),
        "weir: no port `wann`; there are `wan`, `lan`\n"
    );
    assert_eq!(
        bench.refusal(&["--in", "wan=wan.pcap", "--out", "lan=wan.pcap"]),
        "weir: wan.pcap is in use twice\n"
    );
    assert_eq!(fs::read(bench.path("wan.pcap")).unwrap(), whole);

    fs::write(bench.path("short.pcap"), &whole[..whole.len() - 1]).unwrap();
    let (begins, ends) = (whole.len() - 16 - wan[2].1.len(), whole.len() - 1);
    assert_eq!(
        bench.refusal(&["--in", "wan=short.pcap", "--out", "lan=lan-out.pcap"]),
        format!(
            "weir: short.pcap: is cut short: what begins at octet {begins} goes on beyond the end \
             at {ends}\n"
        )
    );
    assert_eq!(
        bench.written("lan-out.pcap").1.len(),
        2,
        "what came before is written"
    );

    let mut cooked = whole;
    cooked[20] = 113;
    fs::write(bench.path("cooked.pcap"), cooked).unwrap();
    assert_eq!(
        bench.refusal(&["--in", "wan=cooked.pcap"]),
        "weir: cooked.pcap: link type 113 at octet 20 is not Ethernet, which is 1\n"
    );
}

#[test]
fn other_configurations_are_put_in_force_when_they_are_due() {
    let syn = |port: u16| spec(0, &format!("192.0.2.9:{port}"), "192.0.2.100:80").tcp("S");
    let ack = spec(0, "192.0.2.9:1", "192.0.2.100:80").tcp("A");
    let wan = [
        (0, syn(1)),
        (10 * MS, syn(2)),
        (20 * MS, ack),
        (25 * MS, syn(3)),
        (26 * MS, syn(4)),
    ];
    let first = config("[1]", "rr", KNOWN);
    let bench = Bench::new(&first, &[("wan", &wan)]);
    let without = |name: &str| {
        let lines = first.lines().filter(|line| !line.contains(name));
        lines.collect::<Vec<_>>().join("\n")
    };
    fs::write(bench.path("web2.ron"), without("\"web1\"")).unwrap();
    fs::write(bench.path("other.ron"), without("never")).unwrap();
    let served = |reloads: &[&str]| {
        let arguments = [
            "--in",
            "wan=wan.pcap",
            "--out",
            "lan=lan-out.pcap",
            "--reload",
        ];
        let ran = bench.weir(&[&arguments[..], reloads].concat());
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let (_, sent) = bench.written("lan-out.pcap");
        sent.iter().map(|(_, frame)| frame[5]).collect::<Vec<_>>()
    };
    // web2 comes first, as the last one that ipvsadm would have added.
    assert_eq!(served(&["1=other.ron"]), [0xb2, 0xb1, 0xb2, 0xb2, 0xb1]);
    assert_eq!(served(&["0.005=web2.ron"]), [0xb2; 5]);
    assert_eq!(
        served(&["0.022=other.ron", "0.005=web2.ron"]),
        [0xb2, 0xb2, 0xb2, 0xb2, 0xb1]
    );
    fs::write(bench.path("fixed.ron"), first.replace("[1]", "[1, 2]")).unwrap();
    let error = bench.refusal(&["--in", "wan=wan.pcap", "--reload", "0.005=fixed.ron"]);
    assert!(error.contains("the configuration after 0.005 s"), "{error}");
    let ran = bench.weir(&["--in", "wan=wan.pcap", "--reload", "soon=web2.ron"]);
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(
        error.contains("write seconds, such as 1.5, = and a file"),
        "{error}"
    );
}

#[test]
fn frames_that_were_cut_or_come_late_are_counted() {
    let [wan, _] = connection();
    let bench = Bench::new(&config("[1]", "rr", KNOWN), &[("wan", &wan[..2])]);
    let mut octets = fs::read(bench.path("wan.pcap")).unwrap();
    // The first frame says that it was longer, the second that it came before the first.
    let second = 24 + 16 + wan[0].1.len();
    octets[36..40].copy_from_slice(&1500_u32.to_le_bytes());
    octets[second..second + 4].copy_from_slice(&1_699_999_999_u32.to_le_bytes());
    fs::write(bench.path("wan.pcap"), octets).unwrap();
    let ran = bench.weir(&["--in", "wan=wan.pcap", "--stats", "-"]);
    let stats: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let capture = &stats["captures"][0];
    assert_eq!(capture["frames"], 2);
    assert_eq!(capture["cut_frames"], 1);
    assert_eq!(capture["disordered_frames"], 1);
    assert_eq!(stats["ports"][0]["rx_frames"], 1);
    assert_eq!(stats["virtual_ns"], 0);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("left out 1 of wan.pcap"), "{said}");
    assert!(said.contains("delayed 1 of wan.pcap"), "{said}");
}

#[test]
fn a_pause_of_years_is_refused() {
    let syn = spec(0, "192.0.2.9:1", "192.0.2.100:80").tcp("S");
    let year = 365 * 24 * 3600 * 1000 * MS;
    let bench = Bench::new(
        &config("[1]", "rr", KNOWN),
        &[("wan", &[(0, syn.clone()), (year, syn)])],
    );
    let second = 24 + 16 + 61;
    assert_eq!(
        bench.refusal(&["--in", "wan=wan.pcap"]),
        format!(
            "weir: wan.pcap: the frame at octet {second} comes 365 days after the one before; \
             at most 30 can be replayed\n"
        )
    );
}
