//! Groups: addresses that one of several directors has at a time.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    time::Duration,
};

use super::{
    address::address4,
    health::Notify,
    problem::Problems,
    raw::{self, List, Text},
    reach::{Own, connected},
    track::{self, There, Tracked},
    unique::Unique,
    value::{duration, find_port, name, number, number_or, optional},
    written::Written,
};
use crate::{
    io::PortIx,
    wire::vrrp::{AUTH_LEN, Version},
};

/// Addresses that move together, by VRRP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What texts for people call it. Unique.
    pub name: String,
    /// Where adverts go, from its first address.
    pub port: PortIx,
    /// The virtual router's number, unique on the port; all directors of a group have the same.
    pub id: u8,
    /// Of the protocol.
    pub version: Version,
    /// The highest has the addresses; 255 owns them.
    pub priority: u8,
    /// Between adverts: whole seconds in version 2, hundredths in version 3.
    pub advert_interval: Duration,
    /// Whether it takes over from a master with a lower priority.
    pub preempt: bool,
    /// How long it lets such a master be.
    pub preempt_delay: Duration,
    /// Filled with zeros; for version 2.
    pub password: Option<[u8; AUTH_LEN]>,
    /// The other directors, where adverts go to each of them instead of to the multicast group.
    pub peers: Vec<Ipv4Addr>,
    /// At least one; each in the network of a port.
    pub addresses: Vec<Ipv4Addr>,
    /// What it depends on beside its port.
    pub track: Vec<Tracked>,
    /// What is run when it becomes master, or is not any more.
    pub notify: Option<Notify>,
}

/// Addresses that an advert can name.
const MAX_ADDRESSES: usize = 255;

/// What is unique among groups.
struct Claims<'a> {
    names: Unique<'a, String>,
    ids: Unique<'a, (PortIx, u8)>,
    addresses: Unique<'a, Ipv4Addr>,
}

/// The groups; none if one of them cannot be used.
pub(super) fn read_all<'a>(
    written: Option<List<'a, raw::Group<'a>>>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Group>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of groups in `[` and `]`", problems)?;
    let expected = list.len();
    let mut claims = Claims {
        names: Unique::new(),
        ids: Unique::new(),
        addresses: Unique::new(),
    };
    let groups: Vec<Group> = list
        .into_iter()
        .filter_map(|written| read(written, &mut claims, there, problems))
        .collect();
    if groups.len() != expected {
        return None;
    }
    if expected > 0 {
        warn_left_behind(written.text(), &groups, there.own, problems);
    }
    Some(groups)
}

fn read<'a>(
    written: Written<'a, raw::Group<'a>>,
    claims: &mut Claims<'a>,
    there: &There<'_>,
    problems: &mut Problems<'a>,
) -> Option<Group> {
    let own = there.own;
    let what = "a group such as `(name: \"web\", port: \"wan\", id: 51, addresses: […])`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        let at = raw.name.text();
        claims.names.claim(name.clone(), at, problems, |line| {
            format!("`{name}` is the name of the group in line {line} already")
        });
    }
    let port = find_port(raw.port, own, problems).map(|(ix, _)| ix);
    let id = number(raw.id, "id", &(1..=255), problems);
    if let (Some(port), Some(id)) = (port, id) {
        let at = raw.id.text();
        claims.ids.claim((port, id), at, problems, |line| {
            format!("{id} is the group of line {line} on this port already")
        });
    }
    let version = match number_or(raw.version, "version", 3, &(2..=3), problems) {
        Some(2) => Some(Version::V2),
        number => number.map(|_: u8| Version::V3),
    };
    let priority = number_or(raw.priority, "priority", 100, &(1..=255), problems);
    let advert_interval = read_interval(raw.advert_interval, version, problems);
    let preempt = match raw.preempt {
        None => Some(true),
        Some(written) => written.read("`true` or `false`", problems),
    };
    let preempt_delay = match raw.preempt_delay {
        None => Some(Duration::ZERO),
        Some(written) => duration(written, "preempt_delay", ["0s", "1000s"], problems),
    };
    let password = match raw.password {
        None => Some(None),
        Some(written) => read_password(written, version, problems).map(Some),
    };
    let peers = read_peers(raw.peers, port, own, problems);
    let addresses = read_addresses(raw.addresses, claims, own, problems);
    let track = track::read_all(raw.track, port, there, problems);
    let notify = optional(raw.notify, |written| Notify::read(written, problems));
    Some(Group {
        name: name?,
        port: port?,
        id: id?,
        version: version?,
        priority: priority?,
        advert_interval: advert_interval?,
        preempt: preempt?,
        preempt_delay: preempt_delay?,
        password: password?,
        peers: peers?,
        addresses: addresses?,
        track: track?,
        notify: notify?,
    })
}

