//! The page: the goals beside what was measured, what is not reached, the pictures, and all tables.

use super::{
    Reports,
    goals::{Figure, Goal, Target, goals},
};

const HEAD: &str = "# What weir costs

Made by `cargo run --release -p bench -- results`; [README.md](README.md) says what each figure is
and how it is made. One worker, 64 octets; figures are medians, from the least to the greatest of
the row's cases, in brackets from where to where single measurements were. The worst median is held
against the goal. Peers were measured on the same kind of machine, less the bare driver, as `vdev`
is: what is in the last column is weir's figure by the best peer's in the same case.

";

const TABLE: &str = "| case | peers there | to reach | measured | reached | to the peer |
|---|---|---|---|---|---|
";

/// A figure that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    figure: f64,
    spread: Option<(f64, f64)>,
    peer: Option<f64>,
}

/// The whole page, in Markdown.
pub(super) fn text(reports: &Reports, pictures: &[&str]) -> String {
    let mut parts = vec![HEAD.to_owned()];
    if let Some((_, report)) = reports.first() {
        let lines = report.machine().lines();
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        parts.push(format!("```\n{}\n```\n\n", lines.join("\n")));
    }
    parts.push(TABLE.to_owned());
    let mut missed = Vec::new();
    for goal in goals() {
        let figures = goal.figures.iter();
        let found: Vec<Found> = figures.flat_map(|figure| find(figure, reports)).collect();
        parts.push(row(&goal, &found));
        missed.extend(shortfall(&goal, &found, reports));
    }
    if !missed.is_empty() {
        parts.push("\n## Not reached\n\n".to_owned());
        parts.extend(missed);
    }
    parts.extend(pictures.iter().map(|name| format!("\n![{name}]({name})\n")));
    for (name, report) in reports {
        parts.push(format!("\n## {name}\n\n```\n{}```\n", report.table()));
    }
    parts.concat()
}

fn find(figure: &Figure, reports: &Reports) -> Vec<Found> {
    let cells = reports
        .iter()
        .filter(|(name, _)| *name == figure.of)
        .flat_map(|(_, report)| report.cells(&figure.row, figure.column));
    let found = cells.filter_map(|cell| {
        Some(Found {
            figure: cell.figure()?,
            spread: cell.spread(),
            peer: figure.peer,
        })
    });
    found.collect()
}

/// The worst figure, and whether it reaches the goal.
fn worst(goal: &Goal, found: &[Found]) -> Option<(f64, bool)> {
    let figures = found.iter().map(|found| found.figure);
    match goal.target {
        Target::AtMost(most) => figures.reduce(f64::max).map(|worst| (worst, worst <= most)),
        Target::AtLeast(least) => figures
            .reduce(f64::min)
            .map(|worst| (worst, worst >= least)),
        Target::Known => None,
    }
}

fn row(goal: &Goal, found: &[Found]) -> String {
    let Goal {
        case, peers, unit, ..
    } = goal;
    let to_reach = match goal.target {
        Target::AtMost(most) => format!("{most} {unit}"),
        Target::AtLeast(least) => format!("at least {least} {unit}"),
        Target::Known => "-".to_owned(),
    };
    let reached = match worst(goal, found) {
        _ if found.is_empty() => "not measured",
        None => "-",
        Some((_, true)) => "yes",
        Some((_, false)) => "no",
    };
    let ratios = found.iter().filter_map(|one| Some(one.figure / one.peer?));
    let (figures, ratios) = (measured(found, unit), span(ratios, ""));
    format!("| {case} | {peers} | {to_reach} | {figures} | {reached} | {ratios} |\n")
}

/// What is missing to a goal, and what is known of where it goes.
fn shortfall(goal: &Goal, found: &[Found], reports: &Reports) -> Option<String> {
    let (worst, reached) = worst(goal, found)?;
    let (target, unit) = match goal.target {
        Target::AtMost(target) | Target::AtLeast(target) => (target, goal.unit),
        Target::Known => return None,
    };
    if reached {
        return None;
    }
    let by = if target > 0.0 {
        format!("{worst:.2} {unit} is {:.2} times {target}", worst / target)
    } else {
        format!("{worst:.2} {unit}")
    };
    let instructions = goal.profile.and_then(|case| {
        let figure = Figure {
            of: "instructions",
            row: vec![("case", case.into())],
            column: "net",
            peer: None,
        };
        let net = find(&figure, reports).first()?.figure;
        Some(format!(
            "; a packet takes {net:.0} instructions, which `instructions` below has by step \
             ({case})"
        ))
    });
    let case = goal.case;
    Some(format!(
        "- {case}: {by}{}.\n",
        instructions.unwrap_or_default()
    ))
}

