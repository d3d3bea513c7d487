//! Whole directors: whatever arrives at them, in whatever order and at whatever times.
//!
//! The octets of an input are choices: which director it is, who sends what, how it is damaged, who
//! answers, how much time passes. What holds of the soak's frames holds of these.

use weir::io::Now;

use crate::{
    rig::{Rig, mac},
    traffic::{
        Rng,
        damage::buffer,
        site::Setup,
        soak::{HALF_MS, SECOND_MS, Soak},
    },
};

const ONE: Setup = Setup {
    name: "one worker",
    workers: 1,
    tx_queues: 1,
    sessions_per_worker: 16,
    ring_bursts: 4,
    icmp_per_second: 1000,
    other: "Route",
    lan_mtu: 1500,
    flows: 24,
    start_ms: 2 * SECOND_MS,
};

const SETUPS: [Setup; 4] = [
    ONE,
    Setup {
        workers: 2,
        tx_queues: 1,
        sessions_per_worker: 8,
        lan_mtu: 600,
        start_ms: HALF_MS - 100 * SECOND_MS,
        ..ONE
    },
    Setup {
        workers: 3,
        tx_queues: 2,
        ring_bursts: 1,
        icmp_per_second: 2,
        other: "Drop",
        start_ms: 2 * HALF_MS - 100 * SECOND_MS,
        ..ONE
    },
    Setup {
        workers: 4,
        tx_queues: 4,
        sessions_per_worker: 64,
        ..ONE
    },
];

/// More say no more.
const MOST_ROUNDS: usize = 64;

/// Lets `input` decide what a director goes through.
pub fn run(input: &[u8]) {
    let mut rng = Rng::led_by(input.to_vec(), 0);
    let setup = rng.pick(&SETUPS);
    let mut soak = Soak::new(&setup, rng);
    for _ in 0..MOST_ROUNDS {
        if !soak.rng.is_led() {
            break;
        }
        let frames = 1 + soak.rng.below(6);
        soak.round(frames);
    }
    soak.check();
    soak.end();
}

/// Takes `input` for frames, one behind the other, each with two octets before it: how many octets
/// it has, and how it arrives. The MAC that it is for is the port's.
pub fn run_frames(input: &[u8]) {
    let mut rig = Rig::with_tx_queues(&SETUPS[1].config(), 1);
    rig.now = Now::from_ms(SECOND_MS);
    for (how, mut frame) in frames(input) {
        let (port, worker) = (how & 1, usize::from(how >> 1 & 1));
        if let Some(destination) = frame.first_chunk_mut().filter(|_| how & 4 == 0) {
            *destination = mac(port).0;
        }
        let octets = frame.len() as u64;
        let mut rng = Rng::led_by(vec![how >> 3], 0);
        rig.receive_frame(port, worker, buffer(&frame, &mut rng));
        if how & 0x40 == 0 {
            rig.settle();
            rig.take_all();
        }
        if how & 0x80 != 0 {
            rig.pass_ms(SECOND_MS * octets);
        }
    }
    rig.settle();
    rig.check_books();
}

/// As [`run_frames`], to two directors: the one gets the frames as they are, the other with a tag,
/// by which no packet is read the short way. What comes out must be the same but for the tags.
pub fn run_twins(input: &[u8]) {
    let config = ONE.config();
    let (mut plain, mut tagged) = (Rig::new(&config), Rig::new(&config));
    for (how, mut frame) in frames(input) {
        let port = how & 1;
        if frame.len() < TAG_AT + 2 || frame[TAG_AT..TAG_AT + 2] != [8, 0] {
            continue;
        }
        frame[..6].copy_from_slice(&mac(port).0);
        let out = plain.exchange(port, &frame);
        frame.splice(TAG_AT..TAG_AT, TAG);
        let mut out_tagged = tagged.exchange(port, &frame);
        for (_, frame) in &mut out_tagged {
            if frame[TAG_AT..].starts_with(&TAG) {
                frame.drain(TAG_AT..TAG_AT + TAG.len());
            }
        }
        assert_eq!(out, out_tagged);
    }
    assert_eq!(plain.counted(), tagged.counted());
}

const TAG_AT: usize = 12;
const TAG: [u8; 4] = [0x81, 0, 0, 5];

/// Each frame with the octet that says how it arrives.
fn frames(input: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = input;
    while let [octets, how, behind @ ..] = rest {
        let (frame, behind) = behind.split_at(behind.len().min(usize::from(*octets)));
        frames.push((*how, frame.to_vec()));
        rest = behind;
    }
    frames
}
