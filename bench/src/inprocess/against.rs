//! This build of weir beside another, measured in turns: what changes between them shows, whatever
//! the machine does meanwhile.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    abba::{Sample, alternate},
    machine::{Cores, Machine},
    report::{Report, progress},
};

/// A measurement with one row.
pub struct Row {
    pub case: String,
    pub sessions: u32,
    /// The subcommand that makes it, and its arguments.
    pub arguments: Vec<String>,
}

/// Measures every row with this program and with the other, in so many rounds.
pub fn report(
    title: &str,
    rows: &[Row],
    other: &Path,
    rounds: usize,
    cores: Cores,
) -> Result<Report> {
    let columns = ["case", "sessions", "net_ns", "other_net_ns", "per_cent"];
    let mut report = Report::new(title, Machine::ask(cores)?, &columns);
    let this = env::current_exe().context("cannot tell which program this is")?;
    for row in rows {
        progress(&format!("{} with {} sessions", row.case, row.sessions));
        let figures = alternate(&mut [this.as_path(), other], rounds, |program| {
            net_ns(program, &row.arguments, cores)
        })?;
        let [ours, theirs] = figures.try_into().ok().context("there were two")?;
        report.row([
            row.case.clone().into(),
            u64::from(row.sessions).into(),
            Sample::of(&ours).into(),
            Sample::of(&theirs).into(),
            Sample::of(&per_cent(&ours, &theirs)).into(),
        ]);
    }
    report.note(format!(
        "per cent: how much more this build takes than {}, round by round; medians of {rounds} \
         rounds, and from where to where.",
        other.display()
    ));
    Ok(report)
}

fn per_cent(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    let pairs = ours.iter().zip(theirs);
    pairs
        .map(|(ours, theirs)| (ours / theirs - 1.0) * 100.0)
        .collect()
}

/// What a run of a program says.
fn net_ns(program: &Path, arguments: &[String], cores: Cores) -> Result<f64> {
    let output = Command::new(program)
        .arg("--json")
        .args(["--worker-core", &cores.worker_core.to_string()])
        .args(["--main-core", &cores.main_core.to_string()])
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} {}:\n{}",
        program.display(),
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    median_of(&output.stdout).with_context(|| format!("{} says no net_ns", program.display()))
}

/// The net cost in the only row of a report.
fn median_of(json: &[u8]) -> Option<f64> {
    let report: Value = serde_json::from_slice(json).ok()?;
    let [row] = &report["rows"].as_array()?[..] else {
        return None;
    };
    row["net_ns"]["median"].as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_read_from_the_only_row() {
        let row = r#"{"case": "dr", "net_ns": {"median": 46.5, "min": 46.0}}"#;
        let report = |rows: &str| format!(r#"{{"rows": [{rows}]}}"#);
        assert_eq!(median_of(report(row).as_bytes()), Some(46.5));
        assert_eq!(median_of(report(&format!("{row},{row}")).as_bytes()), None);
        assert_eq!(median_of(report("").as_bytes()), None);
    }

    #[test]
    fn each_round_is_compared_by_itself() {
        let per_cent = per_cent(&[110.0, 220.0], &[100.0, 200.0]);
        assert!(
            per_cent.iter().all(|more| (more - 10.0).abs() < 1e-9),
            "{per_cent:?}"
        );
    }
}
