//! Instructions a packet, counted by callgrind: the same at every run, whatever else the machine
//! does, and so fit for a gate.

use std::{collections::BTreeMap, env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::{
    case::Case,
    profile::{Place, Profile},
    turns,
};
use crate::{
    machine::{Cores, Machine},
    report::Report,
};

/// Turns that are watched.
const TURNS: u64 = 256;

/// Per cent that a case may take more than the baseline says.
const MOST_PER_CENT: f64 = 3.0;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Only these kinds of traffic
    #[arg(long = "case", value_name = "CASE")]
    cases: Vec<Case>,
    /// Say also where the instructions are
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    by: Vec<By>,
    /// Fail where a case takes over 3 % more than the baseline
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Write the baseline
    #[arg(long, conflicts_with = "cases")]
    update: bool,
    /// The file of the baseline
    #[arg(long, value_name = "FILE", default_value = "bench/instructions.json")]
    baseline: PathBuf,
}

/// What instructions are told apart by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The step of the packet's way that they are for
    Step,
    /// The source file that they are in
    File,
}

/// What one case takes, in instructions a packet.
struct Count {
    case: Case,
    /// With the making and taking back of packets.
    gross: Profile,
    /// That alone.
    bare: Profile,
}

impl Count {
    fn net(&self) -> f64 {
        self.gross.total() - self.bare.total()
    }
}

/// Net instructions a packet by the name of the case.
type Baseline = BTreeMap<String, f64>;

/// Counts, and holds the counts against the baseline.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    let cases = match &arguments.cases[..] {
        [] => Case::value_variants(),
        chosen => chosen,
    };
    let counts: Vec<Count> = cases
        .iter()
        .map(|case| count(*case))
        .collect::<Result<_>>()?;
    let baseline = read(&arguments.baseline)?;
    let mut report = Report::new(
        "Instructions a packet, and where they are",
        Machine::ask(cores)?,
        &["case", "net", "gross", "bench", "baseline", "per_cent"],
    );
    for count in &counts {
        let before = baseline.get(&count.case.name()).copied();
        report.row([
            count.case.name().into(),
            count.net().into(),
            count.gross.total().into(),
            count.bare.total().into(),
            before.into(),
            before.map(|before| per_cent(count.net(), before)).into(),
        ]);
    }
    report.note("net is gross less what the bench itself takes to make and take back packets.");
    for by in &arguments.by {
        table(&mut report, &counts, *by);
    }
    if arguments.update {
        write(arguments, &counts)?;
    }
    if arguments.check {
        check(&counts, &baseline)?;
    }
    Ok(report)
}

fn per_cent(count: f64, before: f64) -> f64 {
    let tenths = (count / before - 1.0) * 1000.0;
    // Nothing is nothing, not a little less than nothing.
    tenths.round() / 10.0 + 0.0
}

fn count(case: Case) -> Result<Count> {
    Ok(Count {
        case,
        gross: profile(case, false)?,
        bare: profile(case, true)?,
    })
}

/// Runs this program under callgrind.
fn profile(case: Case, bare: bool) -> Result<Profile> {
    let program = env::current_exe().context("cannot tell which program this is")?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--dump-instr=yes"])
        .args(["--dump-line=no", "--compress-pos=no"])
        .args(["--compress-strings=no", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*{}*", turns::WATCHED))
        .arg("--callgrind-out-file=/dev/stdout")
        .arg(&program)
        .args(["turns", "--case", &case.name()])
        .args(["--turns", &TURNS.to_string()]);
    if bare {
        command.arg("--bare");
    }
    let output = command
        .output()
        .context("cannot run valgrind; on Debian it is in the package of that name")?;
    if !output.status.success() {
        bail!(
            "valgrind fails on the case {}:\n{}",
            case.name(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let text = String::from_utf8(output.stdout).context("callgrind writes text")?;
    Profile::read(&text, &program, TURNS * case.traffic().a_turn())
}

/// A note with a table: how many instructions are where in which case.
fn table(report: &mut Report, counts: &[Count], by: By) {
    let (title, of): (_, fn(&Place) -> &str) = match by {
        By::Step => ("gross, by step", |place| &place.step),
        By::File => ("gross, by source file", |place| &place.file),
    };
    let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (ix, count) in counts.iter().enumerate() {
        for (place, instructions) in count.gross.counts() {
            let row = rows.entry(of(place));
            row.or_insert_with(|| vec![0.0; counts.len()])[ix] += instructions;
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| b[0].total_cmp(&a[0]));
    let line = |head: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|text| format!("{text:>12}")).collect();
        format!("{head:40}{}", cells.concat())
    };
    let names = counts.iter().map(|count| count.case.name()).collect();
    let mut lines = vec![line(title, names)];
    lines.extend(rows.into_iter().map(|(head, of_cases)| {
        let cells = of_cases.iter().map(|figure| format!("{figure:.1}"));
        line(head, cells.collect())
    }));
    report.note(lines.join("\n") + "\n");
}

fn read(file: &PathBuf) -> Result<Baseline> {
    let context = || format!("the baseline {}", file.display());
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).with_context(context),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Baseline::new()),
        Err(error) => Err(error).with_context(context),
    }
}

fn write(arguments: &Arguments, counts: &[Count]) -> Result<()> {
    let rounded = |count: &Count| (count.case.name(), (count.net() * 10.0).round() / 10.0);
    let baseline: Baseline = counts.iter().map(rounded).collect();
    let text = serde_json::to_string_pretty(&baseline)? + "\n";
    let file = &arguments.baseline;
    fs::write(file, text).with_context(|| format!("the baseline {}", file.display()))
}

/// An error that names every case which takes too much.
fn check(counts: &[Count], baseline: &Baseline) -> Result<()> {
    let mut faults = Vec::new();
    for count in counts {
        let (name, net) = (count.case.name(), count.net());
        let Some(before) = baseline.get(&name) else {
            faults.push(format!("{name} is not in the baseline"));
            continue;
        };
        let more = per_cent(net, *before);
        if more > MOST_PER_CENT {
            faults.push(format!(
                "{name} takes {net:.1} instructions, {more:.1} % more than {before:.1}"
            ));
        }
    }
    ensure!(
        faults.is_empty(),
        "{} (--by step,file says where they are; a new baseline is a commit of its \
         own that says why)",
        faults.join("; ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(net: f64) -> Vec<Count> {
        vec![Count {
            case: Case::NatBoth,
            gross: Profile::of(net + 20.0),
            bare: Profile::of(20.0),
        }]
    }

    fn baseline(net: f64) -> Baseline {
        [("nat-both".to_owned(), net)].into()
    }

    #[test]
    fn three_per_cent_more_pass_and_what_is_beyond_does_not() {
        for net in [50.0, 100.0, 102.9] {
            check(&counts(net), &baseline(100.0)).unwrap();
        }
        let fault = check(&counts(103.1), &baseline(100.0)).unwrap_err();
        let text = fault.to_string();
        assert!(
            text.contains("nat-both takes 103.1 instructions, 3.1 % more than 100.0"),
            "{text}"
        );
    }

    #[test]
    fn what_has_no_baseline_does_not_pass() {
        let fault = check(&counts(1.0), &Baseline::new()).unwrap_err();
        assert!(
            fault
                .to_string()
                .contains("nat-both is not in the baseline")
        );
    }
}
