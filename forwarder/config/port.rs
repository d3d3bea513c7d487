//! Ports: their devices and their own addresses.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    address::{interface, mac},
    host::tap,
    local::{self, Lip},
    problem::Problems,
    raw,
    unique::Unique,
    value::{name, number_or},
    written::Written,
};
use crate::wire::{Mac, ipv6};

/// The word for all ports, in place of one's name.
pub const ANY: &str = "any";

/// The word for what workers drop, in place of a port's name.
pub const DROPS: &str = "drops";

/// A port of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// What texts for people call it. Unique.
    pub name: String,
    /// Where its frames come from.
    pub device: Device,
    /// Its addresses of IPv4; the first is the DIP. No network overlaps one of another port. A port
    /// has at least one address of either family.
    pub addresses: Vec<Ipv4Net>,
    /// The same of IPv6, without those of its link alone.
    pub addresses6: Vec<Ipv6Net>,
    /// The LIPs of FULLNAT services that have none of their own, towards backends behind this
    /// port.
    pub local_addresses: Vec<IpAddr>,
    /// Instead of the device's own.
    pub mac: Option<Mac>,
    /// Octets of the largest IP packet.
    pub mtu: u16,
    /// The interface by which the kernel uses the port, if it does.
    pub tap: Option<String>,
}

impl Port {
    /// The addresses of both families.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        let four = self.addresses.iter().copied().map(IpNet::V4);
        four.chain(self.addresses6.iter().copied().map(IpNet::V6))
    }
}

/// What DPDK opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PCI address, as lspci -D prints it.
    Pci(String),
    /// Name and arguments as EAL's --vdev takes them.
    Vdev(String),
}

impl Device {
    /// What no other port may have: the device, and the interface under a vdev, from which both
    /// would receive every frame.
    fn claims(&self) -> Vec<String> {
        match self {
            Self::Pci(address) => vec![address.to_ascii_lowercase()],
            Self::Vdev(text) => {
                let mut parts = text.split(',').map(str::to_owned);
                let name = parts.next();
                let interfaces = parts.filter(|part| part.starts_with("iface="));
                name.into_iter().chain(interfaces).collect()
            }
        }
    }

    /// True where fragments come in as the packets that they were cut from, as far as these fit
    /// into a frame: the driver asks the kernel for that.
    pub(super) fn joins_fragments(&self) -> bool {
        matches!(self, Self::Vdev(text) if text.starts_with("net_af_packet"))
    }
}

/// DPDK's `RTE_MAX_ETHPORTS` as it is usually built.
const MAX_PORTS: usize = 32;
/// RFC 791 wants 68 octets to pass everywhere; the most is what is left of frames of 9216.
const MTU: std::ops::RangeInclusive<u16> = 68..=9198;
const EXAMPLE: &str = "`ports: [(name: \"wan\", device: Pci(\"0000:3b:00.0\"), \
                       addresses: [\"192.0.2.2/24\"])]`";

/// The ports that could be read, whether these are all, and their LIPs.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Port<'a>>>,
    file: &'a str,
    problems: &mut Problems<'a>,
) -> (Vec<Port>, bool, Vec<Lip<'a>>) {
    let Some(written) = written else {
        problems.refuse(file, format!("no ports; write {EXAMPLE}"));
        return (Vec::new(), false, Vec::new());
    };
    let list = written.read("a list of ports in `[` and `]`", problems);
    let mut list = list.unwrap_or_default();
    if list.is_empty() {
        problems.refuse(written.text(), format!("no ports; write {EXAMPLE}"));
    }
    let expected = list.len();
    if let Some(beyond) = list.get(MAX_PORTS) {
        let text = format!("{expected} ports; at most {MAX_PORTS} can be opened");
        problems.refuse(beyond.text(), text);
        list.truncate(MAX_PORTS);
    }
    let mut claims = Claims {
        names: Unique::new(),
        devices: Unique::new(),
        networks: Vec::new(),
        lips: Vec::new(),
    };
    let ports: Vec<Port> = list
        .into_iter()
        .filter_map(|written| read(written, &mut claims, problems))
        .collect();
    let complete = expected > 0 && ports.len() == expected;
    (ports, complete, claims.lips)
}

