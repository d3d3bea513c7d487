//! The packet's way.
//!
//! One file a step. The headers of a whole burst are read first, so that memory is asked for long
//! before it is looked at; then one packet after the other is carried to its end. A step that ends
//! a packet breaks off with a verdict; what verdicts lead to is in this file alone. Nothing here
//! allocates, locks, logs, reads a clock or panics.

#![deny(clippy::indexing_slicing)]

mod answer;
mod batch;
mod capture;
mod clamp;
mod classify;
mod counters;
mod datagram;
mod echo;
mod encapsulate;
mod family;
mod flows;
mod fragment;
mod gate;
mod gone;
mod inquiry;
mod inside;
mod introduce;
mod limiter;
mod loads;
mod local;
mod neighbour;
mod outbox;
mod own;
mod parse;
mod persist;
mod recall;
mod refuse;
mod related;
mod reset;
mod rewrite;
mod rings;
mod route;
mod schedule;
mod session;
mod sharing;
mod snat;
mod verdict;
mod view;
mod waiting;
mod worker;

use std::ops::ControlFlow;

pub use capture::{Copied, CopyPage, Pages, Passing};
pub use counters::{BackendTraffic, Counter, Counters, PortTraffic, Totals, Traffic};
pub use inquiry::{Inquiries, Inquiry, Page};
pub use limiter::Limiter;
pub use loads::Loads;
pub use outbox::Ends;
pub use persist::Lasting;
pub use recall::{Recall, Recalled};
pub use rings::{Inbox, Parcel, Punted, Rings, Visit};
pub use sharing::{News, Sharing};
pub use verdict::{Answer, DropReason, Layer, Punt, Verdict};
pub use worker::{Worker, WorkerSpec};

use batch::{Batch, Meta, Rewrite, Translation, Transport};
use classify::Whose;
use family::Family;
use flows::Flows;
use outbox::{Outbox, Outside};
use parse::Parsed;
use session::Course;

use crate::{
    io::{Frame, Now, Port, PortIx},
    session::{BackendIx, FlowPorts, Forward, Generation, SessionIx, tcp::Direction},
    snapshot::{Snapshot, WorkerIx},
};

/// What the steps work with: one worker's own state, and what it reads.
struct Bench<'a> {
    /// Whose bench it is.
    worker: WorkerIx,
    /// How the frames that lie on it came.
    came: Came,
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
    /// The services that sessions are to agree with.
    generation: Generation,
}

/// What a step leads to: on, with what it found, or to an early end.
type Step<T = ()> = ControlFlow<Verdict, T>;

/// How frames came to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// By a queue of its own.
    In,
    /// From the worker that received them, since it owns their flows, or since the fragments of
    /// their datagrams meet at it. They are not handed over as whole packets again.
    HandedOver,
    /// From where they had to wait for the first fragment of their datagram, which has these
    /// ports.
    Waited(FlowPorts),
    /// From where fragments met, since it owns their flow, which has these ports. They go no
    /// further.
    Joined(FlowPorts),
    /// From the owner of their flows, since it remembers their clients. They go back.
    Visiting,
    /// From there, with the backend, if there is one. They go no further.
    Told(Option<BackendIx>),
}

/// Carries frames that came in on `port` to where they go. Those of the other family are put
/// aside.
fn run<A: Parsed, P: Port>(
    batch: &mut Batch<A, P::Frame>,
    port: PortIx,
    bench: &mut Bench<'_>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) {
    let snapshot = bench.snapshot;
    let facts = snapshot.four.port(port);
    let mac = facts.map(|facts| facts.mac).unwrap_or_default();
    let sessions = A::sessions(bench.flows);
    for frame in batch.frames().iter() {
        frame.prefetch();
    }
    for (frame, meta) in batch.all() {
        A::parse(frame, meta, port, mac, snapshot);
        meta.hash = sessions.hash(&meta.key);
        sessions.prefetch_bucket(meta.hash);
    }
    let mut new_flows = false;
    for (frame, meta) in batch.all() {
        meta.likely = sessions.prefetch_entry(meta.hash);
        if meta.likely == SessionIx::NONE {
            new_flows |= schedule::expect_stranger(meta, frame.head(), snapshot);
        }
    }
    if new_flows {
        schedule::expect_replies(batch, sessions, snapshot);
    }
    for (mut frame, meta) in batch.drain() {
        match carry(&mut frame, meta, bench) {
            ControlFlow::Continue(out) => outbox.transmit(frame, out, outside),
            ControlFlow::Break(verdict) => settle(verdict, frame, meta, bench, outbox, outside),
        }
    }
}

