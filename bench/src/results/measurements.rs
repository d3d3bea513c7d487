//! What is measured for the page.

/// A run of this program.
pub(super) struct Measurement {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [&'static str],
    /// What is added where it has to be quick.
    pub(super) quick: &'static [&'static str],
    /// Whether it measures a binary of weir, and not what is built into this program.
    pub(super) of_binary: bool,
    /// Its picture, if it makes one.
    pub(super) picture: Option<&'static str>,
}

const fn measurement(
    name: &'static str,
    arguments: &'static [&'static str],
    quick: &'static [&'static str],
) -> Measurement {
    Measurement {
        name,
        arguments,
        quick,
        of_binary: false,
        picture: None,
    }
}

impl Measurement {
    const fn of_binary(self) -> Self {
        Self {
            of_binary: true,
            ..self
        }
    }

    const fn drawn(self, picture: &'static str) -> Self {
        Self {
            picture: Some(picture),
            ..self
        }
    }
}

/// In the order of the page. Those that need no hugepages and no second core come last.
pub(super) const MEASUREMENTS: [Measurement; 11] = [
    measurement(
        "vdev",
        &["vdev"],
        &["--sizes", "64", "--starts", "1", "--rounds", "4"],
    )
    .of_binary()
    .drawn("vdev.svg"),
    measurement(
        "vdev-wlc",
        &[
            "vdev",
            "--scheduler",
            "WeightedLeastConnections",
            "--modes",
            "dr,tun,nat,full-nat",
            "--sizes",
            "64",
        ],
        &["--flows", "256,4096", "--starts", "1", "--rounds", "4"],
    )
    .of_binary(),
    measurement(
        "path",
        &["path", "--sessions", "4096,65536,1048576,10000000"],
        &["--rounds", "6"],
    )
    .drawn("path.svg"),
    measurement("sessions", &["sessions"], &["--rounds", "4"]),
    measurement("flood", &["flood"], &["--rounds", "6"]),
    measurement(
        "reload",
        &["reload"],
        &["--changed", "1,10", "--rounds", "4", "--turn-ms", "3000"],
    ),
    measurement("scale", &["scale"], &["--starts", "1"]).of_binary(),
    measurement(
        "ndr",
        &["ndr", "--modes", "dr,tun,nat,full-nat"],
        &["--rounds", "2", "--trial-ms", "300"],
    )
    .of_binary(),
    measurement("latency", &["latency"], &["--rounds", "4"])
        .of_binary()
        .drawn("latency.svg"),
    measurement("e2e", &["e2e"], &["--rounds", "2", "--seconds", "2"]).of_binary(),
    measurement("instructions", &["instructions", "--by", "step"], &[]),
];