/// What the ports read so far have taken.
struct Claims<'a> {
    names: Unique<'a, String>,
    devices: Unique<'a, String>,
    networks: Vec<(IpNet, &'a str)>,
    lips: Vec<Lip<'a>>,
}

fn read<'a>(
    written: Written<'a, raw::Port<'a>>,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<Port> {
    let what = "a port such as `(name: \"wan\", device: Pci(…), addresses: […])`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        let at = raw.name.text();
        if [ANY, DROPS].contains(&name.as_str()) {
            let text = format!(
                "`{name}` means something else where frames are captured; call this port \
                 otherwise"
            );
            problems.refuse(at, text);
        }
        claims.names.claim(name.clone(), at, problems, |line| {
            format!("`{name}` is the name of the port in line {line} already")
        });
    }
    let device = read_device(raw.device, claims, problems);
    let addresses = read_addresses(raw.addresses, &mut claims.networks, problems);
    let lips = local::read(raw.local_addresses, problems);
    claims.lips.extend(lips.iter().flatten());
    let mac = match raw.mac {
        None => Some(None),
        Some(written) => mac(written, problems).map(Some),
    };
    let mtu = number_or(raw.mtu, "mtu", 1500, &MTU, problems);
    let tap = match raw.tap {
        None => Some(None),
        Some(written) => read_tap(written, claims, problems).map(Some),
    };
    let addresses = addresses?;
    let four = addresses.iter().filter_map(|net| match net {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    });
    let six = addresses.iter().filter_map(|net| match net {
        IpNet::V4(_) => None,
        IpNet::V6(net) => Some(*net),
    });
    let (four, six): (Vec<Ipv4Net>, Vec<Ipv6Net>) = (four.collect(), six.collect());
    if let (Some(mtu), Some(written), false) = (mtu, raw.mtu, six.is_empty())
        && mtu < ipv6::LEAST_MTU
    {
        let text = format!("IPv6 asks for at least {} octets", ipv6::LEAST_MTU);
        problems.refuse(written.text(), text);
    }
    Some(Port {
        name: name?,
        device: device?,
        addresses: four,
        addresses6: six,
        local_addresses: local::addresses(&lips?),
        mac: mac?,
        mtu: mtu?,
        tap: tap?,
    })
}

/// The name of a port's TAP, which no other port has as its TAP or its device.
fn read_tap<'a>(
    written: raw::Text<'a>,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<String> {
    let tap = tap(written, problems)?;
    let claim = format!("iface={tap}");
    claims
        .devices
        .claim(claim, written.text(), problems, |line| {
            format!("`{tap}` is an interface of the port in line {line} already")
        });
    Some(tap)
}

fn read_device<'a>(
    written: Written<'a, raw::Device<'a>>,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<Device> {
    let what = "`Pci(\"0000:3b:00.0\")` or `Vdev(\"net_af_packet0,iface=lan0\")`";
    let (at, device, wrong) = match written.read(what, problems)? {
        raw::Device::Pci(text) => {
            let address = text.read("a PCI address in quotes", problems)?;
            let wrong = (!is_pci_address(&address)).then(|| {
                format!(
                    "`{address}` is no PCI address; write one as `lspci -D` prints it: \
                     `0000:3b:00.0`"
                )
            });
            (text.text(), Device::Pci(address), wrong)
        }
        raw::Device::Vdev(text) => {
            let device = text.read("a device in quotes", problems)?;
            let wrong = (!is_vdev(&device)).then(|| {
                format!(
                    "`{device}` is no network device of DPDK; write its name and arguments: \
                     `net_af_packet0,iface=lan0`"
                )
            });
            (text.text(), Device::Vdev(device), wrong)
        }
    };
    if let Some(wrong) = wrong {
        problems.refuse(at, wrong);
        return None;
    }
    for claim in device.claims() {
        claims.devices.claim(claim.clone(), at, problems, |line| {
            format!("`{claim}` is the device of the port in line {line} already")
        });
    }
    Some(device)
}

