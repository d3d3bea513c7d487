//! What a group depends on beside its own port.

use std::{fmt, net::Ipv4Addr, num::NonZeroI16};

use super::{
    address::address4,
    problem::Problems,
    raw,
    reach::Own,
    route::Route,
    value::{find_port, optional},
    written::Written,
};
use crate::io::PortIx;

/// Something that a group depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// What.
    pub what: Tracks,
    /// What it does to the priority: where it is above 0, it is added while that is well, else
    /// while it is not. Without one the group cannot serve while it is not.
    pub weight: Option<NonZeroI16>,
}

/// What a group can depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracks {
    /// Another port's link.
    Port(PortIx, String),
    /// That this service has its quorum.
    Service(String),
    /// That this gateway of a route answers.
    Gateway(Ipv4Addr),
}

impl fmt::Display for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(_, name) => write!(f, "port {name}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Gateway(address) => write!(f, "gateway {address}"),
        }
    }
}

/// As keepalived bounds weights.
const MOST: i16 = 253;

/// What there is to depend on.
pub(super) struct There<'c> {
    pub(super) own: &'c Own<'c>,
    /// None where one cannot be used.
    pub(super) routes: Option<&'c [Route]>,
    /// Those that could be read.
    pub(super) services: Vec<&'c str>,
}

/// What a group on `port` depends on; none where something of it cannot be used.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Track<'a>>>,
    port: Option<PortIx>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Tracked>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let what = "a list such as `[Port(name: \"lan\"), Service(name: \"web\", weight: -50)]`";
    let list = written.read(what, problems)?;
    let expected = list.len();
    let mut tracked: Vec<Tracked> = Vec::new();
    for written in list {
        let Some(one) = read(written, port, there, problems) else {
            continue;
        };
        if tracked.iter().any(|other| other.what == one.what) {
            let text = format!("{} is tracked already", one.what);
            problems.refuse(written.text(), text);
        } else {
            tracked.push(one);
        }
    }
    (tracked.len() == expected).then_some(tracked)
}

fn read<'a>(
    written: Written<'a, raw::Track<'a>>,
    group_port: Option<PortIx>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Tracked> {
    let what = "`Port(name: …)`, `Service(name: …)` or `Gateway(address: …)`, each with a \
                `weight` or without";
    let (what, weight) = match written.read(what, problems)? {
        raw::Track::Port { name, weight } => {
            let port = find_port(name, there.own, problems);
            let port = port.filter(|(ix, port)| {
                let own = Some(*ix) == group_port;
                if own {
                    let text = format!("`{port}` is the group's own port, and always tracked");
                    problems.refuse(name.text(), text);
                }
                !own
            });
            (port.map(|(ix, name)| Tracks::Port(ix, name)), weight)
        }
        raw::Track::Service { name, weight } => (read_service(name, there, problems), weight),
        raw::Track::Gateway { address, weight } => (read_gateway(address, there, problems), weight),
    };
    let weight = optional(weight, |written| read_weight(written, problems));
    Some(Tracked {
        what: what?,
        weight: weight?,
    })
}

fn read_service<'a>(
    written: raw::Text<'a>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Tracks> {
    let name = written.read("the name of a service in quotes", problems)?;
    if there.services.contains(&name.as_str()) {
        return Some(Tracks::Service(name));
    }
    let text = format!("there is no service `{name}` for the group to depend on");
    problems.refuse(written.text(), text);
    None
}

fn read_gateway<'a>(
    written: raw::Text<'a>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Tracks> {
    let address = address4(written, problems)?;
    let mut routes = there.routes?.iter();
    if routes.any(|route| route.via == address) {
        return Some(Tracks::Gateway(address));
    }
    let text =
        format!("`{address}` is the `via` of no route; only gateways are asked all the time");
    problems.refuse(written.text(), text);
    None
}

fn read_weight<'a>(written: Written<'a, i64>, problems: &mut Problems<'a>) -> Option<NonZeroI16> {
    let number = written.try_read().ok();
    let weight = number
        .and_then(|number| i16::try_from(number).ok())
        .filter(|weight| (-MOST..=MOST).contains(weight))
        .and_then(NonZeroI16::new);
    if weight.is_none() {
        let found = written.text();
        let text = format!(
            "`weight` is a whole number from -{MOST} to {MOST} and not 0, not `{found}`; leave it \
             out where the group cannot serve without"
        );
        problems.refuse(found, text);
    }
    weight
}
