//! Single changes to a configuration, in the words of its file.
//!
//! What comes of them is written as a file and read again, so it is checked as any file is.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    Config, Refused, Unwritable,
    sheet::{Entry, Keys, Value},
    written,
};

/// Keys with their values as a file has them, `"weight": "5"`; with none a key is taken away. A
/// key of a group is written as in `timeouts.udp`.
pub type EditedKeys = BTreeMap<String, Option<String>>;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What is done.
    pub action: Action,
    /// To what.
    #[serde(flatten)]
    pub of: Edited,
    /// The keys that are given, but for the name.
    #[serde(default)]
    pub keys: EditedKeys,
}

/// What is done to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is there from now on, behind others of its kind.
    Add,
    /// Keys of it change.
    Set,
    /// It is there no more. Of the whole: all services.
    Remove,
}

/// What is changed: the settings of the whole, a service, or a backend of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// The service's name.
    pub service: Option<String>,
    /// The backend's name.
    pub backend: Option<String>,
}

/// Why a change is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EditError {
    /// Nothing is called so.
    #[error("there is no {0}")]
    Missing(Edited),
    /// The name is taken.
    #[error("there is a {0} already")]
    Present(Edited),
    /// A backend of no service, or the whole once more.
    #[error("there is nothing that this could mean: {0}")]
    Meaningless(Edited),
    /// No file could have this key.
    #[error("`{0}` is nothing that a file can have as a key; keys are as `timeouts.udp`")]
    Key(String),
    /// A key is to be in what no keys are in.
    #[error("`{inner}` cannot be a key in `{key}`, which is no group; give `{key}` as a whole")]
    NoGroup {
        /// What is no group.
        key: String,
        /// What is to be in it.
        inner: String,
    },
    /// No file could have this value.
    #[error("`{key}: {value}` is nothing that a file can have; texts are in quotes, choices not")]
    Value {
        /// The key.
        key: String,
        /// What is written of it.
        value: String,
    },
    /// No file has groups within groups so deep.
    #[error("`{0}…` is no key: no group of a file is so deep")]
    Deep(String),
    /// What it is made to would lose something else by it.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    /// What comes of it is no configuration.
    #[error("{0}")]
    Refused(String),
}

impl From<Refused> for EditError {
    /// Without the places, which are those of a file that nobody sees.
    fn from(refused: Refused) -> Self {
        let texts = refused.problems.into_iter().map(|problem| problem.text);
        Self::Refused(texts.collect::<Vec<_>>().join("; "))
    }
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.service, &self.backend) {
            (Some(service), None) => write!(f, "service `{service}`"),
            (Some(service), Some(backend)) => write!(f, "backend `{service}/{backend}`"),
            (None, Some(backend)) => write!(f, "backend `{backend}` without its service"),
            (None, None) => write!(f, "configuration"),
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Add => "add",
            Action::Set => "set",
            Action::Remove => "remove",
        };
        write!(f, "{action} {}", self.of)?;
        for (at, (key, value)) in self.keys.iter().enumerate() {
            let value = value.as_deref().unwrap_or("none");
            write!(f, "{} {key}: {value}", if at > 0 { "," } else { ":" })?;
        }
        Ok(())
    }
}

impl Config {
    /// The same with these changes, made in their order.
    ///
    /// # Errors
    ///
    /// Why one of them cannot be made, or everything that is wrong with what comes of all.
    pub fn edited(&self, edits: &[Edit]) -> Result<Self, EditError> {
        self.to_ron()?;
        let mut file = self.sheet();
        for edit in edits {
            make(&mut file, edit)?;
        }
        Ok(Self::parse(&file.to_ron(), "edited")?)
    }
}

fn make(file: &mut Keys, edit: &Edit) -> Result<(), EditError> {
    let Edit { action, of, keys } = edit;
    let missing = || EditError::Missing(of.clone());
    let (list, name) = match (&of.service, &of.backend) {
        (None, None) => {
            return match action {
                Action::Set => set_all(&mut file.0, keys),
                Action::Remove => {
                    file.0.retain(|entry| entry.key != "services");
                    Ok(())
                }
                Action::Add => Err(EditError::Meaningless(of.clone())),
            };
        }
        (None, Some(_)) => return Err(EditError::Meaningless(of.clone())),
        (Some(service), None) => (list_of(&mut file.0, "services"), service),
        (Some(service), Some(backend)) => {
            let service = named(list_of(&mut file.0, "services"), service);
            let (_, service) = service.ok_or_else(missing)?;
            (list_of(service, "backends"), backend)
        }
    };
    match (action, named(list, name)) {
        (Action::Add, None) => {
            let mut entries = Vec::new();
            set(&mut entries, "name", Some(&format!("{name:?}")))?;
            set_all(&mut entries, keys)?;
            list.push(Value::Group(String::new(), entries));
            Ok(())
        }
        (Action::Add, Some(_)) => Err(EditError::Present(of.clone())),
        (Action::Set, Some((_, entries))) => set_all(entries, keys),
        (Action::Remove, Some((place, _))) => {
            list.remove(place);
            Ok(())
        }
        (Action::Set | Action::Remove, None) => Err(missing()),
    }
}

