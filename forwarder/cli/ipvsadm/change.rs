//! What changes services and servers: single changes of the configuration that runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;

use super::{Said, commands::Command, meant, tunnel, words::Words};
use crate::{
    cli::import::label,
    config::{Action, Edit, Edited, EditedKeys},
    control::views::{Forward, Protocol, Service},
};

/// What is known of the services, and what is to change of them.
pub(super) struct Draft {
    services: Vec<Known>,
    pub(super) edits: Vec<Edit>,
}

/// A service, as far as ipvsadm's arguments name it.
struct Known {
    name: String,
    protocol: Protocol,
    address: SocketAddr,
    mark: Option<u32>,
    scheduler: String,
    forward: Forward,
    /// Names and addresses.
    servers: Vec<(String, SocketAddr)>,
}

/// LVS's, and weir's own.
const SCHEDULERS: [&str; 17] = [
    "rr",
    "wrr",
    "lc",
    "wlc",
    "sed",
    "nq",
    "fo",
    "ovf",
    "lblc",
    "lblcr",
    "sh",
    "dh",
    "mh",
    "twos",
    "random",
    "first",
    "static-rr",
];

impl Draft {
    /// Nothing is to change yet of these services.
    pub(super) fn of(services: &[Service]) -> Self {
        let known = |one: &Service| Known {
            name: one.name.clone(),
            protocol: one.protocol,
            address: one.virtual_address,
            mark: one.mark(),
            scheduler: one.scheduler.clone(),
            forward: one.forward,
            servers: {
                let servers = one.backends.iter();
                servers.map(|one| (one.name.clone(), one.address)).collect()
            },
        };
        Self {
            services: services.iter().map(known).collect(),
            edits: Vec::new(),
        }
    }

    /// Notes what a command changes.
    pub(super) fn obey(&mut self, command: Command, words: &Words) -> Result<()> {
        command.check(words)?;
        match command {
            Command::AddService => self.add_service(words),
            Command::EditService => self.edit_service(words),
            Command::DeleteService => self.delete_service(words),
            Command::Clear => {
                self.services.clear();
                self.note(Action::Remove, None, None, []);
                Ok(())
            }
            Command::AddServer => self.add_server(words),
            Command::EditServer => self.edit_server(words),
            Command::DeleteServer => self.delete_server(words),
            Command::Set => {
                self.set_timeouts(words.set.as_deref().unwrap_or_default());
                Ok(())
            }
        }
    }

    fn add_service(&mut self, words: &Words) -> Result<()> {
        let Some((protocol, address)) = words.service()? else {
            let text = "a mark names no address; write what it marks as `addresses` into the file";
            return Err(Said::failure(text).into());
        };
        let keys = of_service(words, address)?;
        if self.place(words)?.is_some() {
            return Err(Said::failure("Service already exists").into());
        }
        let (kind, word) = match protocol {
            Protocol::Tcp => ("tcp", "Tcp"),
            Protocol::Udp | Protocol::Icmp => ("udp", "Udp"),
        };
        let written = match address.port() {
            0 if address.is_ipv6() => format!("\"[{}]:*\"", address.ip()),
            0 => format!("\"{}:*\"", address.ip()),
            _ => format!("\"{address}\""),
        };
        let name = format!("{kind}-{}", label(address));
        let own = [
            ("address", Some(written)),
            ("protocol", Some(word.to_owned())),
            ("forward", Some(mode(Forward::Route).to_owned())),
        ];
        let given = keys.into_iter().filter(|(_, value)| value.is_some());
        let keys: Vec<_> = own.into_iter().chain(given).collect();
        self.note(Action::Add, Some(&name), None, keys);
        self.services.push(Known {
            name,
            protocol,
            address,
            mark: None,
            scheduler: scheduler(words),
            forward: Forward::Route,
            servers: Vec::new(),
        });
        Ok(())
    }

    fn edit_service(&mut self, words: &Words) -> Result<()> {
        let meant = match (words.service()?, self.place(words)?) {
            (Some((_, meant)), _) => meant,
            // A mark stands for addresses of one family, and for ports.
            (None, Some(place)) => (self.services[place].address.ip(), 1).into(),
            (None, None) => (Ipv4Addr::UNSPECIFIED, 1).into(),
        };
        let mut keys = of_service(words, meant)?;
        let known = self.known(words, "No such service")?;
        let scheduler = &*scheduler(words);
        if known.scheduler != scheduler {
            // What is said for the other one alone.
            let options = ["maglev_slots", "balance_factor", "seed", "draws"];
            keys.extend(options.map(|key| (key, None)));
        }
        scheduler.clone_into(&mut known.scheduler);
        let name = known.name.clone();
        self.note(Action::Set, Some(&name), None, keys);
        Ok(())
    }

    fn delete_service(&mut self, words: &Words) -> Result<()> {
        let name = self.known(words, "No such service")?.name.clone();
        self.services.retain(|one| one.name != name);
        self.note(Action::Remove, Some(&name), None, []);
        Ok(())
    }

