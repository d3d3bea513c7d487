//! pcapng, as it is written: a section of blocks, least octet first on every machine.

use super::{
    ETHERNET,
    next_generation::{BYTE_ORDER, ENHANCED_PACKET, INTERFACE, SECTION},
};

const STATISTICS: u32 = 5;

/// Options by their codes, which mean something else in each kind of block.
const END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const STATISTICS_RECEIVED: u16 = 4;
const STATISTICS_LOST: u16 = 5;

/// Times count in 10 to the power of minus this.
const NANOSECONDS: u8 = 9;

/// Which way a frame went by its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It came in.
    In,
    /// It went out.
    Out,
}

/// A frame, and what is said of it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The place of its interface among those of the section.
    pub interface: u32,
    /// When: nanoseconds since 1970.
    pub time_ns: u64,
    /// Octets of the whole frame.
    pub octets: usize,
    /// What there is of them.
    pub captured: &'a [u8],
    /// Which way it went.
    pub way: Way,
    /// What else there is to say; nothing if that is empty.
    pub comment: &'a str,
}

/// Blocks that are being written.
#[derive(Debug, Default)]
pub struct Blocks {
    octets: Vec<u8>,
}

impl Blocks {
    /// What has been written since this was asked last.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.octets)
    }

    /// True where there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Begins a section: what this program wrote.
    pub fn section(&mut self, application: &str) {
        self.block(SECTION, |block| {
            block.extend(BYTE_ORDER.to_le_bytes());
            block.extend([1, 0, 0, 0]);
            // Nobody knows yet how long it will be.
            block.extend(u64::MAX.to_le_bytes());
            option(block, SECTION_APPLICATION, application.as_bytes());
            option(block, END, &[]);
        });
    }

    /// The next interface of the section, of whose frames there are at most so many octets.
    pub fn interface(&mut self, name: &str, snap_octets: u32) {
        self.block(INTERFACE, |block| {
            block.extend(ETHERNET.to_le_bytes());
            block.extend([0, 0]);
            block.extend(snap_octets.to_le_bytes());
            option(block, INTERFACE_NAME, name.as_bytes());
            option(block, INTERFACE_RESOLUTION, &[NANOSECONDS]);
            option(block, END, &[]);
        });
    }

    /// A frame.
    pub fn packet(&mut self, packet: &Packet<'_>) {
        self.block(ENHANCED_PACKET, |block| {
            block.extend(packet.interface.to_le_bytes());
            block.extend(time(packet.time_ns));
            block.extend(length(packet.captured.len()).to_le_bytes());
            block.extend(length(packet.octets).to_le_bytes());
            padded(block, packet.captured);
            let flags: u32 = match packet.way {
                Way::In => 1,
                Way::Out => 2,
            };
            option(block, PACKET_FLAGS, &flags.to_le_bytes());
            if !packet.comment.is_empty() {
                option(block, COMMENT, packet.comment.as_bytes());
            }
            option(block, END, &[]);
        });
    }

    /// How many frames there were by an interface until a time, and how many of them are missing.
    pub fn statistics(&mut self, interface: u32, time_ns: u64, [received, lost]: [u64; 2]) {
        self.block(STATISTICS, |block| {
            block.extend(interface.to_le_bytes());
            block.extend(time(time_ns));
            option(block, STATISTICS_RECEIVED, &received.to_le_bytes());
            option(block, STATISTICS_LOST, &lost.to_le_bytes());
            option(block, END, &[]);
        });
    }

    /// A block, with its length before and behind its body.
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.octets.len();
        self.octets.extend(kind.to_le_bytes());
        self.octets.extend([0; 4]);
        body(&mut self.octets);
        let octets = length(self.octets.len() - begin + 4).to_le_bytes();
        self.octets.extend(octets);
        if let Some(place) = self.octets.get_mut(begin + 4..begin + 8) {
            place.copy_from_slice(&octets);
        }
    }
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    let octets = u16::try_from(value.len()).unwrap_or(u16::MAX);
    block.extend(code.to_le_bytes());
    block.extend(octets.to_le_bytes());
    padded(block, value);
}

fn padded(block: &mut Vec<u8>, octets: &[u8]) {
    block.extend(octets);
    block.extend(std::iter::repeat_n(
        0,
        octets.len().next_multiple_of(4) - octets.len(),
    ));
}

/// High half first, whatever the byte order.
fn time(ns: u64) -> [u8; 8] {
    (ns.rotate_left(32)).to_le_bytes()
}

fn length(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

/// What has passed in blocks that [`Blocks`] wrote, read piece by piece.
#[derive(Debug, Default)]
pub struct Passed {
    /// Frames.
    pub frames: u64,
    /// Frames that are missing.
    pub lost: u64,
    /// What has come of a block.
    rest: Vec<u8>,
}

impl Passed {
    /// Goes on with what came next.
    pub fn read(&mut self, octets: &[u8]) {
        self.rest.extend(octets);
        let mut behind = self.rest.as_slice();
        while let Some([kind, length]) = behind.first_chunk().copied().map(pair)
            && let Some((block, next)) = behind.split_at_checked(length.max(8) as usize)
        {
            match kind {
                ENHANCED_PACKET => self.frames += 1,
                // The loss stands at the end, before the end of options and the length.
                STATISTICS => {
                    let lost = block.len().checked_sub(16);
                    let lost = lost.and_then(|at| block.get(at..)?.first_chunk());
                    self.lost += lost.map_or(0, |octets| u64::from_le_bytes(*octets));
                }
                _ => {}
            }
            behind = next;
        }
        let left = behind.len();
        self.rest.drain(..self.rest.len() - left);
    }
}

fn pair([a, b, c, d, e, f, g, h]: [u8; 8]) -> [u32; 2] {
    [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes)
}
