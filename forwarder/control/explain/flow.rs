//! A flow as people write it.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    str::FromStr,
};

use crate::wire::{Endpoint, Protocol};

/// The five-tuple of a flow, as its packets carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Address and port of who sends.
    pub source: Endpoint,
    /// Address and port that it sends to.
    pub destination: Endpoint,
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
    /// It is an address of IPv6.
    #[error("`{0}` is IPv6, which weir does not forward yet")]
    Ipv6(String),
    /// There are fewer or more than two.
    #[error("a flow has two addresses with ports, where it comes from and where it goes, not {0}")]
    Endpoints(usize),
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
        Ok(Self {
            protocol: protocol.ok_or(FlowError::NoProtocol)?,
            source,
            destination,
        })
    }
}

fn protocol_of(word: &str) -> Option<Protocol> {
    [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]
        .into_iter()
        .find_map(|(name, protocol)| word.eq_ignore_ascii_case(name).then_some(protocol))
}

fn endpoint(word: &str) -> Result<Endpoint, FlowError> {
    if let Ok(address) = word.parse::<SocketAddrV4>() {
        return Ok(Endpoint::new(*address.ip(), address.port()));
    }
    let word = word.to_owned();
    Err(if word.parse::<Ipv4Addr>().is_ok() {
        FlowError::NoPort(word)
    } else if word.parse::<Ipv6Addr>().is_ok() || word.parse::<SocketAddrV6>().is_ok() {
        FlowError::Ipv6(word)
    } else {
        FlowError::Unknown(word)
    })
}

/// As it is read.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        write!(f, "{protocol} {} > {}", self.source, self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        let meant = Flow {
            protocol: Protocol::Tcp,
            source: Endpoint::new([203, 0, 113, 7].into(), 40_000),
            destination: Endpoint::new([192, 0, 2, 100].into(), 80),
        };
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
                "`[2001:db8::1]:5` is IPv6, which weir does not forward yet",
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
