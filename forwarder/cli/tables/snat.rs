//! SNAT: who goes online, as whom, and what is in use of that.

use std::io::{self, Write};

use super::{
    Even::{Left, Right},
    columns,
};
use crate::control::views::{Snat, SnatAddress};

/// One row an address, under the hosts that have it.
pub(in crate::cli) fn snat(out: &mut impl Write, rules: &[Snat]) -> io::Result<()> {
    let row = |rule: &Snat, address: &SnatAddress| {
        let traffic = address.traffic;
        [
            rule.name.clone(),
            address.address.to_string(),
            (address.active + address.inactive).to_string(),
            address.active.to_string(),
            traffic.connections.to_string(),
            traffic.out_packets.to_string(),
            traffic.in_packets.to_string(),
            traffic.out_octets.to_string(),
            traffic.in_octets.to_string(),
            rule.port.clone(),
        ]
    };
    let addresses = rules
        .iter()
        .flat_map(|rule| rule.addresses.iter().map(move |address| (rule, address)));
    let rows: Vec<_> = addresses
        .map(|(rule, address)| row(rule, address))
        .collect();
    columns(
        out,
        [
            (Left, "Rule"),
            (Left, "PublicAddress"),
            (Right, "InUse"),
            (Right, "ActiveConn"),
            (Right, "Conns"),
            (Right, "OutPkts"),
            (Right, "InPkts"),
            (Right, "OutBytes"),
            (Right, "InBytes"),
            (Left, "Iface"),
        ],
        &rows,
    )?;
    for rule in rules {
        let protocols: Vec<_> = rule.protocols.iter().map(|one| one.name()).collect();
        writeln!(
            out,
            "{} <- {}: {}; {} exhausted",
            rule.name,
            rule.inside.join(", "),
            protocols.join(", "),
            rule.exhausted
        )?;
    }
    Ok(())
}