/// What the field of a version can tell.
fn read_interval<'a>(
    written: Option<Text<'a>>,
    version: Option<Version>,
    problems: &mut Problems<'a>,
) -> Option<Duration> {
    let Some(written) = written else {
        return Some(Duration::from_secs(1));
    };
    let (range, unit, units) = match version? {
        Version::V2 => (["1s", "255s"], 1_000_000, "whole seconds"),
        Version::V3 => (["10ms", "40950ms"], 10_000, "hundredths of a second"),
    };
    let interval = duration(written, "advert_interval", range, problems)?;
    if interval.as_micros() % unit == 0 {
        return Some(interval);
    }
    let found = written.text();
    let text = format!("this version counts `advert_interval` in {units}, and {found} is none");
    problems.refuse(found, text);
    None
}

fn read_password<'a>(
    written: Text<'a>,
    version: Option<Version>,
    problems: &mut Problems<'a>,
) -> Option<[u8; AUTH_LEN]> {
    const LENGTHS: RangeInclusive<usize> = 1..=AUTH_LEN;
    let password = written.read("a password in quotes", problems)?;
    let wrong = if version == Some(Version::V3) {
        "version 3 has no password; write `version: 2` or leave it out".to_owned()
    } else if !LENGTHS.contains(&password.len()) || !password.is_ascii() {
        format!("a password has 1 to {AUTH_LEN} ASCII characters; more are not sent")
    } else {
        let mut octets = [0; AUTH_LEN];
        octets
            .iter_mut()
            .zip(password.bytes())
            .for_each(|(place, octet)| *place = octet);
        return Some(octets);
    };
    problems.refuse(written.text(), wrong);
    None
}

fn read_peers<'a>(
    written: Option<List<'a, String>>,
    port: Option<PortIx>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Ipv4Addr>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list such as `[\"192.0.2.3\"]`", problems)?;
    let expected = list.len();
    let peers: Vec<Ipv4Addr> = list
        .into_iter()
        .filter_map(|written| {
            let peer = address4(written, problems)?;
            let there = connected(own.ports, peer.into()).map(|(port, _)| port);
            let wrong = own.refuses(peer.into()).or_else(|| {
                let elsewhere = port.is_some() && there != port;
                elsewhere.then(|| format!("`{peer}` is not in the network of the group's port"))
            });
            match wrong {
                Some(wrong) => problems.refuse(written.text(), wrong),
                None => return Some(peer),
            }
            None
        })
        .collect();
    (peers.len() == expected).then_some(peers)
}

fn read_addresses<'a>(
    written: List<'a, String>,
    claims: &mut Claims<'a>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Ipv4Addr>> {
    let list = written.read("a list such as `[\"192.0.2.100\"]`", problems)?;
    let expected = list.len();
    if !(1..=MAX_ADDRESSES).contains(&expected) {
        let text = format!("{expected} addresses; a group has 1 to {MAX_ADDRESSES}");
        problems.refuse(written.text(), text);
        return None;
    }
    let read = |written: Text<'a>, problems: &mut Problems<'a>| {
        let address = address4(written, problems)?;
        let at = written.text();
        claims.addresses.claim(address, at, problems, |line| {
            format!("`{address}` is an address of the group in line {line} already")
        });
        let mut ports = own.ports.iter();
        let dip = |port: &&super::Port| port.addresses.iter().any(|net| net.addr() == address);
        let wrong = if let Some(port) = ports.find(dip) {
            let name = &port.name;
            Some(format!(
                "`{address}` is an address of port `{name}`, and does not move"
            ))
        } else if connected(own.ports, address.into()).is_none() && own.complete {
            Some(format!(
                "`{address}` is in the network of no port, where nobody asks for it"
            ))
        } else {
            own.edge(address.into())
        };
        match wrong {
            Some(wrong) => problems.refuse(at, wrong),
            None => return Some(address),
        }
        None
    };
    let mut read = read;
    let addresses: Vec<Ipv4Addr> = list
        .into_iter()
        .filter_map(|written| read(written, problems))
        .collect();
    (addresses.len() == expected).then_some(addresses)
}

/// Tells of VIPs that no group moves: each director answers ARP for them.
fn warn_left_behind<'a>(at: &'a str, groups: &[Group], own: &Own<'_>, problems: &mut Problems<'a>) {
    let moved = |vip: &IpAddr, group: &Group| group.addresses.iter().any(|one| vip == one);
    let moves = |vip: &IpAddr| groups.iter().any(|group| moved(vip, group));
    let stays = |vip: &IpAddr| connected(own.ports, *vip).is_some() && !moves(vip);
    let mut left: Vec<_> = own.vips.iter().filter(|(vip, _)| stays(vip)).collect();
    left.sort();
    for (vip, service) in left {
        problems.warn(
            at,
            format!("`{vip}` of service `{service}` is in no group; each director answers for it"),
        );
    }
}
