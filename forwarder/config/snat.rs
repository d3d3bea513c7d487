//! SNAT: hosts inside that go online by public addresses of weir's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Tables,
    address::{address, network},
    problem::Problems,
    raw::{self, List},
    reach::{Own, connected},
    timeouts,
    unique::Unique,
    value::{find_port, name, several},
    written::Written,
};
use crate::{io::PortIx, session::Timeouts, wire::Protocol};

/// More would never be tried.
const MAX_ADDRESSES: usize = 128;

/// What is translated where nothing is said of it.
pub(super) const ALL: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp];

/// Hosts inside, and what those outside see of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snat {
    /// What texts for people call it. Unique among rules.
    pub name: String,
    /// Where the hosts are; of one family, without host bits.
    pub inside: Vec<IpNet>,
    /// The port by which their packets leave.
    pub port: PortIx,
    /// What those outside see; of the same family, each in one rule alone.
    pub addresses: Vec<IpAddr>,
    /// What is translated; the rest is routed or dropped as other packets are.
    pub protocols: Vec<Protocol>,
    /// How long idle sessions are kept.
    pub timeouts: Timeouts,
}

/// A rule whose port and addresses are still to be checked.
pub(super) struct Draft<'a> {
    raw: raw::Snat<'a>,
    name: Option<String>,
    inside: Option<Vec<(IpNet, &'a str)>>,
    /// The public addresses that could be read.
    pub(super) addresses: Vec<(IpAddr, &'a str)>,
    complete: bool,
    protocols: Option<Vec<Protocol>>,
    timeouts: Option<Timeouts>,
}

/// Reads all rules, none of which is checked yet against what else is weir's own; nothing where
/// one of them cannot be read.
pub(super) fn read_all<'a>(
    written: Option<List<'a, raw::Snat<'a>>>,
    usual: &Timeouts,
    problems: &mut Problems<'a>,
) -> Option<Vec<Draft<'a>>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of SNAT rules in `[` and `]`", problems)?;
    let expected = list.len();
    let (mut names, mut taken) = (Unique::new(), Unique::new());
    let drafts: Vec<Draft<'a>> = list
        .into_iter()
        .filter_map(|written| read(written, &mut names, &mut taken, usual, problems))
        .collect();
    (drafts.len() == expected).then_some(drafts)
}

fn read<'a>(
    written: Written<'a, raw::Snat<'a>>,
    names: &mut Unique<'a, String>,
    taken: &mut Unique<'a, IpAddr>,
    usual: &Timeouts,
    problems: &mut Problems<'a>,
) -> Option<Draft<'a>> {
    let what = "a SNAT rule such as `(name: \"out\", inside: [\"10.1.0.0/24\"], port: \"wan\", \
                addresses: [\"192.0.2.50\"])`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        names.claim(name.clone(), raw.name.text(), problems, |line| {
            format!("`{name}` is the name of the SNAT rule in line {line} already")
        });
    }
    let what = "a list of networks such as `[\"10.1.0.0/24\"]`";
    let inside = several(raw.inside, what, problems, network);
    let what = "a list of addresses such as `[\"192.0.2.50\"]`";
    let addresses = several(raw.addresses, what, problems, address);
    let complete = addresses.is_some();
    let addresses = addresses.unwrap_or_default();
    if let Some((_, beyond)) = addresses.get(MAX_ADDRESSES) {
        let given = addresses.len();
        let text = format!("{given} addresses; a rule has {MAX_ADDRESSES} at most");
        problems.refuse(beyond, text);
    }
    for (address, at) in &addresses {
        taken.claim(*address, at, problems, |line| {
            format!("`{address}` is an address of SNAT in line {line} already")
        });
    }
    let protocols = match raw.protocols {
        None => Some(ALL.to_vec()),
        Some(written) => read_protocols(written, problems),
    };
    let timeouts = timeouts::read(raw.timeouts, usual, problems);
    Some(Draft {
        raw,
        name,
        inside,
        addresses,
        complete,
        protocols,
        timeouts,
    })
}

fn read_protocols<'a>(
    written: List<'a, raw::Translated>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Protocol>> {
    let list = written.read("a list such as `[Tcp, Udp, Icmp]`", problems)?;
    if list.is_empty() {
        let text = "without protocols this rule translates nothing; leave the key out for all";
        problems.refuse(written.text(), text.to_owned());
        return None;
    }
    let mut protocols = Vec::new();
    for written in list {
        let protocol = match written.read("`Tcp`, `Udp` or `Icmp`", problems)? {
            raw::Translated::Tcp => Protocol::Tcp,
            raw::Translated::Udp => Protocol::Udp,
            raw::Translated::Icmp => Protocol::Icmp,
        };
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
    }
    Some(protocols)
}

