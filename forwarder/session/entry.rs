//! What is remembered of one flow.

use std::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{
    BackendIx, FixedIx, Generation, Introduction, ServiceIx,
    key::{Family, FlowKey, protocol},
    tcp::{Direction, State},
};
use crate::wire::{Endpoint, Protocol, checksum::Delta};

/// One flow: where it goes and how its packets are rewritten, in both directions. One cache line,
/// two for IPv6.
///
/// What it is found by and what is counted of it change through the table only.
#[derive(Clone, Copy, Debug, FromZeros, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub struct Session<A: Family = Ipv4Addr> {
    /// As in a [`FlowKey`], so never 0 but in a blank entry.
    client: A::Word,
    vip: A::Word,
    rip: A::Word,
    /// Where the backend answers to: the client, or the LIP of FULLNAT. 0 where answers do not
    /// pass here.
    reply_to: A::Word,
    /// An [`Introduction`] where [`APART`] is set.
    deltas: Deltas,
    deadline: Deadline,
    /// How long it may be idle in its state.
    timeout_ms: u32,
    /// The generation of services that it was last found to agree with, and [`APART`]; in a blank
    /// entry the next free one.
    mark: u32,
    /// The backend's number, [`LASTS`] and [`COPY`].
    backend: u32,
    service: u16,
    hop: u16,
    /// `NO_HOP` where there is none.
    reverse_hop: u16,
    state: State,
    forward: Forward,
}

const _: () = assert!(size_of::<Session>() == 64 && align_of::<Session>() == 64);
const _: () = assert!(size_of::<Session<Ipv6Addr>>() == 128);

/// Set beside a backend's number once the client has sent a second UDP datagram.
const LASTS: u32 = 1 << 31;

/// Set beside it while another director carries the session.
const COPY: u32 = 1 << 30;

const _: () = assert!(BackendIx::MOST <= COPY);

/// Set beside a generation where packets need more than the session's rewrite. No packet finds the
/// session up to date then, which is all that those of other sessions pay for it.
const APART: u32 = 1 << 31;

const _: () = assert!(Generation::LAST < APART);

/// In place of the number of a fixed neighbour; there are fewer than this.
const NO_HOP: u16 = u16::MAX;

/// How a service's packets reach its backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros, Immutable, KnownLayout)]
#[repr(u8)]
pub enum Forward {
    /// Addresses and ports are rewritten, both ways.
    Nat,
    /// Only the Ethernet addresses are.
    Dr,
    /// The packet travels inside another one, IP in IP of one family.
    Tun,
    /// The packet travels inside another one, as the snapshot says of its backend. A session of a
    /// service that is `Tun`.
    Wrap,
    /// As NAT, and the backend sees an address of the director in place of the client's.
    FullNat,
    /// As NAT, but the backend is a host inside, which began: the client is whom it addressed, and
    /// the VIP what that sees of it.
    Snat,
}

impl Forward {
    /// Which way a client's packets go, as TCP's states tell it.
    #[inline]
    pub fn from_client(self) -> Direction {
        match self {
            Self::Nat | Self::FullNat | Self::Snat => Direction::Forward,
            Self::Dr | Self::Tun | Self::Wrap => Direction::ForwardOnly,
        }
    }

    /// True where packets go this way that come from who began.
    pub fn is_from_initiator(self, direction: Direction) -> bool {
        (direction == Direction::Reverse) == (self == Self::Snat)
    }
}

/// What a translation changes checksums by, compiled when the session begins.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Deltas {
    /// From the client to the backend.
    pub forward: Checksums,
    /// From the backend to the client.
    pub reverse: Checksums,
}

/// What all packets of one direction have in common.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Checksums {
    /// What the IP header's checksum changes by, with the TTL counted down.
    pub l3: Delta,
    /// What the layer-4 checksum changes by.
    pub l4: Delta,
}

