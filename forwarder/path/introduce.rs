//! Tells backends their clients' addresses, by what the client would have sent before all else.
//!
//! A connection's header goes out in the segment that carries the client's first acknowledgement.
//! Nothing is kept of it: it follows from the session. Until the backend has acknowledged it, each
//! segment of the client's brings it again, and one without data of its own goes in no other way.
//! Where it goes is what the backend's SYN acknowledges: a client may open with many numbers, and
//! could have its own octets stand where the header belongs.
//! So a backend that does not have the header either has not heard from the client, and repeats its
//! SYN, which the client acknowledges; or has got data behind the header, which the client repeats.

mod numbers;

use zerocopy::IntoBytes;

use numbers::{to_backend, to_client};

use super::{
    Answer, Bench, Course, DropReason, Family, Meta, Step, Transport, Verdict, leave_at_last,
    refuse::checksum_ok,
    route, schedule,
    session::{count, pass},
    stranger,
    view::{header_at_mut, ip_at, ip_at_mut},
};
use crate::{
    io::{Frame, PortIx},
    session::{Introduction, Means, Phase, Session, SessionIx, tcp::Direction},
    snapshot::{Reach, Snapshot, Way},
    wire::{
        IpHeader, Outer, Protocol,
        checksum::Delta,
        proxy,
        tcp::{self, Flags},
        udp,
    },
};

/// What a session remembers whose backend is told of the client so. `begins` where its first
/// packet does begin it; else it has been told.
pub(super) fn new<A: Family>(means: Means, session: &Session<A>, begins: bool) -> Introduction {
    let octets = header(means, session).len();
    Introduction {
        means,
        phase: if begins {
            Phase::Unanswered
        } else {
            Phase::Known
        },
        start: 0,
        octets: u8::try_from(octets).unwrap_or(0),
    }
}

/// The session with what its packets change by, in place of its introduction.
pub(super) fn plain<A: Family>(session: &Session<A>) -> Session<A> {
    let (client, vip) = (session.client(), session.vip());
    let (seen, rip) = (session.reply_to(), session.rip());
    let mut plain = *session;
    plain.set_plain(schedule::deltas([client, vip], [seen, rip]));
    plain
}

/// Takes a packet to where it goes, of a session whose backend is told of the client. `give` gets
/// the header, where it goes in a frame of its own.
#[cold]
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
    give: impl FnOnce(F, PortIx),
) -> Step<PortIx> {
    let sessions = A::sessions(bench.flows);
    let found = sessions.find(meta.hash, &meta.key, bench.now_ms);
    let found = found.and_then(|ix| Some((ix, *sessions.get(ix)?)));
    let Some((ix, session)) = found else {
        return DropReason::NoSession.into();
    };
    let (direction, introduction) = (session.direction(&meta.key), session.introduction());
    let Some((direction, mut introduction)) = direction.zip(introduction) else {
        return DropReason::NoSession.into();
    };
    if let Transport::Tcp(flags) = meta.transport
        && direction != Direction::Reverse
        && schedule::begins(flags)
        && !repeats(frame, meta, introduction)
    {
        if schedule::is_over(&session) {
            A::sessions(bench.flows).remove(ix);
            return begin_anew(frame, meta, bench, give);
        }
        if session.state().is_half_open() {
            introduction.phase = Phase::Unanswered;
        }
        let (flows, now_ms) = (&mut *bench.flows, bench.now_ms);
        pass::<A>(
            ix,
            direction,
            flags,
            A::sessions(flows),
            bench.snapshot,
            now_ms,
        );
    }
    count(meta, &session, direction, bench.counters);
    let course = Course::of(&session, direction);
    let back = direction == Direction::Reverse;
    match meta.transport {
        Transport::Tcp(flags) => {
            // What is answered instead is quoted as it came.
            let way = passes(frame, meta, &course, 0, bench.snapshot)?;
            let mut told = Told {
                introduction,
                session: &session,
                flags,
            };
            if back {
                told.answer(frame, meta);
            } else if flags.syn() {
                told.open(frame, meta)?;
            } else if let Some(made) = told.go_on(frame, meta, way)? {
                bench.counters.made.add(1);
                let (mut header, mut meta) = made;
                match leave_at_last(&mut header, &mut meta, course, bench) {
                    Step::Continue(port) => give(header, port),
                    Step::Break(_) => bench.counters.dropped(DropReason::NoRoute, 1),
                }
            }
            note::<A>(ix, session.introduction(), told.introduction, bench);
        }
        Transport::Udp if !back => datagram(frame, meta, &session, &course, bench.snapshot)?,
        Transport::Rest(Protocol::Udp) if !back => return DropReason::FragmentUntold.into(),
        _ => {}
    }
    leave_at_last(frame, meta, course, bench)
}

