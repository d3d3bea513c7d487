//! The bounded rings between workers, and between workers and the management thread.

use std::net::IpAddr;

use crossbeam::queue::ArrayQueue;

use super::{Lasting, Punt};
use crate::{
    io::{BURST, Burst, PortIx},
    session::{BackendIx, FlowPorts},
    snapshot::WorkerIx,
};

/// A burst on its way between two workers.
#[derive(Debug)]
pub struct Parcel<F> {
    /// Where its frames came in (hand-over) or go out (transmit, inject).
    pub port: PortIx,
    /// Of hand-over: the ports of the flows that the frames belong to, where they are fragments
    /// that met their first elsewhere.
    pub flow: Option<FlowPorts>,
    /// The frames.
    pub frames: Burst<F>,
}

/// First packets of flows on their way to who remembers their clients, or back from there.
#[derive(Debug)]
pub struct Visit<F> {
    /// The frames.
    pub parcel: Parcel<F>,
    /// On the way back: the backend of each, where there is one.
    pub told: Option<[Option<BackendIx>; BURST]>,
}

/// A frame on its way to the management thread.
#[derive(Debug)]
pub struct Punted<F> {
    /// Resolve: where it goes out. Others: where it came in.
    pub port: PortIx,
    /// Resolve: whose MAC it lacks.
    pub next_hop: IpAddr,
    /// The frame.
    pub frame: F,
}

/// The rings that lead to one worker.
#[derive(Debug)]
pub struct Inbox<F> {
    /// Frames whose flows it owns.
    pub hand_over: ArrayQueue<Parcel<F>>,
    /// Frames whose clients it remembers, and frames of its own that come back.
    pub visits: ArrayQueue<Visit<F>>,
    /// Clients that it remembers and that have sessions elsewhere.
    pub lasting: ArrayQueue<Burst<Lasting>>,
    /// Frames to send on its transmit queues, from workers that have none there.
    pub transmit: ArrayQueue<Parcel<F>>,
    /// Frames to send, from the management thread.
    pub inject: ArrayQueue<Parcel<F>>,
}

/// All rings of the program.
#[derive(Debug)]
pub struct Rings<F> {
    inboxes: Box<[Inbox<F>]>,
    /// By port, then by class.
    punts: Box<[[ArrayQueue<Punted<F>>; Punt::COUNT]]>,
}

/// Frames in a punt ring for each parcel in a ring between workers.
const PUNTS_PER_BURST: usize = 4;

impl<F> Rings<F> {
    /// Rings of `bursts` parcels between `workers` workers, and punt rings for `ports` ports.
    pub fn new(workers: usize, ports: usize, bursts: usize) -> Self {
        let inbox = || Inbox {
            hand_over: ArrayQueue::new(bursts),
            visits: ArrayQueue::new(bursts),
            lasting: ArrayQueue::new(bursts),
            transmit: ArrayQueue::new(bursts),
            inject: ArrayQueue::new(bursts),
        };
        Self {
            inboxes: (0..workers).map(|_| inbox()).collect(),
            punts: (0..ports)
                .map(|_| std::array::from_fn(|_| ArrayQueue::new(bursts * PUNTS_PER_BURST)))
                .collect(),
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.inboxes.len()
    }

    /// The rings that lead to a worker.
    pub fn inbox(&self, worker: WorkerIx) -> Option<&Inbox<F>> {
        self.inboxes.get(worker.index())
    }

    /// Gives a frame to the management thread; back where there is no room.
    pub fn punt(&self, class: Punt, punted: Punted<F>) -> Result<(), Punted<F>> {
        match self.punts.get(punted.port.index()) {
            Some(rings) => of_class(rings, class).push(punted),
            None => Err(punted),
        }
    }

    /// Takes punted frames of a class, `most` at most, from each port in turn: who floods one
    /// port shall not be able to keep the management thread from hearing the others.
    pub fn take_punts(&self, class: Punt, most: usize) -> impl Iterator<Item = Punted<F>> {
        let mut ports = self.punts.iter().cycle();
        std::iter::from_fn(move || {
            (0..self.punts.len()).find_map(|_| of_class(ports.next()?, class).pop())
        })
        .take(most)
    }

    /// True where no ring holds a frame.
    pub fn is_empty(&self) -> bool {
        let empty = |inbox: &Inbox<F>| {
            inbox.hand_over.is_empty()
                && inbox.visits.is_empty()
                && inbox.transmit.is_empty()
                && inbox.inject.is_empty()
        };
        self.inboxes.iter().all(empty) && self.punts.iter().flatten().all(ArrayQueue::is_empty)
    }
}

fn of_class<R>([arp, resolve, host, vrrp]: &[R; Punt::COUNT], class: Punt) -> &R {
    match class {
        Punt::Arp => arp,
        Punt::Resolve => resolve,
        Punt::Host => host,
        Punt::Vrrp => vrrp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn punted(port: u16, frame: u32) -> Punted<u32> {
        Punted {
            port: PortIx(port),
            next_hop: std::net::Ipv4Addr::UNSPECIFIED.into(),
            frame,
        }
    }

    #[test]
    fn a_flood_on_one_port_leaves_room_and_time_for_the_others() {
        let rings = Rings::new(1, 2, 1);
        let room = u32::try_from(PUNTS_PER_BURST).unwrap();
        for frame in 0..room {
            rings.punt(Punt::Arp, punted(0, frame)).unwrap();
        }
        let refused = rings.punt(Punt::Arp, punted(0, room)).unwrap_err();
        assert_eq!(refused.frame, room);
        rings.punt(Punt::Arp, punted(1, 100)).unwrap();
        rings.punt(Punt::Resolve, punted(0, 200)).unwrap();
        let take = |class, most| -> Vec<u32> {
            let taken = rings.take_punts(class, most);
            taken.map(|punted| punted.frame).collect()
        };
        assert_eq!(take(Punt::Arp, 3), [0, 100, 1]);
        assert_eq!(take(Punt::Arp, 9), [2, 3]);
        assert_eq!(take(Punt::Resolve, 9), [200]);
        assert!(rings.is_empty());
        assert!(rings.punt(Punt::Arp, punted(2, 1)).is_err(), "no such port");
    }
}
