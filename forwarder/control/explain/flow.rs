//! A flow as people write it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use crate::wire::{Address, Endpoint, Protocol};

/// The five-tuple of a flow of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Of IPv4.
    Four(FlowOf<Ipv4Addr>),
    /// Of IPv6.
    Six(FlowOf<Ipv6Addr>),
}

/// The five-tuple of a flow, as its packets carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOf<A: Address> {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address and port of who sends.
    pub source: Endpoint<A>,
    /// Address and port that it sends to.
    pub destination: Endpoint<A>,
}

/// Why a text is no flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// Nothing says which.
    #[error("no protocol; write `tcp` or `udp`, as in `tcp 203.0.113.7:40000 192.0.2.100:80`")]
    NoProtocol,
    /// There are two.
    #[error("`{0}` is one protocol too many")]
    Protocols(String),
    /// It is neither protocol nor address.
    #[error("`{0}` is neither `tcp` nor `udp` nor an address with a port, as `192.0.2.100:80` is")]
    Unknown(String),
    /// It is an address alone.
    #[error("`{0}` has no port; write it as `{0}:80`")]
    NoPort(String),
    /// One is of IPv4, and the other of IPv6.
    #[error("`{0}` and `{1}` are of different families, and no packet has both")]
    Families(SocketAddr, SocketAddr),
    /// There are fewer or more than two.
    #[error("a flow has two addresses with ports, where it comes from and where it goes, not {0}")]
    Endpoints(usize),
}

impl Flow {
    /// A flow between two ends; none where they are of different families.
    pub fn new(
        protocol: Protocol,
        source: Endpoint<IpAddr>,
        destination: Endpoint<IpAddr>,
    ) -> Option<Self> {
        let four = FlowOf::within(protocol, source, destination).map(Self::Four);
        four.or_else(|| FlowOf::within(protocol, source, destination).map(Self::Six))
    }

    /// Its parts.
    pub fn parts(&self) -> (Protocol, Endpoint<IpAddr>, Endpoint<IpAddr>) {
        match self {
            Self::Four(flow) => flow.parts(),
            Self::Six(flow) => flow.parts(),
        }
    }
}

impl<A: Address> FlowOf<A> {
    fn within(
        protocol: Protocol,
        source: Endpoint<IpAddr>,
        destination: Endpoint<IpAddr>,
    ) -> Option<Self> {
        Some(Self {
            protocol,
            source: source.within()?,
            destination: destination.within()?,
        })
    }

    /// Its parts.
    pub(super) fn parts(&self) -> (Protocol, Endpoint<IpAddr>, Endpoint<IpAddr>) {
        let ends = [self.source, self.destination];
        let [source, destination] = ends.map(|end| Endpoint::new(end.address.into(), end.port));
        (self.protocol, source, destination)
    }
}

impl FromStr for Flow {
    type Err = FlowError;

    /// The source stands before the destination, with or without an arrow in between; the protocol
    /// anywhere.
    fn from_str(text: &str) -> Result<Self, FlowError> {
        let text = text.replace("->", " ").replace(['>', '→', ','], " ");
        let (mut protocol, mut endpoints) = (None, Vec::new());
        for word in text.split_whitespace() {
            match protocol_of(word) {
                Some(_) if protocol.is_some() => {
                    return Err(FlowError::Protocols(word.to_owned()));
                }
                Some(found) => protocol = Some(found),
                None => endpoints.push(endpoint(word)?),
            }
        }
        let [source, destination] = endpoints[..] else {
            return Err(FlowError::Endpoints(endpoints.len()));
        };
        let protocol = protocol.ok_or(FlowError::NoProtocol)?;
        Self::new(protocol, source, destination)
            .ok_or(FlowError::Families(source.into(), destination.into()))
    }
}

fn protocol_of(word: &str) -> Option<Protocol> {
    [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]
        .into_iter()
        .find_map(|(name, protocol)| word.eq_ignore_ascii_case(name).then_some(protocol))
}

