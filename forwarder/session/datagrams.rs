//! Datagrams that come in fragments, which are all to go where the first one goes.

use std::net::{Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::{Family, FlowKey, FlowPorts, Hash};

/// How long a datagram is remembered: Linux's `ipfrag_time`.
pub const DATAGRAM_MS: u64 = 30_000;

/// Gaps that there may be at once between the parts of a datagram that have come.
const RUNS: usize = 16;

/// Places among which a datagram has its own.
const WAYS: usize = 8;

/// What one worker knows of the datagrams whose fragments meet at it. Where there is no room for
/// another one, the oldest of those that might have its place is forgotten.
#[derive(Debug)]
pub struct Datagrams<A: Family = Ipv4Addr> {
    places: Box<[[Option<Datagram<A>>; WAYS]]>,
    last: DatagramIx,
}

/// A datagram by a number that no other is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DatagramIx(u64);

impl DatagramIx {
    /// Before those of IPv6; those of IPv4 begin at 1, and never come to this.
    pub const BEFORE_SIX: Self = Self(1 << 63);
}

/// Fragments that wait for the first of their datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaiting {
    /// Theirs.
    pub datagram: DatagramIx,
    /// How many they are, or were.
    pub count: u16,
}

/// Which octets of a datagram's payload a fragment carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first, a multiple of 8.
    pub begin: u16,
    /// The one behind the last.
    pub end: u16,
    /// True where no further fragments follow.
    pub last: bool,
}

/// What is known of a datagram after a fragment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// What flow it belongs to.
    Known(FlowPorts),
    /// The same, which was just learned and for which these have waited.
    Awaited(Awaiting, FlowPorts),
    /// Its first fragment has not come yet.
    Waits(DatagramIx),
}

/// Why a fragment cannot be part of its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It covers what others have brought, or goes on behind the last: of a datagram like this
    /// nothing more is taken, but where it only repeats what came.
    Overlap,
    /// There are more gaps than can be kept in mind.
    Scattered,
}

#[derive(Clone, Debug)]
struct Datagram<A: Family> {
    id: FlowKey<A>,
    number: DatagramIx,
    forgotten_ms: u64,
    flow: Option<FlowPorts>,
    /// Fragments that wait for the first.
    waiting: u16,
    broken: bool,
    /// Where it ends, once the last fragment has come.
    end: Option<u16>,
    /// What has come, `begin` and `end`, in order, with a gap between each two.
    runs: ArrayVec<(u16, u16), RUNS>,
}

// As the configuration's reference tells.
const _: () = assert!(size_of::<Option<Datagram<Ipv4Addr>>>() <= 120);
const _: () = assert!(size_of::<Option<Datagram<Ipv6Addr>>>() <= 152);

impl<A: Family> Datagrams<A> {
    /// Room for `capacity` datagrams, rounded up to a multiple of 8. `before` is the number before
    /// the first that is given.
    pub fn new(capacity: u32, before: DatagramIx) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            places: (0..capacity.div_ceil(WAYS).max(1))
                .map(|_| Default::default())
                .collect(),
            last: before,
        }
    }

    /// Takes in a fragment of the datagram `id`: a key of the addresses, with the identification
    /// in place of the ports, under its hash. `flow` is what a first fragment says.
    ///
    /// # Errors
    ///
    /// Why it cannot be part of that datagram.
    pub fn join(
        &mut self,
        id: &FlowKey<A>,
        hash: Hash,
        part: Part,
        flow: Option<FlowPorts>,
        now_ms: u64,
    ) -> Result<Joined, Misfit> {
        let home = hash.home(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let home = usize::try_from(home).unwrap_or_default();
        let Some(place) = self
            .places
            .get_mut(home)
            .and_then(|ways| place(ways, id, now_ms))
        else {
            return Err(Misfit::Scattered);
        };
        let last = &mut self.last;
        let datagram = place.get_or_insert_with(|| {
            last.0 = last.0.wrapping_add(1);
            Datagram::new(*id, *last, now_ms)
        });
        datagram.add(part)?;
        let joined = match (datagram.flow, flow) {
            (None, Some(flow)) if datagram.waiting > 0 => {
                let waiting = Awaiting {
                    datagram: datagram.number,
                    count: datagram.waiting,
                };
                Joined::Awaited(waiting, flow)
            }
            (Some(flow), _) | (None, Some(flow)) => Joined::Known(flow),
            (None, None) => {
                datagram.waiting = datagram.waiting.saturating_add(1);
                Joined::Waits(datagram.number)
            }
        };
        datagram.flow = datagram.flow.or(flow);
        if datagram.is_complete() {
            *place = None;
        }
        Ok(joined)
    }
}