/// Checks that the tables have room for the rules, beside so many services and backends.
pub(super) fn check_room<'a>(
    drafts: Option<&[Draft<'a>]>,
    [services, backends]: [usize; 2],
    tables: Option<Tables>,
    problems: &mut Problems<'a>,
) {
    let drafts = drafts.unwrap_or_default();
    let (Some(last), Some(tables)) = (drafts.last(), tables) else {
        return;
    };
    let addresses: usize = drafts.iter().map(|draft| draft.addresses.len()).sum();
    let counts = [
        (
            "services",
            services,
            drafts.len(),
            usize::from(tables.services),
        ),
        ("backends", backends, addresses, tables.backends as usize),
    ];
    for (key, others, given, room) in counts {
        let all = others + given;
        // Where the others alone are too many, that is said of them.
        if all > room && others <= room {
            let text = format!(
                "SNAT takes {given} of the numbers of {key}, {all} with the {others} that there \
                 are, but `tables` has room for {room}; write `tables: ({key}: {all})` or more"
            );
            problems.refuse(last.raw.name.text(), text);
        }
    }
}

/// Checks the rules against what is weir's own; none if one of them cannot be used.
pub(super) fn check_all<'a>(
    drafts: Vec<Draft<'a>>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Snat>> {
    let mut ways = Unique::new();
    let expected = drafts.len();
    let rules: Vec<Snat> = drafts
        .into_iter()
        .filter_map(|draft| draft.check(own, &mut ways, problems))
        .collect();
    (rules.len() == expected).then_some(rules)
}

impl<'a> Draft<'a> {
    fn check(
        self,
        own: &Own<'_>,
        ways: &mut Unique<'a, (PortIx, IpNet, Protocol)>,
        problems: &mut Problems<'a>,
    ) -> Option<Snat> {
        let port = find_port(self.raw.port, own, problems).map(|(port, _)| port);
        for (address, at) in &self.addresses {
            check_address(*address, at, port, own, problems);
        }
        let (inside, protocols) = (self.inside?, self.protocols?);
        let family = self.addresses.first().map(|(first, _)| first.is_ipv4());
        let nets = inside.iter().map(|(net, at)| (net.addr(), at));
        let all = nets.chain(self.addresses.iter().map(|(address, at)| (*address, at)));
        for (address, at) in all {
            if Some(address.is_ipv4()) != family {
                let text = "networks and addresses of one rule are of one family of addresses; \
                            write two rules";
                problems.refuse(at, text.to_owned());
                return None;
            }
        }
        for (net, at) in &inside {
            for protocol in &protocols {
                let way = (port?, *net, *protocol);
                ways.claim(way, at, problems, |line| {
                    format!(
                        "{protocol} from `{net}` by this port has a rule in line {line} already"
                    )
                });
            }
        }
        self.complete.then_some(())?;
        Some(Snat {
            name: self.name?,
            inside: inside.into_iter().map(|(net, _)| net).collect(),
            port: port?,
            addresses: self.addresses.into_iter().map(|(one, _)| one).collect(),
            protocols,
            timeouts: self.timeouts?,
        })
    }
}

fn check_address<'a>(
    address: IpAddr,
    at: &'a str,
    port: Option<PortIx>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) {
    let lip = || {
        let lip = own.lips.contains(&address);
        lip.then(|| format!("`{address}` is a local address of weir's"))
    };
    if let Some(why) = own
        .taken(address)
        .or_else(lip)
        .or_else(|| own.edge(address))
    {
        let text = format!("{why}; an address of SNAT is nothing else besides");
        problems.refuse(at, text);
        return;
    }
    let there = connected(own.ports, address).map(|(there, _)| there);
    let text = match there {
        None if own.complete => format!(
            "`{address}` is in no port's own network, so nobody is told by ARP where it is; those \
             outside need a route to it by way of weir"
        ),
        Some(there) if port.is_some_and(|port| port != there) => {
            let name = own.ports.get(there.index()).map_or("", |port| &*port.name);
            format!(
                "`{address}` is in the network of port `{name}`, by which this rule does not go out"
            )
        }
        _ => return,
    };
    problems.warn(at, text);
}