/// Domain, bus, device and function, as in 0000:3b:00.0.
fn is_pci_address(text: &str) -> bool {
    const PATTERN: &str = "hhhh:hh:hh.o";
    let fits = |(c, pattern): (char, char)| match pattern {
        'h' => c.is_ascii_hexdigit(),
        'o' => c.is_digit(8),
        separator => c == separator,
    };
    text.len() == PATTERN.len() && text.chars().zip(PATTERN.chars()).all(fits)
}

/// A name of a network driver, then arguments `key=value` or `key`.
fn is_vdev(text: &str) -> bool {
    let mut parts = text.split(',');
    let named = parts.next().and_then(|name| name.strip_prefix("net_"));
    let name_fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let argument_fits = |c: char| c.is_ascii_graphic();
    named.is_some_and(|name| (1..60).contains(&name.len()) && name.chars().all(name_fits))
        && parts.all(|part| {
            !part.is_empty() && !part.starts_with('=') && part.chars().all(argument_fits)
        })
}

fn read_addresses<'a>(
    written: raw::List<'a, String>,
    networks: &mut Vec<(IpNet, &'a str)>,
    problems: &mut Problems<'a>,
) -> Option<Vec<IpNet>> {
    let list = written.read("a list such as `[\"192.0.2.2/24\"]`", problems)?;
    if list.is_empty() {
        let text = "a port without addresses; write at least its DIP: `[\"192.0.2.2/24\"]`";
        problems.refuse(written.text(), text);
        return None;
    }
    let others = networks.len();
    let expected = list.len();
    let mut addresses = Vec::with_capacity(expected);
    for written in list {
        let Some(address) = interface(written, problems) else {
            continue;
        };
        let at = written.text();
        let (of_others, of_this) = networks.split_at_checked(others).unwrap_or_default();
        if let Some(text) = clash(address, of_others, of_this, problems) {
            problems.refuse(at, text);
        }
        networks.push((address, at));
        addresses.push(address);
    }
    (addresses.len() == expected).then_some(addresses)
}

/// Why a port cannot have `address` beside the networks of others and its own.
fn clash<'a>(
    address: IpNet,
    of_others: &[(IpNet, &'a str)],
    of_this: &[(IpNet, &'a str)],
    problems: &Problems<'a>,
) -> Option<String> {
    let overlap = |other: &IpNet| other.contains(&address.trunc()) || address.contains(other);
    let twice = of_others.iter().chain(of_this);
    if let Some((_, first)) = twice.into_iter().find(|(n, _)| n.addr() == address.addr()) {
        let (line, address) = (problems.line(first), address.addr());
        return Some(format!(
            "`{address}` is an address of a port in line {line} already"
        ));
    }
    let (other, first) = of_others.iter().find(|(n, _)| overlap(n))?;
    Some(format!(
        "the network of `{address}` overlaps `{other}` of another port in line {}; \
         a network is on one port",
        problems.line(first)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_are_as_lspci_prints_them() {
        assert!(is_pci_address("0000:3b:00.0"));
        assert!(is_pci_address("0001:AF:1f.7"));
        for no_address in [
            "3b:00.0",
            "0000:3b:00.8",
            "0000:3b.00:0",
            "0000:3b:00",
            "eth0",
            "",
        ] {
            assert!(!is_pci_address(no_address), "{no_address}");
        }
    }

    #[test]
    fn vdevs_are_a_driver_and_its_arguments() {
        assert!(is_vdev("net_null0"));
        assert!(is_vdev("net_af_packet0,iface=lan0,blocksz=4096"));
        assert!(is_vdev("net_virtio_user0,path=/dev/vhost-net,queues=2"));
        for no_device in [
            "",
            "net_",
            "eth0",
            "net_a b",
            "net_a,",
            "net_a,=x",
            "net_a,x y",
        ] {
            assert!(!is_vdev(no_device), "{no_device}");
        }
    }
}
