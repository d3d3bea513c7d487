//! What is printed: a table for people, JSON for machines.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{abba::Sample, machine::Machine};

/// What a subcommand found.
#[derive(Debug)]
pub struct Report {
    title: String,
    machine: Machine,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

/// One figure or word.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is none.
    Empty,
    /// A name.
    Text(String),
    /// A count.
    Count(u64),
    /// A figure.
    Figure(f64),
    /// A figure that was measured several times: the median, and from where to where.
    Sample(Sample),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Cell {
    fn from(figure: f64) -> Self {
        Self::Figure(figure)
    }
}

impl From<Sample> for Cell {
    fn from(sample: Sample) -> Self {
        Self::Sample(sample)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self::Empty, Into::into)
    }
}

impl Report {
    /// Columns are keys of JSON, units last (`ns_per_packet`); people see them with spaces.
    pub fn new(title: impl Into<String>, machine: Machine, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            machine,
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Vec<Cell> = cells.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// The row that was added last, in one line.
    pub fn last(&self) -> String {
        let cells = self.rows.last().into_iter().flatten();
        let named = self.columns.iter().zip(cells);
        let words: Vec<String> = named
            .map(|(key, cell)| format!("{} {}", key.replace('_', " "), text(cell)))
            .collect();
        words.join(", ")
    }

    /// Adds a sentence about how it was measured.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Prints it.
    pub fn print(&self, json: bool) -> Result<()> {
        let text = if json {
            serde_json::to_string_pretty(self)? + "\n"
        } else {
            self.table()
        };
        io::stdout()
            .write_all(text.as_bytes())
            .context("cannot print")
    }

    /// The report as people read it.
    pub fn table(&self) -> String {
        let mut lines = vec![self.title.clone(), String::new()];
        let heads = self
            .columns
            .iter()
            .map(|key| key.replace('_', " "))
            .collect();
        let cells = self.rows.iter().map(|row| row.iter().map(text).collect());
        let table: Vec<Vec<String>> = std::iter::once(heads).chain(cells).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let widths = table.iter().map(|row| row[column].chars().count());
                widths.max().unwrap_or_default()
            })
            .collect();
        let is_text: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                self.rows
                    .iter()
                    .any(|row| matches!(row[column], Cell::Text(_)))
            })
            .collect();
        for row in table.iter().filter(|row| !row.is_empty()) {
            let cells = row.iter().zip(&widths).zip(&is_text);
            let line: Vec<String> = cells
                .map(|((cell, width), left)| match left {
                    true => format!("{cell:<width$}"),
                    false => format!("{cell:>width$}"),
                })
                .collect();
            lines.push(line.join("  ").trim_end().to_owned());
        }
        if !self.rows.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.machine.lines());
        lines.join("\n") + "\n"
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Figure(figure) => digits(*figure),
        Cell::Sample(Sample {
            median, min, max, ..
        }) => format!("{} ({}..{})", digits(*median), digits(*min), digits(*max)),
    }
}

/// Three or four digits: more are noise.
fn digits(figure: f64) -> String {
    match figure.abs() {
        ..10.0 => format!("{figure:.2}"),
        ..1000.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => to.serialize_none(),
            Self::Text(text) => to.serialize_str(text),
            Self::Count(count) => to.serialize_u64(*count),
            Self::Figure(figure) => to.serialize_f64(*figure),
            Self::Sample(sample) => sample.serialize(to),
        }
    }
}

/// One row as an object, its columns in their order.
struct Row<'a>(&'a [&'static str], &'a [Cell]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().zip(self.1))
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<Row<'_>> = self
            .rows
            .iter()
            .map(|row| Row(&self.columns, row))
            .collect();
        let mut map = to.serialize_map(Some(4))?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("machine", &self.machine)?;
        map.serialize_entry("rows", &rows)?;
        map.serialize_entry("notes", &self.notes)?;
        map.end()
    }
}

/// Says on stderr how far a long measurement is.
pub fn progress(text: &str) {
    // Nobody may be there to read it, and then nothing is lost.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says on stderr why there is no report.
pub fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "bench: {error:#}");
}

#[cfg(test)]
mod tests {
    use super::{Cell, Report};
    use crate::{abba::Sample, machine::Machine};

    fn report() -> Report {
        let mut report = Report::new(
            "t",
            Machine::default(),
            &["case", "ns_per_packet", "frames"],
        );
        report.row(["dr".into(), Sample::of(&[8.0, 9.04, 20.0]).into(), 7.into()]);
        report.row(["tunnel".into(), Cell::Empty, 1_234.into()]);
        report.note("Note.");
        report
    }

    #[test]
    fn people_get_even_columns() {
        let table = report().table();
        let lines: Vec<&str> = table.lines().take(7).collect();
        assert_eq!(
            lines,
            [
                "t",
                "",
                "case        ns per packet  frames",
                "dr      9.04 (8.00..20.0)       7",
                "tunnel                  -    1234",
                "",
                "Note.",
            ]
        );
    }

    #[test]
    fn machines_get_keys() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["rows"][0]["ns_per_packet"]["median"], 9.04);
        assert_eq!(json["rows"][1]["ns_per_packet"], serde_json::Value::Null);
        assert_eq!(json["rows"][1]["frames"], 1_234);
    }
}