    fn add_server(&mut self, words: &Words) -> Result<()> {
        let forward = words.method().unwrap_or(Forward::Route);
        let mut keys = of_server(words, forward)?;
        let given = server(words)?;
        let known = self.known(words, "Service not defined")?;
        known.reaches(given, forward)?;
        keys.retain(|(_, value)| value.is_some());
        let changes = known.forward != forward;
        if changes && !known.servers.is_empty() {
            return Err(mixed(known).into());
        }
        known.forward = forward;
        let address = known.reached_at(given);
        if known.server(address).is_some() {
            return Err(Said::failure("Destination already exists").into());
        }
        let written = match address.port() {
            0 => address.ip().to_string(),
            _ => address.to_string(),
        };
        let (service, backend) = (known.name.clone(), label(address));
        known.servers.push((backend.clone(), address));
        if changes {
            let keys = [("forward", Some(mode(forward).to_owned()))];
            self.note(Action::Set, Some(&service), None, keys);
        }
        let own = [("address", Some(format!("{written:?}")))];
        let keys: Vec<_> = own.into_iter().chain(keys).collect();
        self.note(Action::Add, Some(&service), Some(&backend), keys);
        Ok(())
    }

    fn edit_server(&mut self, words: &Words) -> Result<()> {
        let given = server(words)?;
        let known = self.known(words, "Service not defined")?;
        // Who names no method means the weight: the service has its method.
        let forward = words.method().unwrap_or(known.forward);
        let mut keys = of_server(words, forward)?;
        if words.method().is_none() && words.tun_type.is_none() {
            keys.retain(|(key, _)| *key != "tunnel");
        }
        let address = known.reached_at(given);
        let none = || Said::failure("No such destination");
        let backend = known.server(address).ok_or_else(none)?.to_owned();
        known.reaches(given, forward)?;
        let changes = known.forward != forward;
        if changes && known.servers.len() > 1 {
            return Err(mixed(known).into());
        }
        known.forward = forward;
        let service = known.name.clone();
        if changes {
            let keys = [("forward", Some(mode(forward).to_owned()))];
            self.note(Action::Set, Some(&service), None, keys);
        }
        self.note(Action::Set, Some(&service), Some(&backend), keys);
        Ok(())
    }

    fn delete_server(&mut self, words: &Words) -> Result<()> {
        let given = server(words)?;
        let known = self.known(words, "Service not defined")?;
        let address = known.reached_at(given);
        let none = || Said::failure("No such destination");
        let backend = known.server(address).ok_or_else(none)?.to_owned();
        known.servers.retain(|(name, _)| *name != backend);
        let service = known.name.clone();
        self.note(Action::Remove, Some(&service), Some(&backend), []);
        Ok(())
    }

    /// Seconds of TCP, TCP after a FIN, and UDP; 0 leaves what is.
    fn set_timeouts(&mut self, seconds: &[u32]) {
        let keys = ["timeouts.established", "timeouts.fin_wait", "timeouts.udp"];
        let given = keys.into_iter().zip(seconds).filter(|(_, s)| **s > 0);
        let keys: Vec<_> = given
            .map(|(key, s)| (key, Some(format!("\"{s}s\""))))
            .collect();
        self.note(Action::Set, None, None, keys);
    }

    /// The service that is meant.
    fn known(&mut self, words: &Words, none: &str) -> Result<&mut Known> {
        let place = self.place(words)?;
        let known = place.and_then(|place| self.services.get_mut(place));
        Ok(known.ok_or_else(|| Said::failure(none))?)
    }

    fn place(&self, words: &Words) -> Result<Option<usize>> {
        let meant = words.service()?;
        let is_meant = |one: &Known| match (words.fwmark_service, meant) {
            (Some(mark), _) => one.mark == Some(mark),
            (None, Some(meant)) => one.mark.is_none() && (one.protocol, one.address) == meant,
            (None, None) => false,
        };
        Ok(self.services.iter().position(is_meant))
    }

    fn note<'k>(
        &mut self,
        action: Action,
        service: Option<&str>,
        backend: Option<&str>,
        keys: impl IntoIterator<Item = (&'k str, Option<String>)>,
    ) {
        let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value));
        self.edits.push(Edit {
            action,
            of: Edited {
                service: service.map(str::to_owned),
                backend: backend.map(str::to_owned),
            },
            keys: keys.collect::<EditedKeys>(),
        });
    }
}

/// What a service has that names none.
const USUAL: &str = "wlc";

impl Known {
    /// Where a server is asked: without a port of its own, and where ports stay, at the service's.
    fn reached_at(&self, mut given: SocketAddr) -> SocketAddr {
        let maps = matches!(self.forward, Forward::Masq | Forward::FullNat);
        let any = self.mark.is_none() && self.address.port() == 0;
        if (given.port() == 0 || !maps || any) && self.mark.is_none() {
            given.set_port(self.address.port());
        }
        given
    }

    /// Refuses a server of the other family, where only a tunnel leads to one.
    fn reaches(&self, server: SocketAddr, forward: Forward) -> Result<()> {
        if forward == Forward::Tunnel || server.is_ipv4() == self.address.is_ipv4() {
            return Ok(());
        }
        let text = "Different address family is allowed only for tunneling servers";
        Err(Said::usage(text).into())
    }

