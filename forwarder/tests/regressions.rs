//! Every packet that ever broke something, replayed.
//!
//! `regressions/index.ron` says of each what it broke, and what becomes of it now. The packets are
//! in captures, one for each port that they come in on: `regressions/NAME.PORT.pcap`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test"
)]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Seek},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use weir::{
    config::Config,
    control::{
        replay::{Inputs, Replay},
        views::{Explained, Verdict},
    },
    io::PortIx,
};

/// Packets that broke something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Regression {
    /// What their captures are called.
    name: String,
    /// What was wrong before.
    broke: String,
    /// The file of the configuration that they come to.
    config: String,
    /// What becomes of each, in the order of their times: `PORT VERDICT`, the reason where there
    /// is one, and `-> PORT PACKET` for what goes out.
    becomes: Vec<String>,
    /// Sessions that have to go for others before their time.
    #[serde(default)]
    evicted: u64,
    /// New sessions for which there is no room.
    #[serde(default)]
    refused: u64,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("forwarder/tests/regressions")
}

fn index() -> Vec<Regression> {
    let text = fs::read_to_string(folder().join("index.ron")).unwrap();
    ron::from_str(&text).unwrap_or_else(|error| panic!("index.ron:{error}"))
}

impl Regression {
    /// The captures with the ports that they come in on.
    fn captures(&self, config: &Config) -> Vec<(PortIx, PathBuf)> {
        let ports = (0..).map(PortIx).zip(&config.ports);
        let captures = ports.map(|(ix, port)| {
            let file = format!("{}.{}.pcap", self.name, port.name);
            (ix, folder().join(file))
        });
        captures.filter(|(_, file)| file.exists()).collect()
    }

    fn config(&self) -> Config {
        Config::load(&folder().join(&self.config)).unwrap()
    }

    /// What becomes of the packets, and how many sessions were evicted and refused.
    fn replay(&self) -> (Vec<String>, [u64; 2]) {
        let config = self.config();
        let mut inputs = Inputs::default();
        for (port, file) in self.captures(&config) {
            let capture = Box::new(File::open(&file).unwrap());
            inputs.add(port, file, capture).unwrap();
        }
        let mut replay = Replay::new(&config, [], 0).unwrap();
        let mut told = tempfile::tempfile().unwrap();
        replay.explain(Box::new(told.try_clone().unwrap()));
        replay.run(&mut inputs).unwrap();
        let worker = replay.stats(&inputs).workers.remove(0);
        told.rewind().unwrap();
        let lines = BufReader::new(told).lines();
        let becomes = lines.map(|line| becomes(&serde_json::from_str(&line.unwrap()).unwrap()));
        let counts = [worker.sessions_evicted, worker.sessions_refused];
        (becomes.collect(), counts)
    }
}

fn becomes(explained: &Explained) -> String {
    let verdict = match explained.verdict {
        Verdict::Forward => "forward",
        Verdict::Answer => "answer",
        Verdict::Punt => "punt",
        Verdict::Wait => "wait",
        Verdict::Drop => "drop",
        Verdict::LeftOut => "left out",
    };
    let mut words = vec![explained.port.clone(), verdict.to_owned()];
    words.extend(explained.reason.clone());
    for sent in &explained.sent {
        let (_macs, packet) = sent.frame.split_once(", ").unwrap();
        words.push(format!("-> {} {packet}", sent.port));
    }
    words.join(" ")
}

#[test]
fn what_once_broke_something_does_no_more() {
    for regression in index() {
        let (becomes, counts) = regression.replay();
        let Regression { name, broke, .. } = &regression;
        assert_eq!(becomes, regression.becomes, "{name}: {broke}\n{becomes:#?}");
        let meant = [regression.evicted, regression.refused];
        assert_eq!(counts, meant, "{name}: sessions evicted and refused");
    }
}

#[test]
fn every_file_has_its_line() {
    let mut named = BTreeSet::from(["index.ron".to_owned()]);
    for regression in index() {
        let Regression { name, broke, .. } = &regression;
        assert!(!broke.is_empty(), "{name}: what did it break?");
        let captures = regression.captures(&regression.config());
        assert!(!captures.is_empty(), "{name} has no capture");
        for (_, file) in captures {
            let file = file.file_name().unwrap().to_str().unwrap();
            assert!(named.insert(file.to_owned()), "{file} is named twice");
        }
        named.insert(regression.config);
    }
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), named);
}
