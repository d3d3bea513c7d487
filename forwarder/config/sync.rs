//! The other director, which gets a copy of each session and gives copies of its own.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use super::{
    api::is_absolute,
    problem::Problems,
    raw::{self, Number, Text},
    value::number_or,
    written::Written,
};

/// Where sessions are told to, and by which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The other director's address, of its host.
    pub peer: IpAddr,
    /// This director's address, of its host; unspecified for any.
    pub address: IpAddr,
    /// The UDP port, of both.
    pub port: u16,
    /// The file that holds the key, an absolute path.
    pub key_file: PathBuf,
}

impl Sync {
    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.peer, self.port)
    }

    /// This end.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    pub(super) fn read<'a>(
        written: Written<'a, raw::Sync<'a>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let what = "a group such as `(peer: \"10.2.0.3\", key_file: \"/etc/weir/sync.key\")`";
        let raw = written.read(what, problems)?;
        let peer = address(raw.peer, problems);
        let own = match raw.address {
            None => peer.map(any_like),
            Some(written) => address(written, problems),
        };
        if let (Some(peer), Some(own), Some(written)) = (peer, own, raw.address)
            && peer.is_ipv4() != own.is_ipv4()
        {
            let text =
                format!("`address` {own} and `peer` {peer} are of two families; give two of one");
            problems.refuse(written.text(), text);
            return None;
        }
        let port = port(raw.port, problems);
        let key_file = key_file(raw.key_file, problems);
        Some(Self {
            peer: peer?,
            address: own?,
            port: port?,
            key_file: key_file?,
        })
    }
}

/// The port unless the configuration names another: LVS's own for the purpose.
pub(super) const DEFAULT_PORT: u16 = 8848;

/// Below are ports that root alone may open.
const LEAST_PORT: u16 = 1024;

/// Any address of the same family.
pub(super) fn any_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

/// Weir gives up root's rights before it opens the socket.
fn port<'a>(written: Option<Number<'a>>, problems: &mut Problems<'a>) -> Option<u16> {
    let is_roots = |one: &Number<'a>| one.try_read().is_ok_and(|port| port < LEAST_PORT.into());
    if let Some(text) = written.filter(is_roots).map(Number::text) {
        let wrong = format!(
            "`port` {text} takes root's rights, which weir gives up before it opens it; \
             write one from {LEAST_PORT} to {}",
            u16::MAX
        );
        problems.refuse(text, wrong);
        return None;
    }
    let range = LEAST_PORT..=u16::MAX;
    number_or(written, "port", DEFAULT_PORT, &range, problems)
}

fn address<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<IpAddr> {
    let text = written.read("an address in quotes such as `\"10.2.0.3\"`", problems)?;
    match text.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() && !address.is_multicast() => Some(address),
        _ => {
            let wrong = format!("`{text}` is no address of a host; write one like `10.2.0.3`");
            problems.refuse(written.text(), wrong);
            None
        }
    }
}

/// Where sessions are kept over a restart.
pub(super) fn kept_in<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<PathBuf> {
    let path = written.read("a path in quotes", problems)?;
    if is_absolute(&path) {
        return Some(PathBuf::from(path));
    }
    let wrong =
        format!("`{path}` is no absolute path of a file; write one like `/run/weir/sessions`");
    problems.refuse(written.text(), wrong);
    None
}

fn key_file<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<PathBuf> {
    let path = written.read("a path in quotes", problems)?;
    if is_absolute(&path) {
        return Some(PathBuf::from(path));
    }
    let wrong =
        format!("`{path}` is no absolute path of a file; write one like `/etc/weir/sync.key`");
    problems.refuse(written.text(), wrong);
    None
}
