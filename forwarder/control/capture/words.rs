//! The words of a filter: those of pcap-filter(7) that are most used.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    snapshot::{Filter, Side, Test},
    wire::{
        ethernet::{ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6},
        ipv4::{PROTOCOL_ICMP, PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
        ipv6::PROTOCOL_ICMPV6,
    },
};

/// Words of a filter at most: each costs every frame.
const MOST_WORDS: usize = 128;

/// Octets of these together at most.
const MOST_OCTETS: usize = 8192;

/// What stands after `src` and `dst`.
const SIDED: &str = "host, net, port, portrange, or an address";

/// Why words are no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is not understood.
    #[error(
        "filter: {place}; write `host ADDRESS`, `net PREFIX`, `port NUMBER`, \
         `portrange FIRST-LAST`, with `src` or `dst` before them if wanted, `proto NUMBER`, or \
         ip, ip6, arp, tcp, udp, sctp, icmp, icmp6; join them by and, or, not, ( and )"
    )]
    Word {
        /// What is wrong where.
        place: String,
    },
    /// It is too long.
    #[error("filter: {0} words; {MOST_WORDS} are the most")]
    Long(usize),
    /// The same before its words are counted.
    #[error("filter: {0} octets; {MOST_OCTETS} are the most")]
    Large(usize),
}

/// What the words say; without words any frame will do.
///
/// # Errors
///
/// What is not understood.
pub fn filter(text: &str) -> Result<Filter, FilterError> {
    if text.len() > MOST_OCTETS {
        return Err(FilterError::Large(text.len()));
    }
    let mut spaced = text.replace("&&", " and ").replace("||", " or ");
    for (sign, word) in [("!", " not "), ("(", " ( "), (")", " ) ")] {
        spaced = spaced.replace(sign, word);
    }
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if words.is_empty() {
        return Ok(Filter::All);
    }
    if words.len() > MOST_WORDS {
        return Err(FilterError::Long(words.len()));
    }
    let mut words = Words { words, at: 0 };
    let filter = words.all()?;
    match words.next() {
        None => Ok(filter),
        Some(_) => Err(words.wrong("and, or, or the end")),
    }
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn next_if(&mut self, wanted: &[&str]) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        let word = word.filter(|word| wanted.contains(word))?;
        self.at += 1;
        Some(word)
    }

    /// That the word read last is not what was expected.
    fn wrong(&self, expected: &str) -> FilterError {
        let place = match self.words.get(self.at.saturating_sub(1)) {
            Some(word) => format!("`{word}` is not {expected}"),
            None => format!("it ends where {expected} should stand"),
        };
        FilterError::Word { place }
    }

    /// What is joined by `and` and `or`, which bind alike, from left to right.
    fn all(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.one()?;
        while let Some(word) = self.next_if(&["and", "or"]) {
            let both = Box::new([filter, self.one()?]);
            filter = match word {
                "and" => Filter::And(both),
                _ => Filter::Or(both),
            };
        }
        Ok(filter)
    }

    fn one(&mut self) -> Result<Filter, FilterError> {
        if self.next_if(&["not"]).is_some() {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if self.next_if(&["("]).is_some() {
            let filter = self.all()?;
            let closed = self.next() == Some(")");
            return closed.then_some(filter).ok_or_else(|| self.wrong("`)`"));
        }
        let protocols = ["ip", "ip6", "arp", "tcp", "udp", "sctp", "icmp", "icmp6"];
        let Some(word) = self.next_if(&protocols) else {
            return self.test(None);
        };
        let filter = protocol(word);
        let goes_on = ["src", "dst", "host", "net", "port", "portrange", "proto"];
        let more = self.words.get(self.at);
        if more.is_some_and(|word| goes_on.contains(word)) {
            return self.test(Some(filter));
        }
        Ok(filter)
    }

    /// One question, to what is of a protocol.
    fn test(&mut self, of: Option<Filter>) -> Result<Filter, FilterError> {
        let mut kinds = vec!["host", "net", "port", "portrange"];
        let (side, or_address) = match self.next_if(&["src", "dst"]) {
            Some("src") => (Side::Source, SIDED),
            Some(_) => (Side::Destination, SIDED),
            None => {
                kinds.push("proto");
                (Side::Either, "a word of filters, or an address")
            }
        };
        let kind = self.next_if(&kinds);
        let value = self.next();
        let value = |this: &Self, expected: &str| value.ok_or_else(|| this.wrong(expected));
        let test = match kind {
            Some("net") => {
                let expected = "a prefix, such as 10.9.0.0/16";
                let net: Result<IpNet, _> = value(self, expected)?.parse();
                Test::Net(side, net.map_err(|_| self.wrong(expected))?)
            }
            Some("port") => {
                let expected = "a port from 0 to 65535";
                let port = value(self, expected)?.parse();
                let port = port.map_err(|_| self.wrong(expected))?;
                Test::Ports(side, port, port)
            }
            Some("portrange") => {
                let expected = "a range of ports, such as 8000-8099";
                let range = value(self, expected)?.split_once('-');
                let range = range.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let range = range.filter(|(first, last)| first <= last);
                let (first, last) = range.ok_or_else(|| self.wrong(expected))?;
                Test::Ports(side, first, last)
            }
            Some("proto") => {
                let expected = "a protocol's number from 0 to 255";
                let number = value(self, expected)?.parse();
                Test::Protocol(number.map_err(|_| self.wrong(expected))?)
            }
            // An address alone is a host.
            _ => {
                let address: Result<IpAddr, _> = value(self, or_address)?.parse();
                Test::Net(side, address.map_err(|_| self.wrong(or_address))?.into())
            }
        };
        let test = Filter::Is(test);
        Ok(match of {
            Some(of) => Filter::And(Box::new([of, test])),
            None => test,
        })
    }
}

