use super::*;

const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const BELOW: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ABOVE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

const V2: Settings = Settings {
    version: Version::V2,
    priority: 100,
    interval_ms: 1000,
    preempt: true,
    preempt_delay_ms: 0,
    address: US,
};
const V3: Settings = Settings {
    version: Version::V3,
    interval_ms: 100,
    ..V2
};

/// What happens to a machine: milliseconds since the start, and what.
enum Input {
    /// From, priority, interval in milliseconds.
    Hear(Ipv4Addr, u8, u64),
    Fault(bool),
    Stop,
}

use Input::{Fault, Hear, Stop};
use Output::{Advert, Announce, Became};
use State::{Backup, Master};

fn begun(settings: Settings, now: Now) -> Machine {
    let mut machine = Machine::new(settings);
    machine.begin(now);
    machine
}

/// Runs a machine through inputs until `end_ms`, doing what is due when it is due, and returns
/// what it wanted done with the microsecond of it.
fn run(settings: Settings, inputs: &[(u64, Input)], end_ms: u64) -> Vec<(u64, Output)> {
    let start = Now::from_ms(5000);
    let mut machine = begun(settings, start);
    let mut done = Vec::new();
    let mut note = |machine: &mut Machine, now: Now| {
        while let Some(output) = machine.next_output() {
            done.push(((now.ns - start.ns) / 1000, output));
        }
    };
    note(&mut machine, start);
    let ends = [(end_ms, &Stop)];
    let timed = inputs.iter().map(|(ms, input)| (*ms, input));
    for (ms, input) in timed.chain(ends) {
        let now = Now::from_ms(start.ms() + ms);
        while let Some(due) = machine.poll_timeout().filter(|due| *due < now) {
            machine.handle_timeout(due);
            note(&mut machine, due);
        }
        if ms == end_ms {
            break;
        }
        match *input {
            Hear(from, priority, interval_ms) => machine.hear(
                Heard {
                    from,
                    priority,
                    interval_ms,
                },
                now,
            ),
            Fault(fault) => machine.set_fault(fault, now),
            Stop => machine.stop(),
        }
        note(&mut machine, now);
    }
    done
}

/// The first time it becomes this, in microseconds.
fn becomes(state: State, settings: Settings, inputs: &[(u64, Input)]) -> Option<u64> {
    let done = run(settings, inputs, 100_000);
    let became = done.iter().find(|(_, output)| *output == Became(state));
    became.map(|(us, _)| *us)
}

#[test]
fn a_silent_master_is_given_up_to_the_microsecond_of_the_formula() {
    // Three intervals and (256 - priority) / 256 of a second, or of the interval in version 3.
    let heard = |ms, interval| vec![(ms, Hear(ABOVE, 200, interval))];
    for (settings, inputs, us) in [
        (V2, vec![], 3_609_375),
        (
            Settings {
                priority: 254,
                ..V2
            },
            vec![],
            3_007_812,
        ),
        (Settings { priority: 1, ..V2 }, vec![], 3_996_093),
        (V3, vec![], 360_937),
        (V2, heard(500, 1000), 4_109_375),
        // Version 3 learns the master's interval, version 2 goes by its own.
        (V3, heard(50, 1000), 50_000 + 3_609_375),
        (V2, heard(50, 9000), 50_000 + 3_609_375),
        (V3, heard(300, 30), 300_000 + 108_281),
    ] {
        assert_eq!(becomes(Master, settings, &inputs), Some(us), "{settings:?}");
    }
}

#[test]
fn an_owner_is_master_at_once() {
    let owner = Settings {
        priority: 255,
        ..V3
    };
    let done = run(owner, &[], 150);
    let expected = [
        (0, Advert(255)),
        (0, Became(Master)),
        (100_000, Advert(255)),
    ];
    assert_eq!(done, expected);
}

#[test]
fn who_resigns_is_followed_within_the_skew() {
    let resigns = [(500, Hear(ABOVE, 200, 1000)), (1000, Hear(ABOVE, 0, 1000))];
    assert_eq!(becomes(Master, V2, &resigns), Some(1_609_375));
    assert_eq!(
        becomes(Master, V3, &resigns),
        Some(360_937),
        "had not learned of one"
    );
    let resigns = [(50, Hear(ABOVE, 200, 100)), (100, Hear(ABOVE, 0, 100))];
    assert_eq!(becomes(Master, V3, &resigns), Some(160_937));
}

