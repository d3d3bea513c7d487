//! Workers and drops: where frames went.

use std::{
    cmp::Reverse,
    io::{self, Write},
};

use super::{
    Even::{Left, Right},
    columns,
};
use crate::control::views::{Drop, Worker};

/// Reasons that have occurred, the most frequent first.
pub(in crate::cli) fn drops(out: &mut impl Write, mut drops: Vec<Drop>) -> io::Result<()> {
    drops.retain(|drop| drop.packets > 0);
    drops.sort_by_key(|drop| Reverse(drop.packets));
    let row = |drop: Drop| {
        [
            drop.packets.to_string(),
            drop.layer,
            drop.reason,
            drop.description,
        ]
    };
    let rows: Vec<_> = drops.into_iter().map(row).collect();
    let heads = [
        (Right, "Packets"),
        (Left, "Layer"),
        (Left, "Reason"),
        (Left, "Description"),
    ];
    columns(out, heads, &rows)
}

/// How busy each worker is and where its frames went.
pub(in crate::cli) fn workers(out: &mut impl Write, workers: &[Worker]) -> io::Result<()> {
    let row = |worker: &Worker| {
        [
            worker.index.to_string(),
            worker.core.to_string(),
            worker.idle.clone(),
            format!("{:.1}%", worker.busy * 100.0),
            format!("{}/{}", worker.sessions, worker.session_capacity),
            worker.sessions_evicted.to_string(),
            worker.sessions_refused.to_string(),
            worker.sessions_out_of_ports.to_string(),
            worker.sessions_gone.to_string(),
            worker.received.to_string(),
            worker.injected.to_string(),
            worker.taken_over.to_string(),
            worker.sent.to_string(),
            worker.dropped.to_string(),
            worker.punted.to_string(),
            worker.handed_over.to_string(),
            worker.waiting.to_string(),
            worker.answered.to_string(),
        ]
    };
    let rows: Vec<_> = workers.iter().map(row).collect();
    columns(
        out,
        [
            (Right, "Worker"),
            (Right, "Core"),
            (Left, "Idle"),
            (Right, "Busy"),
            (Right, "Sessions"),
            (Right, "Evicted"),
            (Right, "Refused"),
            (Right, "OutOfPorts"),
            (Right, "Gone"),
            (Right, "Received"),
            (Right, "Injected"),
            (Right, "TakenOver"),
            (Right, "Sent"),
            (Right, "Dropped"),
            (Right, "Punted"),
            (Right, "HandedOver"),
            (Right, "Waiting"),
            (Right, "Answered"),
        ],
        &rows,
    )
}