fn protocol(word: &str) -> Filter {
    let is = |test| Filter::Is(test);
    let both = |ethertype, protocol| {
        let tests = [Test::Ethertype(ethertype), Test::Protocol(protocol)];
        Filter::And(Box::new(tests.map(Filter::Is)))
    };
    match word {
        "ip" => is(Test::Ethertype(ETHERTYPE_IPV4)),
        "ip6" => is(Test::Ethertype(ETHERTYPE_IPV6)),
        "arp" => is(Test::Ethertype(ETHERTYPE_ARP)),
        "tcp" => is(Test::Protocol(PROTOCOL_TCP)),
        "udp" => is(Test::Protocol(PROTOCOL_UDP)),
        "sctp" => is(Test::Protocol(PROTOCOL_SCTP)),
        "icmp" => both(ETHERTYPE_IPV4, PROTOCOL_ICMP),
        _ => both(ETHERTYPE_IPV6, PROTOCOL_ICMPV6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(side: Side, address: &str) -> Filter {
        let address: IpAddr = address.parse().unwrap();
        Filter::Is(Test::Net(side, address.into()))
    }

    fn port(side: Side, port: u16) -> Filter {
        Filter::Is(Test::Ports(side, port, port))
    }

    fn and(a: Filter, b: Filter) -> Filter {
        Filter::And(Box::new([a, b]))
    }

    fn or(a: Filter, b: Filter) -> Filter {
        Filter::Or(Box::new([a, b]))
    }

    #[test]
    fn words_are_read_as_tcpdump_reads_them() {
        let (tcp, udp) = (protocol("tcp"), protocol("udp"));
        let net = |net: &str| Filter::Is(Test::Net(Side::Source, net.parse().unwrap()));
        for (text, expected) in [
            ("", Filter::All),
            ("host 10.9.0.2", host(Side::Either, "10.9.0.2")),
            ("10.9.0.2", host(Side::Either, "10.9.0.2")),
            ("dst fd00::1", host(Side::Destination, "fd00::1")),
            ("src net 10.9.0.0/16", net("10.9.0.0/16")),
            ("tcp port 80", and(tcp.clone(), port(Side::Either, 80))),
            ("ip6", Filter::Is(Test::Ethertype(ETHERTYPE_IPV6))),
            ("proto 112", Filter::Is(Test::Protocol(112))),
            (
                "udp dst portrange 1000-2000",
                and(
                    udp.clone(),
                    Filter::Is(Test::Ports(Side::Destination, 1000, 2000)),
                ),
            ),
            (
                "tcp or udp and port 53",
                and(or(tcp.clone(), udp.clone()), port(Side::Either, 53)),
            ),
            (
                "tcp or (udp and !port 53)",
                or(
                    tcp.clone(),
                    and(udp, Filter::Not(Box::new(port(Side::Either, 53)))),
                ),
            ),
            (
                "not tcp src port 80&&tcp",
                and(
                    Filter::Not(Box::new(and(tcp.clone(), port(Side::Source, 80)))),
                    tcp,
                ),
            ),
        ] {
            assert_eq!(filter(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_word() {
        for (text, place) in [
            (
                "host",
                "it ends where a word of filters, or an address should stand",
            ),
            (
                "host web1",
                "`web1` is not a word of filters, or an address",
            ),
            ("port http", "`http` is not a port from 0 to 65535"),
            ("port 65536", "`65536` is not a port from 0 to 65535"),
            ("net 10", "`10` is not a prefix, such as 10.9.0.0/16"),
            (
                "portrange 80",
                "`80` is not a range of ports, such as 8000-8099",
            ),
            (
                "portrange 9000-8000",
                "`9000-8000` is not a range of ports, such as 8000-8099",
            ),
            (
                "src proto 6",
                "`proto` is not host, net, port, portrange, or an address",
            ),
            ("(tcp", "it ends where `)` should stand"),
            ("tcp udp", "`udp` is not and, or, or the end"),
            (
                "tcp and",
                "it ends where a word of filters, or an address should stand",
            ),
        ] {
            let error = filter(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("filter: {place}; ")),
                "{text}: {error}"
            );
        }
        let long = "tcp or ".repeat(100);
        assert_eq!(filter(&long), Err(FilterError::Long(200)));
        let large = "(".repeat(10_000);
        assert_eq!(filter(&large), Err(FilterError::Large(10_000)));
    }
}
