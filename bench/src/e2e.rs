//! `bench e2e`: HTTP through weir, and through what else stands in its place, in the lab.
//!
//! The lab (`scripts/lab`) lays out clients, directors and nginx servers in network namespaces and
//! starts the directors one after the other, each on the worker's core; whatever else there is
//! shares the other. It is asked for a turn by a line of JSON and answers with one.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    abba::{Sample, alternate},
    binary,
    machine::{Cores, Machine},
    report::{Cell, Report, progress},
};

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Directors, each as the lab names it; all of them unless given
    #[arg(long = "director", value_name = "NAME", value_delimiter = ',')]
    directors: Vec<String>,
    /// The weir to measure; the one beside this program unless given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Turns of each director
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Seconds of each load in a turn
    #[arg(long, default_value_t = 5, value_name = "S")]
    seconds: u32,
    /// The folder of the lab
    #[arg(long, value_name = "FOLDER", default_value = "scripts")]
    scripts: PathBuf,
}

/// What the lab says first.
#[derive(Debug, Deserialize)]
struct Offer {
    directors: Vec<String>,
}

/// What it is asked.
#[derive(Debug, Serialize)]
struct Question<'a> {
    director: &'a str,
    seconds: u32,
}

/// What came of a load.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Load {
    seconds: f64,
    requests: f64,
    octets: f64,
    failed: u64,
    p50_us: f64,
    p99_us: f64,
    /// Of the director's core.
    busy_percent: f64,
}

/// What came of a turn, by load.
type Turn = BTreeMap<String, Load>;

const COLUMNS: [&str; 9] = [
    "director",
    "requests_per_second",
    "p50_us",
    "p99_us",
    "connections_per_second",
    "mb_per_second",
    "to_direct",
    "core_busy_percent",
    "failed",
];

/// The director that is none: a client asks a server by a router.
const DIRECT: &str = "direct";

/// Measures all directors.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    let given: Vec<PathBuf> = options.binary.iter().cloned().collect();
    let weir = binary::weirs(&given)?.pop().context("no weir")?;
    let weir = weir.canonicalize().context("cannot find weir")?;
    let mut lab = Lab::start(options, &weir, cores)?;
    let mut directors = lab.offer.directors.clone();
    for name in &options.directors {
        let known = lab.offer.directors.join(", ");
        ensure!(
            directors.contains(name),
            "there is no director {name}; there are {known}"
        );
    }
    directors.retain(|name| options.directors.is_empty() || options.directors.contains(name));
    let turns = alternate(&mut directors, options.rounds, |director| {
        progress(director);
        lab.turn(director, options.seconds)
    })?;
    let mut report = Report::new(
        "e2e: HTTP in the lab, each director on one core",
        Machine::ask(cores)?,
        &COLUMNS,
    );
    let all: Vec<(&String, &Vec<Turn>)> = directors.iter().zip(&turns).collect();
    for (director, turns) in &all {
        let direct = all.iter().find(|(name, _)| *name == DIRECT);
        report.row(row(director, turns, direct.map(|(_, turns)| *turns))?);
    }
    notes(options, &mut report);
    report.note(binary::version(&weir)?);
    Ok(report)
}

fn row(director: &str, turns: &[Turn], direct: Option<&Vec<Turn>>) -> Result<[Cell; 9]> {
    let of = |turns: &[Turn], load: &str, value: fn(&Load) -> f64| -> Result<Vec<f64>> {
        let value = |turn: &Turn| turn.get(load).map(value);
        let values: Option<Vec<f64>> = turns.iter().map(value).collect();
        values.with_context(|| format!("the lab says nothing of {load}"))
    };
    let requests = |turns| of(turns, "requests", |load| load.requests / load.seconds);
    let cell =
        |load, value| Ok::<_, anyhow::Error>(Cell::from(Sample::of(&of(turns, load, value)?)));
    let to_direct: Option<Vec<f64>> = match direct {
        Some(direct) => {
            let pairs = requests(turns)?.into_iter().zip(requests(direct)?);
            Some(pairs.map(|(one, direct)| one / direct).collect())
        }
        None => None,
    };
    let failed = turns
        .iter()
        .flat_map(BTreeMap::values)
        .map(|load| load.failed);
    Ok([
        director.into(),
        Sample::of(&requests(turns)?).into(),
        cell("requests", |load| load.p50_us)?,
        cell("requests", |load| load.p99_us)?,
        cell("connections", |load| load.requests / load.seconds)?,
        cell("octets", |load| load.octets / load.seconds / 1e6)?,
        to_direct.and_then(|ratios| Sample::of(&ratios)).into(),
        cell("requests", |load| load.busy_percent)?,
        failed.sum::<u64>().into(),
    ])
}

