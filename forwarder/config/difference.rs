//! What differs between two configurations, a line for each thing.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
};

use serde::{Deserialize, Serialize};

use super::{
    Config, Service,
    sheet::{self, Entry, Keys, Value},
};

/// One thing that is in one configuration alone, or differs in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about.
    pub kind: DifferenceKind,
    /// Its name in the configuration that has it, of a backend with its service's: `web/web1`.
    /// Empty for settings.
    pub name: String,
    /// The key that differs, `timeouts.established`; none where the whole is new or gone.
    pub key: Option<String>,
    /// What was; none where there was nothing.
    pub old: Option<String>,
    /// What is; none where there is nothing.
    pub new: Option<String>,
}

/// Of what there may be more or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// A key of the whole.
    Setting,
    /// A port.
    Port,
    /// A route, by its destination.
    Route,
    /// A static neighbour, by its address.
    Neighbour,
    /// A group.
    Group,
    /// A service: the same as before if what clients address first is.
    Service,
    /// A backend: the same as before if its address is.
    Backend,
    /// A rule of SNAT: the same as before if its first address is.
    Snat,
}

impl Config {
    /// What is otherwise in `new`: nothing where both mean the same. Services and backends are
    /// the same where a reload takes them for the same.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        use DifferenceKind as Kind;
        let mut all = Vec::new();
        if self == new {
            return all;
        }
        let settings = [&self.settings(), &new.settings()];
        keys_of(Kind::Setting, "", settings, &mut all);
        let both = [self, new];
        let of = |kind| Things { kind, prefix: "" };
        let ports = [&*self.ports, &new.ports];
        let port = |_: &Self, port: &_| sheet::port(port);
        of(Kind::Port).compare(
            ports,
            |one| &one.name,
            |one| &one.name,
            both,
            port,
            &mut all,
        );
        let routes = [&*self.routes, &new.routes];
        let route = |_: &Self, route: &_| sheet::route(route);
        of(Kind::Route).compare(routes, |one| one.to, |one| one.to, both, route, &mut all);
        let given = [&*self.neighbours, &new.neighbours];
        let neighbour = |_: &Self, one: &_| sheet::neighbour(one);
        let name = |one: &super::Neighbour| one.address;
        of(Kind::Neighbour).compare(given, name, name, both, neighbour, &mut all);
        let groups = [&*self.groups, &new.groups];
        let group = |config: &Self, one: &_| sheet::of_group(one, config);
        of(Kind::Group).compare(
            groups,
            |one| &one.name,
            |one| &one.name,
            both,
            group,
            &mut all,
        );
        let services = [&*self.services, &new.services];
        let service = |config: &Self, one: &_| sheet::service(one, config);
        let things = of(Kind::Service);
        let same = things.compare(
            services,
            Service::key,
            |one| &one.name,
            both,
            service,
            &mut all,
        );
        for [was, is] in same {
            backends(was, is, &mut all);
        }
        for gone in only(services, Service::key) {
            backends(gone, &empty(gone), &mut all);
        }
        for added in only([services[1], services[0]], Service::key) {
            backends(&empty(added), added, &mut all);
        }
        let rules = [&*self.snat, &new.snat];
        let rule = |config: &Self, one: &_| sheet::snat(one, config);
        of(Kind::Snat).compare(
            rules,
            |one| &one.name,
            |one| &one.name,
            both,
            rule,
            &mut all,
        );
        all
    }
}

/// The backends of a service.
fn backends(was: &Service, is: &Service, all: &mut Vec<Difference>) {
    if was.backends == is.backends {
        return;
    }
    let things = Things {
        kind: DifferenceKind::Backend,
        prefix: &is.name,
    };
    things.compare(
        [&was.backends, &is.backends],
        |one| one.address,
        |one| &one.name,
        [was, is],
        |service, one| sheet::backend(one, service),
        all,
    );
}

/// The service, without backends.
fn empty(service: &Service) -> Service {
    Service {
        backends: Vec::new(),
        ..service.clone()
    }
}

/// Those of the first list that the second has not.
fn only<T, K: Hash + Eq>(lists: [&[T]; 2], key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    let [these, others] = lists;
    let others: HashSet<K> = others.iter().map(&key).collect();
    these.iter().filter(move |one| !others.contains(&key(one)))
}

/// Things of a kind.
struct Things<'a> {
    kind: DifferenceKind,
    /// The name of what they belong to.
    prefix: &'a str,
}

