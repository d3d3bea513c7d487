//! How much passes a second, smoothed as IPVS smooths it: every two seconds a quarter of the
//! difference to what these two seconds had is taken over.

use super::{threads::Seen, views};
use crate::{io::Now, session::BackendIx};

/// Between two looks at a backend.
const PERIOD_NS: u64 = 2_000_000_000;

/// Backends looked at in one turn of the management thread, lest ARP wait for many of them.
const BACKENDS_A_TURN: usize = 1024;

/// Connections, packets in and out, octets in and out.
type Five = [u64; 5];

/// Binary places behind the point of each of the five.
const PLACES: [u32; 5] = [10, 10, 10, 5, 5];

/// The rates of all backends.
#[derive(Debug, Default)]
pub struct Estimator {
    /// By [`BackendIx`].
    backends: Vec<Backend>,
    /// The backend to go on with; none between two rounds.
    from: Option<usize>,
    due: Now,
}

#[derive(Clone, Copy, Debug, Default)]
struct Backend {
    counted: Five,
    rate: Rate,
}

/// A rate with binary places. Rates of backends may be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate(Five);

impl Estimator {
    /// Looks at some of the backends, where it is time to; `backends` is one more than the highest
    /// number.
    pub fn turn(&mut self, backends: impl FnOnce() -> usize, workers: &[Seen], now: Now) {
        if self.from.is_none() && now >= self.due {
            self.due = Now {
                ns: now.ns.saturating_add(PERIOD_NS),
            };
            self.backends.resize(backends(), Backend::default());
            self.from = Some(0);
        }
        let Some(from) = self.from else { return };
        let end = self.backends.len().min(from + BACKENDS_A_TURN);
        let some = self.backends.iter_mut().enumerate();
        for (ix, backend) in some.take(end).skip(from) {
            backend.look(counted(ix, workers));
        }
        self.from = (end < self.backends.len()).then_some(end);
    }

    /// The rate of a backend; zero where it has not been looked at.
    pub fn rate(&self, backend: usize) -> Rate {
        self.backends
            .get(backend)
            .map_or_else(Rate::default, |backend| backend.rate)
    }

    /// Lets a backend's rate begin anew.
    pub fn zero(&mut self, backend: usize) {
        if let Some(backend) = self.backends.get_mut(backend) {
            backend.rate = Rate::default();
        }
    }
}

impl Backend {
    fn look(&mut self, counted: Five) {
        let Self {
            counted: last,
            rate,
        } = self;
        for (at, places) in PLACES.into_iter().enumerate() {
            let passed = counted[at].saturating_sub(last[at]);
            // Half of it was in each second.
            let seen = passed << (places - 1);
            let rate = &mut rate.0[at];
            *rate = if seen < *rate {
                // Rounds away from zero, as the kernel's arithmetic shift of a negative does.
                *rate - (*rate - seen).div_ceil(4)
            } else {
                *rate + (seen - *rate) / 4
            };
        }
        *last = counted;
    }
}

impl std::ops::AddAssign for Rate {
    fn add_assign(&mut self, other: Self) {
        for (rate, other) in self.0.iter_mut().zip(other.0) {
            *rate += other;
        }
    }
}

impl From<Rate> for views::Rates {
    fn from(Rate(rate): Rate) -> Self {
        let of = |at: usize| (rate[at] + (1 << (PLACES[at] - 1)) - 1) >> PLACES[at];
        Self {
            connections: of(0),
            in_packets: of(1),
            out_packets: of(2),
            in_octets: of(3),
            out_octets: of(4),
        }
    }
}

/// What all workers have counted of a backend.
fn counted(ix: usize, workers: &[Seen]) -> Five {
    let mut all = Five::default();
    let Ok(ix) = u32::try_from(ix).map(BackendIx) else {
        return all;
    };
    let counters = workers.iter().filter_map(|seen| seen.counters.backend(ix));
    for backend in counters {
        let (forward, reverse) = (&backend.forward, &backend.reverse);
        let counters = [
            &backend.connections,
            &forward.frames,
            &reverse.frames,
            &forward.octets,
            &reverse.octets,
        ];
        for (all, counter) in all.iter_mut().zip(counters) {
            *all += counter.get();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::path::Counters;

    fn seen(counters: &Arc<Counters>) -> Seen {
        let counts = Arc::default();
        Seen::simulated(1, Arc::clone(counters), counts, Arc::default())
    }

    fn shown(estimator: &Estimator, backend: usize) -> [u64; 3] {
        let rates = views::Rates::from(estimator.rate(backend));
        [rates.connections, rates.in_packets, rates.in_octets]
    }

    /// The numbers are those of the kernel's formula, by hand: 2 s of 1000 packets a second are
    /// 2000 << 9, of which a quarter is 256,000, which is 250 with 10 places.
    #[test]
    fn a_quarter_of_the_difference_is_taken_over() {
        let counters = Arc::new(Counters::new(1, 2));
        let workers = [seen(&counters), seen(&Arc::new(Counters::new(1, 2)))];
        let mut estimator = Estimator::default();
        estimator.turn(|| 2, &workers, Now::from_ms(0));
        let backend = counters.backend(BackendIx(1)).unwrap();
        backend.connections.add(20);
        backend.forward.frames.add(2_000);
        backend.forward.octets.add(128_000);
        estimator.turn(|| 2, &workers, Now::from_ms(1_999));
        assert_eq!(shown(&estimator, 1), [0, 0, 0]);
        estimator.turn(|| 2, &workers, Now::from_ms(2_000));
        assert_eq!(shown(&estimator, 1), [2, 250, 16_000]);
        assert_eq!(shown(&estimator, 0), [0, 0, 0]);
        estimator.turn(|| 2, &workers, Now::from_ms(4_000));
        assert_eq!(shown(&estimator, 1), [2, 187, 12_000]);
        estimator.zero(1);
        assert_eq!(shown(&estimator, 1), [0, 0, 0]);
        assert_eq!(shown(&estimator, 7), [0, 0, 0]);
    }

    #[test]
    fn a_steady_rate_is_met_and_forgotten() {
        let counters = Arc::new(Counters::new(1, 1));
        let workers = [seen(&counters)];
        let mut estimator = Estimator::default();
        for second in 0..60 {
            counters
                .backend(BackendIx(0))
                .unwrap()
                .forward
                .frames
                .add(500);
            estimator.turn(|| 1, &workers, Now::from_ms(second * 1000));
        }
        assert!((495..=500).contains(&shown(&estimator, 0)[1]));
        for second in 60..200 {
            estimator.turn(|| 1, &workers, Now::from_ms(second * 1000));
        }
        assert_eq!(shown(&estimator, 0), [0, 0, 0]);
    }

    #[test]
    fn many_backends_take_several_turns() {
        let counters = Arc::new(Counters::new(1, 3_000));
        let workers = [seen(&counters)];
        let last = counters.backend(BackendIx(2_999)).unwrap();
        let mut estimator = Estimator::default();
        (0..3).for_each(|ms| estimator.turn(|| 3_000, &workers, Now::from_ms(ms)));
        last.connections.add(80);
        for (ms, expected) in [(2_000, 0), (2_001, 0), (2_002, 10)] {
            estimator.turn(|| 3_000, &workers, Now::from_ms(ms));
            assert_eq!(shown(&estimator, 2_999)[0], expected);
        }
    }
}