fn endpoint(word: &str) -> Result<Endpoint<IpAddr>, FlowError> {
    if let Ok(address) = word.parse::<SocketAddr>() {
        return Ok(Endpoint::new(address.ip(), address.port()));
    }
    Err(match word.parse() {
        Ok(IpAddr::V4(_)) => FlowError::NoPort(word.to_owned()),
        Ok(IpAddr::V6(address)) => FlowError::NoPort(format!("[{address}]")),
        Err(_) => FlowError::Unknown(word.to_owned()),
    })
}

/// As it is read.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, source, destination) = self.parts();
        write!(f, "{protocol} {source} > {destination}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let meant = Flow::Four(FlowOf {
            protocol: Protocol::Tcp,
            source: Endpoint::new([203, 0, 113, 7].into(), 40_000),
            destination: Endpoint::new([192, 0, 2, 100].into(), 80),
        });
        for text in [
            "tcp 203.0.113.7:40000 192.0.2.100:80",
            "TCP 203.0.113.7:40000 > 192.0.2.100:80",
            "203.0.113.7:40000 -> 192.0.2.100:80 tcp",
            "203.0.113.7:40000->192.0.2.100:80,Tcp",
            " tcp, 203.0.113.7:40000, 192.0.2.100:80 ",
            "203.0.113.7:40000 tcp → 192.0.2.100:80",
        ] {
            assert_eq!(text.parse(), Ok(meant), "{text}");
        }
        assert_eq!(meant.to_string().parse(), Ok(meant));
        let udp: Flow = "udp 1.2.3.4:0 5.6.7.8:65535".parse().unwrap();
        assert_eq!(udp.to_string(), "UDP 1.2.3.4:0 > 5.6.7.8:65535");
        let six: Flow = "tcp [2001:db8::9]:40000 [2001:db8::100]:80"
            .parse()
            .unwrap();
        assert_eq!(
            six.to_string(),
            "TCP [2001:db8::9]:40000 > [2001:db8::100]:80"
        );
        assert_eq!(six.to_string().parse(), Ok(six));
    }

    #[test]
    fn what_is_no_flow_is_refused_with_what_would_be() {
        for (text, error) in [
            (
                "1.2.3.4:5 6.7.8.9:10",
                "no protocol; write `tcp` or `udp`, as in `tcp 203.0.113.7:40000 192.0.2.100:80`",
            ),
            (
                "tcp 1.2.3.4:5 6.7.8.9:10 udp",
                "`udp` is one protocol too many",
            ),
            (
                "icmp 1.2.3.4 6.7.8.9",
                "`icmp` is neither `tcp` nor `udp` nor an address with a port, \
                 as `192.0.2.100:80` is",
            ),
            (
                "tcp 1.2.3.4:5 6.7.8.9",
                "`6.7.8.9` has no port; write it as `6.7.8.9:80`",
            ),
            (
                "tcp 1.2.3.4:65536 6.7.8.9:1",
                "`1.2.3.4:65536` is neither `tcp` nor `udp` nor an address with a port, \
                 as `192.0.2.100:80` is",
            ),
            (
                "tcp [2001:db8::1]:5 6.7.8.9:1",
                "`[2001:db8::1]:5` and `6.7.8.9:1` are of different families, and no packet has \
                 both",
            ),
            (
                "tcp [2001:db8::1]:5 2001:db8::2",
                "`[2001:db8::2]` has no port; write it as `[2001:db8::2]:80`",
            ),
            (
                "tcp 1.2.3.4:5",
                "a flow has two addresses with ports, where it comes from and where it goes, not 1",
            ),
            (
                "",
                "a flow has two addresses with ports, where it comes from and where it goes, not 0",
            ),
        ] {
            let refused = text.parse::<Flow>().unwrap_err();
            assert_eq!(refused.to_string(), error, "{text}");
        }
    }
}
