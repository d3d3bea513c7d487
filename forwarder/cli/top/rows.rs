//! The rows of each view.

use std::cmp::Ordering;

use super::{
    sample::{Sample, Work, a_second, float, work},
    screen::{Screen, View},
};
use crate::control::views::{Backend, Drop, Port, Rates, Service, State, Worker};

/// What stands in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Words, sorted from A on.
    Text(String),
    /// A number, sorted from the largest on.
    Number(f64),
    /// A share of one.
    Share(f64),
    /// What is not known.
    Nothing,
}

/// The names of a view's columns.
pub(super) fn heads(view: View) -> &'static [&'static str] {
    match view {
        View::Workers => &[
            "Worker", "Core", "Load", "ns/pkt", "Cyc/pkt", "In/s", "Out/s", "Drops/s", "Room/s",
            "Sessions",
        ],
        View::Services => &[
            "Service", "Address", "Up", "Active", "Inact", "Conn/s", "In/s", "Out/s", "InB/s",
            "OutB/s",
        ],
        View::Backends => &[
            "Backend", "State", "Weight", "Active", "Inact", "Conn/s", "In/s", "Out/s", "InB/s",
            "OutB/s",
        ],
        View::Ports => &[
            "Port", "Link", "In/s", "Out/s", "InB/s", "OutB/s", "Missed/s",
        ],
        View::Drops => &["Reason", "Layer", "Drops/s", "Drops", "Description"],
    }
}

/// The rows of the view that is shown, in their order.
pub(super) fn rows(screen: &Screen) -> Vec<Vec<Cell>> {
    let Some(now) = &screen.now else {
        return Vec::new();
    };
    let before = screen.before.as_ref().unwrap_or(now);
    let mut rows = match screen.view() {
        View::Workers => workers(now, before, &screen.clocks),
        View::Services => services(now),
        View::Backends => backends(now),
        View::Ports => ports(now, before),
        View::Drops => drops(now, before),
    };
    if let Some(column) = screen.sorted_by() {
        let of = |row: &[Cell]| row.get(column).cloned().unwrap_or(Cell::Nothing);
        rows.sort_by(|a, b| order(&of(a), &of(b)));
    }
    rows
}

/// What all workers together do.
pub(super) fn total(screen: &Screen) -> Work {
    let mut total = Work::default();
    let Some(now) = &screen.now else { return total };
    let before = screen.before.as_ref().unwrap_or(now);
    for (one, was) in now.workers.iter().zip(&before.workers) {
        let work = work(one, was);
        total.received += work.received
            - a_second(one.taken_over, was.taken_over, {
                now.seconds_since(before)
            });
        total.sent += work.sent;
        total.dropped += work.dropped;
        total.load += work.load;
    }
    total
}

fn order(a: &Cell, b: &Cell) -> Ordering {
    let rank = |cell: &Cell| match cell {
        Cell::Number(number) | Cell::Share(number) => Some(*number),
        Cell::Text(_) | Cell::Nothing => None,
    };
    match (a, b) {
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        _ => rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal),
    }
}

fn maybe(number: Option<f64>) -> Cell {
    number.map_or(Cell::Nothing, Cell::Number)
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn number(number: u64) -> Cell {
    Cell::Number(float(number))
}

fn workers(now: &Sample, before: &Sample, clocks: &[f64]) -> Vec<Vec<Cell>> {
    let row = |(one, was): (&Worker, &Worker)| {
        let work = work(one, was);
        let mhz = clocks.get(usize::from(one.core));
        let cycles = work.ns.zip(mhz).map(|(ns, mhz)| ns * mhz / 1000.0);
        vec![
            Cell::Number(one.index.into()),
            Cell::Number(one.core.into()),
            Cell::Share(work.load),
            maybe(work.ns),
            maybe(cycles),
            Cell::Number(work.received),
            Cell::Number(work.sent),
            Cell::Number(work.dropped),
            maybe(work.room),
            number(one.sessions),
        ]
    };
    now.workers.iter().zip(&before.workers).map(row).collect()
}

fn services(now: &Sample) -> Vec<Vec<Cell>> {
    let row = |one: &Service| {
        let is_up = |backend: &&Backend| backend.state == State::Up;
        let up = one.backends.iter().filter(is_up).count();
        let sum = |of: fn(&Backend) -> u64| number(one.backends.iter().map(of).sum());
        let mut row = vec![
            text(&one.name),
            text(one.virtual_address.to_string()),
            text(format!("{up}/{}", one.backends.len())),
            sum(|backend| backend.active),
            sum(|backend| backend.inactive),
        ];
        row.extend(rates(one.rates));
        row
    };
    now.services.iter().map(row).collect()
}

fn backends(now: &Sample) -> Vec<Vec<Cell>> {
    let all = now.services.iter().flat_map(|service| {
        let backends = service.backends.iter();
        backends.map(move |backend| (service, backend))
    });
    let row = |(service, one): (&Service, &Backend)| {
        let mut row = vec![
            text(format!("{}/{}", service.name, one.name)),
            text(one.state.name()),
            number(one.weight.into()),
            number(one.active),
            number(one.inactive),
        ];
        row.extend(rates(one.rates));
        row
    };
    all.map(row).collect()
}

fn rates(rates: Option<Rates>) -> [Cell; 5] {
    let Rates {
        connections,
        in_packets,
        out_packets,
        in_octets,
        out_octets,
    } = rates.unwrap_or_default();
    [connections, in_packets, out_packets, in_octets, out_octets].map(number)
}

fn ports(now: &Sample, before: &Sample) -> Vec<Vec<Cell>> {
    let time = now.seconds_since(before);
    let row = |(one, was): (&Port, &Port)| {
        let rate = |now, before| Cell::Number(a_second(now, before, time));
        vec![
            text(&one.name),
            text(if one.link_up { "up" } else { "down" }),
            rate(one.rx_frames, was.rx_frames),
            rate(one.tx_frames, was.tx_frames),
            rate(one.rx_octets, was.rx_octets),
            rate(one.tx_octets, was.tx_octets),
            rate(one.driver_counters.imissed, was.driver_counters.imissed),
        ]
    };
    now.ports.iter().zip(&before.ports).map(row).collect()
}

/// Those that have occurred, the most frequent of this moment first.
fn drops(now: &Sample, before: &Sample) -> Vec<Vec<Cell>> {
    let time = now.seconds_since(before);
    let mut all: Vec<_> = now
        .drops
        .iter()
        .zip(&before.drops)
        .filter(|(one, _)| one.packets > 0)
        .map(|(one, was)| (a_second(one.packets, was.packets, time), one))
        .collect();
    all.sort_by(|(a, one), (b, other)| {
        let now = b.partial_cmp(a).unwrap_or(Ordering::Equal);
        now.then(other.packets.cmp(&one.packets))
    });
    let row = |(rate, one): (f64, &Drop)| {
        vec![
            text(&one.reason),
            text(&one.layer),
            Cell::Number(rate),
            number(one.packets),
            text(&one.description),
        ]
    };
    all.into_iter().map(row).collect()
}