/// Takes one packet to the port that it leaves by.
#[inline(always)]
fn carry<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    if let Some(verdict) = meta.verdict {
        return Step::Break(verdict);
    }
    let sessions = A::sessions(bench.flows);
    if let Some((session, direction)) = session::run(meta, sessions, bench.generation, bench.now_ms)
    {
        session::count(meta, session, direction, bench.counters);
        // A copy of what follows for each, with no question left of what is to be done.
        return match (direction, session.forward()) {
            (Direction::Reverse, Forward::FullNat) => {
                leave(frame, meta, Course::full_nat_reverse(session), bench)
            }
            (_, Forward::FullNat) => leave(frame, meta, Course::full_nat(session), bench),
            (Direction::Reverse, _) => leave(frame, meta, Course::reverse(session), bench),
            (_, Forward::Nat) => leave(frame, meta, Course::nat(session), bench),
            (_, Forward::Dr) => leave(frame, meta, Course::dr(session), bench),
            (_, Forward::Tun) => leave(frame, meta, Course::tun(session), bench),
            (_, Forward::Wrap) => {
                let course = Course::wrap(session);
                leave_wrapped(frame, meta, course, bench)
            }
            (_, Forward::Snat) => leave(frame, meta, Course::snat(session), bench),
        };
    }
    let course = match session::search(meta, bench)? {
        Some(course) => course,
        None => stranger(frame, meta, bench)?,
    };
    leave_at_last(frame, meta, course, bench)
}

/// The course of a packet that belongs to no session yet.
#[cold]
fn stranger<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    let whose = classify::run(meta, frame.head(), bench.snapshot);
    if bench.came == Came::Visiting {
        let service = match whose {
            Step::Continue(Whose::Client(service)) => Some(service),
            _ => None,
        };
        return Step::Break(persist::visit(meta, frame.head(), service, bench));
    }
    let whose = whose?;
    if whose == Whose::Datagram {
        return fragment(frame, meta, bench);
    }
    if bench.came == Came::In {
        own::run(meta, whose, bench)?;
    }
    begin(frame, meta, whose, bench)
}

/// The course of a fragment: that of its datagram's first.
fn fragment<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    datagram::run(frame, meta, bench)?;
    let whose = classify::run(meta, frame.head(), bench.snapshot)?;
    if !matches!(bench.came, Came::Joined(_))
        && let Step::Break(Verdict::HandOver(owner)) = own::run(meta, whose, bench)
    {
        return Step::Break(Verdict::PassOn(owner));
    }
    if let Some(course) = session::search(meta, bench)? {
        return Step::Continue(course);
    }
    // Whatever it begins, it makes no visit: nobody else knows its ports.
    let came = bench.came;
    bench.came = Came::Joined(meta.key.ports());
    let begun = begin(frame, meta, whose, bench);
    bench.came = came;
    begun
}

/// The course of a packet that belongs to no session, and may begin one.
fn begin<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    whose: Whose<A>,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    match whose {
        Whose::Client(service) => return schedule::run(meta, frame.head(), service, bench),
        Whose::Quoted(quoted) => {
            if let Some(course) = related::run(frame, meta, &quoted, bench)? {
                return Step::Continue(course);
            }
            classify::other(meta, frame.head(), bench.snapshot).map_continue(drop)?;
        }
        Whose::Backend if matches!(meta.transport, Transport::Rest(_)) => {
            return DropReason::FragmentOrphaned.into();
        }
        Whose::Backend => {
            if let Some(answers) = classify::admitted(meta, bench.snapshot) {
                return schedule::answered(meta, answers, bench);
            }
            if snat::is_inside(meta, bench.snapshot) {
                return if snat::may_begin(meta, bench.snapshot) {
                    snat::run(meta, bench)
                } else {
                    DropReason::NoSession.into()
                };
            }
            classify::other(meta, frame.head(), bench.snapshot).map_continue(drop)?;
        }
        Whose::Inside => return snat::run(meta, bench),
        Whose::Echo(key, direction) => return echo::run(frame, meta, &key, direction, bench),
        Whose::Local | Whose::Outside => return DropReason::NoSession.into(),
        Whose::Datagram | Whose::Other => {}
    }
    Step::Continue(Course::unchanged())
}

/// As [`leave`], out of the way of the packets of known sessions.
#[cold]
#[inline(never)]
fn leave_at_last<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    course: Course<A>,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    clamp::run(frame, meta, &course, bench.snapshot);
    if datagram::is_to_be_told_apart(frame, meta, &course.rewrite, bench.snapshot) {
        // What is answered instead is quoted as it came.
        match route::run(frame, meta, &course, bench.snapshot) {
            Step::Continue(_) | Step::Break(Verdict::Fragment { .. }) => {}
            Step::Break(verdict) => return Step::Break(verdict),
        }
        datagram::tell_apart(frame, meta, &course.rewrite);
    }
    leave(frame, meta, course, bench)
}