/// A session to be.
#[derive(Clone, Copy, Debug)]
pub struct New<A: Family = Ipv4Addr> {
    /// CIP and port.
    pub client: Endpoint<A>,
    /// VIP and port, as the client addresses them.
    pub vip: Endpoint<A>,
    /// RIP and port, as the backend is addressed.
    pub rip: Endpoint<A>,
    /// LIP and port, which FULLNAT needs and no other mode has.
    pub local: Option<Endpoint<A>>,
    /// The protocol of all.
    pub protocol: Protocol,
    /// The state after the first packet; [`State::None`] for UDP.
    pub state: State,
    /// How long it may be idle; 24.8 days at most.
    pub timeout_ms: u32,
    /// How its packets reach the backend. Where replies do not pass here (DR, TUN), it is not
    /// found from the backend's side.
    pub forward: Forward,
    /// The next hop of its packets.
    pub hop: FixedIx,
    /// The next hop of its replies, where that is the same for all of them and does not have to be
    /// looked up.
    pub reverse_hop: Option<FixedIx>,
    /// The service that the client addresses.
    pub service: ServiceIx,
    /// The backend that it goes to, below the number given to the table.
    pub backend: BackendIx,
    /// The services by which it was made.
    pub generation: Generation,
    /// What its packets change by.
    pub deltas: Deltas,
}

impl<A: Family> Session<A> {
    pub(super) fn new(new: &New<A>, now_ms: u64) -> Self {
        let word = |endpoint| A::word(endpoint, new.protocol as u8);
        Self {
            client: word(new.client),
            vip: word(new.vip),
            rip: word(new.rip),
            reply_to: match (new.forward, new.local) {
                (Forward::Dr | Forward::Tun | Forward::Wrap, _) => A::Word::default(),
                (Forward::Nat | Forward::Snat, _) | (Forward::FullNat, None) => word(new.client),
                (Forward::FullNat, Some(local)) => word(local),
            },
            deltas: new.deltas,
            deadline: Deadline::after(now_ms, Deadline::cut(new.timeout_ms)),
            timeout_ms: Deadline::cut(new.timeout_ms),
            mark: new.generation.0 & !APART,
            backend: new.backend.0,
            service: new.service.0,
            hop: new.hop.0,
            reverse_hop: new.reverse_hop.map_or(NO_HOP, |hop| hop.0),
            state: new.state,
            forward: new.forward,
        }
    }

    /// Nobody's: the content of a free entry.
    pub(super) fn blank(next_free: u32) -> Self {
        Self {
            mark: next_free,
            ..Self::new_zeroed()
        }
    }

    /// Of a blank entry.
    #[inline]
    pub(super) fn next_free(&self) -> u32 {
        self.mark
    }

    #[inline]
    pub(super) fn is_blank(&self) -> bool {
        self.client == A::Word::default()
    }

    #[inline]
    pub(super) fn forward_key(&self) -> FlowKey<A> {
        FlowKey {
            source: self.client,
            destination: self.vip,
        }
    }

    /// None where it is not found from the backend's side.
    #[inline]
    pub(super) fn reverse_key(&self) -> Option<FlowKey<A>> {
        self.has_reverse().then_some(FlowKey {
            source: self.rip,
            destination: self.reply_to,
        })
    }

    #[inline]
    fn has_reverse(&self) -> bool {
        self.reply_to != A::Word::default()
    }

    /// Which way packets with this key go, if they are this session's.
    #[inline]
    pub fn direction(&self, key: &FlowKey<A>) -> Option<Direction> {
        if self.forward_key() == *key {
            Some(self.forward.from_client())
        } else {
            // No packet's key has a 0, so this is nobody's where answers do not pass.
            let reverse = FlowKey {
                source: self.rip,
                destination: self.reply_to,
            };
            (reverse == *key).then_some(Direction::Reverse)
        }
    }

    /// CIP and port.
    pub fn client(&self) -> Endpoint<A> {
        A::endpoint_of(self.client)
    }

    /// VIP and port, as the client addresses them.
    pub fn vip(&self) -> Endpoint<A> {
        A::endpoint_of(self.vip)
    }

    /// RIP and port, as the backend is addressed.
    #[inline]
    pub fn rip(&self) -> Endpoint<A> {
        A::endpoint_of(self.rip)
    }

    /// LIP and port that the backend sees, by FULLNAT alone.
    #[inline]
    pub fn local(&self) -> Option<Endpoint<A>> {
        (self.forward == Forward::FullNat).then(|| self.reply_to())
    }

