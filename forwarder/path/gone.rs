//! What becomes of a packet whose session's backend may not keep it any more.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{
    Answer, Bench, DropReason, Meta, Step, Transport, Verdict, answer::TTL, encapsulate, neighbour,
    refuse, rewrite, schedule, session::Course, view,
};
use crate::{
    io::{Frame, PortIx},
    session::{Session, SessionIx, tcp::Direction},
    snapshot::{Exit, Gone, Reach, Snapshot},
    wire::{
        Protocol,
        checksum::Sum,
        ipv4::{self, Fields},
        tcp::{self, Flags},
    },
};

/// A reset: headers without options.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Reset {
    network: ipv4::Header,
    transport: tcp::Header,
}

const OCTETS: u16 = 40;
const TCP_OCTETS: u16 = 20;

const _: () = assert!(size_of::<Reset>() == OCTETS as usize);

/// Ends the session at `ix` or leaves it, as its service says. Goes on with what begins anew.
#[cold]
pub(super) fn run(meta: &Meta, ix: SessionIx, bench: &mut Bench<'_>) -> Step {
    let sessions = &mut bench.flows.sessions;
    let direction = sessions.direction_at(ix, &meta.key, bench.now_ms);
    let Some(session) = sessions.get(ix) else {
        return Step::Continue(());
    };
    let answers = direction == Some(Direction::Reverse);
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
fn policy(session: &Session, snapshot: &Snapshot) -> Gone {
    let service = snapshot.services.service(session.service());
    let said = service.and_then(|service| service.gone);
    said.unwrap_or(Gone::usual(session.protocol()))
}

/// Ends the session that a segment belongs to. `give` gets the reset to the other end, where one
/// can be made; the verdict is what becomes of the segment. What is damaged ends nothing, and
/// where too many are told already, the session is left for its next segment.
pub(super) fn end<F: Frame>(
    frame: &F,
    meta: &Meta,
    bench: &mut Bench<'_>,
    give: impl FnOnce(F, Result<PortIx, Verdict>),
) -> Verdict {
    let sessions = &mut bench.flows.sessions;
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
    bench.flows.sessions.remove(ix);
    bench.counters.sessions_gone.add(1);
    if let Some((course, exit)) = way(meta, &session, bench.snapshot)
        && let Some(mut reset) = made(frame, meta)
    {
        bench.counters.made.add(1);
        let mut meta = Meta {
            octets: OCTETS,
            l4: meta.l3.saturating_add(20),
            ttl: TTL,
            ..*meta
        };
        let sent = match leave(&mut reset, &mut meta, &course, exit, bench) {
            Step::Continue(()) => Ok(exit.port),
            Step::Break(verdict) => Err(verdict),
        };
        give(reset, sent);
    }
    Verdict::Answer(answer)
}

/// How a packet of the session gets to the end that it was sent to. None where nobody knows the
/// MAC: a reset is not worth asking for it.
fn way<'a>(meta: &Meta, session: &Session, snapshot: &'a Snapshot) -> Option<(Course, &'a Exit)> {
    let direction = session.direction(&meta.key)?;
    let to = match direction {
        Direction::Reverse => session.client().address,
        Direction::Forward | Direction::ForwardOnly => session.rip().address,
    };
    let hop = snapshot.routes.hop(to);
    let exit = snapshot.neighbours.exit(hop?, to)?;
    matches!(exit.reach, Reach::At(_)).then(|| (Course::of(session, direction), exit))
}

/// The reset that the sender of a segment would send after it: with the number that its receiver
/// awaits.
fn made<F: Frame>(frame: &F, meta: &Meta) -> Option<F> {
    let l3 = usize::from(meta.l3);
    let (segment, _) = tcp::parse(frame.head().get(usize::from(meta.l4)..)?).ok()?;
    let (source, destination) = (meta.source(), meta.destination());
    let pseudo = Sum::pseudo_header(source, destination, ipv4::PROTOCOL_TCP, TCP_OCTETS);
    let reset = Reset {
        network: ipv4::Header::new(&Fields {
            tos: view::ipv4_at(frame, meta.l3)?.tos(),
            total_octets: OCTETS,
            identification: 0,
            dont_fragment: true,
            ttl: TTL,
            protocol: ipv4::PROTOCOL_TCP,
            source,
            destination,
        }),
        transport: segment.last(pseudo),
    };
    let mut made = frame.another(l3 + usize::from(OCTETS))?;
    let (link, packet) = made.head_mut().split_at_mut_checked(l3)?;
    link.copy_from_slice(frame.head().get(..l3)?);
    reset.write_to(packet).ok()?;
    Some(made)
}

fn leave<F: Frame>(
    reset: &mut F,
    meta: &mut Meta,
    course: &Course,
    exit: &Exit,
    bench: &mut Bench<'_>,
) -> Step {
    rewrite::run(reset, meta, &course.rewrite)?;
    encapsulate::run(reset, meta, &course.rewrite, exit, bench)?;
    neighbour::run(reset, meta, exit)
}
