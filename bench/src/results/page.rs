//! The page: the goals beside what was measured, the pictures, and all tables.

use super::{
    Reports,
    goals::{Figure, Goal, Target, goals},
};

const HEAD: &str = "# What weir costs

Made by `cargo run --release -p bench -- results`; [README.md](README.md) says what each figure is
and how it is made. One worker, 64 octets; figures are medians, from the least to the greatest of
the row's cases, and the worst of them is held against the goal. Peers were measured on the same
kind of machine, less the bare driver, as `vdev` is: what is in the last column is weir's figure by
the best peer's in the same case.

| case | peers there | to reach | measured | reached | to the peer |
|---|---|---|---|---|---|
";

/// A figure that was found, and the peer's.
type Found = (f64, Option<f64>);

/// The whole page, in Markdown.
pub(super) fn text(reports: &Reports, pictures: &[&str]) -> String {
    let mut parts = vec![HEAD.to_owned()];
    for goal in goals() {
        let figures = goal.figures.iter();
        let found: Vec<Found> = figures.flat_map(|figure| find(figure, reports)).collect();
        parts.push(row(&goal, &found));
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
    let found = cells.filter_map(|cell| Some((cell.figure()?, figure.peer)));
    found.collect()
}

fn row(goal: &Goal, found: &[Found]) -> String {
    let Goal {
        case, peers, unit, ..
    } = goal;
    let (to_reach, worst) = match goal.target {
        Target::AtMost(most) => (format!("{most} {unit}"), extreme(found, f64::max)),
        Target::AtLeast(least) => (format!("at least {least} {unit}"), extreme(found, f64::min)),
    };
    let reached = match (goal.target, worst) {
        (_, None) => "not measured".to_owned(),
        (Target::AtMost(most), Some(worst)) if worst <= most => "yes".to_owned(),
        (Target::AtLeast(least), Some(worst)) if worst >= least => "yes".to_owned(),
        (Target::AtMost(target) | Target::AtLeast(target), Some(worst)) => {
            format!("no, {:.2} times it", worst / target)
        }
    };
    let figures = found.iter().map(|(figure, _)| *figure);
    let ratios = found
        .iter()
        .filter_map(|(figure, peer)| Some(figure / (*peer)?));
    let (figures, ratios) = (span(figures, unit), span(ratios, ""));
    format!("| {case} | {peers} | {to_reach} | {figures} | {reached} | {ratios} |\n")
}

fn extreme(found: &[Found], of: fn(f64, f64) -> f64) -> Option<f64> {
    found.iter().map(|(figure, _)| *figure).reduce(of)
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
    use super::{find, row, text};
    use crate::{
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
        }
    }

    fn reports() -> Reports {
        let mut report = Report::new("t", Machine::default(), &["mode", "flows", "ns"]);
        report.row(["dr".into(), 1.into(), 6.6.into()]);
        report.row(["dr".into(), 256.into(), 14.0.into()]);
        report.row(["tun".into(), 1.into(), 99.0.into()]);
        vec![("vdev", report)]
    }

    fn line(target: Target) -> String {
        let goal = goal(target);
        let found = goal.figures.iter().flat_map(|f| find(f, &reports()));
        row(&goal, &found.collect::<Vec<_>>())
    }

    #[test]
    fn the_worst_is_held_against_the_goal_and_each_against_its_peer() {
        assert_eq!(
            line(Target::AtMost(7.0)),
            "| DR | DPVS | 7 ns | 6.60 to 14.00 ns | no, 2.00 times it | 0.10 to 0.20 |\n"
        );
        assert!(line(Target::AtMost(14.0)).contains("| yes |"));
        assert!(line(Target::AtLeast(6.6)).contains("| at least 6.6 ns |"));
        assert!(line(Target::AtLeast(13.2)).contains("| no, 0.50 times it |"));
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