/// The list that is the value of a key.
fn list_of<'e>(entries: &'e mut Vec<Entry>, key: &str) -> &'e mut Vec<Value> {
    let at = entries.iter().position(|entry| entry.key == key);
    let at = at.unwrap_or_else(|| {
        entries.push(Entry::new(key, Value::List(Vec::new())));
        entries.len() - 1
    });
    let Entry { value, .. } = &mut entries[at];
    if !matches!(value, Value::List(_)) {
        *value = Value::List(Vec::new());
    }
    match value {
        Value::List(list) => list,
        _ => unreachable!("it is made one above"),
    }
}

/// The place and the keys of what is called so, looked for from the end: what is changed has
/// often just been added.
fn named<'v>(list: &'v mut [Value], name: &str) -> Option<(usize, &'v mut Vec<Entry>)> {
    let name = format!("{name:?}");
    let groups = list.iter_mut().enumerate();
    let mut groups = groups.rev().filter_map(|(place, value)| match value {
        Value::Group(_, entries) => Some((place, entries)),
        _ => None,
    });
    groups.find(|(_, entries)| {
        let named = entries.iter().find(|entry| entry.key == "name");
        named.is_some_and(|entry| matches!(&entry.value, Value::Plain(text) if *text == name))
    })
}

fn set_all(entries: &mut Vec<Entry>, keys: &EditedKeys) -> Result<(), EditError> {
    keys.iter().try_for_each(|(path, value)| {
        if path.split('.').nth(MOST_GROUPS + 1).is_some() {
            return Err(EditError::Deep(path.chars().take(EXCERPT).collect()));
        }
        if path.split('.').all(is_key) {
            set(entries, path, value.as_deref())
        } else {
            Err(EditError::Key(path.clone()))
        }
    })
}

/// Groups that a key is in at most: more than any file has, and few enough to descend into.
const MOST_GROUPS: usize = 4;

/// Characters of a key in a message.
const EXCERPT: usize = 40;

fn set(entries: &mut Vec<Entry>, path: &str, value: Option<&str>) -> Result<(), EditError> {
    let (key, inner) = match path.split_once('.') {
        Some((key, inner)) => (key, Some(inner)),
        None => (path, None),
    };
    let at = entries.iter().position(|entry| entry.key == key);
    if let Some(inner) = inner {
        let at = at.unwrap_or_else(|| {
            entries.push(Entry::new(key, Value::Group(String::new(), Vec::new())));
            entries.len() - 1
        });
        return match entries.get_mut(at) {
            Some(Entry {
                value: Value::Group(_, entries),
                usual,
                ..
            }) => {
                *usual = false;
                set(entries, inner, value)
            }
            _ => Err(EditError::NoGroup {
                key: key.to_owned(),
                inner: inner.to_owned(),
            }),
        };
    }
    let Some(value) = value else {
        entries.retain(|entry| entry.key != key);
        return Ok(());
    };
    if !written::is_one_value(value) {
        return Err(EditError::Value {
            key: path.to_owned(),
            value: value.to_owned(),
        });
    }
    let entry = Entry::new(key, Value::Plain(value.to_owned()));
    match at.and_then(|at| entries.get_mut(at)) {
        Some(there) => *there = entry,
        None => entries.push(entry),
    }
    Ok(())
}

