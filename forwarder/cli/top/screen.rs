//! What is shown, and what keys make of it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::sample::Sample;

/// What is to be seen, in the order of Tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Workers,
    Services,
    Backends,
    Ports,
    Drops,
}

impl View {
    pub(super) const ALL: [Self; 5] = [
        Self::Workers,
        Self::Services,
        Self::Backends,
        Self::Ports,
        Self::Drops,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Workers => "Workers",
            Self::Services => "Services",
            Self::Backends => "Backends",
            Self::Ports => "Ports",
            Self::Drops => "Drops",
        }
    }
}

/// The screen's state.
#[derive(Debug)]
pub(super) struct Screen {
    /// Millions of cycles a second, by core.
    pub(super) clocks: Vec<f64>,
    pub(super) now: Option<Sample>,
    pub(super) before: Option<Sample>,
    /// Why the last look failed, if it did.
    pub(super) fault: Option<String>,
    /// The place of the view among [`View::ALL`].
    view: usize,
    /// The column that rows are sorted by, of each view; as they come where there is none.
    sorted: [Option<usize>; View::ALL.len()],
    /// Rows that are above the first that is shown.
    pub(super) above: usize,
}

impl Screen {
    /// One on which nothing is yet.
    pub(super) fn new(clocks: Vec<f64>) -> Self {
        Self {
            clocks,
            now: None,
            before: None,
            fault: None,
            view: 0,
            sorted: Default::default(),
            above: 0,
        }
    }

    /// Shows what the program says now.
    pub(super) fn take(&mut self, sample: Sample) {
        self.before = self.now.replace(sample);
        self.fault = None;
    }

    /// Shows that it says nothing.
    pub(super) fn miss(&mut self, fault: String) {
        self.fault = Some(fault);
    }

    pub(super) fn view(&self) -> View {
        View::ALL.get(self.view).copied().unwrap_or(View::Workers)
    }

    pub(super) fn sorted_by(&self) -> Option<usize> {
        self.sorted.get(self.view).copied().flatten()
    }

    /// Does what a key says. True where it says that this is the end.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        let views = View::ALL.len();
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Tab | KeyCode::Right => self.go((self.view + 1) % views),
            KeyCode::BackTab | KeyCode::Left => self.go((self.view + views - 1) % views),
            KeyCode::Down => self.above = self.above.saturating_add(1),
            KeyCode::Up => self.above = self.above.saturating_sub(1),
            KeyCode::PageDown => self.above = self.above.saturating_add(10),
            KeyCode::PageUp => self.above = self.above.saturating_sub(10),
            KeyCode::Home => self.above = 0,
            KeyCode::Char('s') => self.sort_by_next(),
            _ => {}
        }
        false
    }

    fn go(&mut self, view: usize) {
        self.view = view;
        self.above = 0;
    }

    fn sort_by_next(&mut self) {
        let columns = super::rows::heads(self.view()).len();
        if let Some(sorted) = self.sorted.get_mut(self.view) {
            let next = sorted.map_or(0, |column| column + 1);
            *sorted = (next < columns).then_some(next);
        }
        self.above = 0;
    }
}
