//! The numbers to reach, and what is measured for each.

use crate::report::Cell;

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct Goal {
    /// What is measured.
    pub(super) case: &'static str,
    /// What the best known peers take for it.
    pub(super) peers: &'static str,
    /// What is to be reached.
    pub(super) target: Target,
    /// What the figures are in.
    pub(super) unit: &'static str,
    /// Where the figures are: the worst of them counts.
    pub(super) figures: Vec<Figure>,
    /// The case of `instructions` that says what such a packet takes.
    pub(super) profile: Option<&'static str>,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing in particular; the peer's figure is there to be held against.
    Known,
}

/// A figure of a report, and the peer's.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The name of the measurement.
    pub(super) of: &'static str,
    /// What the row has in other columns.
    pub(super) row: Vec<(&'static str, Cell)>,
    /// The column.
    pub(super) column: &'static str,
    /// What the best peer takes for the same.
    pub(super) peer: Option<f64>,
}

/// All of them, in the order of the table.
pub(super) fn goals() -> Vec<Goal> {
    let mut goals = on_a_driver();
    goals.extend(on_a_driver_beside());
    goals.extend(established());
    goals.extend(new_sessions());
    goals.extend(with_two_workers());
    goals
}

fn on_a_driver() -> Vec<Goal> {
    let few = [1, 256, 4096];
    let many = [32_768];
    let ns = |case, peers, most, figures| at_most(case, peers, most, "ns", figures);
    vec![
        ns(
            "`vdev` DR, 1 to 4,096 flows",
            "DPVS 66-83",
            8.0,
            vdev("dr", &few, &[66.0, 70.0, 83.0]),
        )
        .with_profile("dr"),
        ns(
            "`vdev` TUN, 1 to 4,096 flows",
            "DPVS 88-110, Katran 106-113",
            10.0,
            vdev("tun", &few, &[88.0, 93.0, 110.0]),
        )
        .with_profile("tun"),
        ns(
            "`vdev` NAT, one way, 1 to 4,096 flows",
            "DPVS 97-122",
            11.0,
            vdev("nat", &few, &[100.0, 97.0, 122.0]),
        )
        .with_profile("nat-forward"),
        ns(
            "`vdev` DR, 32,768 flows",
            "DPVS 109",
            10.0,
            vdev("dr", &many, &[109.0]),
        )
        .with_profile("dr"),
        ns(
            "`vdev` TUN, 32,768 flows",
            "DPVS 143",
            12.0,
            vdev("tun", &many, &[143.0]),
        )
        .with_profile("tun"),
        ns(
            "`vdev` NAT, 32,768 flows",
            "DPVS 172",
            13.0,
            vdev("nat", &many, &[172.0]),
        )
        .with_profile("nat-forward"),
        ns(
            "`vdev`, a packet for no service",
            "DPVS 40-51, Katran 46",
            6.0,
            [
                vdev("no-service", &[1, 4096], &[40.0, 42.0]),
                vdev("no-service", &many, &[46.0]),
            ]
            .concat(),
        )
        .with_profile("no-service"),
    ]
}

/// What peers can, and no goal names.
fn on_a_driver_beside() -> Vec<Goal> {
    vec![
        at_most(
            "`vdev` FULLNAT, one way, 1 to 4,096 flows",
            "DPVS 99-129",
            0.0,
            "ns",
            vdev("full-nat", &[1, 256, 4096], &[99.0, 105.0, 129.0]),
        )
        .known(),
        at_most(
            "`vdev` FULLNAT, 32,768 flows",
            "DPVS 177",
            0.0,
            "ns",
            vdev("full-nat", &[32_768], &[177.0]),
        )
        .known(),
    ]
}

/// At 64 octets, for each number of flows.
fn vdev(mode: &'static str, flows: &[u64], peers: &[f64]) -> Vec<Figure> {
    let figure = |(flows, peer): (&u64, &f64)| Figure {
        of: "vdev",
        row: vec![
            ("mode", mode.into()),
            ("flows", (*flows).into()),
            ("octets", 64.into()),
        ],
        column: "balancing_ns",
        peer: Some(*peer),
    };
    flows.iter().zip(peers).map(figure).collect()
}