fn notes(options: &Options, report: &mut Report) {
    report.note(format!(
        "Medians (least..greatest) of {} turns, in the order A B B A; of each load {} s by wrk: \
         small answers over 64 connections that stay, a new connection for each answer, and 1 MiB \
         over 16 connections. Two nginx servers; weir's ports are AF_PACKET on veth, without \
         hugepages. A director has the worker's core, with all that its interfaces receive; \
         clients, servers and all other links share the other: that core bounds `direct`, where \
         the kernel routes and no director is, and all that comes near it.",
        options.rounds, options.seconds
    ));
    report.note(
        "to direct: requests a second, by those without a director in the same round. core busy: \
         of the director's core under small answers; weir polls while its core is its own. MB are \
         10^6 octets, headers of HTTP included. The kernel's IPVS is not among them: this \
         machine has no module of it.",
    );
}

/// The lab as a child process.
struct Lab {
    child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    offer: Offer,
}

impl Lab {
    fn start(options: &Options, weir: &std::path::Path, cores: Cores) -> Result<Self> {
        let mut child = Command::new("python3")
            .args(["-B", "-m", "lab", "e2e"])
            .args([cores.worker_core.to_string(), cores.main_core.to_string()])
            .current_dir(&options.scripts)
            .env("WEIR", weir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the lab")?;
        let ask = child.stdin.take().context("the lab has no stdin")?;
        let answers = child.stdout.take().context("the lab has no stdout")?;
        let mut lab = Self {
            child,
            ask,
            answers: BufReader::new(answers).lines(),
            offer: Offer {
                directors: Vec::new(),
            },
        };
        lab.offer = lab.answer()?;
        Ok(lab)
    }

    fn turn(&mut self, director: &str, seconds: u32) -> Result<Turn> {
        let question = serde_json::to_string(&Question { director, seconds })?;
        writeln!(self.ask, "{question}").context("the lab hears nothing")?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.answers.next().context("the lab has ended")??;
        serde_json::from_str(&line).with_context(|| format!("the lab says {line}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Whatever it has made goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, Turn, row};
    use crate::{machine::Machine, report::Report};

    fn turn(requests: u32) -> Turn {
        let load = |requests: u32| {
            format!(
                r#"{{"seconds": 2.0, "requests": {requests}, "octets": 4000000, "failed": 1,
                    "p50_us": 100, "p99_us": 200, "busy_percent": 50.0}}"#
            )
        };
        let text = format!(
            r#"{{"requests": {}, "connections": {}, "octets": {}}}"#,
            load(requests),
            load(10),
            load(2)
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn directors_are_held_against_none_round_by_round() {
        let direct = vec![turn(1000), turn(2000)];
        let turns = [turn(500), turn(1500)];
        let mut report = Report::new("", Machine::default(), &COLUMNS);
        report.row(row("weir-nat", &turns, Some(&direct)).unwrap());
        let json = serde_json::to_value(report).unwrap();
        let row = &json["rows"][0];
        assert_eq!(row["requests_per_second"]["max"], 750.0);
        assert_eq!(row["connections_per_second"]["median"], 5.0);
        assert_eq!(row["mb_per_second"]["median"], 2.0);
        assert_eq!(row["to_direct"]["min"], 0.5);
        assert_eq!(row["failed"], 6);
    }

    #[test]
    fn a_load_that_is_missing_is_an_error() {
        let turns = [Turn::new()];
        let error = row("haproxy", &turns, None).unwrap_err();
        assert_eq!(error.to_string(), "the lab says nothing of requests");
    }
}
