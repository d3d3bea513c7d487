//! What the kernel is told by netlink: the TAPs' addresses, weir's routes, the VIPs to announce.
//!
//! The host's other interfaces are not disturbed: the TAPs' networks stand in no table but weir's
//! own, and two rules lead there: what is bound to a TAP, and what comes from an address of one.
//! Routes go with their TAP when the program ends, however it ends; rules are taken back when it
//! ends as it should, and lead to an empty table when it does not.

use std::{collections::BTreeSet, fs, io, net::IpAddr};

use ipnet::IpNet;
use nix::errno::Errno;
use rtnetlink::{
    Error, Handle, LinkUnspec, RouteMessageBuilder, new_connection,
    packet_route::{
        AddressFamily,
        address::{AddressAttribute, AddressFlags},
        route::{RouteMessage, RouteProtocol, RouteScope},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};

use crate::{
    config::{Config, Host, Port, Route},
    io::PortIx,
};

/// Whose routes and rules they are: `proto 119` as ip(8) prints it, a number that nobody else has.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(119);

/// Before the main table's 32766 and behind the local table's 0.
const RULE_PRIORITY: u32 = 881;

/// Why the kernel does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// There is no netlink.
    #[error("cannot speak netlink with the kernel: {0}")]
    Netlink(#[source] io::Error),
    /// It refuses.
    #[error("the kernel refuses {what}: {source}")]
    Refused {
        /// What was asked of it.
        what: String,
        /// What it says.
        source: io::Error,
    },
}

/// The kernel, as far as it knows of the ports that have TAPs.
pub struct Kernel {
    handle: Handle,
    host: Host,
    taps: Vec<TapLink>,
    announced: BTreeSet<IpAddr>,
}

/// An interface of a TAP.
struct TapLink {
    port: PortIx,
    name: String,
    index: u32,
    addresses: Vec<IpNet>,
}

impl Kernel {
    /// Gives the TAPs of `config`, which are there already, addresses, routes and rules, and sets
    /// them up. To be called within a runtime.
    pub async fn set_up(config: &Config) -> Result<Self, KernelError> {
        let (connection, handle, _) = new_connection().map_err(KernelError::Netlink)?;
        tokio::spawn(connection);
        let mut kernel = Self {
            handle,
            host: config.host,
            taps: Vec::new(),
            announced: BTreeSet::new(),
        };
        for (ix, port) in (0..).map(PortIx).zip(&config.ports) {
            if let Some(name) = &port.tap {
                kernel.set_up_tap(ix, name, port).await?;
            }
        }
        kernel.reroute([&[], &config.routes]).await?;
        Ok(kernel)
    }

    /// Lets packets by way of the TAPs go by the second of these lists of routes, where they went
    /// by the first.
    pub async fn reroute(&mut self, [before, after]: [&[Route]; 2]) -> Result<(), KernelError> {
        for route in before.iter().filter(|route| !after.contains(route)) {
            if let Some(message) = self.by_tap(route) {
                let deleted = self.handle.route().del(message).execute().await;
                done(format!("to forget {}", route.to), deleted, Errno::ESRCH)?;
            }
        }
        for route in after.iter().filter(|route| !before.contains(route)) {
            if let Some(message) = self.by_tap(route) {
                self.add_route(message).await?;
            }
        }
        Ok(())
    }

    /// Lets routing daemons announce these VIPs and no others.
    pub async fn announce(&mut self, vips: BTreeSet<IpAddr>) -> Result<(), KernelError> {
        let gone: Vec<_> = self.announced.difference(&vips).copied().collect();
        for vip in gone {
            let Some(route) = self.announcement(vip) else {
                continue;
            };
            let deleted = self.handle.route().del(route).execute().await;
            done(format!("to withdraw {vip}"), deleted, Errno::ESRCH)?;
            self.announced.remove(&vip);
        }
        for vip in vips {
            if self.announced.contains(&vip) {
                continue;
            }
            if let Some(route) = self.announcement(vip) {
                self.add_route(route).await?;
                self.announced.insert(vip);
            }
        }
        Ok(())
    }

    /// Takes back what would outlive the TAPs, and withdraws all VIPs first.
    pub async fn take_back(mut self) -> Result<(), KernelError> {
        self.announce(BTreeSet::new()).await?;
        for rule in self.rules() {
            let deleted = self.handle.rule().del(rule).execute().await;
            done("to delete a rule".to_owned(), deleted, Errno::ENOENT)?;
        }
        Ok(())
    }

    /// An interface with the port's addresses: without routes to their networks in the main
    /// table.
    async fn set_up_tap(&mut self, port: PortIx, name: &str, of: &Port) -> Result<(), KernelError> {
        // It asks as the address of that network, whatever the packet's source.
        set(&format!("ipv4/conf/{name}/arp_announce"), "2")?;
        set_up_six(name, of)?;
        let index = nix::net::if_::if_nametoindex(name)
            .map_err(|errno| refused(format!("to name the interface `{name}`"), errno.into()))?;
        let addresses: Vec<_> = of.networks().collect();
        for net in &addresses {
            let (ip, len) = (net.addr(), net.prefix_len());
            let mut request = self.handle.address().add(index, ip, len);
            // weir looks for duplicates, and the kernel hears no answers to such questions.
            let flags = AddressFlags::Noprefixroute | AddressFlags::Nodad;
            let message = request.message_mut();
            message.attributes.push(AddressAttribute::Flags(flags));
            let added = request.execute().await;
            done(format!("{net} on `{name}`"), added, Errno::EEXIST)?;
        }
        let up = LinkUnspec::new_with_index(index).up().build();
        let set = self.handle.link().set(up).execute().await;
        done(format!("to set up `{name}`"), set, Errno::EEXIST)?;
        for net in &addresses {
            let route = to(net.trunc(), self.host.table, index).and_then(|route| {
                let route = route.scope(RouteScope::Link).pref_source(net.addr());
                route.ok()
            });
            if let Some(route) = route {
                self.add_route(route.build()).await?;
            }
        }
        let tap = TapLink {
            port,
            name: name.to_owned(),
            index,
            addresses,
        };
        for rule in tap.rules(self.host.table) {
            // The family is the rule's own.
            let mut request = self.handle.rule().add().v4();
            *request.message_mut() = rule;
            let added = request.execute().await;
            done(format!("a rule for `{name}`"), added, Errno::EEXIST)?;
        }
        self.taps.push(tap);
        Ok(())
    }

    /// A route of ours as the kernel has it, where there is a TAP for it.
    fn by_tap(&self, route: &Route) -> Option<RouteMessage> {
        let tap = self.taps.iter().find(|tap| tap.port == route.port)?;
        let message = to(route.to, self.host.table, tap.index)?;
        Some(message.gateway(route.via).ok()?.build())
    }

    /// The route that says that a VIP can be served here, by the TAP of its network or else by
    /// the first: it goes with the program. None where there is no TAP.
    fn announcement(&self, vip: IpAddr) -> Option<RouteMessage> {
        let has = |tap: &&TapLink| tap.addresses.iter().any(|net| net.contains(&vip));
        let tap = self.taps.iter().find(has).or(self.taps.first())?;
        let message = to(IpNet::from(vip), self.host.announce_table, tap.index)?;
        Some(message.scope(RouteScope::Link).build())
    }

    async fn add_route(&self, route: RouteMessage) -> Result<(), KernelError> {
        let what = format!("the route {route:?}");
        done(
            what,
            self.handle.route().add(route).execute().await,
            Errno::EEXIST,
        )
    }

    fn rules(&self) -> Vec<RuleMessage> {
        let rules = |tap: &TapLink| tap.rules(self.host.table);
        self.taps.iter().flat_map(rules).collect()
    }
}

impl TapLink {
    /// What is bound to the TAP, and what comes from one of its addresses, goes by `table`.
    fn rules(&self, table: u32) -> Vec<RuleMessage> {
        let rule = |family, src_len, which| {
            let mut rule = RuleMessage::default();
            rule.header.family = family;
            rule.header.action = RuleAction::ToTable;
            rule.header.src_len = src_len;
            rule.attributes = vec![
                which,
                RuleAttribute::Table(table),
                RuleAttribute::Priority(RULE_PRIORITY),
                RuleAttribute::Protocol(PROTOCOL),
            ];
            rule
        };
        let family = |net: &IpNet| match net {
            IpNet::V4(_) => AddressFamily::Inet,
            IpNet::V6(_) => AddressFamily::Inet6,
        };
        let families = [AddressFamily::Inet, AddressFamily::Inet6].into_iter();
        let families =
            families.filter(|wanted| self.addresses.iter().any(|net| family(net) == *wanted));
        let bound =
            families.map(|family| rule(family, 0, RuleAttribute::Oifname(self.name.clone())));
        let from = |net: &IpNet| {
            let source = RuleAttribute::Source(net.addr());
            rule(family(net), net.max_prefix_len(), source)
        };
        bound.chain(self.addresses.iter().map(from)).collect()
    }
}

/// Writes a value below /proc/sys/net.
fn set(key: &str, value: &str) -> Result<(), KernelError> {
    let path = format!("/proc/sys/net/{key}");
    fs::write(&path, value).map_err(|error| refused(format!("{value} in {path}"), error))
}

/// IPv6 on an interface, where its port has addresses of it: those and that of its link, of which
/// weir has the same, and nothing by chance or from routers.
fn set_up_six(name: &str, of: &Port) -> Result<(), KernelError> {
    let key = |key: &str| format!("ipv6/conf/{name}/{key}");
    if of.addresses6.is_empty() {
        if let Err(error) = set(&key("disable_ipv6"), "1") {
            // The kernel may have no IPv6 that could be switched off.
            tracing::debug!("{error}");
        }
        return Ok(());
    }
    let never = [
        "accept_ra",
        "autoconf",
        "accept_dad",
        "router_solicitations",
    ];
    for never in never.into_iter().chain(["addr_gen_mode", "disable_ipv6"]) {
        set(&key(never), "0")?;
    }
    Ok(())
}

/// The beginning of a route by an interface. Networks that are, are none that it refuses.
fn to(net: IpNet, table: u32, index: u32) -> Option<RouteMessageBuilder<IpAddr>> {
    let route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(net.addr(), net.prefix_len())
        .ok()?;
    Some(
        route
            .output_interface(index)
            .table_id(table)
            .protocol(PROTOCOL),
    )
}

/// An answer of the kernel; `as_meant` says that things were as they should be already.
fn done(what: String, answer: Result<(), Error>, as_meant: Errno) -> Result<(), KernelError> {
    let source = match answer {
        Ok(()) => return Ok(()),
        Err(Error::NetlinkError(message)) => message.to_io(),
        Err(other) => io::Error::other(other),
    };
    if source.raw_os_error() == Some(as_meant as i32) {
        return Ok(());
    }
    Err(refused(what, source))
}

fn refused(what: String, source: io::Error) -> KernelError {
    KernelError::Refused { what, source }
}
