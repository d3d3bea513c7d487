//! A value as it stands in the file, which knows its place.

use std::marker::PhantomData;

use ron::{Options, error::SpannedError, extensions::Extensions, value::RawValue};
use serde::{Deserialize, Deserializer};

use super::{problem::Problems, spelling};

/// A value of the file that is still to be read as a `T`.
///
/// It is a slice of the file's own text, so its address tells its line and column, which RON
/// gives for its own errors only; and since each value is read by itself, one that cannot be read
/// does not hide what is wrong with the next.
pub(super) struct Written<'a, T> {
    raw: &'a RawValue,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Written<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Written<'_, T> {}

impl<'de: 'a, 'a, T> Deserialize<'de> for Written<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self {
            raw: <&RawValue>::deserialize(deserializer)?,
            kind: PhantomData,
        })
    }
}

impl<'a, T: Deserialize<'a>> Written<'a, T> {
    /// Reads the value; `what` says what would be right.
    pub(super) fn read(self, what: &str, problems: &mut Problems<'a>) -> Option<T> {
        self.try_read()
            .map_err(|error| self.explain(&error, what, problems))
            .ok()
    }

    /// Reads the value, and leaves it to the caller to say what would be right.
    pub(super) fn try_read(self) -> Result<T, SpannedError> {
        options().from_str(self.raw.get_ron())
    }

    /// The text of the value, which is also its place.
    pub(super) fn text(self) -> &'a str {
        self.raw.trim().get_ron()
    }

    fn explain(self, error: &SpannedError, what: &str, problems: &mut Problems<'a>) {
        match misspelt(self.raw.get_ron(), self.text(), error) {
            Some((at, text)) => problems.refuse(at, text),
            None => problems.refuse(
                self.text(),
                format!("expected {what}, found `{}`", excerpt(self.text())),
            ),
        }
    }
}

/// Reads the whole file as one group.
pub(super) fn read_file<'a, T: Deserialize<'a>>(
    text: &'a str,
    problems: &mut Problems<'a>,
) -> Option<T> {
    let error = match options().from_str(text) {
        Ok(group) => return Some(group),
        Err(error) => error,
    };
    if let Some((at, text)) = misspelt(text, text, &error) {
        problems.refuse(at, text);
        return None;
    }
    let (position, reason) = match error.code {
        ron::Error::ExpectedNamedStructLike(_) | ron::Error::ExpectedDifferentStructName { .. } => {
            let reason = "expected a configuration in `(` and `)`";
            (error.span.start, reason.to_owned())
        }
        code => (error.span.end, code.to_string()),
    };
    let at = from_position(text, position.line, position.col);
    let found = match excerpt(at) {
        "" if at.is_empty() => "the end of the file".to_owned(),
        "" => "the end of the line".to_owned(),
        rest => format!("`{rest}`"),
    };
    problems.refuse(at, format!("{reason}, found {found}"));
    None
}

/// True for the text of one value, with nothing behind it.
pub(super) fn is_one_value(text: &str) -> bool {
    let read: Result<&RawValue, _> = options().from_str(text);
    read.is_ok_and(|value| !value.get_ron().trim().is_empty())
}

fn options() -> Options {
    Options::default()
        .with_default_extension(Extensions::IMPLICIT_SOME)
        .with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES)
}

/// Where and why, for errors about the names of keys and choices. `text` is what was read and
/// `group` its value, without the comments before it.
fn misspelt<'a>(text: &'a str, group: &'a str, error: &SpannedError) -> Option<(&'a str, String)> {
    use ron::Error as E;
    let start = error.span.start;
    let here = from_position(text, start.line, start.col);
    Some(match &error.code {
        E::NoSuchStructField {
            expected,
            found,
            outer,
        } => (
            here,
            spelling::unknown_key(found, expected, outer.as_deref()),
        ),
        E::NoSuchEnumVariant {
            expected, found, ..
        } => (here, spelling::unknown_choice(found, expected)),
        E::DuplicateStructField { field, .. } => {
            (here, format!("`{field}` is given twice; keep one of both"))
        }
        E::MissingStructField { field, outer } => {
            (group, spelling::missing_key(field, outer.as_deref()))
        }
        _ => return None,
    })
}

/// The rest of `text` from a line and column, both from 1.
fn from_position(text: &str, line: usize, column: usize) -> &str {
    let line_start = match line.checked_sub(2) {
        None => 0,
        Some(newlines) => text
            .match_indices('\n')
            .nth(newlines)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    let rest = text.get(line_start..).unwrap_or_default();
    let skipped = rest.char_indices().nth(column.saturating_sub(1));
    rest.get(skipped.map_or(rest.len(), |(at, _)| at)..)
        .unwrap_or_default()
}

/// The beginning of a value, short enough for a message.
fn excerpt(text: &str) -> &str {
    const CHARACTERS: usize = 40;
    let line = text.lines().next().unwrap_or_default().trim_end();
    match line.char_indices().nth(CHARACTERS) {
        Some((end, _)) => line.get(..end).unwrap_or(line),
        None => line,
    }
}
