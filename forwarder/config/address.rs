//! Addresses as single values, read as in `value`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use ipnet::IpNet;

use super::{problem::Problems, raw::Text};
use crate::wire::{Endpoint, Listener, Mac, Protocol};

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
pub(super) fn address<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<IpAddr> {
    let text = written.read("an address in quotes such as `\"10.1.0.11\"`", problems)?;
    let wrong = match text.parse::<IpAddr>() {
        Ok(address) => match not_a_hosts(address) {
            Some(why) => format!("`{text}` is {why}; write the address of a host"),
            None => return Some(address),
        },
        Err(_) => format!("`{text}` is no address; write one like `10.1.0.11`"),
    };
    problems.refuse(written.text(), wrong);
    None
}

/// The same where IPv6 is not spoken.
pub(super) fn address4<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<Ipv4Addr> {
    match address(written, problems)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(address) => {
            let text = format!("IPv6 is not built into this part of weir yet: `{address}`");
            problems.refuse(written.text(), text);
            None
        }
    }
}

/// The address of a backend and its port, which is not 0. Where it names none, it has `port`; 0
/// is that which the client asks for.
pub(super) fn endpoint<'a>(
    written: Text<'a>,
    port: u16,
    problems: &mut Problems<'a>,
) -> Option<Endpoint<IpAddr>> {
    let text = written.read("an address and port in quotes", problems)?;
    let parsed = match text.parse::<IpAddr>() {
        Ok(address) => host(address).map(|address| Endpoint::new(address, port)),
        Err(_) => parse_listener(&text).and_then(|(address, ports)| match ports {
            Ports::Some(ports) if ports.start() == ports.end() => {
                Ok(Endpoint::new(address, *ports.start()))
            }
            Ports::Some(_) => Err(format!(
                "`{text}` is a range of ports; without a port a backend has the one that the \
                 client asks for, write `{address}`"
            )),
            Ports::Any => Ok(Endpoint::new(address, port)),
        }),
    };
    parsed
        .map_err(|wrong| problems.refuse(written.text(), wrong))
        .ok()
}

/// What a service is addressed by; of `protocol`, where it names none.
pub(super) fn listener<'a>(
    written: Text<'a>,
    protocol: Protocol,
    problems: &mut Problems<'a>,
) -> Option<Listener<IpAddr>> {
    let (address, ports, named) = address_and_ports(written, problems)?;
    let protocol = named.unwrap_or(protocol);
    Some(match ports {
        Ports::Some(ports) => Listener::new(address, &ports, protocol),
        Ports::Any => Listener::any(address, protocol),
    })
}

/// The same, with the protocol that it names.
pub(super) fn address_and_ports<'a>(
    written: Text<'a>,
    problems: &mut Problems<'a>,
) -> Option<(IpAddr, Ports, Option<Protocol>)> {
    let text = written.read("an address and port in quotes", problems)?;
    let (place, protocol) = match text.split_once('/') {
        Some((place, "tcp")) => (place, Ok(Some(Protocol::Tcp))),
        Some((place, "udp")) => (place, Ok(Some(Protocol::Udp))),
        Some((place, other)) => (
            place,
            Err(format!(
                "`{other}` in `{text}` is no protocol; write `{place}/tcp` or `{place}/udp`"
            )),
        ),
        None => (&*text, Ok(None)),
    };
    let parsed = parse_listener(place);
    parsed
        .and_then(|(address, ports)| Ok((address, ports, protocol?)))
        .map_err(|wrong| problems.refuse(written.text(), wrong))
        .ok()
}

/// Ports as they are written.
pub(super) enum Ports {
    Some(RangeInclusive<u16>),
    Any,
}

fn parse_listener(text: &str) -> Result<(IpAddr, Ports), String> {
    match text.parse() {
        Ok(IpAddr::V4(_)) => return Err(format!("`{text}` lacks its port; write `{text}:80`")),
        Ok(IpAddr::V6(_)) => return Err(format!("`{text}` lacks its port; write `[{text}]:80`")),
        Err(_) => {}
    }
    let no_address =
        || format!("`{text}` is no address and port; write them like `192.0.2.100:80`");
    let (address, ports) = if let Some(rest) = text.strip_prefix('[') {
        let (address, ports) = rest.split_once("]:").ok_or_else(no_address)?;
        let address: Ipv6Addr = address.parse().map_err(|_| no_address())?;
        (IpAddr::V6(address), ports)
    } else {
        let (address, ports) = text.split_once(':').ok_or_else(no_address)?;
        let address: Ipv4Addr = address.parse().map_err(|_| no_address())?;
        (IpAddr::V4(address), ports)
    };
    let address = host(address)?;
    let shown = || match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    if ports == "*" {
        return Ok((address, Ports::Any));
    }
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok((address, Ports::Some(first..=last))),
        (Some(first), Some(last)) => Err(format!(
            "`{text}`: the range begins behind its end; write `{}:{last}-{first}`",
            shown()
        )),
        _ if ports == "0" => Err(format!("`{text}`: any port is written `{}:*`", shown())),
        _ => Err(format!(
            "`{ports}` in `{text}` is no port; write one from 1 to 65535, a range such as \
             `8000-8999`, or `*`"
        )),
    }
}

/// An address, if a host may have it.
fn host(address: IpAddr) -> Result<IpAddr, String> {
    match not_a_hosts(address) {
        Some(why) => Err(format!("`{address}` is {why}; write the address of a host")),
        None => Ok(address),
    }
}

/// A network, without host bits.
pub(super) fn network<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<IpNet> {
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
pub(super) fn interface<'a>(written: Text<'a>, problems: &mut Problems<'a>) -> Option<IpNet> {
    let (text, net) = prefix(written, "24", problems)?;
    let wrong = if let Some(why) = not_a_hosts(net.addr()) {
        format!("`{text}` is {why}; write the address of a host")
    } else if net.prefix_len() == 0 {
        format!(
            "`{text}` claims every address; write a prefix length from 1 to {}",
            net.max_prefix_len()
        )
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
) -> Option<(String, IpNet)> {
    let text = written.read("an address and prefix length in quotes", problems)?;
    let wrong = match text.parse::<IpNet>() {
        Ok(net) => return Some((text, net)),
        Err(_) if text.parse::<Ipv6Addr>().is_ok() => {
            format!("`{text}` lacks its prefix length; write it like `{text}/64`")
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
/// one or two addresses have neither (RFC 3021), nor have those of IPv6.
pub(super) fn edge_of(net: IpNet, address: IpAddr) -> Option<&'static str> {
    let (IpNet::V4(net), IpAddr::V4(address)) = (net, address) else {
        return None;
    };
    match address {
        _ if net.prefix_len() > 30 => None,
        _ if address == net.network() => Some("network"),
        _ if address == net.broadcast() => Some("broadcast"),
        _ => None,
    }
}

fn not_a_hosts(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [0, ..] => Some("an address of 0.0.0.0/8, which no host has"),
            [127, ..] => Some("a loopback address"),
            [224..=239, ..] => Some("a multicast address"),
            [255, 255, 255, 255] => Some("the broadcast address"),
            _ => None,
        },
        IpAddr::V6(address) if address.is_unspecified() => Some("no address"),
        IpAddr::V6(address) if address.is_loopback() => Some("a loopback address"),
        IpAddr::V6(address) if address.is_multicast() => Some("a multicast address"),
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Some("an IPv4 address as IPv6 writes it")
        }
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            Some("an address of one link alone, which each port makes for itself")
        }
        IpAddr::V6(_) => None,
    }
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