/// Where a datagram is, or may be put.
fn place<'a, A: Family>(
    ways: &'a mut [Option<Datagram<A>>; WAYS],
    id: &FlowKey<A>,
    now_ms: u64,
) -> Option<&'a mut Option<Datagram<A>>> {
    for way in ways.iter_mut() {
        if way.as_ref().is_some_and(|one| one.forgotten_ms <= now_ms) {
            *way = None;
        }
    }
    let known = ways
        .iter()
        .position(|way| way.as_ref().is_some_and(|one| one.id == *id));
    if let Some(known) = known {
        return ways.get_mut(known);
    }
    let age = |way: &&mut Option<Datagram<A>>| way.as_ref().map(|one| one.forgotten_ms);
    let place = ways.iter_mut().min_by_key(age)?;
    *place = None;
    Some(place)
}

impl<A: Family> Datagram<A> {
    fn new(id: FlowKey<A>, number: DatagramIx, now_ms: u64) -> Self {
        Self {
            id,
            number,
            forgotten_ms: now_ms.saturating_add(DATAGRAM_MS),
            flow: None,
            waiting: 0,
            broken: false,
            end: None,
            runs: ArrayVec::new(),
        }
    }

    /// Notes what has come. What repeats a part is told from what changes one, for networks do
    /// repeat packets: as in Linux, only the latter spoils the datagram.
    fn add(&mut self, Part { begin, end, last }: Part) -> Result<(), Misfit> {
        let repeats = self.runs.iter().any(|run| run.0 <= begin && end <= run.1);
        if self.broken || repeats {
            return Err(Misfit::Overlap);
        }
        let beyond = match self.end {
            Some(known) => end > known || last && end != known,
            None => last && self.runs.last().is_some_and(|run| run.1 > end),
        };
        let at = self.runs.partition_point(|run| run.1 < begin);
        let next = self.runs.get(at).copied();
        let behind = self.runs.get(at + 1).copied();
        // Those before end before it begins; the next may end where it begins.
        let (joins, overlaps) = match next {
            Some((_, next_end)) if next_end == begin => {
                (true, behind.is_some_and(|(begin, _)| begin < end))
            }
            Some((next_begin, _)) => (false, next_begin < end),
            None => (false, false),
        };
        if beyond || overlaps {
            self.broken = true;
            return Err(Misfit::Overlap);
        }
        self.put(at, joins, (begin, end))?;
        if last {
            self.end = Some(end);
        }
        Ok(())
    }

    /// Adds a run before that at `at`, or to its end where it `joins` it.
    fn put(&mut self, at: usize, joins: bool, (begin, end): (u16, u16)) -> Result<(), Misfit> {
        let behind = if joins { at + 1 } else { at };
        let touches = self.runs.get(behind).is_some_and(|run| run.0 == end);
        match (joins, touches) {
            (true, true) => {
                let (_, far) = self.runs.remove(behind);
                if let Some(run) = self.runs.get_mut(at) {
                    run.1 = far;
                }
            }
            (true, false) => {
                if let Some(run) = self.runs.get_mut(at) {
                    run.1 = end;
                }
            }
            (false, true) => {
                if let Some(run) = self.runs.get_mut(behind) {
                    run.0 = begin;
                }
            }
            (false, false) => {
                let run = (begin, end);
                self.runs
                    .try_insert(at, run)
                    .map_err(|_| Misfit::Scattered)?;
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.end
            .is_some_and(|end| self.runs.first() == Some(&(0, end)))
    }
}

#[cfg(test)]
mod tests;
