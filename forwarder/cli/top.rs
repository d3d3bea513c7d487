//! `weir top`: what the running program does just now, by packets, connections, drops and what
//! they cost, for a terminal.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::Buffer,
    crossterm::event::{self, Event, KeyEventKind},
};

use super::{client, source::wait};
use crate::{config::DEFAULT_SOCKET, control::Clock};
use sample::Sample;
use screen::Screen;

mod draw;
mod rows;
mod sample;
mod screen;
#[cfg(test)]
mod tests;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Seconds between two looks
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=60),
    )]
    interval: u64,
    /// Print one screen, of 80 columns and 24 lines, and end
    #[arg(long)]
    once: bool,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// What a terminal has at least.
const SIZE: (u16, u16) = (80, 24);

/// Shows what the program does until `q` is pressed.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interval = Duration::from_secs(arguments.interval);
    let mut screen = Screen::new(clocks());
    screen.take(look(&arguments.socket)?);
    if arguments.once {
        std::thread::sleep(interval);
        screen.take(look(&arguments.socket)?);
        let (columns, lines) = SIZE;
        let mut terminal = Terminal::new(TestBackend::new(columns, lines))?;
        terminal.draw(|frame| draw::draw(frame, &screen))?;
        let text = text(terminal.backend().buffer());
        io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !io::stdout().is_terminal() {
        bail!("`weir top` needs a terminal; `weir top --once` and `weir show … --watch` do not");
    }
    let mut terminal = ratatui::init();
    let ended = follow(&mut terminal, &mut screen, &arguments.socket, interval);
    ratatui::restore();
    ended.map(|()| ExitCode::SUCCESS)
}

fn follow(
    terminal: &mut ratatui::DefaultTerminal,
    screen: &mut Screen,
    socket: &Path,
    interval: Duration,
) -> Result<()> {
    let clock = Clock::start();
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    let mut due_ms = interval_ms;
    loop {
        terminal.draw(|frame| draw::draw(frame, screen))?;
        let left_ms = due_ms.saturating_sub(clock.now().ms());
        if left_ms == 0 {
            match look(socket) {
                Ok(sample) => screen.take(sample),
                // It may be back by the next look.
                Err(error) => screen.miss(format!("{error:#}")),
            }
            due_ms = clock.now().ms().saturating_add(interval_ms);
        } else if event::poll(Duration::from_millis(left_ms))?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
            && screen.press(key)
        {
            return Ok(());
        }
    }
}

/// Asks the running program.
fn look(socket: &Path) -> Result<Sample> {
    wait(async {
        Ok(Sample {
            version: client::get(socket, "/version").await?,
            services: client::get(socket, "/services").await?,
            workers: client::get(socket, "/workers").await?,
            ports: client::get(socket, "/ports").await?,
            drops: client::get(socket, "/drops").await?,
        })
    })
}

/// Millions of cycles a second of each core, as far as this machine tells.
fn clocks() -> Vec<f64> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    clocks_of(&text)
}

fn clocks_of(text: &str) -> Vec<f64> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mhz = fields.filter(|(key, _)| key.trim() == "cpu MHz");
    mhz.filter_map(|(_, value)| value.trim().parse().ok())
        .collect()
}

/// What is on a screen, without colours.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}
