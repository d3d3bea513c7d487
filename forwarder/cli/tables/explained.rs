//! Explanations and single routes.

use std::io::{self, Write};

use crate::control::views::{Explanation, RouteTo};

/// A line for each step, the finding behind its name.
pub(in crate::cli) fn explanation(
    out: &mut impl Write,
    explanation: &Explanation,
) -> io::Result<()> {
    for step in &explanation.steps {
        writeln!(out, "{:<10} {}", step.step, step.text)?;
    }
    Ok(())
}

/// As `ip route get`, with the prefix and the neighbour below. Without a route, nothing.
pub(in crate::cli) fn route_to(out: &mut impl Write, found: &RouteTo) -> io::Result<()> {
    let address = found.address;
    if let Some(own) = &found.own {
        return writeln!(out, "local {address} ({own})");
    }
    let Some(hop) = &found.hop else {
        return Ok(());
    };
    write!(out, "{address}")?;
    if let Some(gateway) = hop.gateway {
        write!(out, " via {gateway}")?;
    }
    writeln!(out, " dev {} src {}", hop.port, hop.source)?;
    let mac = hop.mac.as_deref().unwrap_or("(incomplete)");
    let (prefix, neighbour, state) = (&hop.prefix, hop.neighbour, &hop.state);
    writeln!(out, "    {prefix} {neighbour} lladdr {mac} {state}")
}
