//! The packet's way.
//!
//! One file a step, each over a whole batch. A step sets verdicts and passes over packets that
//! have one already; what verdicts lead to is in this file alone. Nothing here allocates, locks,
//! logs, reads a clock or panics.

#![deny(clippy::indexing_slicing)]

mod answer;
mod batch;
mod classify;
mod counters;
mod encapsulate;
mod flows;
mod inquiry;
mod limiter;
mod neighbour;
mod outbox;
mod own;
mod parse;
mod rewrite;
mod rings;
mod route;
mod schedule;
mod session;
mod verdict;
mod view;
mod worker;

pub use counters::{BackendTraffic, Counter, Counters, PortTraffic, Traffic};
pub use inquiry::{Inquiries, Inquiry, Page};
pub use outbox::Ends;
pub use rings::{Inbox, Parcel, Punted, Rings};
pub use verdict::{Answer, DropReason, Layer, Punt, Verdict};
pub use worker::{Worker, WorkerSpec};

use batch::{Batch, Meta, Packet, Rewrite, Translation, Transport, Way};
use flows::Flows;
use outbox::{Outbox, Outside};

use crate::{
    io::{Frame, Now, Port, PortIx},
    snapshot::{Snapshot, WorkerIx},
};

/// What the steps work with: one worker's own state, and what it reads.
struct Bench<'a> {
    /// Whose bench it is.
    worker: WorkerIx,
    /// What is configured and known.
    snapshot: &'a Snapshot,
    /// Sessions and schedulers.
    flows: &'a mut Flows,
    /// What is counted.
    counters: &'a Counters,
    /// When the turn began.
    now: Now,
    /// The same in the unit of sessions.
    now_ms: u64,
}

/// Takes frames that came in on `port` to the point where every packet has its verdict. Packets
/// that were handed over are not handed over again.
fn run<F: Frame>(batch: &mut Batch<F>, port: PortIx, handed_over: bool, bench: &mut Bench<'_>) {
    parse::run(batch, port, bench.snapshot);
    let strangers = session::run(batch, bench);
    if strangers {
        classify::run(batch, bench.snapshot);
        if !handed_over {
            own::run(batch, bench.snapshot, bench.worker);
        }
        schedule::run(batch, bench);
    }
    route::run(batch, bench.snapshot);
    answer::run(batch, bench);
    rewrite::run(batch);
    encapsulate::run(batch, bench);
    neighbour::run(batch, bench.snapshot);
}

/// Does what the verdicts say.
fn settle<P: Port>(
    batch: &mut Batch<P::Frame>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) {
    for (frame, meta) in batch.drain() {
        match meta.verdict {
            Verdict::Forward => outbox.transmit(frame, meta.out, outside),
            Verdict::HandOver(owner) => outbox.hand_over(frame, owner, meta, outside),
            Verdict::Punt(class) => Outbox::<P>::punt(frame, class, meta, outside),
            Verdict::Drop(reason) => outside.counters.dropped(reason, 1),
            Verdict::Answer(_) => outside.counters.dropped(DropReason::AnswerLimited, 1),
        }
    }
}
