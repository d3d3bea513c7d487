//! What packets for backends of TUN services travel in, where that is more than IP in IP of one
//! family.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    session::{BackendIx, FixedIx},
    wire::{
        Address, GueChecksum, IpHeader, Tunnel as Kind,
        tunnel::{MOST, Shim},
    },
};

/// The way into one backend's tunnel, compiled: all that its packets have in common.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Tunnel {
    /// The outer addresses, and where these packets go next.
    pub outside: Outside,
    shim: [u8; MOST],
    shim_octets: u8,
    /// What the outer header says that it carries.
    pub protocol: u8,
    /// Of which checksum it is.
    pub sealed: Sealed,
}

const _: () = assert!(size_of::<Tunnel>() == 64);

/// Which checksum is written behind the outer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// None: nothing but the shim is.
    Bare,
    /// None, but UDP's ports and length are.
    Udp,
    /// That of UDP.
    UdpSum,
    /// That of UDP, and the carried packet's own is left to the receiver.
    UdpRemote,
    /// That of GRE.
    GreSum,
}

/// Outer addresses of either family.
#[derive(Clone, Copy, Debug)]
pub enum Outside {
    /// Of IPv4.
    Four(Between<Ipv4Addr>),
    /// Of IPv6.
    Six(Between<Ipv6Addr>),
}

/// Who a tunnel is between.
#[derive(Clone, Copy, Debug)]
pub struct Between<A> {
    /// The next hop, among those of its family.
    pub hop: FixedIx,
    /// The DIP.
    pub source: A,
    /// The RIP.
    pub destination: A,
}

/// All of one family's services, by the backend's number.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Box<[Option<Tunnel>]>);

impl Tunnel {
    /// A tunnel of this kind for packets of `A`.
    pub fn new<A: Address>(kind: Kind, outside: Outside) -> Self {
        let Shim {
            octets,
            length,
            protocol,
        } = kind.shim::<A>();
        Self {
            outside,
            shim: octets,
            shim_octets: length,
            protocol,
            sealed: Sealed::of(kind),
        }
    }

    /// What stands between the two headers of IP, as far as it is the same for all packets.
    #[inline]
    pub fn shim(&self) -> &[u8] {
        self.shim
            .get(..usize::from(self.shim_octets))
            .unwrap_or_default()
    }

    /// Octets that it adds to packets, at most.
    #[inline]
    pub fn octets(&self) -> u16 {
        let outer = match self.outside {
            Outside::Four(_) => <Ipv4Addr as Address>::Header::OCTETS,
            Outside::Six(_) => <Ipv6Addr as Address>::Header::OCTETS,
        };
        outer + u16::from(self.shim_octets)
    }
}

impl Sealed {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Ipip | Kind::Gre { checksum: false } => Self::Bare,
            Kind::Gre { checksum: true } => Self::GreSum,
            Kind::Gue { checksum, .. } => match checksum {
                GueChecksum::Off => Self::Udp,
                GueChecksum::Full => Self::UdpSum,
                GueChecksum::Remote => Self::UdpRemote,
            },
        }
    }
}

impl Tunnels {
    /// These, each with its backend's number.
    pub fn new(all: &[(BackendIx, Tunnel)]) -> Self {
        let numbers = all.iter().map(|(number, _)| number.index() + 1);
        let mut by_number = vec![None; numbers.max().unwrap_or_default()];
        for (number, tunnel) in all {
            if let Some(place) = by_number.get_mut(number.index()) {
                *place = Some(*tunnel);
            }
        }
        Self(by_number.into())
    }

    /// That of a backend.
    #[inline]
    pub fn of(&self, backend: BackendIx) -> Option<&Tunnel> {
        self.0.get(backend.index())?.as_ref()
    }
}