    fn server(&self, address: SocketAddr) -> Option<&str> {
        let found = self.servers.iter().find(|(_, one)| *one == address);
        found.map(|(name, _)| &**name)
    }
}

type Key = (&'static str, Option<String>);

/// The scheduler's name as lists have it.
fn scheduler(words: &Words) -> String {
    words
        .scheduler
        .as_deref()
        .unwrap_or(USUAL)
        .replace('_', "-")
}

/// What is said of a service at this address.
fn of_service(words: &Words, address: SocketAddr) -> Result<Vec<Key>> {
    if words.ops {
        return Err(Said::failure("one-packet scheduling (-o) has no counterpart").into());
    }
    if words.pe.is_some() {
        return Err(Said::failure("persistence engines (--pe) have no counterpart").into());
    }
    if address.port() == 0 && words.persistent.is_none() {
        return Err(Said::usage("Zero port specified for non-persistent service").into());
    }
    let scheduler = &*scheduler(words);
    if !SCHEDULERS.contains(&scheduler) {
        return Err(Said::failure("Scheduler or persistence engine not found").into());
    }
    let (mut hash_port, mut fallback) = (None, None);
    for flag in words.sched_flags.as_deref().unwrap_or_default().split(',') {
        let (of, wanted) = match flag {
            "" => continue,
            "sh-port" => ("sh", &mut hash_port),
            "mh-port" => ("mh", &mut hash_port),
            "sh-fallback" => ("sh", &mut fallback),
            // Maglev's table never leads to a backend that takes nothing.
            "mh-fallback" if scheduler == "mh" => continue,
            "mh-fallback" => ("mh", &mut fallback),
            _ => return Err(Said::usage(format!("invalid scheduler flag `{flag}'")).into()),
        };
        if scheduler != of {
            return Err(Said::usage(format!("incompatible scheduler flag `{flag}'")).into());
        }
        *wanted = Some("true".to_owned());
    }
    let mut keys = vec![
        ("scheduler", Some(scheduler.replace('-', "_"))),
        ("hash_port", hash_port),
        ("fallback", fallback),
    ];
    keys.extend(persistence(words, address.ip())?);
    Ok(keys)
}

/// Each key by itself: what else is said of persistence stays.
fn persistence(words: &Words, address: IpAddr) -> Result<Vec<Key>> {
    let Some(timeout) = &words.persistent else {
        return Ok(vec![("persistence", None)]);
    };
    let wrong = || Said::usage(format!("invalid timeout value `{timeout}' specified"));
    let seconds: u32 = timeout.parse().map_err(|_| wrong())?;
    if seconds == 0 {
        return Err(wrong().into());
    }
    let length = match words.netmask.as_deref() {
        None if address.is_ipv6() => Some(128),
        None => Some(32),
        Some(mask) if address.is_ipv6() => mask.parse().ok(),
        Some(mask) => mask.parse().ok().and_then(length_of),
    };
    let most = if address.is_ipv6() { 128 } else { 32 };
    let illegal = || Said::usage("illegal virtual server persistent mask specified");
    let length: Option<u32> = length.filter(|length| (1..=most).contains(length));
    let length = length.ok_or_else(illegal)?;
    Ok(vec![
        ("persistence.timeout", Some(format!("\"{seconds}s\""))),
        ("persistence.mask", Some(length.to_string())),
    ])
}

/// The bits of a mask, where they are all at its beginning.
fn length_of(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (length == bits.count_ones()).then_some(length)
}

/// What is said of a server.
fn of_server(words: &Words, forward: Forward) -> Result<Vec<Key>> {
    let tunnel = tunnel::of(words, forward)?;
    let number = |option: &Option<String>, name: &str, usual: u32| {
        let Some(text) = option else {
            return Ok(Some(usual.to_string()));
        };
        let illegal = || Said::usage(format!("illegal {name} specified"));
        let number: u32 = text.parse().map_err(|_| illegal())?;
        Ok::<_, Said>(Some(number.to_string()))
    };
    Ok(vec![
        ("weight", number(&words.weight, "weight", 1)?),
        (
            "max_connections",
            number(&words.u_threshold, "u_threshold", 0)?,
        ),
        (
            "min_connections",
            number(&words.l_threshold, "l_threshold", 0)?,
        ),
        ("tunnel", tunnel::written(tunnel)),
    ])
}

/// The server that is meant.
fn server(words: &Words) -> Result<SocketAddr> {
    let text = words.real_server.as_deref().unwrap_or_default();
    let address = meant(text).ok();
    let illegal = || Said::usage("illegal real server address[:port] specified");
    Ok(address.ok_or_else(illegal)?)
}

fn mixed(known: &Known) -> Said {
    Said::failure(format!(
        "all servers of a service are reached in one way, those of this one by {}; make it a \
         service of its own",
        known.forward.name()
    ))
}

fn mode(forward: Forward) -> &'static str {
    match forward {
        Forward::Masq => "Nat",
        Forward::Route => "Dr",
        Forward::Tunnel => "Tun",
        Forward::FullNat => "FullNat",
    }
}
