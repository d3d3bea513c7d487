//! What becomes of a packet whose session's backend may not keep it any more.

use zerocopy::IntoBytes;

use super::{
    Answer, Bench, DropReason, Family, Meta, Rewrite, Step, Transport, Verdict,
    answer::TTL,
    encapsulate, introduce, neighbour, refuse, rewrite,
    route::{self, Out},
    schedule,
    session::Course,
    view,
};
use crate::{
    io::{Frame, PortIx},
    session::{Session, SessionIx, tcp::Direction},
    snapshot::{Gone, Reach, Snapshot},
    wire::{
        IpHeader, Outer, Protocol,
        tcp::{self, Flags},
    },
};

const TCP_OCTETS: u16 = 20;

const _: () = assert!(TCP_OCTETS as usize == tcp::LEN);

/// Ends the session at `ix` or leaves it, as its service says. Goes on with what begins anew.
#[cold]
pub(super) fn run<A: Family>(meta: &Meta<A>, ix: SessionIx, bench: &mut Bench<'_>) -> Step {
    let sessions = A::sessions(bench.flows);
    let direction = sessions.direction_at(ix, &meta.key, bench.now_ms);
    let Some(session) = sessions.get(ix) else {
        return Step::Continue(());
    };
    if let Transport::Rest(_) = meta.transport {
        // Its first fragment, or the next whole packet, ends the session.
        return DropReason::BackendGone.into();
    }
    let answers = direction.is_some_and(|way| !session.forward().is_from_initiator(way));
    let flags = match meta.transport {
        Transport::Tcp(flags) => flags,
        _ => Flags::default(),
    };
    let verdict = match policy(session, bench.snapshot) {
        Gone::Drop => return DropReason::BackendGone.into(),
        Gone::Reset if !answers && schedule::begins(flags) => None,
        Gone::Reset if flags.rst() => Some(Verdict::Drop(DropReason::BackendGone)),
        Gone::Reset if session.protocol() == Protocol::Tcp => {
            return Step::Break(Verdict::EndSession);
        }
        Gone::Reset if !answers => Some(Verdict::Answer(Answer::PortUnreachable)),
        // What it answers belongs to nothing any more, nor would it be understood.
        Gone::Reset | Gone::Reschedule if answers => Some(Verdict::Drop(DropReason::BackendGone)),
        Gone::Reset | Gone::Reschedule => None,
    };
    sessions.remove(ix);
    bench.counters.sessions_gone.add(1);
    verdict.map_or(Step::Continue(()), Step::Break)
}

/// What the session's service says, or what is usual where that is gone too.
fn policy<A: Family>(session: &Session<A>, snapshot: &Snapshot) -> Gone {
    let service = A::network(snapshot).services.service(session.service());
    let said = service.and_then(|service| service.gone);
    said.unwrap_or(Gone::usual(session.protocol()))
}

/// Ends the session that a segment belongs to. `give` gets the reset to the other end, where one
/// can be made; the verdict is what becomes of the segment. What is damaged ends nothing, and
/// where too many are told already, the session is left for its next segment.
pub(super) fn end<A: Family, F: Frame>(
    frame: &F,
    meta: &Meta<A>,
    bench: &mut Bench<'_>,
    give: impl FnOnce(F, Result<PortIx, Verdict>),
) -> Verdict {
    let sessions = A::sessions(bench.flows);
    let found = sessions.find(meta.hash, &meta.key, bench.now_ms);
    let found = found.and_then(|ix| Some((ix, *sessions.get(ix)?)));
    let Some((ix, session)) = found.filter(|_| refuse::checksum_ok(frame, meta)) else {
        return Verdict::Drop(DropReason::BackendGone);
    };
    let per_second = bench.snapshot.resets_per_second;
    let answer = Answer::SessionReset;
    if !bench.flows.may_answer(answer, per_second, bench.now) {
        return Verdict::Drop(DropReason::AnswerLimited);
    }
    A::sessions(bench.flows).remove(ix);
    bench.counters.sessions_gone.add(1);
    if let Some((course, out)) = way(meta, &session, bench.snapshot)
        && let Some(mut reset) = made(frame, meta)
    {
        bench.counters.made.add(1);
        let mut meta = Meta {
            octets: A::Header::OCTETS + TCP_OCTETS,
            l4: meta.l3.saturating_add(A::Header::LEN),
            ttl: TTL,
            ..*meta
        };
        if let Some(direction) = session.direction(&meta.key) {
            introduce::shift(&mut reset, &meta, &session, direction);
        }
        let sent = match leave(&mut reset, &mut meta, &course, &out, bench) {
            Step::Continue(()) => Ok(out.way.port),
            Step::Break(verdict) => Err(verdict),
        };
        give(reset, sent);
    }
    Verdict::Answer(answer)
}

/// How a packet of the session gets to the end that it was sent to. None where nobody knows the
/// MAC: a reset is not worth asking for it.
fn way<'a, A: Family>(
    meta: &Meta<A>,
    session: &Session<A>,
    snapshot: &'a Snapshot,
) -> Option<(Course<A>, Out<'a, A>)> {
    let direction = session.direction(&meta.key)?;
    let course = Course::of(session, direction);
    let to = match direction {
        Direction::Reverse => session.client().address,
        Direction::Forward | Direction::ForwardOnly => session.rip().address,
    };
    let out = match course.rewrite {
        Rewrite::Wrap(_) => route::exit(meta, &course, snapshot)?,
        // The next hop that the session knows may be another's by now.
        _ => route::exit_to(to, snapshot)?,
    };
    matches!(out.way.reach, Reach::At(_)).then_some((course, out))
}

/// The reset that the sender of a segment would send after it: with the number that its receiver
/// awaits.
fn made<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Option<F> {
    let l3 = usize::from(meta.l3);
    let (segment, _) = tcp::parse(frame.head().get(usize::from(meta.l4)..)?).ok()?;
    let (source, destination) = (meta.source(), meta.destination());
    let protocol = Protocol::Tcp as u8;
    let network = A::Header::made(&Outer {
        tos: view::ip_at::<A, F>(frame, meta.l3)?.tos(),
        payload_octets: TCP_OCTETS,
        identification: None,
        hops: TTL,
        protocol,
        source,
        destination,
    });
    let transport = segment.last(source.pseudo_header(destination, protocol, TCP_OCTETS));
    let mut made = frame.another(l3 + usize::from(A::Header::OCTETS + TCP_OCTETS))?;
    let (link, packet) = made.head_mut().split_at_mut_checked(l3)?;
    link.copy_from_slice(frame.head().get(..l3)?);
    network.write_to_prefix(packet).ok()?;
    transport.write_to_suffix(packet).ok()?;
    Some(made)
}

fn leave<A: Family, F: Frame>(
    reset: &mut F,
    meta: &mut Meta<A>,
    course: &Course<A>,
    out: &Out<'_, A>,
    bench: &mut Bench<'_>,
) -> Step {
    rewrite::run(reset, meta, &course.rewrite)?;
    encapsulate::run(reset, meta, &course.rewrite, out.dip, bench)?;
    neighbour::run(reset, meta, out.way)
}
