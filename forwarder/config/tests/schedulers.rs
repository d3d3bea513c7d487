use sched::Method;

use super::*;

fn service(written: &str) -> Result<Checked, Refused> {
    let scheduler = format!("forward: Nat, scheduler: {written},");
    parsed(&with("forward: Nat,", &scheduler))
}

fn scheduler(written: &str) -> Scheduler {
    service(written).unwrap().config.services[0].scheduler
}

const MAGLEV: Method = Method::Maglev {
    slots: 65_537,
    seed: 0,
    balance_factor: None,
};

#[test]
fn short_and_long_names_mean_the_same() {
    use Method as M;
    let with_replication = M::LocalityBasedLeastConnectionsWithReplication;
    for (short, long, method) in [
        ("rr", "RoundRobin", M::RoundRobin),
        ("wrr", "WeightedRoundRobin", M::WeightedRoundRobin),
        ("lc", "LeastConnections", M::LeastConnections),
        (
            "wlc",
            "WeightedLeastConnections",
            M::WeightedLeastConnections,
        ),
        ("sed", "ShortestExpectedDelay", M::ShortestExpectedDelay),
        ("nq", "NeverQueue", M::NeverQueue),
        ("fo", "WeightedFailover", M::WeightedFailover),
        ("ovf", "WeightedOverflow", M::WeightedOverflow),
        (
            "lblc",
            "LocalityBasedLeastConnections",
            M::LocalityBasedLeastConnections,
        ),
        (
            "lblcr",
            "LocalityBasedLeastConnectionsWithReplication",
            with_replication,
        ),
        ("sh", "SourceHashing", M::SourceHashing { fallback: false }),
        ("dh", "DestinationHashing", M::DestinationHashing),
        ("mh", "Maglev", MAGLEV),
        ("twos", "TwoRandomChoices", M::Random { draws: 2 }),
        ("random", "Random", M::Random { draws: 2 }),
        ("first", "First", M::First),
        ("static_rr", "StaticRoundRobin", M::StaticRoundRobin),
    ] {
        let of_short = scheduler(short);
        assert_eq!(of_short, scheduler(long));
        assert_eq!(of_short.name.replace('-', "_"), short);
        assert_eq!(of_short.method, method);
    }
}

#[test]
fn options_are_of_their_schedulers() {
    let with_all = "mh, maglev_slots: 251, hash_port: true, seed: 0xffff_ffff_ffff_ffff, \
                    balance_factor: 125";
    let maglev = Scheduler {
        name: "mh",
        method: Method::Maglev {
            slots: 251,
            seed: u64::MAX,
            balance_factor: Some(125),
        },
        hash_port: true,
        seed: u64::MAX,
    };
    assert_eq!(scheduler(with_all), maglev);
    let source = Scheduler {
        name: "sh",
        method: Method::SourceHashing { fallback: true },
        hash_port: true,
        seed: 7,
    };
    let with_all = "sh, fallback: true, hash_port: true, seed: 7";
    assert_eq!(scheduler(with_all), source);
    let three = Method::Random { draws: 3 };
    assert_eq!(scheduler("Random, draws: 3").method, three);
    let each_flow_is_drawn_for = scheduler("random").hash_port && scheduler("twos").hash_port;
    assert!(each_flow_is_drawn_for);
}

#[test]
fn what_fills_one_backend_after_the_other_never_does_so_with_udp() {
    let udp = |scheduler: &str| {
        let text = with(
            "forward: Nat,",
            &format!("forward: Nat, scheduler: {scheduler},"),
        );
        let text = text.replace("protocol: Tcp", "protocol: Udp");
        let warnings = parsed(&text).unwrap().warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        udp("ovf"),
        ["f:11:93: UDP sessions are never active, so `ovf` gives all of them to one backend"]
    );
    assert_eq!(
        udp("First"),
        ["f:11:93: UDP sessions are never active, so `First` gives all of them to one backend"]
    );
    assert_eq!(udp("wlc"), [""; 0]);
    assert_eq!(service("First").unwrap().warnings, []);
}
