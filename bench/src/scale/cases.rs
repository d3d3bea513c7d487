//! Who is compared with whom, and what one turn comes to.

use crate::{abba::real, dut::Lap};

/// Who has what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// testpmd io on so many cores.
    Testpmd(usize),
    /// weir with one worker.
    One,
    /// Two workers, each of which receives what is its own.
    Own,
    /// Two workers, each of which receives what is the other's.
    HandedOver,
}

pub(super) const CASES: [Case; 5] = [
    Case::Testpmd(1),
    Case::Testpmd(2),
    Case::One,
    Case::Own,
    Case::HandedOver,
];

/// What one turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figure {
    /// Millions of packets that the workers would send in a second, each alone on its core.
    pub(super) mpps: f64,
    /// On-CPU nanoseconds of all workers for each packet sent.
    pub(super) ns_per_packet: f64,
    /// Per cent of the packets received that were not sent.
    pub(super) lost_percent: f64,
}

impl Case {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Testpmd(_) => "testpmd io",
            Self::One => "weir",
            Self::Own => "weir, own packets",
            Self::HandedOver => "weir, all handed over",
        }
    }

    pub(super) fn workers(self) -> usize {
        match self {
            Self::Testpmd(workers) => workers,
            Self::One => 1,
            Self::Own | Self::HandedOver => 2,
        }
    }

    /// The case with one worker that this is held against.
    pub(super) fn one(self) -> Self {
        match self {
            Self::Testpmd(_) => Self::Testpmd(1),
            Self::One | Self::Own | Self::HandedOver => Self::One,
        }
    }

    /// Whether the workers received what this case wants: all flows of a queue have one owner, so
    /// each hands over everything or nothing.
    pub(super) fn wants(self, laps: &[Lap]) -> bool {
        laps.iter().all(|lap| match self {
            Self::Testpmd(_) | Self::One => true,
            Self::Own => lap.counts.handed_over == 0,
            Self::HandedOver => lap.counts.handed_over > 0,
        })
    }
}

impl Figure {
    /// None where nothing was sent.
    pub(super) fn of(laps: &[Lap]) -> Option<Self> {
        let sum = |of: fn(&Lap) -> u64| real(laps.iter().map(of).sum());
        let sent = sum(|lap| lap.counts.sent);
        let rate = |lap: &Lap| real(lap.counts.sent) / real(lap.on_cpu_ns);
        (sent > 0.0).then(|| Self {
            mpps: laps.iter().map(rate).sum::<f64>() * 1000.0,
            ns_per_packet: sum(|lap| lap.on_cpu_ns) / sent,
            lost_percent: (1.0 - sent / sum(|lap| lap.counts.received)).max(0.0) * 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Figure};
    use crate::dut::{Counts, Lap};

    fn lap(on_cpu_ns: u64, received: u64, sent: u64, handed_over: u64) -> Lap {
        let counts = Counts {
            received,
            sent,
            handed_over,
            ..Counts::default()
        };
        Lap { on_cpu_ns, counts }
    }

    #[test]
    fn each_worker_counts_by_its_own_time() {
        // The second worker had its core for half the time only.
        let laps = [
            lap(1_000_000, 20_000, 20_000, 0),
            lap(500_000, 10_000, 10_000, 0),
        ];
        let figure = Figure::of(&laps).unwrap();
        assert!((figure.mpps - 40.0).abs() < 1e-9);
        assert!((figure.ns_per_packet - 50.0).abs() < 1e-9);
        assert!(figure.lost_percent.abs() < 1e-9);
        assert_eq!(Figure::of(&[lap(1, 0, 0, 0)]), None);
    }

    #[test]
    fn a_start_is_what_both_workers_say() {
        let own = lap(1, 100, 100, 0);
        let others = lap(1, 100, 100, 100);
        assert!(Case::Own.wants(&[own, own]));
        assert!(!Case::Own.wants(&[own, others]));
        assert!(Case::HandedOver.wants(&[others, others]));
        assert!(!Case::HandedOver.wants(&[own, others]));
    }
}