/// True for a SYN that the client has sent before: however late the network brings it, nothing
/// begins with it.
fn repeats<A: Family, F: Frame>(frame: &F, meta: &Meta<A>, introduction: Introduction) -> bool {
    let first = read(frame, meta).map(|(header, _)| header.sequence().wrapping_add(1));
    first == Some(introduction.start)
}

/// Takes a SYN to where it goes whose session was over, and is gone.
fn begin_anew<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
    give: impl FnOnce(F, PortIx),
) -> Step<PortIx> {
    match stranger(frame, meta, bench) {
        // Of a session that is not over, for it has just begun.
        Step::Break(Verdict::Introduce) => run(frame, meta, bench, give),
        Step::Break(verdict) => Step::Break(verdict),
        Step::Continue(course) => leave_at_last(frame, meta, course, bench),
    }
}

/// Makes a packet of a session, of whatever its ends see, what the other end is to see of it.
pub(super) fn shift<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    session: &Session<A>,
    direction: Direction,
) {
    let Some(introduction) = session.introduction() else {
        return;
    };
    let Some(segment) = frame.head_mut().get_mut(usize::from(meta.l4)..) else {
        return;
    };
    if direction == Direction::Reverse {
        to_client(segment, introduction);
    } else {
        to_backend(segment, introduction);
    }
}

fn note<A: Family>(
    ix: SessionIx,
    was: Option<Introduction>,
    is: Introduction,
    bench: &mut Bench<'_>,
) {
    if Some(is) != was
        && let Some(session) = A::sessions(bench.flows).get_mut(ix)
    {
        session.introduce(is);
    }
}

/// The way out, where the packet may take it with so many octets more, in pieces if need be.
fn passes<'a, A: Family, F: Frame>(
    frame: &F,
    meta: &Meta<A>,
    course: &Course<A>,
    more: u16,
    snapshot: &'a Snapshot,
) -> Step<&'a Way> {
    let Some(exit) = route::exit(meta, course, snapshot) else {
        return Step::Break(Verdict::Answer(Answer::NetworkUnreachable));
    };
    if meta.ttl <= 1 {
        return Step::Break(Verdict::Answer(Answer::TimeExceeded));
    }
    let mtu = exit.mtu().saturating_sub(more);
    if meta.octets > mtu {
        match A::too_big(frame, meta, [mtu, exit.way.mtu]) {
            Verdict::Fragment { .. } => {}
            verdict => return Step::Break(verdict),
        }
    }
    Step::Continue(exit.way)
}

/// What the backend of a session is sent before all that its client sends.
fn header<A: Family>(means: Means, session: &Session<A>) -> proxy::Header {
    match means {
        Means::V1 => proxy::text(session.client(), session.vip()),
        Means::V2 => proxy::binary(session.client(), session.vip(), session.protocol()),
    }
}

/// A segment of a connection whose backend is told.
struct Told<'a, A: Family> {
    introduction: Introduction,
    session: &'a Session<A>,
    flags: Flags,
}

