//! Works out what commands change, aside from the management thread.

mod member;
mod snat;

use std::{collections::HashSet, sync::Arc};

use tokio::sync::oneshot;

use super::{
    commands::{Answer, Command, CommandError, Order, Outcome},
    compile::{self, Before, CompileError},
    numbers::{Exhausted, Given, Numbers, ServiceKey},
    roster::{Enrolled, Member, Roster},
};
use member::{administer, member};

use crate::{
    config::{self, Config, Edit},
    io::Now,
    path::{Counters, Totals},
    session::{BackendCounts, BackendIx, Generation, ServiceIx},
    snapshot::{Network, Slots, Snapshot},
    wire::{Endpoint, Mac},
};

/// What workers count, to be read by anybody.
#[derive(Clone, Default)]
pub(super) struct Counted {
    /// By worker.
    pub(super) counters: Vec<Arc<Counters>>,
    /// The sessions of each backend, by worker.
    pub(super) tables: Vec<Arc<[BackendCounts]>>,
}

impl Counted {
    /// What was counted under a number before it was given now.
    fn base(&self, given: Given, number: BackendIx) -> Totals {
        if !given.used {
            return Totals::default();
        }
        Totals::of(number, self.counters.iter().map(|one| &**one))
    }
}

/// What is in force.
#[derive(Clone)]
pub(super) struct Force {
    pub(super) roster: Arc<Roster>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) numbers: Numbers,
}

/// Commands, and all that is needed to carry them out.
pub struct Job {
    pub(super) force: Force,
    pub(super) counted: Counted,
    /// The oldest services that a worker may still read.
    pub(super) oldest: Generation,
    pub(super) orders: Vec<Order>,
    pub(super) now: Now,
}

/// What came of a [`Job`].
pub struct Done {
    /// What is to be in force.
    pub(super) force: Force,
    /// Whether anything of it is new.
    pub(super) changed: bool,
    pub(super) answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

/// What is in force at the start.
pub(super) fn start(config: Config, macs: &[Mac], slots: Slots) -> Result<Force, CompileError> {
    let mut numbers = Numbers::new(config.tables.services, config.tables.backends);
    let config = Arc::new(config);
    let file = Arc::clone(&config);
    let roster = enrol(config, file, None, &mut numbers, &Counted::default());
    let mut roster = roster.expect("a configuration has room for its services and backends");
    roster.settle(None);
    let snapshot = compile::first(&roster, macs, slots, &mut numbers.fixed)?;
    Ok(Force {
        roster: Arc::new(roster),
        snapshot: Arc::new(snapshot),
        numbers,
    })
}

impl Job {
    /// Carries out all commands. Takes as long as compiling what changed does.
    pub fn run(self) -> Done {
        let Self {
            mut force,
            counted,
            oldest,
            orders,
            now,
        } = self;
        let (replies, commands): (Vec<_>, Vec<_>) = orders
            .into_iter()
            .map(|order| (order.reply, order.command))
            .unzip();
        let mut changed = false;
        let mut carry_out = |force: &mut Force, commands: &[Command]| {
            let work = Work {
                counted: &counted,
                oldest,
                now,
            };
            let (next, answers) = work.all(force, commands)?;
            if let Some(next) = next {
                *force = next;
                changed = true;
            }
            Ok::<_, CompileError>(answers)
        };
        // What cannot be compiled is no reason to refuse what came at the same time.
        let answers = carry_out(&mut force, &commands).unwrap_or_else(|_| {
            let one_by_one = commands.chunks(1).flat_map(|one| {
                carry_out(&mut force, one).unwrap_or_else(|error| vec![Err(error.into())])
            });
            one_by_one.collect()
        });
        Done {
            force,
            changed,
            answers: replies.into_iter().zip(answers).collect(),
        }
    }
}

struct Work<'a> {
    counted: &'a Counted,
    oldest: Generation,
    now: Now,
}