/// Adverts of another, one a second.
fn adverts(from: Ipv4Addr, priority: u8, seconds: u64) -> Vec<(u64, Input)> {
    let one = |second| (second * 1000 + 500, Hear(from, priority, 1000));
    (0..seconds).map(one).collect()
}

#[test]
fn who_takes_over_from_whom() {
    let never = Settings {
        preempt: false,
        ..V2
    };
    let later = Settings {
        preempt_delay_ms: 20_000,
        ..V2
    };
    for (settings, priority, us) in [
        // Equals and betters are left alone as long as they speak, the last time at 49.5 s.
        (V2, 100, 49_500_000 + 3_609_375),
        (V2, 101, 49_500_000 + 3_609_375),
        (V2, 99, 3_609_375),
        (never, 99, 49_500_000 + 3_609_375),
        // The delay begins with the first advert, at 0.5 s; the last one within it is at 19.5 s.
        (later, 99, 19_500_000 + 3_609_375),
    ] {
        let heard = adverts(BELOW, priority, 50);
        assert_eq!(becomes(Master, settings, &heard), Some(us), "{settings:?}");
    }
}

#[test]
fn a_better_master_ends_the_patience_with_a_worse_one() {
    let later = Settings {
        preempt_delay_ms: 2000,
        ..V2
    };
    let mut heard = adverts(BELOW, 99, 2);
    heard.extend([
        (2500, Hear(ABOVE, 200, 1000)),
        (3500, Hear(BELOW, 99, 1000)),
    ]);
    assert_eq!(becomes(Master, later, &heard), Some(3_500_000 + 3_609_375));
}

/// What a master, who is that since 3609 ms, does about this advert.
fn answer(from: Ipv4Addr, priority: u8) -> Vec<(u64, Output)> {
    let mut done = run(V2, &[(4000, Hear(from, priority, 1000))], 4500);
    done.drain(..2);
    done
}

#[test]
fn a_master_answers_the_worse_and_gives_way_to_the_better() {
    let stays = [(4_000_000, Advert(100)), (4_000_000, Announce)];
    let goes = [(4_000_000, Became(Backup))];
    assert_eq!(answer(ABOVE, 99), stays);
    assert_eq!(answer(BELOW, 100), stays, "equal, and the lower address");
    assert_eq!(answer(ABOVE, 100), goes, "equal, and the higher address");
    assert_eq!(answer(BELOW, 101), goes);
    assert_eq!(answer(ABOVE, 0), [(4_000_000, Advert(100))]);
}

#[test]
fn a_master_that_ends_or_fails_says_so_and_a_backup_need_not() {
    let owner = Settings {
        priority: 255,
        ..V2
    };
    for (input, state) in [(Stop, State::Stopped), (Fault(true), State::Fault)] {
        let done = run(owner, &[(100, input)], 5000);
        assert_eq!(done[2..], [(100_000, Advert(0)), (100_000, Became(state))]);
    }
    let done = run(V2, &[(100, Stop)], 5000);
    assert_eq!(done, [(100_000, Became(State::Stopped))]);
}

#[test]
fn after_a_fault_it_listens_first_and_meanwhile_to_nobody() {
    let inputs = [
        (100, Fault(true)),
        (200, Fault(true)),
        (300, Hear(ABOVE, 0, 1000)),
        (10_000, Fault(false)),
    ];
    let done = run(V2, &inputs, 14_000);
    let expected = [
        (100_000, Became(State::Fault)),
        (10_000_000, Became(Backup)),
        (13_609_375, Advert(100)),
        (13_609_375, Became(Master)),
    ];
    assert_eq!(done, expected);
}

#[test]
fn adverts_come_by_the_clock_however_late_each_one_is() {
    let owner = Settings {
        priority: 255,
        ..V3
    };
    let mut machine = begun(owner, Now::from_ms(0));
    for turn in 1..=10 {
        machine.handle_timeout(Now::from_ms(turn * 100 + 7));
    }
    assert_eq!(machine.poll_timeout(), Some(Now::from_ms(1100)));
}

#[test]
fn a_master_that_was_asleep_listens_before_it_speaks() {
    let owner = Settings {
        priority: 255,
        ..V3
    };
    let state_after = |ms| {
        let mut machine = begun(owner, Now::from_ms(0));
        while machine.next_output().is_some() {}
        machine.handle_timeout(Now::from_ms(ms));
        (machine.state(), machine.next_output())
    };
    // An advert is due at 100 ms; the others wait for 300 ms and more.
    assert_eq!(state_after(300), (Master, Some(Advert(255))));
    assert_eq!(state_after(301), (Backup, Some(Became(Backup))));
}