/// A goal that is reached by at most so many.
fn at_most(
    case: &'static str,
    peers: &'static str,
    most: f64,
    unit: &'static str,
    figures: Vec<Figure>,
) -> Goal {
    Goal {
        case,
        peers,
        target: Target::AtMost(most),
        unit,
        figures,
        profile: None,
    }
}

impl Goal {
    fn with_profile(self, case: &'static str) -> Self {
        Self {
            profile: Some(case),
            ..self
        }
    }

    /// The same without anything to reach.
    fn known(self) -> Self {
        Self {
            target: Target::Known,
            ..self
        }
    }
}

fn established() -> Vec<Goal> {
    let million = 1_048_576;
    vec![
        at_most(
            "`path` DR and TUN, 1,048,576 sessions",
            "Katran 250-310; a bare loop 16",
            22.0,
            "ns",
            vec![path("dr", million, None), path("tun", million, Some(250.0))],
        )
        .with_profile("tun"),
        at_most(
            "`path` NAT, 1,048,576 sessions, both directions mixed",
            "-",
            28.0,
            "ns",
            vec![path("nat-both", million, None)],
        )
        .with_profile("nat-both"),
        at_most(
            "`path` NAT, 10 million sessions",
            "-",
            40.0,
            "ns",
            vec![
                path("nat-forward", 10_000_000, None),
                path("nat-both", 10_000_000, None),
            ],
        )
        .with_profile("nat-both"),
    ]
}

fn new_sessions() -> Vec<Goal> {
    vec![
        at_most(
            "every packet a new session, DR",
            "DPVS 134, Katran 400-785",
            40.0,
            "ns",
            sessions("new-dr", "net_ns", Some(134.0)),
        )
        .with_profile("new-dr"),
        at_most(
            "every packet a new session, NAT",
            "-",
            60.0,
            "ns",
            sessions("new-nat", "net_ns", None),
        )
        .with_profile("new-nat"),
        at_most(
            "every packet a new session, FULLNAT",
            "DPVS 259",
            0.0,
            "ns",
            sessions("new-full-nat", "net_ns", Some(259.0)),
        )
        .known(),
        at_most(
            "memory a session, DR, index and all included",
            "Katran 120, DPVS 576",
            80.0,
            "octets",
            sessions("new-dr", "octets_per_session", Some(120.0)),
        ),
        at_most(
            "memory a session, NAT, index and all included",
            "DPVS 576",
            96.0,
            "octets",
            sessions("new-nat", "octets_per_session", Some(576.0)),
        ),
        at_most(
            "established flows beside a SYN flood, table full",
            "-",
            1.5,
            "times",
            vec![Figure {
                of: "flood",
                row: Vec::new(),
                column: "ratio",
                peer: None,
            }],
        ),
    ]
}

fn path(case: &'static str, sessions: u64, peer: Option<f64>) -> Figure {
    Figure {
        of: "path",
        row: vec![("case", case.into()), ("sessions", sessions.into())],
        column: "net_ns",
        peer,
    }
}

/// In tables of every size.
fn sessions(case: &'static str, column: &'static str, peer: Option<f64>) -> Vec<Figure> {
    vec![Figure {
        of: "sessions",
        row: vec![("case", case.into())],
        column,
        peer,
    }]
}

fn reload(column: &'static str) -> Vec<Figure> {
    vec![Figure {
        of: "reload",
        row: vec![("publishing", "yes".into())],
        column,
        peer: None,
    }]
}

fn with_two_workers() -> Vec<Goal> {
    let scale = |program: &'static str, column| {
        vec![Figure {
            of: "scale",
            row: vec![("program", program.into())],
            column,
            peer: None,
        }]
    };
    vec![
        Goal {
            case: "two workers without hand-over, beside one",
            peers: "-",
            target: Target::AtLeast(1.9),
            unit: "times",
            figures: scale("weir, own packets", "times_one"),
            profile: None,
        },
        Goal {
            case: "hand-over of a frame",
            peers: "-",
            target: Target::AtMost(15.0),
            unit: "ns",
            figures: scale("weir, all handed over", "hand_over_ns"),
            profile: None,
        },
        at_most(
            "frames lost by publishing at full load, beyond those lost without",
            "-",
            0.0,
            "frames",
            reload("lost_more"),
        ),
        at_most(
            "pauses over 50 us a minute by publishing, beyond those without",
            "-",
            0.0,
            "pauses",
            reload("pauses_more"),
        ),
    ]
}
