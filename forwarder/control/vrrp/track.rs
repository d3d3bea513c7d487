//! What a group depends on: whether it can serve, and with what priority.

use std::{collections::VecDeque, fmt, net::Ipv4Addr};

use super::{Group, Groups, Pending, What};
use crate::{
    config::{self, Tracked},
    io::{Now, PortIx},
};

/// Whose addresses they are, whatever becomes of them.
const OWNER: u8 = 255;

/// What others can have while this director is not the owner.
const MOST: i32 = 254;

/// Something that is well or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// All workers turn. Nothing is forwarded of what one that does not owns.
    Workers,
    /// What the configuration names.
    Of(config::Tracks),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers => write!(f, "all workers"),
            Self::Of(what) => write!(f, "{what}"),
        }
    }
}

/// All that a group depends on.
#[derive(Debug)]
pub(super) struct Needs {
    /// As configured.
    priority: u8,
    needs: Vec<Need>,
}

#[derive(Debug)]
struct Need {
    what: Thing,
    /// Without one the group cannot serve without it.
    weight: Option<i32>,
    up: bool,
}

impl Needs {
    /// Those of a configured group, its own port among them; all is well.
    pub(super) fn new(group: &config::Group, port_name: &str) -> Self {
        let always = |what| Need {
            what,
            weight: None,
            up: true,
        };
        let port = config::Tracks::Port(group.port, port_name.to_owned());
        let own = [always(Thing::Of(port)), always(Thing::Workers)];
        let tracked = group.track.iter().map(|Tracked { what, weight }| Need {
            weight: weight.map(|weight| weight.get().into()),
            ..always(Thing::Of(what.clone()))
        });
        Self {
            priority: group.priority,
            needs: own.into_iter().chain(tracked).collect(),
        }
    }

    /// What is not well.
    pub(super) fn lacking(&self) -> impl Iterator<Item = &Thing> {
        let down = self.needs.iter().filter(|need| !need.up);
        down.map(|need| &need.what)
    }

    fn is_fault(&self) -> bool {
        self.needs
            .iter()
            .any(|need| !need.up && need.weight.is_none())
    }

    /// What is configured, with the weights: those above 0 of what is well, the others of what is
    /// not (keepalived's `track_script` and `track_interface`).
    pub(super) fn priority(&self) -> u8 {
        if self.priority == OWNER {
            return OWNER;
        }
        let counts = |need: &Need| {
            need.weight
                .filter(|weight| (*weight > 0) == need.up)
                .unwrap_or_default()
        };
        let sum = i32::from(self.priority) + self.needs.iter().map(counts).sum::<i32>();
        u8::try_from(sum.clamp(1, MOST)).unwrap_or(self.priority)
    }
}

impl Groups {
    /// A port's link is up, or down.
    pub fn set_link(&mut self, port: PortIx, up: bool, now: Now) {
        self.learn(now, |thing| match thing {
            Thing::Of(config::Tracks::Port(ix, _)) if *ix == port => Some(up),
            _ => None,
        });
    }

    /// All workers turn, or one does not.
    pub fn set_workers(&mut self, turning: bool, now: Now) {
        self.learn(now, |thing| (*thing == Thing::Workers).then_some(turning));
    }

    /// Which services have their quorum.
    pub fn set_services(&mut self, has_quorum: impl Fn(&str) -> bool, now: Now) {
        self.learn(now, |thing| match thing {
            Thing::Of(config::Tracks::Service(name)) => Some(has_quorum(name)),
            _ => None,
        });
    }

    /// Which gateways answer; None for one of which that is not known yet.
    pub fn set_gateways(&mut self, answers: impl Fn(Ipv4Addr) -> Option<bool>, now: Now) {
        self.learn(now, |thing| match thing {
            Thing::Of(config::Tracks::Gateway(address)) => answers(*address),
            _ => None,
        });
    }

    /// Goes on with the priorities of `config`, whose groups are otherwise the same.
    pub fn set_priorities(&mut self, config: &config::Config) {
        for (group, configured) in self.groups.iter_mut().zip(&config.groups) {
            group.needs.priority = configured.priority;
            group.machine.set_priority(group.needs.priority());
        }
    }

    /// Takes what is known of things, where something is.
    fn learn(&mut self, now: Now, up: impl Fn(&Thing) -> Option<bool>) {
        for group in &mut self.groups {
            group.learn(now, &up, &mut self.pending);
        }
        self.collect(now);
    }
}

impl Group {
    fn learn(
        &mut self,
        now: Now,
        up: impl Fn(&Thing) -> Option<bool>,
        pending: &mut VecDeque<Pending>,
    ) {
        let mut changed = Vec::new();
        for need in &mut self.needs.needs {
            if let Some(up) = up(&need.what).filter(|up| *up != need.up) {
                need.up = up;
                changed.push(What::Depends(need.what.clone(), up));
            }
        }
        if changed.is_empty() {
            return;
        }
        let events = changed.into_iter().map(|what| self.event(what));
        pending.extend(events.map(Pending::Event));
        self.machine.set_priority(self.needs.priority());
        self.machine.set_fault(self.needs.is_fault(), now);
    }
}