    /// Where the backend answers to. Means nothing where answers do not pass here.
    #[inline]
    pub fn reply_to(&self) -> Endpoint<A> {
        A::endpoint_of(self.reply_to)
    }

    /// The protocol on both sides.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        protocol(A::protocol_of(self.client))
    }

    /// The service that the client addresses.
    #[inline]
    pub fn service(&self) -> ServiceIx {
        ServiceIx(self.service)
    }

    /// The backend that it goes to.
    #[inline]
    pub fn backend(&self) -> BackendIx {
        BackendIx(self.backend & !(LASTS | COPY))
    }

    /// The services that it was last found to agree with.
    #[inline]
    pub fn generation(&self) -> Generation {
        Generation(self.mark & !APART)
    }

    /// True where it was last found to agree with these, and its packets need no more than its
    /// rewrite.
    #[inline]
    pub fn is_plain_at(&self, generation: Generation) -> bool {
        self.mark == generation.0
    }

    /// What its backend is told of the client, if it is.
    pub fn introduction(&self) -> Option<Introduction> {
        (self.mark & APART != 0).then(|| Introduction::unpacked(self.deltas))
    }

    /// Notes how far the backend has been told of the client. What its packets change by is
    /// nothing that it knows from then on.
    pub fn introduce(&mut self, introduction: Introduction) {
        self.mark |= APART;
        self.deltas = introduction.packed();
    }

    /// Notes that its backend need not be told any more; its packets change by these.
    pub fn set_plain(&mut self, deltas: Deltas) {
        self.mark &= !APART;
        self.deltas = deltas;
    }

    /// Notes that it agrees with these services.
    #[inline]
    pub fn agree(&mut self, generation: Generation) {
        self.mark = generation.0 | self.mark & APART;
    }

    /// Sends its packets to other next hops from now on.
    pub fn set_hops(&mut self, hop: FixedIx, reverse_hop: Option<FixedIx>) {
        self.hop = hop.0;
        self.reverse_hop = reverse_hop.map_or(NO_HOP, |hop| hop.0);
    }

    /// How its packets reach the backend.
    #[inline]
    pub fn forward(&self) -> Forward {
        self.forward
    }

    /// Sends its packets in another tunnel from now on.
    pub fn set_tunnel(&mut self, forward: Forward) {
        debug_assert!(matches!(forward, Forward::Tun | Forward::Wrap));
        self.forward = forward;
    }

    /// The next hop of its packets.
    #[inline]
    pub fn hop(&self) -> FixedIx {
        FixedIx(self.hop)
    }

    /// The next hop of its replies, unless it has to be looked up.
    #[inline]
    pub fn reverse_hop(&self) -> Option<FixedIx> {
        (self.reverse_hop != NO_HOP).then_some(FixedIx(self.reverse_hop))
    }

    /// The TCP state; [`State::None`] for UDP.
    #[inline]
    pub fn state(&self) -> State {
        self.state
    }

    #[inline]
    pub(super) fn set_state(&mut self, state: State) {
        self.state = state;
    }

    /// True where IPVS counts it as an active connection; UDP never is.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.protocol() == Protocol::Tcp && self.state.is_active()
    }

    /// True where it may go for a new one when the table is full. Who floods a director makes
    /// sessions of one packet each, and who had many short connections leaves what only waits for
    /// its time to pass; neither may keep newcomers out for minutes.
    #[inline]
    pub fn may_go(&self) -> bool {
        match self.protocol() {
            Protocol::Tcp => self.state.is_half_open() || self.state.is_over(),
            Protocol::Udp | Protocol::Icmp => self.backend & LASTS == 0,
        }
    }

    /// Notes that a client goes on with a UDP session, which then keeps its place in a full table.
    #[inline]
    pub fn keep(&mut self) {
        // Written once: the backend's number is read next, and a read waits long for a store to a
        // part of what it reads.
        if self.backend & LASTS == 0 {
            self.backend |= LASTS;
        }
    }

    /// True while another director carries it: no packet of it came here since that was told.
    #[inline]
    pub fn is_copy(&self) -> bool {
        self.backend & COPY != 0
    }

    pub(super) fn set_copy(&mut self, copy: bool) {
        if copy {
            self.backend |= COPY;
        } else {
            self.backend &= !COPY;
        }
    }

    /// Has it expire after so long, whatever its idle time.
    pub(super) fn expire_in(&mut self, ms: u32, now_ms: u64) {
        self.deadline = Deadline::after(now_ms, Deadline::cut(ms));
    }

    /// How long no packet of it came.
    pub(super) fn idle_ms(&self, now_ms: u64) -> u32 {
        self.timeout_ms.saturating_sub(self.remaining_ms(now_ms))
    }

    /// What its packets change by. Means nothing where its backend is told of the client.
    #[inline]
    pub fn deltas(&self) -> &Deltas {
        &self.deltas
    }

    /// Milliseconds until it expires, 0 where it has.
    pub fn remaining_ms(&self, now_ms: u64) -> u32 {
        self.deadline.remaining_ms(now_ms)
    }

    /// True where it has been idle for too long.
    #[inline]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.deadline.remaining_ms(now_ms) == 0
    }

    #[inline]
    pub(super) fn set_timeout(&mut self, timeout_ms: u32) {
        self.timeout_ms = Deadline::cut(timeout_ms);
    }

    /// Restarts the idle time.
    #[inline]
    pub fn touch(&mut self, now_ms: u64) {
        self.deadline = Deadline::after(now_ms, self.timeout_ms);
    }
}