impl Work<'_> {
    /// What is in force after these commands, if anything changes, and the answer to each.
    fn all(
        &self,
        force: &Force,
        commands: &[Command],
    ) -> Result<(Option<Force>, Vec<Answer>), CompileError> {
        let mut roster = Roster::clone(&force.roster);
        let mut numbers = None;
        let mut answers = Vec::new();
        for command in commands {
            answers.push(match command {
                Command::Reload(_) | Command::Adopt(_) | Command::Edit(_) => {
                    // What is refused half-way leaves no trace.
                    let mut next = numbers.as_ref().unwrap_or(&force.numbers).clone();
                    let answer = self.configure(command, &mut roster, &mut next, force);
                    if answer.is_ok() {
                        numbers = Some(next);
                    }
                    answer
                }
                Command::Elapsed => Ok(Outcome {
                    changed: roster.elapse(self.now),
                }),
                Command::SetHealth {
                    service,
                    backend,
                    health,
                    weight,
                } => member(&mut roster, service, backend, self.now, |member| {
                    member.health = health.clone();
                    member.asked_weight = *weight;
                }),
                Command::SetAdmin {
                    service,
                    backend,
                    change,
                } => member(&mut roster, service, backend, self.now, |member| {
                    administer(member, *change, self.now);
                }),
            });
        }
        let changed = |answer: &Answer| answer.as_ref().is_ok_and(|outcome| outcome.changed);
        if !answers.iter().any(changed) {
            return Ok((None, answers));
        }
        roster.settle(Some(&force.roster));
        // What checks say is in no file.
        let checks = |command: &Command| matches!(command, Command::SetHealth { .. });
        if !commands.iter().all(checks) {
            roster.compare_with_file();
        }
        let before = Before {
            roster: &force.roster,
            snapshot: &force.snapshot,
        };
        let numbers = numbers.filter(|_| !Arc::ptr_eq(roster.config(), force.roster.config()));
        let (numbers, snapshot) = match numbers {
            None => (force.numbers.clone(), compile::states(&roster, before)?),
            Some(mut numbers) => {
                let config = roster.config();
                let base = base(config, &force.snapshot);
                let gone = numbers.gone_backends();
                let places = &mut numbers.fixed;
                let compiled = compile::reload(&roster, places, &gone, Some(before), base)?;
                (numbers, compiled)
            }
        };
        let next = Force {
            roster: Arc::new(roster),
            snapshot: Arc::new(snapshot),
            numbers,
        };
        Ok((Some(next), answers))
    }

    /// Has another configuration in force, whole or with single changes.
    fn configure(
        &self,
        command: &Command,
        roster: &mut Roster,
        numbers: &mut Numbers,
        force: &Force,
    ) -> Answer {
        match command {
            Command::Adopt(config) if **config != roster.running() => Err(CommandError::RunsOther),
            Command::Reload(config) | Command::Adopt(config) => {
                self.reload(config, roster, numbers, force)
            }
            Command::Edit(edits) => self.edit(edits, roster, numbers, force),
            Command::SetHealth { .. } | Command::SetAdmin { .. } | Command::Elapsed => {
                Ok(Outcome { changed: false })
            }
        }
    }

    fn reload(
        &self,
        config: &Arc<Config>,
        roster: &mut Roster,
        numbers: &mut Numbers,
        force: &Force,
    ) -> Answer {
        if **config == **roster.config() {
            let known = **config == **roster.file();
            roster.set_file(Arc::clone(config));
            return Ok(Outcome { changed: !known });
        }
        self.replace([config, config], roster, numbers, force)
    }

    /// Makes single changes to the configuration in force; the file stays as it is.
    fn edit(
        &self,
        edits: &[Edit],
        roster: &mut Roster,
        numbers: &mut Numbers,
        force: &Force,
    ) -> Answer {
        let config = Arc::new(roster.config().edited(edits)?);
        let file = Arc::clone(roster.file());
        let mut changed = *config != **roster.config();
        self.replace([&config, &file], roster, numbers, force)?;
        for Edit { of, keys, .. } in edits {
            if let (Some(service), Some(backend)) = (&of.service, &of.backend)
                && keys.contains_key("weight")
            {
                changed |= roster.forget_weight(service, backend);
            }
        }
        Ok(Outcome { changed })
    }

    /// Has a configuration in force, and notes what the file says.
    fn replace(
        &self,
        [config, file]: [&Arc<Config>; 2],
        roster: &mut Roster,
        numbers: &mut Numbers,
        force: &Force,
    ) -> Answer {
        if let Some(key) = roster.config().fixed_key_that_differs(config) {
            return Err(CommandError::Fixed(key));
        }
        numbers.free(self.oldest, |number| {
            let held = |table: &Arc<[BackendCounts]>| {
                let counts = table.get(number.index());
                counts.is_some_and(|counts| !counts.is_unused())
            };
            self.counted.tables.iter().any(held)
        });
        let since = force.snapshot.four.services.generation().next();
        let before = Some((&*roster, since));
        let (config, file) = (Arc::clone(config), Arc::clone(file));
        *roster = enrol(config, file, before, numbers, self.counted)?;
        Ok(Outcome { changed: true })
    }
}