impl<A: Family> Told<'_, A> {
    /// Lets a segment of the backend's acknowledge what the client has sent.
    fn answer<F: Frame>(&mut self, frame: &mut F, meta: &Meta<A>) {
        if !self.flags.ack() {
            return;
        }
        let Some(segment) = frame.head_mut().get_mut(usize::from(meta.l4)..) else {
            return;
        };
        if let Ok((header, _)) = tcp::parse(segment) {
            if self.flags.syn() {
                self.introduction = self.introduction.answered(header.acknowledgement());
                return;
            }
            let acknowledged = self.introduction.acknowledged(header.acknowledgement());
            // Whatever lies before the header's end is held as long as anything may.
            to_client(segment, acknowledged);
            self.introduction = acknowledged;
        }
    }

    /// Notes the client's number, until the backend has answered. Data that come with a SYN are cut
    /// off, as any host may that does not expect them: the header would have to go before them.
    fn open<F: Frame>(&mut self, frame: &mut F, meta: &mut Meta<A>) -> Step {
        let Some((header, headers)) = read(frame, meta) else {
            return DropReason::TcpMalformed.into();
        };
        if self.introduction.phase == Phase::Unanswered {
            self.introduction.start = header.sequence().wrapping_add(1);
        }
        let data = usize::from(meta.octets).saturating_sub(headers - usize::from(meta.l3));
        if data == 0 {
            return Step::Continue(());
        }
        let Some(octets) = frame.head().get(headers..).filter(|all| all.len() == data) else {
            return DropReason::HeadersSplit.into();
        };
        let less = u16::try_from(data).unwrap_or(u16::MAX);
        let segment = meta.octets.saturating_sub((meta.l4 - meta.l3).into());
        let delta = Delta::new()
            .replace_u16(segment, segment.saturating_sub(less))
            .remove_octets(octets);
        frame.truncate(headers);
        if let Some(header) = header_at_mut::<F, tcp::Header>(frame, meta.l4) {
            header.change(delta);
        }
        resize(frame, meta, meta.octets.saturating_sub(less));
        Step::Continue(())
    }

    /// Lets a segment of the client's stand behind the header; until the backend has that, it
    /// brings it, or becomes it. What goes in a frame of its own is given back, with what is known
    /// of it.
    fn go_on<F: Frame>(
        &mut self,
        frame: &mut F,
        meta: &mut Meta<A>,
        way: &Way,
    ) -> Step<Option<(F, Meta<A>)>> {
        let (phase, resets) = (self.introduction.phase, self.flags.rst());
        let untold = matches!(phase, Phase::Unanswered | Phase::Awaited);
        if phase == Phase::Known || untold && resets {
            self.move_behind(frame, meta);
            return Step::Continue(None);
        }
        if phase == Phase::Unanswered {
            return DropReason::Untold.into();
        }
        let Some((segment, headers)) = read(frame, meta) else {
            return DropReason::TcpMalformed.into();
        };
        let is_before = self.introduction.is_before(segment.sequence());
        let data = usize::from(meta.octets).saturating_sub(headers - usize::from(meta.l3));
        let whole = !A::is_fragment(frame, meta);
        let bare = data == 0 && whole && !self.flags.fin();
        let may_tell = self.flags.ack() && matches!(way.reach, Reach::At(_));
        if !bare && !resets && (is_before || untold && !may_tell) {
            return DropReason::Untold.into();
        }
        if !may_tell && !resets {
            self.move_behind(frame, meta);
            return Step::Continue(None);
        }
        self.introduction.phase = Phase::Told;
        if bare && !resets {
            self.become_header(frame, meta, headers)?;
            return Step::Continue(None);
        }
        // What is damaged tells nothing, as far as that can be seen.
        let hidden = !whole || frame.head().len() != frame.octets();
        let sound = hidden || checksum_ok(frame, meta);
        let made = sound
            .then(|| self.header_of(frame, meta, headers))
            .flatten();
        if sound && made.is_none() && !resets {
            return DropReason::Untold.into();
        }
        self.move_behind(frame, meta);
        Step::Continue(made)
    }

    fn move_behind<F: Frame>(&self, frame: &mut F, meta: &Meta<A>) {
        if let Some(segment) = frame.head_mut().get_mut(usize::from(meta.l4)..) {
            to_backend(segment, self.introduction);
        }
    }

    /// Puts the header behind an acknowledgement without data.
    fn become_header<F: Frame>(&self, frame: &mut F, meta: &mut Meta<A>, headers: usize) -> Step {
        let data = header(self.introduction.means, self.session);
        let segment = meta.octets.saturating_sub((meta.l4 - meta.l3).into());
        grow(frame, meta, headers, &data)?;
        let longer = meta.octets.saturating_sub((meta.l4 - meta.l3).into());
        let delta = Delta::new().replace_u16(segment, longer).add_octets(&data);
        if let Some(header) = header_at_mut::<F, tcp::Header>(frame, meta.l4) {
            header.move_sequence(self.introduction.start);
            header.set_flags(self.flags | Flags::PSH);
            header.change(delta);
        }
        Step::Continue(())
    }

    /// A segment with the header, for one that has data of its own: all else is as there. In
    /// place of the header, a reset carries nothing: it is for a backend that does not have the
    /// header, and so awaits its start.
    fn header_of<F: Frame>(
        &self,
        frame: &F,
        meta: &Meta<A>,
        headers: usize,
    ) -> Option<(F, Meta<A>)> {
        let (l3, l4) = (usize::from(meta.l3), usize::from(meta.l4));
        let (data, flags) = if self.flags.rst() {
            (proxy::Header::new(), self.flags)
        } else {
            let data = header(self.introduction.means, self.session);
            (data, Flags::ACK | Flags::PSH)
        };
        let from = frame.head().get(l4..headers)?;
        let payload_octets = u16::try_from(from.len().saturating_add(data.len())).ok()?;
        let (source, destination) = (meta.source(), meta.destination());
        let protocol = Protocol::Tcp as u8;
        let ip = A::Header::made(&Outer {
            tos: ip_at::<A, F>(frame, meta.l3)?.tos(),
            payload_octets,
            identification: None,
            hops: meta.ttl,
            protocol,
            source,
            destination,
        });
        let octets = A::Header::OCTETS.saturating_add(payload_octets);
        let mut made = frame.another(l3.saturating_add(octets.into()))?;
        let (link, packet) = made.head_mut().split_at_mut_checked(l3)?;
        link.copy_from_slice(frame.head().get(..l3)?);
        ip.write_to_prefix(packet).ok()?;
        let segment = packet.get_mut(usize::from(A::Header::LEN)..)?;
        let (to, behind) = segment.split_at_mut_checked(from.len())?;
        to.copy_from_slice(from);
        behind.copy_from_slice(&data);
        let pseudo = source.pseudo_header(destination, protocol, payload_octets);
        tcp::carry(segment, self.introduction.start, flags, pseudo).then_some(())?;
        let meta = Meta {
            octets,
            l4: meta.l3.saturating_add(A::Header::LEN),
            ..*meta
        };
        Some((made, meta))
    }
}

