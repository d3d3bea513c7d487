//! Keys and values, and how they are laid out.

use std::{
    fmt::{self, Display},
    time::Duration,
};

/// A value as the file would have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Value {
    /// What stands for itself: a number, a text in quotes, a choice.
    Plain(String),
    /// Values in `[` and `]`.
    List(Vec<Value>),
    /// Keys in `(` and `)`, perhaps behind the name of a choice.
    Group(String, Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) value: Value,
    /// Whether it means the same where it is left out.
    pub(in crate::config) usual: bool,
}

/// Keys in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Keys(pub(in crate::config) Vec<Entry>);

/// Columns of a line, as far as values allow.
const WIDTH: usize = 100;
const INDENT: usize = 4;

impl Entry {
    /// A key that is always written.
    pub(in crate::config) fn new(key: &str, value: Value) -> Self {
        Self {
            key: key.to_owned(),
            value,
            usual: false,
        }
    }
}

impl Keys {
    /// A whole file with these keys.
    pub(in crate::config) fn to_ron(&self) -> String {
        let mut out = String::new();
        lay_out(
            &mut out,
            &Value::Group(String::new(), self.0.clone()),
            0,
            0,
            true,
        );
        out.push('\n');
        out
    }

    fn with(mut self, key: &str, value: Value, usual: bool) -> Self {
        self.0.push(Entry {
            key: key.to_owned(),
            value,
            usual,
        });
        self
    }

    /// With a key that is always written.
    pub(super) fn set(self, key: &str, value: Value) -> Self {
        self.with(key, value, false)
    }

    /// With a key that is written unless its value is the usual one.
    pub(super) fn unless(self, key: &str, value: Value, usual: Value) -> Self {
        let same = value == usual;
        drop(usual);
        self.with(key, value, same)
    }

    /// With a group that is written unless all in it is as usual.
    pub(super) fn unless_empty(self, key: &str, keys: Self) -> Self {
        let same = keys.0.iter().all(|entry| entry.usual);
        self.with(key, group(keys), same)
    }

    /// With a key that may have no value.
    pub(super) fn may(self, key: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }

    /// With a list, if anything is in it.
    pub(super) fn some(self, key: &str, list: Value) -> Self {
        match list {
            Value::List(list) if list.is_empty() => self,
            list => self.set(key, list),
        }
    }
}

/// In one line.
impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::List(list) => {
                f.write_str("[")?;
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Group(choice, entries) => {
                write!(f, "{choice}(")?;
                let written = entries.iter().filter(|entry| !entry.usual);
                for (at, Entry { key, value, .. }) in written.enumerate() {
                    write!(f, "{}{key}: {value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Lays out a value that begins in column `column` of a line with this indent: what does not fit
/// into a line has a line for each of its parts.
fn lay_out(out: &mut String, value: &Value, indent: usize, column: usize, broken: bool) {
    // The comma behind it.
    let room = WIDTH.saturating_sub(column + 1);
    let flat = value.to_string();
    if !broken && flat.chars().count() <= room {
        out.push_str(&flat);
        return;
    }
    let inner = indent + INDENT;
    let line = |out: &mut String| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', inner));
    };
    let close = |out: &mut String, bracket| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
        out.push(bracket);
    };
    match value {
        Value::Plain(text) => out.push_str(text),
        Value::List(list) => {
            out.push('[');
            for value in list {
                line(out);
                lay_out(out, value, inner, inner, false);
                out.push(',');
            }
            close(out, ']');
        }
        Value::Group(choice, entries) => {
            out.push_str(choice);
            out.push('(');
            for Entry { key, value, .. } in entries.iter().filter(|entry| !entry.usual) {
                line(out);
                out.push_str(key);
                out.push_str(": ");
                lay_out(out, value, inner, inner + key.len() + 2, false);
                out.push(',');
            }
            close(out, ')');
        }
    }
}

/// A text in quotes.
pub(super) fn text(text: impl AsRef<str>) -> Value {
    // What Rust escapes RON reads.
    Value::Plain(format!("{:?}", text.as_ref()))
}

/// Texts in quotes.
pub(super) fn texts<T: Display>(all: impl IntoIterator<Item = T>) -> Value {
    list(all.into_iter().map(|one| text(one.to_string())))
}

pub(super) fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(values.collect())
}

pub(super) fn number(number: impl Display) -> Value {
    Value::Plain(number.to_string())
}

pub(super) fn choice(name: &str) -> Value {
    Value::Plain(name.to_owned())
}

pub(super) fn yes(flag: bool) -> Value {
    Value::Plain(flag.to_string())
}

pub(super) fn group(keys: Keys) -> Value {
    Value::Group(String::new(), keys.0)
}

/// A duration in the largest unit that gives a whole number.
pub(super) fn time(time: Duration) -> Value {
    let us = time.as_micros();
    let units = [
        ("h", 3_600_000_000),
        ("m", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1_000),
    ];
    let whole = units
        .into_iter()
        .find(|(_, unit)| us > 0 && us.is_multiple_of(*unit));
    let (unit, of) = whole.unwrap_or(if us == 0 { ("s", 1) } else { ("us", 1) });
    text(format!("{}{unit}", us / of))
}
