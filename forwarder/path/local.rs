//! The address and port of the director's that a FULLNAT backend sees in place of the client's.

use super::{Answer, Bench, Family, Meta, Step, Verdict};
use crate::{
    session::{Table, fold},
    snapshot::{Backend, Snapshot},
    wire::Endpoint,
};

/// A LIP of the backend's and a port in the slot of the client. Which LIP is asked first goes by
/// the client alone: so any number of workers gives what one would have given.
#[cold]
pub(super) fn give<A: Family>(
    meta: &Meta<A>,
    backend: &Backend<A>,
    bench: &mut Bench<'_>,
) -> Step<Endpoint<A>> {
    let client = meta.key.source();
    let slot = bench.snapshot.slots.slot(client);
    let given = A::sessions(bench.flows).give_local(
        lips(client, backend),
        backend.address.or_port(meta.key.destination().port),
        meta.key.protocol(),
        slot,
        bench.now_ms,
    );
    let Some(local) = given else {
        bench.counters.exhausted(backend.number);
        return Step::Break(Verdict::Answer(Answer::OutOfPorts));
    };
    Step::Continue(local)
}

/// Asks for what [`give`] reads; once that is near, again for where the answers to the port that
/// it will give are looked for.
pub(super) fn prefetch<A: Family>(
    meta: &Meta<A>,
    backend: &Backend<A>,
    is_near: bool,
    sessions: &Table<A>,
    snapshot: &Snapshot,
) {
    let client = meta.key.source();
    let Some(lip) = lips(client, backend).next() else {
        return;
    };
    let slot = snapshot.slots.slot(client);
    let rip = backend.address.or_port(meta.key.destination().port);
    if is_near {
        sessions.prefetch_next_local(lip, rip, meta.key.protocol(), slot);
    } else {
        sessions.prefetch_local(lip, rip, meta.key.protocol(), slot);
    }
}

/// The backend's LIPs in the order in which this client asks for a port of theirs.
fn lips<A: Family>(client: Endpoint<A>, backend: &Backend<A>) -> impl Iterator<Item = A> + Clone {
    let lips = &backend.local_addresses;
    let (later, first) = lips
        .split_at_checked(share(client, lips.len()))
        .unwrap_or_default();
    first.iter().chain(later).copied()
}

/// A number below `count` that is evenly spread over clients.
fn share<A: Family>(client: Endpoint<A>, count: usize) -> usize {
    let word = client.address.number([0x9e37_79b9_7f4a_7c15; 2]) << 16 | u64::from(client.port);
    let spread = fold(word | 1 << 63, 0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from((spread * count as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn clients_in_rows_are_spread_evenly() {
        let ports = (0..9000).map(|n| Endpoint::new(Ipv4Addr::new(192, 0, 2, 9), n));
        let addresses = (0..9000).map(|n| Endpoint::new(Ipv4Addr::from(0x0a00_0000 + n), 40_000));
        for clients in [ports.collect::<Vec<_>>(), addresses.collect()] {
            let mut shares = [0_u32; 3];
            for client in clients {
                shares[share(client, 3)] += 1;
            }
            assert!(
                shares.iter().all(|n| (2800..3200).contains(n)),
                "{shares:?}"
            );
        }
    }
}