/// Gives numbers to the services and backends of a configuration. What was there before keeps its
/// number and its state; what is not there any more is gone since that generation.
fn enrol(
    config: Arc<Config>,
    file: Arc<Config>,
    before: Option<(&Roster, Generation)>,
    numbers: &mut Numbers,
    counted: &Counted,
) -> Result<Roster, CommandError> {
    let full = |kind| move |Exhausted { bound, held }| CommandError::NoRoom { kind, bound, held };
    let of_service = |service: &config::Service| ServiceKey::Service(service.key());
    let of_rule = |rule: &config::Snat| ServiceKey::Snat(rule.name.as_str().into());
    let keys = config.services.iter().map(of_service);
    let keys = keys.chain(config.snat.iter().map(of_rule));
    let keys: HashSet<_> = keys.collect();
    if let Some((_, since)) = before {
        numbers.services.retain(&keys, since);
    }
    let mut number = |key| {
        let number = numbers.services.give(key).map_err(full("services"))?;
        let number = u16::try_from(number.number).expect("the bound is one of 16 bits");
        Ok::<_, CommandError>(ServiceIx(number))
    };
    let mut given = Vec::new();
    for service in &config.services {
        given.push((number(of_service(service))?, service));
    }
    let mut rules = Vec::new();
    for rule in &config.snat {
        rules.push((number(of_rule(rule))?, rule));
    }
    let keys = given.iter().flat_map(|(number, service)| {
        let backends = service.backends.iter();
        backends.map(|backend| (*number, backend.address))
    });
    let of_rules = rules.iter().flat_map(|(number, rule)| {
        let addresses = rule.addresses.iter();
        addresses.map(|address| (*number, Endpoint::new(*address, 0)))
    });
    let keys = keys.chain(of_rules);
    let keys: HashSet<_> = keys.collect();
    if let Some((_, since)) = before {
        numbers.backends.retain(&keys, since);
    }
    let mut services = Vec::new();
    for (number, service) in given {
        let former = before.and_then(|(roster, _)| roster.service(number));
        let mut backends = Vec::new();
        for (place, backend) in service.backends.iter().enumerate() {
            let given = numbers.backends.give((number, backend.address));
            let given = given.map_err(full("backends"))?;
            let new = BackendIx(given.number);
            // Mostly the former one is at the same place.
            let stood = former.and_then(|(was, enrolled)| {
                let same = |at: &usize| {
                    let one = enrolled.backends.get(*at);
                    one.is_some_and(|one| one.number == new)
                };
                let at = Some(place).filter(same);
                let at = at.or_else(|| (0..enrolled.backends.len()).find(same))?;
                enrolled.backends.get(at).zip(was.backends.get(at))
            });
            backends.push(match stood {
                Some((member, was)) => Member {
                    // What the file says anew counts for more than what was said before it.
                    weight: member.weight.filter(|_| was.weight == backend.weight),
                    ..member.clone()
                },
                None => Member::new(new, backend, counted.base(given, new)),
            });
        }
        let quorum = former.is_none_or(|(_, enrolled)| enrolled.quorum);
        services.push(Arc::new(Enrolled {
            number,
            quorum,
            backends,
        }));
    }
    let before = before.map(|(roster, _)| roster);
    let snat = snat::enrol(rules, before, numbers, counted).map_err(full("backends"))?;
    Ok(Roster::new(config, file, services, snat))
}

/// What another configuration starts from: the present snapshot with its facts of the ports.
fn base(config: &Config, snapshot: &Snapshot) -> Snapshot {
    let macs: Vec<Mac> = snapshot.four.ports.iter().map(|port| port.mac).collect();
    Snapshot {
        four: Network {
            ports: compile::ports(config, &macs),
            ..snapshot.four.clone()
        },
        six: Network {
            ports: compile::ports(config, &macs),
            ..snapshot.six.clone()
        },
        ..snapshot.clone()
    }
}
