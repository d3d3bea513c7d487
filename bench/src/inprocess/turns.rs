//! Takes a number of turns and nothing else, for callgrind to watch.

use std::hint::black_box;

use anyhow::Result;
use clap::Args;
use weir::io::Now;

use super::{
    buffers::Buffers,
    case::{Case, Stage, Time},
    director::Spec,
    line::Bare,
};

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
    let spec = Spec {
        mode: case.mode(),
        sessions: (2 * SESSIONS).max(u32::try_from(2 * turns * case.a_turn()).unwrap_or(u32::MAX)),
        // Their number changes no instruction of a pick, but the time to start under callgrind.
        maglev_slots: 1009,
    };
    let mut stage = Stage::new(
        case,
        spec,
        SESSIONS,
        Time::Virtual(Now::default()),
        &Buffers,
    )?;
    let packets = turns * case.a_turn();
    if bare {
        let mut bare = Bare::new(&Buffers);
        stage.start(&bare.taps, turns);
        take_turns(turns, || bare.turn());
    } else {
        // Buffers are made, and branches taken, before it counts.
        stage.start_worker(4);
        while stage.turn() > 0 {}
        let before = stage.right();
        stage.start_worker(turns);
        take_turns(turns, || stage.turn());
        stage.check(packets, stage.right() - before)?;
    }
    Ok(())
}

#[inline(never)]
fn take_turns(turns: u64, mut turn: impl FnMut() -> usize) {
    for _ in 0..turns {
        black_box(turn());
    }
}