/// Puts the header before what a datagram carries.
fn datagram<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    session: &Session<A>,
    course: &Course<A>,
    snapshot: &Snapshot,
) -> Step {
    let part = A::is_fragment(frame, meta);
    if part {
        return DropReason::FragmentUntold.into();
    }
    let data = proxy::binary(session.client(), session.vip(), session.protocol());
    let more = u16::try_from(data.len()).unwrap_or(u16::MAX);
    passes(frame, meta, course, more, snapshot)?;
    grow(frame, meta, usize::from(meta.l4) + udp::LEN, &data)?;
    if let Some(header) = header_at_mut::<F, udp::Header>(frame, meta.l4) {
        header.lengthen(&data);
    }
    Step::Continue(())
}

/// Puts octets behind the first `headers` octets of a frame.
fn grow<A: Family, F: Frame>(frame: &mut F, meta: &mut Meta<A>, headers: usize, by: &[u8]) -> Step {
    let more = u16::try_from(by.len()).unwrap_or(u16::MAX);
    let Some(octets) = meta.octets.checked_add(more) else {
        return DropReason::TooBig.into();
    };
    if frame.head().len() < headers || !frame.prepend(by.len()) {
        return DropReason::NoHeadroom.into();
    }
    if let Some(moved) = frame.head_mut().get_mut(..by.len() + headers) {
        moved.copy_within(by.len().., 0);
        if let Some(gap) = moved.get_mut(headers..) {
            gap.copy_from_slice(by);
        }
    }
    resize(frame, meta, octets);
    Step::Continue(())
}

fn resize<A: Family, F: Frame>(frame: &mut F, meta: &mut Meta<A>, octets: u16) {
    if let Some(ip) = ip_at_mut::<A, F>(frame, meta.l3) {
        ip.set_packet_octets(octets);
    }
    meta.octets = octets;
}

/// The header of a segment, and where in the frame it ends with its options.
fn read<'f, A: Family, F: Frame>(frame: &'f F, meta: &Meta<A>) -> Option<(&'f tcp::Header, usize)> {
    let l4 = usize::from(meta.l4);
    let (header, _) = tcp::parse(frame.head().get(l4..)?).ok()?;
    Some((header, l4 + header.header_octets()))
}
