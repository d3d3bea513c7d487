//! What is printed: a table for people, JSON for machines.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use crate::{abba::Sample, machine::Machine};

/// What a subcommand found.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Printed")]
pub struct Report {
    title: String,
    machine: Machine,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

/// One figure or word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
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

impl Cell {
    /// The figure, or the median of several.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub fn figure(&self) -> Option<f64> {
        match self {
            Self::Empty | Self::Text(_) => None,
            Self::Count(count) => Some(*count as f64),
            Self::Figure(figure) => Some(*figure),
            Self::Sample(sample) => Some(sample.median),
        }
    }

    /// From where to where it was, where it was measured several times.
    pub fn spread(&self) -> Option<(f64, f64)> {
        match self {
            Self::Sample(sample) => Some((sample.min, sample.max)),
            Self::Empty | Self::Text(_) | Self::Count(_) | Self::Figure(_) => None,
        }
    }
}

impl Report {
    /// What was measured on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Columns are keys of JSON, units last (`ns_per_packet`); people see them with spaces.
    pub fn new(title: impl Into<String>, machine: Machine, columns: &[&'static str]) -> Self {
        Self {
            title: title.into(),
            machine,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
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

    /// The cells of this column in rows that have in other columns what `wanted` says.
    pub fn cells<'a>(
        &'a self,
        wanted: &'a [(&'a str, Cell)],
        column: &'a str,
    ) -> impl Iterator<Item = &'a Cell> {
        let place = |key: &str| self.columns.iter().position(|column| column == key);
        let cell = move |row: &'a Vec<Cell>, key: &str| row.get(place(key)?);
        self.rows
            .iter()
            .filter(move |row| wanted.iter().all(|(key, is)| cell(row, key) == Some(is)))
            .filter_map(move |row| cell(row, column))
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
            lines.push(line.join("  "));
        }
        if !self.rows.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.machine.lines());
        let line = |line: &String| line.trim_end().to_owned() + "\n";
        lines.iter().map(line).collect()
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

/// One row as an object, its columns in their order.
struct Row<'a>(&'a [String], &'a [Cell]);

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
        let mut map = to.serialize_map(Some(5))?;
        map.serialize_entry("title", &self.title)?;
        map.serialize_entry("machine", &self.machine)?;
        map.serialize_entry("columns", &self.columns)?;
        map.serialize_entry("rows", &rows)?;
        map.serialize_entry("notes", &self.notes)?;
        map.end()
    }
}

/// A report as it was printed for machines.
#[derive(Deserialize)]
struct Printed {
    title: String,
    machine: Machine,
    columns: Vec<String>,
    rows: Vec<HashMap<String, Cell>>,
    notes: Vec<String>,
}

impl From<Printed> for Report {
    fn from(printed: Printed) -> Self {
        let columns = printed.columns;
        let row = |mut cells: HashMap<String, Cell>| {
            let cell = |column| cells.remove(column).unwrap_or(Cell::Empty);
            columns.iter().map(cell).collect()
        };
        Self {
            title: printed.title,
            machine: printed.machine,
            rows: printed.rows.into_iter().map(row).collect(),
            columns,
            notes: printed.notes,
        }
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
    fn what_was_printed_is_read_back() {
        let json = serde_json::to_string(&report()).unwrap();
        let read: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(read.table(), report().table());
        let wanted = [("case", "dr".into()), ("frames", 7.into())];
        let figures: Vec<_> = read.cells(&wanted, "ns_per_packet").collect();
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].figure(), Some(9.04));
        assert_eq!(read.cells(&[], "ns_per_packet").count(), 2);
        assert_eq!(read.cells(&[("case", "nat".into())], "frames").count(), 0);
        assert_eq!(read.cells(&[], "none").count(), 0);
    }

    #[test]
    fn machines_get_keys() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["rows"][0]["ns_per_packet"]["median"], 9.04);
        assert_eq!(json["rows"][1]["ns_per_packet"], serde_json::Value::Null);
        assert_eq!(json["rows"][1]["frames"], 1_234);
    }
}
