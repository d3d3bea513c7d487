//! Addresses as single values, read as in `value`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use ipnet::{Ipv4Net, Ipv6Net};

use super::{problem::Problems, raw::Text};
use crate::wire::{Endpoint, Mac};

const IPV6_NOT_BUILT: &str = "IPv6 is not built into this weir yet";

/// An Ethernet address that one station may have.
pub(super) fn mac<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Mac> {
    let text = written.read("an Ethernet address in quotes", problems)?;
    let wrong = match text.parse::<Mac>() {
        Ok(mac) if mac.is_group() => format!(
            "`{text}` is the Ethernet address of a group; the first octet of a station's is even"
        ),
        Ok(Mac([0, 0, 0, 0, 0, 0])) => format!("`{text}` is no station's Ethernet address"),
        Ok(mac) => return Some(mac),
        Err(error) => error.to_string(),
    };
    problems.refuse(written.text(), wrong);
    None
}

/// An address that a host may have.
pub(super) fn address<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Ipv4Addr> {
    let text = written.read("an address in quotes such as `\"10.1.0.11\"`", problems)?;
    let wrong = match text.parse::<Ipv4Addr>() {
        Ok(address) => match not_a_hosts(address) {
            Some(why) => format!("`{text}` is {why}; write the address of a host"),
            None => return Some(address),
        },
        Err(_) if is_ipv6(&text) => format!("{IPV6_NOT_BUILT}: `{text}`"),
        Err(_) => format!("`{text}` is no address; write one like `10.1.0.11`"),
    };
    problems.refuse(written.text(), wrong);
    None
}

/// An address with its port, which is not 0.
pub(super) fn endpoint<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Endpoint> {
    let text = written.read("an address and port in quotes", problems)?;
    match parse_endpoint(&text) {
        Ok(endpoint) => Some(endpoint),
        Err(wrong) => {
            problems.refuse(written.text(), wrong);
            None
        }
    }
}

fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    if let Ok(parsed) = text.parse::<SocketAddrV4>() {
        let (address, port) = (*parsed.ip(), parsed.port());
        return match not_a_hosts(address) {
            Some(why) => Err(format!("`{address}` is {why}; write the address of a host")),
            None if port == 0 => Err(format!(
                "`{text}`: any port (0) is not built into this weir yet; write one port"
            )),
            None => Ok(Endpoint::new(address, port)),
        };
    }
    if text.parse::<SocketAddrV6>().is_ok() || is_ipv6(text) {
        return Err(format!("{IPV6_NOT_BUILT}: `{text}`"));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Err(format!("`{text}` lacks its port; write `{text}:80`"));
    }
    let is_address = |text: &str| text.parse::<Ipv4Addr>().is_ok();
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    match text.split_once(':') {
        Some((address, ports))
            if is_address(address)
                && ports
                    .split_once('-')
                    .is_some_and(|(first, last)| is_port(first) && is_port(last)) =>
        {
            Err(format!(
                "`{text}`: port ranges are not built into this weir yet; write one port"
            ))
        }
        Some((address, port)) if is_address(address) => Err(format!(
            "`{port}` in `{text}` is no port; write one from 1 to 65535"
        )),
        _ => Err(format!(
            "`{text}` is no address and port; write them like `192.0.2.100:80`"
        )),
    }
}

/// A network, without host bits.
pub(super) fn network<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Ipv4Net> {
    let (text, net) = prefix(written, "32", problems)?;
    if net.network() != net.addr() {
        problems.refuse(
            written.text(),
            format!(
                "`{text}` has bits beyond its prefix length; the network is `{}`",
                net.trunc()
            ),
        );
        return None;
    }
    Some(net)
}

/// The address of an interface with the length of its network's prefix.
pub(super) fn interface<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Ipv4Net> {
    let (text, net) = prefix(written, "24", problems)?;
    let wrong = if let Some(why) = not_a_hosts(net.addr()) {
        format!("`{text}` is {why}; write the address of a host")
    } else if net.prefix_len() == 0 {
        format!("`{text}` claims every address; write a prefix length from 1 to 32")
    } else if let Some(edge) = edge_of(net, net.addr()) {
        format!("`{text}` is the {edge} address of its network; write the address of a host")
    } else {
        return Some(net);
    };
    problems.refuse(written.text(), wrong);
    None
}

fn prefix<'a>(
    written: Text<'a>,
    usual: &str,
    problems: &mut Problems<'a>,
) -> Option<(String, Ipv4Net)> {
    let text = written.read("an address and prefix length in quotes", problems)?;
    let wrong = match text.parse::<Ipv4Net>() {
        Ok(net) => return Some((text, net)),
        Err(_) if text.parse::<Ipv6Net>().is_ok() || is_ipv6(&text) => {
            format!("{IPV6_NOT_BUILT}: `{text}`")
        }
        Err(_) if text.parse::<Ipv4Addr>().is_ok() => {
            format!("`{text}` lacks its prefix length; write it like `{text}/{usual}`")
        }
        Err(_) => format!("`{text}` is no prefix; write one like `192.0.2.2/{usual}`"),
    };
    problems.refuse(written.text(), wrong);
    None
}

/// Whether `address` is the first or last of `net`, which no host there may have. Networks of
/// one or two addresses have neither (RFC 3021).
pub(super) fn edge_of(net: Ipv4Net, address: Ipv4Addr) -> Option<&'static str> {
    match address {
        _ if net.prefix_len() > 30 => None,
        _ if address == net.network() => Some("network"),
        _ if address == net.broadcast() => Some("broadcast"),
        _ => None,
    }
}

fn not_a_hosts(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an address of 0.0.0.0/8, which no host has"),
        [127, ..] => Some("a loopback address"),
        [224..=239, ..] => Some("a multicast address"),
        [255, 255, 255, 255] => Some("the broadcast address"),
        _ => None,
    }
}

fn is_ipv6(text: &str) -> bool {
    text.starts_with('[') || text.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_networks_have_no_edges() {
        let edge =
            |net: &str, address: &str| edge_of(net.parse().unwrap(), address.parse().unwrap());
        assert_eq!(edge("10.0.0.0/30", "10.0.0.0"), Some("network"));
        assert_eq!(edge("10.0.0.0/30", "10.0.0.3"), Some("broadcast"));
        assert_eq!(edge("10.0.0.0/30", "10.0.0.1"), None);
        assert_eq!(edge("10.0.0.0/31", "10.0.0.0"), None);
        assert_eq!(edge("10.0.0.1/32", "10.0.0.1"), None);
    }
}