/// Takes a packet whose course is known to the port that it leaves by.
#[inline(always)]
fn leave<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    course: Course<A>,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    let exit = match route::run(frame, meta, &course, bench.snapshot) {
        Step::Continue(exit) => exit,
        Step::Break(Verdict::Fragment { .. }) => {
            return Step::Break(leave_in_pieces(frame, meta, &course, bench));
        }
        Step::Break(verdict) => return Step::Break(verdict),
    };
    rewrite::run(frame, meta, &course.rewrite)?;
    encapsulate::run(frame, meta, &course.rewrite, exit.dip, bench)?;
    neighbour::run(frame, meta, exit.way)?;
    Step::Continue(exit.way.port)
}

/// As [`leave`], for tunnels that the snapshot describes: a copy of its own, so that the others
/// have all registers.
#[inline(never)]
fn leave_wrapped<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    course: Course<A>,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    leave(frame, meta, course, bench)
}

/// As [`leave`], whatever the size.
#[cold]
#[inline(never)]
fn leave_in_pieces<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    course: &Course<A>,
    bench: &mut Bench<'_>,
) -> Verdict {
    let Some(exit) = route::exit(meta, course, bench.snapshot) else {
        return Verdict::Answer(Answer::NetworkUnreachable);
    };
    let whole = Verdict::Fragment { mtu: exit.way.mtu };
    meta.leaves_by = exit.way.port;
    meta.waits_for = None;
    let mut go = || -> Step {
        rewrite::run(frame, meta, &course.rewrite)?;
        encapsulate::run(frame, meta, &course.rewrite, exit.dip, bench)?;
        neighbour::run(frame, meta, exit.way)
    };
    match go() {
        // Each piece waits for the MAC.
        Step::Continue(()) | Step::Break(Verdict::Punt(Punt::Resolve)) => whole,
        Step::Break(verdict) => verdict,
    }
}

/// Does what a verdict says with the packet that ends by it.
#[cold]
fn settle<A: Family, P: Port>(
    mut verdict: Verdict,
    mut frame: P::Frame,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) {
    if verdict == Verdict::Introduce {
        let give = |header, port| outbox.transmit(header, port, outside);
        match introduce::run(&mut frame, meta, bench, give) {
            ControlFlow::Continue(out) => return outbox.transmit(frame, out, outside),
            ControlFlow::Break(ended) => verdict = ended,
        }
    }
    if let Verdict::Refuse(reason) = verdict {
        verdict = refuse::run(reason, &frame, meta, bench.snapshot);
    }
    if verdict == Verdict::EndSession {
        let give = |reset, sent| match sent {
            Ok(port) => outbox.transmit(reset, port, outside),
            Err(_) => outside.counters.dropped(DropReason::BackendGone, 1),
        };
        verdict = gone::end(&frame, meta, bench, give);
    }
    if let Verdict::Answer(answer) = verdict {
        match answer::run(answer, &mut frame, meta, bench) {
            ControlFlow::Continue(out) => return outbox.transmit(frame, out, outside),
            ControlFlow::Break(ended) => verdict = ended,
        }
    }
    match verdict {
        Verdict::Fragment { mtu } => {
            let port = meta.leaves_by;
            let give = |piece: P::Frame| match meta.waits_for {
                Some(_) => outbox.punt(piece, Punt::Resolve, meta, outside),
                None => outbox.transmit(piece, port, outside),
            };
            let id = || bench.flows.next_id6();
            if let Err(reason) = fragment::run(frame, meta.l3, mtu, id, outside.counters, give) {
                outside.counters.dropped(reason, 1);
            }
        }
        Verdict::Visit(owner) => outbox.visit(frame, owner, meta, outside),
        Verdict::Told(owner) => {
            outbox.tell(frame, owner, bench.flows.told.take(), meta, outside);
        }
        Verdict::HandOver(owner) => outbox.hand_over(frame, owner, meta, outside),
        Verdict::PassOn(owner) => outbox.pass_on(frame, owner, meta, outside),
        Verdict::Wait => {
            let pushed_out =
                outbox
                    .waiting
                    .keep(bench.flows.waits_for, meta.port, frame, bench.now);
            outbox.end(pushed_out, DropReason::FragmentsFull, meta.port, outside);
        }
        Verdict::OtherFamily => outbox.aside.push(frame),
        Verdict::Punt(class) => outbox.punt(frame, class, meta, outside),
        Verdict::Drop(reason) | Verdict::Refuse(reason) => {
            outbox.end([frame], reason, meta.port, outside);
        }
        // These were done before; a step that is asked for one of them asks for no other.
        Verdict::Introduce | Verdict::EndSession | Verdict::Answer(_) => {
            outbox.end([frame], DropReason::AnswerLimited, meta.port, outside);
        }
    }
}