/// From the least to the greatest, and the spread of single measurements.
fn measured(found: &[Found], unit: &str) -> String {
    let text = span(found.iter().map(|one| one.figure), unit);
    let spreads = || found.iter().filter_map(|one| one.spread);
    let least = spreads().map(|(least, _)| least).reduce(f64::min);
    let most = spreads().map(|(_, most)| most).reduce(f64::max);
    match least.zip(most) {
        Some((least, most)) => format!("{text} ({least:.2}..{most:.2})"),
        None => text,
    }
}

/// From the least to the greatest.
fn span(values: impl Iterator<Item = f64>, unit: &str) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let text = match values[..] {
        [] => return "-".to_owned(),
        [one] => format!("{one:.2} {unit}"),
        [least, .., most] => format!("{least:.2} to {most:.2} {unit}"),
    };
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{find, row, shortfall, text};
    use crate::{
        abba::Sample,
        machine::Machine,
        report::Report,
        results::{
            Reports,
            goals::{Figure, Goal, Target},
        },
    };

    fn goal(target: Target) -> Goal {
        let figure = |flows: u64, peer| Figure {
            of: "vdev",
            row: vec![("mode", "dr".into()), ("flows", flows.into())],
            column: "ns",
            peer: Some(peer),
        };
        Goal {
            case: "DR",
            peers: "DPVS",
            target,
            unit: "ns",
            figures: vec![figure(1, 66.0), figure(256, 70.0)],
            profile: Some("dr"),
        }
    }

    fn reports() -> Reports {
        let mut report = Report::new("t", Machine::default(), &["mode", "flows", "ns"]);
        let spread = Sample::of(&[13.0, 14.0, 17.5]);
        report.row(["dr".into(), 1.into(), 6.6.into()]);
        report.row(["dr".into(), 256.into(), spread.into()]);
        report.row(["tun".into(), 1.into(), 99.0.into()]);
        let mut instructions = Report::new("i", Machine::default(), &["case", "net"]);
        instructions.row(["dr".into(), 415.3.into()]);
        vec![("vdev", report), ("instructions", instructions)]
    }

    fn line(target: Target) -> String {
        let goal = goal(target);
        let found = goal.figures.iter().flat_map(|f| find(f, &reports()));
        row(&goal, &found.collect::<Vec<_>>())
    }

    fn missing(target: Target) -> Option<String> {
        let goal = goal(target);
        let found = goal.figures.iter().flat_map(|f| find(f, &reports()));
        shortfall(&goal, &found.collect::<Vec<_>>(), &reports())
    }

    #[test]
    fn the_worst_is_held_against_the_goal_and_each_against_its_peer() {
        assert_eq!(
            line(Target::AtMost(7.0)),
            "| DR | DPVS | 7 ns | 6.60 to 14.00 ns (13.00..17.50) | no | 0.10 to 0.20 |\n"
        );
        assert!(line(Target::AtMost(14.0)).contains("| yes |"));
        assert!(line(Target::AtLeast(6.6)).contains("| at least 6.6 ns |"));
        assert!(line(Target::AtLeast(13.2)).contains("| no |"));
        assert!(line(Target::Known).contains("| DPVS | - | 6.60 to 14.00"));
    }

    #[test]
    fn what_is_not_reached_says_by_how_much_and_what_it_takes() {
        assert_eq!(
            missing(Target::AtMost(7.0)).unwrap(),
            "- DR: 14.00 ns is 2.00 times 7; a packet takes 415 instructions, which \
             `instructions` below has by step (dr).\n"
        );
        let some = missing(Target::AtMost(0.0)).unwrap();
        assert!(some.starts_with("- DR: 14.00 ns; a packet"), "{some}");
        assert_eq!(missing(Target::AtMost(14.0)), None);
        assert_eq!(missing(Target::Known), None);
    }

    #[test]
    fn what_was_not_measured_is_said() {
        let row = row(&goal(Target::AtMost(7.0)), &[]);
        assert_eq!(row, "| DR | DPVS | 7 ns | - | not measured | - |\n");
    }

    #[test]
    fn the_page_has_all_tables() {
        let page = text(&reports(), &["vdev.svg"]);
        assert!(page.contains("![vdev.svg](vdev.svg)"));
        assert!(page.contains("\n## vdev\n\n```\nt\n"));
        assert!(!page.lines().any(|line| line.ends_with(' ')), "{page}");
    }
}
