//! What the doctor finds.

use serde::{Deserialize, Serialize};

/// What has been looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// Backends that were looked at: those of IPv4.
    pub backends: u64,
    /// Backends that were not: those of IPv6.
    pub not_looked_at: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The name of the service.
    pub service: String,
    /// The name of the backend; none where it is not about one of them.
    pub backend: Option<String>,
    /// Its name, by which programs know it.
    pub fault: Fault,
    /// What is wrong, in a sentence.
    pub what: String,
    /// What was seen.
    pub evidence: String,
    /// What to do about it.
    pub advice: String,
}

/// The mistakes that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nobody answers ARP for the next hop.
    Unreachable,
    /// The backend answers nothing at all.
    Silent,
    /// The backend of NAT does not answer through the director.
    Gateway,
    /// The backend of DR does not take what is for the VIP.
    VipMissing,
    /// The backend of DR or TUN takes what is for the VIP, but nothing listens there.
    VipClosed,
    /// The backend of TUN does not take packets out of the tunnel, or not those for the VIP.
    Tunnel,
    /// The backend answers ARP for the VIP.
    AnswersArp,
    /// Packets as large as the port's MTU do not come back.
    Mtu,
    /// A host that is no backend answers ARP for the VIP.
    VipElsewhere,
}
