//! Routes, neighbours and ports, as route, arp and ip print them.

use std::io::{self, Write};

use super::{
    Even::{Left, Right},
    columns,
};
use crate::control::views::{Group, Neighbour, Port, Route, Sync};

/// As `route -n`.
pub(in crate::cli) fn routes(out: &mut impl Write, routes: &[Route]) -> io::Result<()> {
    writeln!(out, "weir IP routing table")?;
    writeln!(
        out,
        "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface"
    )?;
    for route in routes {
        writeln!(
            out,
            // References and uses are always 0 in Linux too.
            "{:<15} {:<15} {:<15} {:<5} {:<6} 0  {:>7} {}",
            route.destination.to_string(),
            route.gateway.to_string(),
            route.mask.to_string(),
            route.flags,
            route.metric,
            0,
            route.port,
        )?;
    }
    Ok(())
}

/// As `arp -n`, with the states of `ip neigh`.
pub(in crate::cli) fn neighbours(out: &mut impl Write, neighbours: &[Neighbour]) -> io::Result<()> {
    let row = |neighbour: &Neighbour| {
        [
            neighbour.address.to_string(),
            "ether".to_owned(),
            neighbour.mac.clone().unwrap_or("(incomplete)".to_owned()),
            neighbour.state.clone(),
            neighbour.kind.name().to_owned(),
            format!("{}s", neighbour.age_ms / 1000),
            neighbour.port.clone(),
        ]
    };
    let rows: Vec<_> = neighbours.iter().map(row).collect();
    columns(
        out,
        [
            (Left, "Address"),
            (Left, "HWtype"),
            (Left, "HWaddress"),
            (Left, "State"),
            (Left, "Kind"),
            (Right, "Age"),
            (Left, "Iface"),
        ],
        &rows,
    )
}

/// One row for the other director, with what was lost below.
pub(in crate::cli) fn syncs(out: &mut impl Write, syncs: &[Sync]) -> io::Result<()> {
    let yes = |yes: bool| if yes { "all" } else { "some" }.to_owned();
    let row = |sync: &Sync| {
        [
            sync.peer.to_string(),
            sync.state.clone(),
            format!("{}s", sync.age_ms / 1000),
            format!("{}.{}ms", sync.lag_us / 1000, sync.lag_us % 1000 / 100),
            yes(sync.has_all),
            yes(sync.gave_all),
            sync.told.to_string(),
            sync.heard.to_string(),
            sync.taken.to_string(),
        ]
    };
    let rows: Vec<_> = syncs.iter().map(row).collect();
    columns(
        out,
        [
            (Left, "Peer"),
            (Left, "State"),
            (Right, "Since"),
            (Right, "Lag"),
            (Left, "Has"),
            (Left, "Gave"),
            (Right, "Told"),
            (Right, "Heard"),
            (Right, "Taken"),
        ],
        &rows,
    )?;
    for sync in syncs {
        let Sync {
            missed,
            resent,
            unknown,
            refused,
            early,
            forged,
            stale,
            malformed,
            ..
        } = sync;
        writeln!(
            out,
            "told late for want of room: {missed} changes; sent again: {resent} messages"
        )?;
        writeln!(
            out,
            "not taken: {unknown} unknown, {refused} in the way of others, \
             {early} early, {stale} stale, {forged} forged, {malformed} malformed"
        )?;
    }
    Ok(())
}

/// One row a group, with its addresses below.
pub(in crate::cli) fn groups(out: &mut impl Write, groups: &[Group]) -> io::Result<()> {
    let row = |group: &Group| {
        let master = match (group.master, group.master_priority) {
            (Some(address), Some(priority)) => format!("{address} ({priority})"),
            _ => "-".to_owned(),
        };
        [
            group.name.clone(),
            group.id.to_string(),
            group.state.clone(),
            format!("{}s", group.age_ms / 1000),
            group.priority.to_string(),
            master,
            group.sent.to_string(),
            group.heard.to_string(),
            group.rivals.to_string(),
            group.port.clone(),
        ]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    columns(
        out,
        [
            (Left, "Group"),
            (Right, "Id"),
            (Left, "State"),
            (Right, "Since"),
            (Right, "Prio"),
            (Left, "Master"),
            (Right, "Sent"),
            (Right, "Heard"),
            (Right, "Rivals"),
            (Left, "Iface"),
        ],
        &rows,
    )?;
    for group in groups {
        for address in &group.addresses {
            writeln!(out, "{} -> {address}", group.name)?;
        }
        for thing in &group.lacks {
            writeln!(out, "{} lacks {thing}", group.name)?;
        }
    }
    Ok(())
}

/// As `ip -s link` and `ip address` together.
pub(in crate::cli) fn ports(out: &mut impl Write, ports: &[Port]) -> io::Result<()> {
    for (number, port) in ports.iter().enumerate() {
        let carrier = if port.link_up { "UP" } else { "NO-CARRIER" };
        let speed = port
            .speed_mbps
            .map_or("unknown".to_owned(), |mbps| format!("{mbps}Mb/s"));
        writeln!(
            out,
            "{number}: {}: <{carrier}> mtu {} speed {speed} rx-queues {} tx-queues {}",
            port.name, port.mtu, port.rx_queues, port.tx_queues
        )?;
        writeln!(out, "    device {} driver {}", port.device, port.driver)?;
        writeln!(out, "    link/ether {}", port.mac)?;
        for address in &port.addresses {
            writeln!(out, "    inet {address}")?;
        }
        let driver = &port.driver_counters;
        let rx = [
            port.rx_octets,
            port.rx_frames,
            driver.ierrors,
            driver.imissed,
            driver.rx_nombuf,
        ];
        let [bytes, packets, errors, missed, nombuf] = rx.map(|count| count.to_string());
        columns(
            out,
            [
                (Left, "    RX:"),
                (Right, "bytes"),
                (Right, "packets"),
                (Right, "errors"),
                (Right, "missed"),
                (Right, "nombuf"),
            ],
            &[[String::new(), bytes, packets, errors, missed, nombuf]],
        )?;
        let tx = [port.tx_octets, port.tx_frames, driver.oerrors];
        let [bytes, packets, errors] = tx.map(|count| count.to_string());
        columns(
            out,
            [
                (Left, "    TX:"),
                (Right, "bytes"),
                (Right, "packets"),
                (Right, "errors"),
            ],
            &[[String::new(), bytes, packets, errors]],
        )?;
    }
    Ok(())
}
