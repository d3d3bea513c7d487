//! The tables that `show` prints, in the columns that ipvsadm, route, arp and ip have taught.

use std::{
    array,
    io::{self, Write},
    iter,
};

use Even::{Left, Right};

use crate::control::views::Difference;

mod balance;
mod explained;
mod frames;
mod health;
mod network;
mod persistence;
mod snat;
#[cfg(test)]
mod tests;

pub(super) use balance::{
    Columns, Name, Style, connection, list, minutes, numeric, services, sessions, sessions_head,
    statistics,
};
pub(super) use explained::{explanation, route_to};
pub(super) use frames::{drops, workers};
pub(super) use health::{events, health};
pub(super) use network::{groups, neighbours, ports, routes, syncs};
pub(super) use persistence::{templates, templates_head};
pub(super) use snat::snat;

/// A line for each difference.
pub(super) fn differences(out: &mut impl Write, all: &[Difference]) -> io::Result<()> {
    all.iter().try_for_each(|one| writeln!(out, "{one}"))
}

/// On which side a column is even.
#[derive(Clone, Copy)]
enum Even {
    Left,
    Right,
}

/// A table whose columns are as wide as what stands in them.
fn columns<const N: usize>(
    out: &mut impl Write,
    heads: [(Even, &str); N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let names = heads.map(|(_, name)| name.to_owned());
    let all = || iter::once(&names).chain(rows);
    let widths: [usize; N] = array::from_fn(|column| {
        let widths = all().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    });
    for row in all() {
        let cells = row.iter().zip(heads).zip(widths);
        let line: Vec<String> = cells
            .map(|((cell, (even, _)), width)| match even {
                Left => format!("{cell:<width$}"),
                Right => format!("{cell:>width$}"),
            })
            .collect();
        writeln!(out, "{}", line.join(" ").trim_end())?;
    }
    Ok(())
}