impl Things<'_> {
    /// Compares two lists of things that a key tells apart, and says which are in both.
    fn compare<'t, T: PartialEq, K: Hash + Eq, N: fmt::Display, P>(
        &self,
        lists: [&'t [T]; 2],
        key: impl Fn(&'t T) -> K,
        name: impl Fn(&'t T) -> N,
        [old_parent, new_parent]: [&P; 2],
        keys: impl Fn(&P, &T) -> Keys,
        all: &mut Vec<Difference>,
    ) -> Vec<[&'t T; 2]> {
        let kind = self.kind;
        let named = |one: &'t T| match self.prefix {
            "" => name(one).to_string(),
            prefix => format!("{prefix}/{}", name(one)),
        };
        let whole = |keys: &Keys| {
            let rest = keys.0.iter().filter(|entry| entry.key != "name");
            Some(sheet::in_one_line(&Keys(rest.cloned().collect())))
        };
        let [old, new] = lists;
        let before: HashMap<K, &T> = old.iter().map(|one| (key(one), one)).collect();
        let after: HashSet<K> = new.iter().map(&key).collect();
        for gone in old.iter().filter(|one| !after.contains(&key(one))) {
            all.push(Difference {
                kind,
                name: named(gone),
                key: None,
                old: whole(&hidden(keys(old_parent, gone))),
                new: None,
            });
        }
        let mut same = Vec::new();
        for is in new {
            match before.get(&key(is)) {
                None => all.push(Difference {
                    kind,
                    name: named(is),
                    key: None,
                    old: None,
                    new: whole(&hidden(keys(new_parent, is))),
                }),
                Some(was) => {
                    same.push([*was, is]);
                    let both = [&keys(old_parent, was), &keys(new_parent, is)];
                    keys_of(kind, &named(is), both, all);
                }
            }
        }
        let kept = |list: &'t [T], others: &dyn Fn(&K) -> bool| {
            let kept = list.iter().filter(|one| others(&key(one)));
            kept.collect::<Vec<_>>()
        };
        let [was, is] = [
            kept(old, &|one| after.contains(one)),
            kept(new, &|one| before.contains_key(one)),
        ];
        let mut pairs = was.iter().zip(&is);
        if let Some(at) = pairs.position(|(was, is)| key(was) != key(is)) {
            let order = |list: &[&'t T]| {
                let names = list.iter().skip(at).take(SHOWN);
                let names: Vec<_> = names.map(|one| name(one).to_string()).collect();
                Some(names.join(" "))
            };
            all.push(Difference {
                kind: match kind {
                    DifferenceKind::Backend => DifferenceKind::Service,
                    _ => DifferenceKind::Setting,
                },
                name: self.prefix.to_owned(),
                key: Some(format!("order of {}s", kind.name())),
                old: order(&was),
                new: order(&is),
            });
        }
        same
    }
}

/// Names of an order that are shown.
const SHOWN: usize = 8;

/// The keys of two groups that differ.
fn keys_of(kind: DifferenceKind, name: &str, [old, new]: [&Keys; 2], all: &mut Vec<Difference>) {
    fn find<'k>(keys: &'k Keys, key: &str) -> Option<&'k Entry> {
        keys.0.iter().find(|entry| entry.key == key)
    }
    let gone = |entry: &&Entry| find(new, &entry.key).is_none();
    for entry in new.0.iter().chain(old.0.iter().filter(gone)) {
        let key = &entry.key;
        let (was, is) = (find(old, key), find(new, key));
        // What is left out in both follows from what is not.
        let said = [was, is].into_iter().flatten().any(|entry| !entry.usual);
        let [was, is] = [was, is].map(|entry| entry.map(|entry| entry.value.clone()));
        if was == is || !said {
            continue;
        }
        match (was, is) {
            (Some(Value::Group(a, was)), Some(Value::Group(b, is))) if a == b => {
                let mut inner = Vec::new();
                keys_of(kind, name, [&Keys(was), &Keys(is)], &mut inner);
                all.extend(inner.into_iter().map(|one| Difference {
                    key: one.key.map(|inner| format!("{key}.{inner}")),
                    ..one
                }));
            }
            (was, is) => {
                let shown = |value: Option<Value>| match key.as_str() {
                    SECRET => value.map(|_| HIDDEN.to_owned()),
                    _ => value.map(|value| value.to_string()),
                };
                all.push(Difference {
                    kind,
                    name: name.to_owned(),
                    key: Some(key.clone()),
                    old: shown(was),
                    new: shown(is),
                });
            }
        }
    }
}

/// What is told to nobody.
const SECRET: &str = "password";
const HIDDEN: &str = "(hidden)";

fn hidden(mut keys: Keys) -> Keys {
    for entry in keys.0.iter_mut().filter(|entry| entry.key == SECRET) {
        entry.value = Value::Plain(HIDDEN.to_owned());
    }
    keys
}

/// A line, such as `~ backend web/web1: weight 1 -> 2`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            key,
            old,
            new,
        } = self;
        let sign = match (key, old, new) {
            (None, None, _) => '+',
            (None, _, None) => '-',
            _ => '~',
        };
        write!(f, "{sign} ")?;
        match (kind, &**name) {
            (DifferenceKind::Setting, _) => {}
            (kind, name) => write!(f, "{} {name}: ", kind.name())?,
        }
        let none = || "none".to_owned();
        let (old, new) = (old.clone(), new.clone());
        match key {
            None => f.write_str(&new.or(old).unwrap_or_default()),
            Some(key) => {
                let (old, new) = (old.unwrap_or_else(none), new.unwrap_or_else(none));
                write!(f, "{key} {old} -> {new}")
            }
        }
    }
}

impl DifferenceKind {
    fn name(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Port => "port",
            Self::Route => "route",
            Self::Neighbour => "neighbour",
            Self::Group => "group",
            Self::Service => "service",
            Self::Backend => "backend",
            Self::Snat => "SNAT rule",
        }
    }
}
