//! What the packet's way has changed in a packet.

use crate::control::{ends::Ends, views::Change};

/// What is another in the frame `after` than it was in `before`. Either carries TCP or UDP; that
/// after may carry it in a tunnel.
pub(in crate::control) fn changes(before: &[u8], after: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    let Some(mut after) = Ends::of_frame(after) else {
        return changes;
    };
    let Some(before) = Ends::of_frame(before) else {
        return changes;
    };
    // In a tunnel ports and addresses stay as they are.
    if let Some((how, inner)) = after.carried()
        && inner.flow() == before.flow()
    {
        changes.push(Change {
            field: "tunnel".to_owned(),
            from: None,
            to: format!("{} > {}{how}", after.source, after.destination),
        });
        after = inner;
    }
    let (Some(was), Some(is)) = (before.flow(), after.flow()) else {
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
    let ((_, source, destination), (_, to_source, to_destination)) = (was.parts(), is.parts());
    compare("source", source.to_string(), to_source.to_string());
    compare(
        "destination",
        destination.to_string(),
        to_destination.to_string(),
    );
    let hops = if before.source.is_ipv4() {
        "ttl"
    } else {
        "hop_limit"
    };
    compare(hops, before.hops.to_string(), after.hops.to_string());
    changes
}
