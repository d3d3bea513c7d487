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
mod measurements;
mod page;

use measurements::{MEASUREMENTS, Measurement};

/// What is made, and where.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Measurements to make again; of the others the last ones are taken
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Make those that are missing, after one that was broken off
    #[arg(long, conflicts_with = "only")]
    resume: bool,
    /// Fewer cases and rounds: about a quarter of an hour instead of most of one
    #[arg(long)]
    quick: bool,
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

/// What was measured, with its name.
type Reports = Vec<(&'static str, Report)>;

/// Makes the page. What fails does not keep the rest from being measured.
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
    let mut failed = Vec::new();
    for measurement in &MEASUREMENTS {
        let kept = kept(measurement, options);
        if is_wanted(measurement, options, kept.exists()) {
            progress(&format!("## {}", measurement.name));
            match measure(measurement, options, cores) {
                Ok(printed) => fs::write(&kept, printed)
                    .with_context(|| format!("cannot write {}", kept.display()))?,
                Err(error) => {
                    progress(&format!("{error:#}"));
                    failed.push(measurement.name);
                }
            }
            // A page that says what is there already, should the next one not end.
            write(options)?;
        }
    }
    write(options)?;
    ensure!(
        failed.is_empty(),
        "{} could not be measured",
        failed.join(", ")
    );
    Ok(())
}

fn is_wanted(measurement: &Measurement, options: &Options, is_there: bool) -> bool {
    if options.resume {
        return !is_there;
    }
    options.only.is_empty() || options.only.iter().any(|name| name == measurement.name)
}

/// Where the figures of a measurement are kept.
fn kept(measurement: &Measurement, options: &Options) -> PathBuf {
    options.keep.join(format!("{}.json", measurement.name))
}

/// Writes the page of all that is there.
fn write(options: &Options) -> Result<()> {
    let mut reports = Reports::new();
    let mut pictures = Vec::new();
    for measurement in &MEASUREMENTS {
        let kept = kept(measurement, options);
        if kept.exists() {
            reports.push((measurement.name, read(&kept)?));
        }
        let drawn = |name: &&str| options.into.join(name).exists();
        pictures.extend(measurement.picture.filter(drawn));
    }
    let page = options.into.join("RESULTS.md");
    fs::write(&page, page::text(&reports, &pictures))
        .with_context(|| format!("cannot write {}", page.display()))?;
    progress(&format!("{} is written", page.display()));
    Ok(())
}

/// Runs it; gives what it printed.
fn measure(measurement: &Measurement, options: &Options, cores: Cores) -> Result<Vec<u8>> {
    let own = env::current_exe().context("cannot find this program")?;
    let quick = if options.quick {
        measurement.quick
    } else {
        &[]
    };
    let mut command = Command::new(own);
    command
        .args(measurement.arguments)
        .args(quick)
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

    use super::{MEASUREMENTS, Options, goals::goals, is_wanted};

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

    #[test]
    fn what_is_measured_again_can_be_chosen() {
        let options = |only: &[&str], resume| Options {
            only: only.iter().map(|name| (*name).to_owned()).collect(),
            resume,
            quick: false,
            binary: None,
            into: "bench".into(),
            keep: "target/bench".into(),
        };
        let [first, second, ..] = &MEASUREMENTS;
        assert!(is_wanted(first, &options(&[], false), true));
        let one = options(&[second.name], false);
        assert!(!is_wanted(first, &one, false) && is_wanted(second, &one, true));
        let rest = options(&[], true);
        assert!(!is_wanted(first, &rest, true) && is_wanted(first, &rest, false));
    }
}
