//! The network: a director in memory, and links on both sides that lose, repeat and shuffle.

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use weir::{io::memory::MemoryFrame, wire::Mac};

use crate::{
    host::{Host, Segment},
    rig::{Rig, mac},
};

/// What links do to one of a hundred frames.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub loss: u8,
    pub repeats: u8,
    /// How many come later than they should.
    pub shuffled: u8,
    pub seed: u64,
}

/// Where a frame is on its way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// The director, by this port.
    Director(u8),
    Client,
    Server,
}

pub struct Net {
    rig: Rig,
    six: bool,
    port: u16,
    workers: usize,
    faults: Faults,
    now_ms: u64,
    /// With the time at which each arrives.
    under_way: Vec<(u64, To, Vec<u8>)>,
    /// Whom the backend answers.
    seen: Option<(Vec<u8>, u16)>,
}

const STEP_MS: u64 = 20;

impl Net {
    pub fn new(config: &str, six: bool, port: u16, workers: usize, faults: &Faults) -> Self {
        Self {
            rig: Rig::new(config),
            six,
            port,
            workers,
            faults: *faults,
            now_ms: 0,
            under_way: Vec::new(),
            seen: None,
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Takes along what the hosts have to send, and brings what is due.
    pub fn carry(&mut self, client: &mut Host, server: &mut Host) {
        for segment in client.take() {
            let frame = self.by_client(&segment);
            self.send(To::Director(0), frame);
        }
        for segment in server.take() {
            let frame = self.by_server(&segment);
            self.send(To::Director(1), frame);
        }
        let now = self.now_ms;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.under_way)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.under_way = later;
        for (_, to, frame) in due {
            match to {
                To::Director(port) => {
                    let worker = self.chance() % self.workers;
                    self.rig
                        .receive_frame(port, worker, MemoryFrame::new(&frame));
                }
                To::Client => client.hear(&read(&frame).2, now),
                To::Server => {
                    let (from, port, segment) = read(&frame);
                    let seen = self.seen.get_or_insert((from.clone(), port));
                    assert_eq!(*seen, (from, port), "a backend sees one end");
                    server.hear(&segment, now);
                }
            }
        }
        self.rig.pass_ms(STEP_MS);
        self.rig.settle();
        for (to, port) in [(To::Client, 0), (To::Server, 1)] {
            for frame in self.rig.take(port) {
                if frame.get(12..14) != Some(&[8, 6]) && !is_neighbour_discovery(&frame) {
                    self.send(to, frame);
                }
            }
        }
        self.rig.check_books();
        self.now_ms += STEP_MS;
    }

    fn send(&mut self, to: To, frame: Vec<u8>) {
        if self.happens(self.faults.loss) {
            return;
        }
        if self.happens(self.faults.repeats) {
            let at = self.arrival();
            self.under_way.push((at, to, frame.clone()));
        }
        let at = self.arrival();
        self.under_way.push((at, to, frame));
    }

    fn arrival(&mut self) -> u64 {
        let late = if self.happens(self.faults.shuffled) {
            self.chance() as u64 % 200
        } else {
            0
        };
        self.now_ms + late
    }

    fn happens(&mut self, of_hundred: u8) -> bool {
        self.chance() % 100 < of_hundred.into()
    }

    fn chance(&mut self) -> usize {
        // SplitMix64.
        self.faults.seed = self.faults.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = self.faults.seed;
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap()
    }

    fn by_client(&self, segment: &Segment) -> Vec<u8> {
        let (client, vip) = if self.six {
            (six("2001:db8::9"), six("2001:db8::100"))
        } else {
            (vec![192, 0, 2, 9], vec![192, 0, 2, 100])
        };
        let host = Mac([2, 0, 0, 0, 0, 0xc9]);
        frame((host, mac(0)), (&client, self.port), (&vip, 80), segment)
    }

    fn by_server(&self, segment: &Segment) -> Vec<u8> {
        let rip = if self.six {
            six("2001:db8:1::11")
        } else {
            vec![10, 1, 0, 11]
        };
        let (seen, port) = self.seen.as_ref().expect("it answers whom it has heard");
        let host = Mac([2, 0, 0, 0, 0, 0xb1]);
        frame((host, mac(1)), (&rip, 8080), (seen, *port), segment)
    }
}

fn six(text: &str) -> Vec<u8> {
    text.parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets()
        .to_vec()
}

fn is_neighbour_discovery(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x86, 0xdd]) && frame.get(20) == Some(&58)
}

fn frame(
    (from_mac, to_mac): (Mac, Mac),
    (from, from_port): (&[u8], u16),
    (to, to_port): (&[u8], u16),
    segment: &Segment,
) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(from_mac.0, to_mac.0);
    let ip = match from.len() {
        4 => link.ipv4(from.try_into().unwrap(), to.try_into().unwrap(), 64),
        _ => link.ipv6(from.try_into().unwrap(), to.try_into().unwrap(), 64),
    };
    let mut tcp = ip.tcp(from_port, to_port, segment.sequence, 50_000);
    if let Some(acknowledged) = segment.acknowledged {
        tcp = tcp.ack(acknowledged);
    }
    if segment.syn {
        tcp = tcp.syn();
    }
    if segment.fin {
        tcp = tcp.fin();
    }
    let mut options = Vec::new();
    if !segment.blocks.is_empty() {
        options.extend([1, 1, 5, u8::try_from(2 + 8 * segment.blocks.len()).unwrap()]);
        let ends = segment.blocks.iter().flatten();
        options.extend(ends.flat_map(|end| end.to_be_bytes()));
    }
    let mut frame = Vec::new();
    let tcp = tcp.options_raw(&options).unwrap();
    tcp.write(&mut frame, &segment.data).unwrap();
    frame
}

/// Who sent a segment, and what it says; its checksum is right.
fn read(frame: &[u8]) -> (Vec<u8>, u16, Segment) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        panic!("no segment: {frame:?}");
    };
    let (from, right) = match packet.net.unwrap() {
        etherparse::NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            let right = tcp
                .to_header()
                .calc_checksum_ipv4(&header, tcp.payload())
                .unwrap();
            (header.source.to_vec(), right)
        }
        etherparse::NetSlice::Ipv6(ip) => {
            let header = ip.header().to_header();
            let right = tcp
                .to_header()
                .calc_checksum_ipv6(&header, tcp.payload())
                .unwrap();
            (header.source.to_vec(), right)
        }
        etherparse::NetSlice::Arp(_) => panic!("no packet of either family"),
    };
    assert_eq!(tcp.checksum(), right, "the checksum of a segment");
    let blocks = tcp.options_iterator().flat_map(|option| match option {
        Ok(etherparse::TcpOptionElement::SelectiveAcknowledgement(first, more)) => {
            let more = more.into_iter().flatten();
            std::iter::once(first)
                .chain(more)
                .map(|(from, to)| [from, to])
                .collect()
        }
        _ => Vec::new(),
    });
    let segment = Segment {
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        blocks: blocks.collect(),
        data: tcp.payload().to_vec(),
    };
    assert!(!tcp.rst(), "nobody resets");
    (from, tcp.source_port(), segment)
}
