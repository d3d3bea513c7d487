//! Rules of SNAT.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Protocol, Traffic};

/// Hosts inside that go online by public addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snat {
    /// As configured.
    pub name: String,
    /// The port by which packets leave.
    pub port: String,
    /// Where the hosts are.
    pub inside: Vec<String>,
    /// What is translated.
    pub protocols: Vec<Protocol>,
    /// New sessions for which no port was left, since the start.
    pub exhausted: u64,
    /// What those outside see.
    pub addresses: Vec<SnatAddress>,
}

/// An address that those outside see in place of a host's inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnatAddress {
    /// The address.
    pub address: IpAddr,
    /// TCP connections that are open or half-open; each holds a port towards its remote end.
    pub active: u64,
    /// Other sessions, which do too.
    pub inactive: u64,
    /// What has passed: in is from outside, out is to there.
    #[serde(flatten)]
    pub traffic: Traffic,
}
