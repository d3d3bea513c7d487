//! `bench results`: everything, into one page.
//!
//! Each measurement is a run of this program of its own, since DPDK starts once in a process. What
//! each printed for machines is kept, so that one of them can be made again and the page with it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    machine::Cores,
    report::{Report, progress},
};

mod goals;
mod page;

/// What is made, and where.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Measurements to make again; of the others the last ones are taken
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The weir to measure; the one beside this program unless given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where the page and its pictures go
    #[arg(long, value_name = "FOLDER", default_value = "bench")]
    into: PathBuf,
    /// Where what was measured is kept
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    keep: PathBuf,
}

/// A run of this program.
struct Measurement {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Whether it measures a binary of weir, and not what is built into this program.
    of_binary: bool,
    /// Its picture, if it makes one.
    picture: Option<&'static str>,
}

const MEASUREMENTS: [Measurement; 8] = [
    Measurement {
        name: "vdev",
        arguments: &["vdev"],
        of_binary: true,
        picture: Some("vdev.svg"),
    },
    Measurement {
        name: "vdev-wlc",
        arguments: &[
            "vdev",
            "--scheduler",
            "WeightedLeastConnections",
            "--modes",
            "dr,tun,nat",
            "--sizes",
            "64",
        ],
        of_binary: true,
        picture: None,
    },
    Measurement {
        name: "path",
        arguments: &["path"],
        of_binary: false,
        picture: None,
    },
    Measurement {
        name: "sessions",
        arguments: &["sessions"],
        of_binary: false,
        picture: None,
    },
    Measurement {
        name: "flood",
        arguments: &["flood"],
        of_binary: false,
        picture: None,
    },
    Measurement {
        name: "scale",
        arguments: &["scale"],
        of_binary: true,
        picture: None,
    },
    Measurement {
        name: "ndr",
        arguments: &["ndr", "--modes", "dr,tun,nat"],
        of_binary: true,
        picture: None,
    },
    Measurement {
        name: "latency",
        arguments: &["latency"],
        of_binary: true,
        picture: Some("latency.svg"),
    },
];

/// What was measured, with its name.
type Reports = Vec<(&'static str, Report)>;

/// Makes the page.
pub fn run(options: &Options, cores: Cores) -> Result<()> {
    for name in &options.only {
        ensure!(
            MEASUREMENTS.iter().any(|known| known.name == name),
            "there is no measurement {name}; there are {}",
            MEASUREMENTS.map(|known| known.name).join(", ")
        );
    }
    for folder in [&options.keep, &options.into] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut reports = Reports::new();
    for measurement in &MEASUREMENTS {
        let kept = options.keep.join(format!("{}.json", measurement.name));
        if options.only.is_empty() || options.only.iter().any(|name| name == measurement.name) {
            progress(&format!("## {}", measurement.name));
            let printed = measure(measurement, options, cores)?;
            fs::write(&kept, printed)
                .with_context(|| format!("cannot write {}", kept.display()))?;
        }
        reports.push((measurement.name, read(&kept)?));
    }
    let pictures: Vec<&str> = MEASUREMENTS.iter().filter_map(|m| m.picture).collect();
    let page = options.into.join("RESULTS.md");
    fs::write(&page, page::text(&reports, &pictures))
        .with_context(|| format!("cannot write {}", page.display()))?;
    progress(&format!("{} is written", page.display()));
    Ok(())
}

/// Runs it; gives what it printed.
fn measure(measurement: &Measurement, options: &Options, cores: Cores) -> Result<Vec<u8>> {
    let own = env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(own);
    command
        .args(measurement.arguments)
        .arg("--json")
        .args(["--worker-core", &cores.worker_core.to_string()])
        .args(["--main-core", &cores.main_core.to_string()])
        .stderr(Stdio::inherit());
    if let Some(binary) = options.binary.as_ref().filter(|_| measurement.of_binary) {
        command.arg("--binary").arg(binary);
    }
    if let Some(picture) = measurement.picture {
        command.arg("--plot").arg(options.into.join(picture));
    }
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", measurement.name))?;
    ensure!(
        output.status.success(),
        "{} ended with {}",
        measurement.name,
        output.status
    );
    Ok(output.stdout)
}

fn read(kept: &Path) -> Result<Report> {
    let cannot = || format!("cannot read {}; measure it first", kept.display());
    let text = fs::read_to_string(kept).with_context(cannot)?;
    serde_json::from_str(&text).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{MEASUREMENTS, goals::goals};

    #[test]
    fn every_goal_is_of_a_measurement() {
        let names: HashSet<&str> = MEASUREMENTS.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), MEASUREMENTS.len());
        for goal in goals() {
            for figure in &goal.figures {
                assert!(names.contains(figure.of), "{}: {}", goal.case, figure.of);
            }
        }
    }
}
