//! Takes a number of turns and nothing else, for callgrind to watch.

use std::hint::black_box;

use anyhow::{Result, ensure};
use clap::Args;
use weir::io::Now;

use super::{
    buffers::Buffers,
    case::Case,
    director::Spec,
    line::Bare,
    stage::{Stage, Time},
};
use crate::{site::Services, traffic::Protocol};

/// Sessions that are open.
const SESSIONS: u32 = 4096;

/// The name of the function that callgrind shall look at.
pub const WATCHED: &str = "take_turns";

#[derive(Args, Debug)]
pub struct Arguments {
    /// Which traffic
    #[arg(long)]
    case: Case,
    /// Turns of a burst each
    #[arg(long)]
    turns: u64,
    /// Only make and take back the packets, with no worker
    #[arg(long)]
    bare: bool,
}

/// Takes the turns.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { case, turns, bare } = *arguments;
    let traffic = case.traffic();
    let packets = turns * traffic.a_turn();
    let spec = Spec {
        // The size of a table changes no instruction of a pick, but the time to start.
        services: Services::usual(case.mode(), Protocol::Tcp, "Maglev, maglev_slots: 1009"),
        sessions: 2 * SESSIONS.max(u32::try_from(packets)?),
    };
    let open = if traffic.is_of_sessions() {
        SESSIONS
    } else {
        0
    };
    let mut stage = Stage::new(&spec, open, Time::Virtual(Now::default()), &Buffers)?;
    if bare {
        let mut bare = Bare::new(&Buffers);
        stage.start(traffic, &bare.taps, turns);
        take_turns(turns, || bare.turn());
        return Ok(());
    }
    // Buffers are made before it counts.
    stage.start_worker(traffic, 4);
    while stage.turn() > 0 {}
    let before = stage.right(traffic);
    stage.start_worker(traffic, turns);
    take_turns(turns, || stage.turn());
    let right = stage.right(traffic) - before;
    ensure!(
        right == packets,
        "{}: of {packets} packets only {right} went where they should",
        case.name()
    );
    Ok(())
}

#[inline(never)]
fn take_turns(turns: u64, mut turn: impl FnMut() -> usize) {
    for _ in 0..turns {
        black_box(turn());
    }
}
