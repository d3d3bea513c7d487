//! Lays the screen out.

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    rows::{Cell, heads, rows, total},
    sample::float,
    screen::{Screen, View},
};

/// Columns of words are not made narrower than this.
const NARROWEST: usize = 8;

/// Draws what the screen shows, into whatever there is of a terminal.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let layout = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(1),
        Constraint::Length(1),
    ]);
    let [top, middle, bottom] = layout.areas(frame.area());
    let (width, height) = (usize::from(middle.width), usize::from(middle.height));
    let rows = rows(screen);
    let room = height.saturating_sub(1);
    let above = screen.above.min(rows.len().saturating_sub(room));
    let shown = rows.iter().skip(above).take(room);
    let shown: Vec<Vec<String>> = shown.map(|row| row.iter().map(written).collect()).collect();
    let table = table(screen, &rows, &shown, width);
    let header = vec![title(screen, width), sums(screen), tabs(screen.view())];
    frame.render_widget(Paragraph::new(header), top);
    frame.render_widget(Paragraph::new(table), middle);
    let last = above + shown.len();
    let places = format!("{}-{last} of {}", (above + 1).min(last), rows.len());
    frame.render_widget(Paragraph::new(keys(screen, &places)), bottom);
}

fn title(screen: &Screen, width: usize) -> Line<'static> {
    let Some(now) = &screen.now else {
        return Line::raw("");
    };
    let minutes = now.uptime_ns() / 60_000_000_000;
    let up = format!("up {}h {:02}m", minutes / 60, minutes % 60);
    let room = width.saturating_sub(up.len() + 1);
    let version = cut(&now.version.version, room);
    Line::raw(format!("{version:<room$} {up}"))
}

fn sums(screen: &Screen) -> Line<'static> {
    let work = total(screen);
    let now = screen.now.as_ref();
    let services = now.map(|now| &*now.services).unwrap_or_default();
    let begun = services.iter().filter_map(|one| one.rates);
    let begun: u64 = begun.map(|rates| rates.connections).sum();
    let workers = now.map(|now| &*now.workers).unwrap_or_default();
    let sessions: u64 = workers.iter().map(|one| one.sessions).sum();
    Line::raw(format!(
        "in {}/s  out {}/s  drops {}/s  connections {}/s  sessions {}  load {:.0}%",
        short(work.received),
        short(work.sent),
        short(work.dropped),
        short(float(begun)),
        short(float(sessions)),
        work.load * 100.0 / float(workers.len().max(1) as u64),
    ))
}

fn tabs(view: View) -> Line<'static> {
    let tab = |one: View| {
        if one == view {
            let style = Style::new().add_modifier(Modifier::REVERSED);
            Span::styled(format!("[{}] ", one.name()), style)
        } else {
            Span::raw(format!(" {}  ", one.name()))
        }
    };
    Line::from(View::ALL.map(tab).to_vec())
}

fn keys(screen: &Screen, places: &str) -> Line<'static> {
    if let Some(fault) = &screen.fault {
        let style = Style::new().add_modifier(Modifier::BOLD);
        return Line::styled(fault.clone(), style);
    }
    let sorted = screen
        .sorted_by()
        .and_then(|at| heads(screen.view()).get(at));
    let sorted = sorted.unwrap_or(&"as it comes");
    Line::raw(format!(
        "q quit  Tab view  s sort: {sorted}  Up Down rows: {places}"
    ))
}

/// The head and the rows that are shown, no wider than `width` if words allow.
fn table(
    screen: &Screen,
    rows: &[Vec<Cell>],
    shown: &[Vec<String>],
    width: usize,
) -> Vec<Line<'static>> {
    let heads = heads(screen.view());
    let of_words = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| matches!(cell, Cell::Text(_)))
    };
    let words: Vec<bool> = (0..heads.len()).map(of_words).collect();
    let wide = |(column, head): (usize, &&str)| {
        let cells = shown.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(head.len())
    };
    let mut widths: Vec<usize> = heads.iter().enumerate().map(wide).collect();
    while widths.iter().sum::<usize>() + widths.len().saturating_sub(1) > width {
        let words = widths.iter_mut().zip(&words);
        let words = words.filter(|(width, words)| **words && **width > NARROWEST);
        match words.max_by_key(|(width, _)| **width) {
            Some((widest, _)) => *widest -= 1,
            None => break,
        }
    }
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).zip(&words);
        let cells = cells.map(|((cell, width), words)| match words {
            true => format!("{:<width$}", cut(cell, *width)),
            false => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    let names: Vec<String> = heads.iter().map(ToString::to_string).collect();
    let head = Line::styled(line(&names), Style::new().add_modifier(Modifier::BOLD));
    let rest = shown.iter().map(|row| Line::raw(line(row)));
    std::iter::once(head).chain(rest).collect()
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => short(*number),
        Cell::Share(share) => format!("{:.0}%", share * 100.0),
        Cell::Nothing => "-".to_owned(),
    }
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A number in at most five characters: `999`, `1.23K`, `12.3M`.
pub(super) fn short(number: f64) -> String {
    let mut number = number;
    for unit in ["", "K", "M", "G", "T"] {
        // What would be rounded up to 1000 belongs to the next unit.
        if number < 999.5 || unit == "T" {
            return match unit {
                "" if number > 0.0 && number < 9.95 && number.fract() > 0.05 => {
                    format!("{number:.1}")
                }
                "" => format!("{number:.0}"),
                _ if number < 9.995 => format!("{number:.2}{unit}"),
                _ if number < 99.95 => format!("{number:.1}{unit}"),
                _ => format!("{number:.0}{unit}"),
            };
        }
        number /= 1000.0;
    }
    String::new()
}