/// True for what may stand before a colon.
fn is_key(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"(dpdk: (workers: [1]),
        ports: [(name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"])],
        services: [(name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            backends: [(name: "web1", address: "192.0.2.11:80")])])"#;

    /// The lines that tell what a change has changed, or why it is refused.
    fn changed(edits: &str) -> Result<Vec<String>, String> {
        let file = Config::parse(FILE, "f").unwrap();
        let edits: Vec<Edit> = serde_json::from_str(edits).map_err(|error| error.to_string())?;
        let edited = file.edited(&edits).map_err(|error| error.to_string())?;
        let lines = file.differences(&edited);
        Ok(lines.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_services_and_backends_change() {
        for (edits, expected) in [
            (
                r#"{"action": "set", "service": "web", "backend": "web1",
                    "keys": {"weight": "7"}}"#,
                &["~ backend web/web1: weight 1 -> 7"][..],
            ),
            (
                r#"{"action": "set", "keys": {"timeouts.udp": "\"9s\"", "timeouts.close": null}}"#,
                &[r#"~ timeouts.udp "5m" -> "9s""#],
            ),
            (
                r#"{"action": "add", "service": "web", "backend": "web2",
                    "keys": {"address": "\"192.0.2.12:80\""}}"#,
                &[r#"+ backend web/web2: address: "192.0.2.12:80""#],
            ),
            (
                r#"{"action": "remove", "service": "web", "backend": "web1"}"#,
                &[r#"- backend web/web1: address: "192.0.2.11:80""#],
            ),
            (
                r#"{"action": "remove"}"#,
                &[
                    concat!(
                        r#"- service web: address: "192.0.2.100:80", protocol: Tcp, "#,
                        "forward: Nat"
                    ),
                    r#"- backend web/web1: address: "192.0.2.11:80""#,
                ],
            ),
        ] {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(changed(&format!("[{edits}]")), Ok(expected), "{edits}");
        }
    }

    #[test]
    fn keys_of_many_dots_are_refused_before_anybody_descends() {
        for value in ["null", r#""1""#] {
            let edits = |dots: usize| {
                let key = "a.".repeat(dots) + "a";
                format!(r#"[{{"action": "set", "keys": {{"{key}": {value}}}}}]"#)
            };
            for (dots, excerpt) in [(1_000_000, "a.".repeat(20)), (5, "a.a.a.a.a.a".to_owned())] {
                let deep = format!("`{excerpt}…` is no key: no group of a file is so deep");
                assert_eq!(changed(&edits(dots)), Err(deep), "{dots}");
            }
            assert!(!changed(&edits(4)).is_err_and(|text| text.contains("so deep")));
        }
    }

    #[test]
    fn what_no_file_could_say_is_refused() {
        for (edits, expected) in [
            (
                r#"{"action": "set", "service": "wob", "keys": {}}"#,
                "there is no service `wob`",
            ),
            (
                r#"{"action": "add", "service": "web", "keys": {}}"#,
                "there is a service `web` already",
            ),
            (
                r#"{"action": "set", "backend": "web1", "keys": {}}"#,
                "there is nothing that this could mean: backend `web1` without its service",
            ),
            (
                r#"{"action": "set", "service": "web",
                    "keys": {"scheduler": "rr, forward: Dr"}}"#,
                "`scheduler: rr, forward: Dr` is nothing that a file can have; texts are in \
                 quotes, choices not",
            ),
            (
                r#"{"action": "set", "service": "web", "keys": {"a: 1, b": "1"}}"#,
                "`a: 1, b` is nothing that a file can have as a key; keys are as `timeouts.udp`",
            ),
            (
                r#"{"action": "set", "keys": {"timeouts..udp": null}}"#,
                "`timeouts..udp` is nothing that a file can have as a key; keys are as \
                 `timeouts.udp`",
            ),
            (
                r#"{"action": "set", "keys": {"a: (), b.c": "1"}}"#,
                "`a: (), b.c` is nothing that a file can have as a key; keys are as `timeouts.udp`",
            ),
            (
                r#"{"action": "set", "keys": {"services.web": null}}"#,
                "`web` cannot be a key in `services`, which is no group; give `services` as a \
                 whole",
            ),
            (
                r#"{"action": "set", "service": "web", "keys": {"backends.web1": null}}"#,
                "`web1` cannot be a key in `backends`, which is no group; give `backends` as a \
                 whole",
            ),
            (
                r#"{"action": "set", "service": "web", "backend": "web1",
                    "keys": {"weight.x": "7"}}"#,
                "`x` cannot be a key in `weight`, which is no group; give `weight` as a whole",
            ),
            (
                r#"{"action": "set", "service": "web", "backend": "web1",
                    "keys": {"weight": "70000"}}"#,
                "`weight` is a whole number from 0 to 65535, not `70000`",
            ),
        ] {
            assert_eq!(
                changed(&format!("[{edits}]")),
                Err(expected.to_owned()),
                "{edits}"
            );
        }
    }
}