/// The lower 32 bits of a time in milliseconds.
///
/// They come round every 49.7 days. Up to half of that ahead is future, the other half is past:
/// timeouts are cut to 24.8 days, and what has expired must be looked at within as many, which a
/// sweep does many times over.
#[derive(Clone, Copy, Debug, FromZeros, Immutable, KnownLayout)]
#[repr(transparent)]
pub(super) struct Deadline(u32);

impl Deadline {
    const MAX_MS: u32 = i32::MAX.cast_unsigned();

    /// The longest timeout that there can be, at most.
    pub(super) fn cut(timeout_ms: u32) -> u32 {
        timeout_ms.min(Self::MAX_MS)
    }

    #[inline]
    pub(super) fn after(now_ms: u64, timeout_ms: u32) -> Self {
        Self(low(now_ms).wrapping_add(timeout_ms))
    }

    #[inline]
    pub(super) fn remaining_ms(self, now_ms: u64) -> u32 {
        let ahead = self.0.wrapping_sub(low(now_ms));
        if ahead > Self::MAX_MS { 0 } else { ahead }
    }
}

#[inline]
fn low(ms: u64) -> u32 {
    (ms & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: u64 = 1 << 31;

    #[test]
    fn a_deadline_survives_the_clock_coming_round() {
        for now in [0, 1, HALF - 1, HALF, 2 * HALF - 1, 2 * HALF, 7 * HALF - 500] {
            for timeout in [1, 1000, 900_000, Deadline::MAX_MS] {
                let deadline = Deadline::after(now, timeout);
                let end = now + u64::from(timeout);
                assert_eq!(deadline.remaining_ms(now), timeout);
                assert_eq!(deadline.remaining_ms(end - 1), 1);
                assert_eq!(deadline.remaining_ms(end), 0);
                assert_eq!(deadline.remaining_ms(end + HALF), 0);
            }
        }
    }

    #[test]
    fn a_timeout_of_nothing_is_over_at_once_and_one_too_long_is_cut() {
        assert_eq!(Deadline::after(5, 0).remaining_ms(5), 0);
        assert_eq!(
            Deadline::after(5, Deadline::cut(u32::MAX)).remaining_ms(5),
            Deadline::MAX_MS
        );
    }

    fn udp() -> New {
        New {
            client: Endpoint::new([203, 0, 113, 255].into(), 65535),
            vip: Endpoint::new([192, 0, 2, 100].into(), 53),
            rip: Endpoint::new([10, 1, 0, 11].into(), 5353),
            local: None,
            protocol: Protocol::Udp,
            state: State::None,
            timeout_ms: 300_000,
            forward: Forward::Nat,
            hop: FixedIx(9),
            reverse_hop: Some(FixedIx(3)),
            service: ServiceIx(7),
            backend: BackendIx(BackendIx::MOST - 1),
            generation: Generation(5),
            deltas: Deltas {
                forward: Checksums {
                    l3: Delta::new().replace_u16(1, 2),
                    l4: Delta::new().replace_u16(3, 5),
                },
                reverse: Checksums {
                    l3: Delta::new().replace_u16(2, 1),
                    l4: Delta::new().replace_u16(5, 3),
                },
            },
        }
    }

    #[test]
    fn what_is_noted_of_a_session_leaves_the_rest_as_it_is() {
        let session = Session::new(&udp(), 1000);
        let mut noted = session;
        noted.keep();
        noted.agree(Generation(6));
        noted.set_hops(FixedIx(4), None);
        assert!(session.may_go() && !noted.may_go());
        assert_eq!(session.generation(), Generation(5));
        assert_eq!(
            (noted.backend(), noted.service(), noted.generation()),
            (session.backend(), session.service(), Generation(6))
        );
        assert_eq!((noted.hop(), noted.reverse_hop()), (FixedIx(4), None));
    }

    #[test]
    fn a_session_gives_back_what_went_in() {
        let new = udp();
        let session = Session::new(&new, 1000);
        assert_eq!(
            (session.client(), session.vip(), session.rip()),
            (new.client, new.vip, new.rip)
        );
        assert_eq!(
            (session.protocol(), session.state()),
            (Protocol::Udp, State::None)
        );
        assert_eq!(
            (session.service(), session.backend()),
            (new.service, new.backend)
        );
        assert_eq!(session.deltas(), &new.deltas);
        assert!(!session.is_active() && session.may_go());
        assert_eq!(
            session.forward_key(),
            FlowKey::new(new.client, new.vip, new.protocol)
        );
        let reverse = FlowKey::new(new.rip, new.client, new.protocol);
        assert_eq!(session.reverse_key(), Some(reverse));
        assert_eq!(
            [session.forward_key(), reverse].map(|key| session.direction(&key)),
            [Some(Direction::Forward), Some(Direction::Reverse)]
        );
        let backwards = FlowKey::new(new.vip, new.client, new.protocol);
        assert_eq!(session.direction(&backwards), None);
        assert_eq!(session.hop(), new.hop);
        assert_eq!(session.reverse_hop(), new.reverse_hop);
        assert_eq!(session.local(), None);
        assert_eq!(session.remaining_ms(2000), 299_000);
        assert!(!session.is_blank() && Session::<Ipv4Addr>::blank(3).is_blank());
        let nobody = FlowKey::of_addresses([0; 4].into(), [0; 4].into());
        assert_eq!(Session::<Ipv4Addr>::blank(3).direction(&nobody), None);
    }

    #[test]
    fn a_session_is_found_from_the_backend_s_side_where_answers_pass() {
        let new = udp();
        let answer = FlowKey::new(new.rip, new.client, new.protocol);
        let direct = Session::new(
            &New {
                forward: Forward::Tun,
                reverse_hop: None,
                protocol: Protocol::Tcp,
                ..new
            },
            0,
        );
        assert_eq!(
            (direct.reverse_key(), direct.protocol()),
            (None, Protocol::Tcp)
        );
        assert_eq!(
            (direct.direction(&answer), direct.reverse_hop()),
            (None, None)
        );
        assert_eq!(
            direct.direction(&direct.forward_key()),
            Some(Direction::ForwardOnly)
        );
        assert!(direct.may_go() && !direct.is_active());

        let local = Endpoint::new([10, 1, 0, 200].into(), 2049);
        let hidden = Session::new(
            &New {
                forward: Forward::FullNat,
                local: Some(local),
                ..new
            },
            0,
        );
        let to_local = FlowKey::new(new.rip, local, new.protocol);
        assert_eq!(
            (hidden.local(), hidden.reverse_key()),
            (Some(local), Some(to_local))
        );
        assert_eq!(
            [new.client, local].map(|to| hidden.direction(&FlowKey::new(
                new.rip,
                to,
                new.protocol
            ))),
            [None, Some(Direction::Reverse)]
        );
    }
}
