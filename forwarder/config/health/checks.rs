//! What holds for all checks.

use std::{path::PathBuf, time::Duration};

use super::command::{read_user, read_words};
use crate::config::{
    problem::Problems,
    raw,
    value::{duration, number_or, optional},
    written::Written,
};

/// What holds for all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Questions that wait for their answers at the same time.
    pub at_once: u32,
    /// What is run when a backend goes up or down.
    pub notify: Option<Notify>,
}

/// A program that is told of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The program's file, an absolute path.
    pub program: PathBuf,
    /// What it is given before the words that tell of the change.
    pub arguments: Vec<String>,
    /// By what name the system knows whom it runs as.
    pub user: String,
    /// How long it may take.
    pub timeout: Duration,
}

const AT_ONCE: u32 = 4096;
const TIMEOUT: Duration = Duration::from_secs(10);

impl Checks {
    pub(in crate::config) fn read<'a>(
        written: Option<Written<'a, raw::Checks<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read("a group such as `(at_once: 4096)`", problems)?,
            None => raw::Checks::default(),
        };
        let at_once = number_or(raw.at_once, "at_once", AT_ONCE, &(1..=65_536), problems);
        let notify = optional(raw.notify, |written| Notify::read(written, problems));
        Some(Self {
            at_once: at_once?,
            notify: notify?,
        })
    }
}

impl Notify {
    pub(in crate::config) fn read<'a>(
        written: Written<'a, raw::Notify<'a>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let what = "a group such as `(command: [\"/etc/weir/notify\"])`";
        let raw = written.read(what, problems)?;
        let words = read_words(raw.command, problems);
        let user = read_user(raw.user, problems);
        let timeout = match raw.timeout {
            None => Some(TIMEOUT),
            Some(written) => duration(written, "timeout", ["100ms", "10m"], problems),
        };
        let (program, arguments) = words?;
        Some(Self {
            program,
            arguments,
            user: user?,
            timeout: timeout?,
        })
    }
}
