//! What the packet's way has changed in a packet.

use zerocopy::FromBytes;

use crate::{
    control::views::Change,
    wire::{Endpoint, Ports, ethernet, ipv4},
};

/// What is told of a packet, from its IPv4 header on.
struct Told {
    source: Endpoint,
    destination: Endpoint,
    ttl: u8,
}

/// What is another in the frame `after` than it was in `before`. Either carries TCP or UDP; that
/// after may carry it in a tunnel.
pub(in crate::control) fn changes(before: &[u8], after: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut after = payload(after);
    if let Ok((outer, inner)) = ipv4::parse(after)
        && outer.protocol() == ipv4::PROTOCOL_IPIP
    {
        changes.push(Change {
            field: "tunnel".to_owned(),
            from: None,
            to: format!("{} > {}", outer.source(), outer.destination()),
        });
        after = inner;
    }
    let (Some(before), Some(after)) = (told(payload(before)), told(after)) else {
        return changes;
    };
    let mut compare = |field: &str, from: String, to: String| {
        if from != to {
            changes.push(Change {
                field: field.to_owned(),
                from: Some(from),
                to,
            });
        }
    };
    let (source, destination) = (before.source, before.destination);
    compare("source", source.to_string(), after.source.to_string());
    compare(
        "destination",
        destination.to_string(),
        after.destination.to_string(),
    );
    compare("ttl", before.ttl.to_string(), after.ttl.to_string());
    changes
}

fn payload(frame: &[u8]) -> &[u8] {
    let link = ethernet::parse(frame).ok();
    link.and_then(|link| frame.get(link.payload_offset()..))
        .unwrap_or_default()
}

fn told(packet: &[u8]) -> Option<Told> {
    let (header, payload) = ipv4::parse(packet).ok()?;
    let (ports, _) = Ports::ref_from_prefix(payload).ok()?;
    Some(Told {
        source: Endpoint::new(header.source(), ports.source()),
        destination: Endpoint::new(header.destination(), ports.destination()),
        ttl: header.ttl(),
    })
}
