//! Programs that the checks run.

use std::path::PathBuf;

use crate::config::{
    problem::Problems,
    raw,
    value::{flag, path},
};

/// A program that tells by its exit code whether a backend is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program's file, an absolute path.
    pub program: PathBuf,
    /// What it is given.
    pub arguments: Vec<String>,
    /// By what name the system knows whom it runs as.
    pub user: String,
    /// Whether exit codes from 2 on are the weight plus 2.
    pub dynamic_weight: bool,
}

/// May do nothing that any user may not.
const USER: &str = "nobody";

impl Command {
    /// Reads the command of a check that stands at `at`.
    pub(super) fn read<'a>(
        raw: &raw::Check<'a>,
        at: &'a str,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let Some(command) = raw.command else {
            let text = "no command; write it like `Command(command: [\"/usr/local/bin/check\"])`";
            problems.refuse(at, text);
            return None;
        };
        let words = read_words(command, problems);
        let user = read_user(raw.user, problems);
        let dynamic_weight = flag(raw.dynamic_weight, problems);
        let (program, arguments) = words?;
        Some(Self {
            program,
            arguments,
            user: user?,
            dynamic_weight: dynamic_weight?,
        })
    }
}

/// A program and its arguments.
pub(super) fn read_words<'a>(
    written: raw::List<'a, String>,
    problems: &mut Problems<'a>,
) -> Option<(PathBuf, Vec<String>)> {
    let what = "a program and its arguments such as `[\"/usr/local/bin/check\", \"-v\"]`";
    let mut list = written.read(what, problems)?.into_iter();
    let Some(program) = list.next() else {
        problems.refuse(written.text(), format!("no program; write {what}"));
        return None;
    };
    let program = path(program, "/usr/local/bin/check", problems);
    let mut arguments = Vec::new();
    for written in list {
        let argument = written.read("an argument in quotes", problems)?;
        if argument.contains('\0') {
            problems.refuse(written.text(), "an argument cannot hold the character 0");
            return None;
        }
        arguments.push(argument);
    }
    Some((program?, arguments))
}

/// Whom a program runs as.
pub(super) fn read_user<'a>(
    written: Option<raw::Text<'a>>,
    problems: &mut Problems<'a>,
) -> Option<String> {
    let Some(written) = written else {
        return Some(USER.to_owned());
    };
    let user = written.read("a user in quotes such as `\"nobody\"`", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.$".contains(c);
    if (1..=32).contains(&user.len()) && user.chars().all(fits) && !user.starts_with('-') {
        return Some(user);
    }
    let text = format!("`{user}` is no user; write one as /etc/passwd has it");
    problems.refuse(written.text(), text);
    None
}
