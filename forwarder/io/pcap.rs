//! Captures: pcap and pcapng are read and written.
//!
//! Both directions stream: of a capture, however long, one frame is in memory. What is read is
//! trusted with nothing: a capture that is cut short or makes no sense is an error that names the
//! octet, never a panic and never an allocation of a size that it asks for.

use std::io::{self, Read};

mod blocks;
mod classic;
mod next_generation;
mod octets;
#[cfg(test)]
mod tests;
mod write;

pub use blocks::{Blocks, Packet, Passed, Way};
pub use write::Writer;

use classic::Classic;
use next_generation::NextGeneration;
use octets::Octets;

/// libpcap's `LINKTYPE_ETHERNET`.
const ETHERNET: u16 = 1;

/// Octets of the largest frame, as libpcap's `MAXIMUM_SNAPLEN` bounds it.
const MAX_FRAME: u32 = 262_144;

/// Why a capture cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The system cannot.
    #[error("cannot be read at octet {offset}")]
    Read {
        /// Octets read before.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It ends inside a header, record or block.
    #[error("is cut short: what begins at octet {offset} goes on beyond the end at {end}")]
    CutShort {
        /// Where that begins.
        offset: u64,
        /// Octets that there are.
        end: u64,
    },
    /// It is something else.
    #[error("is neither pcap nor pcapng: it begins with {magic:02x?}")]
    NoCapture {
        /// Its first octets.
        magic: [u8; 4],
    },
    /// Its frames are not Ethernet.
    #[error("link type {link_type} at octet {offset} is not Ethernet, which is 1")]
    LinkType {
        /// Where it says so.
        offset: u64,
        /// What it says.
        link_type: u16,
    },
    /// It makes no sense.
    #[error("makes no sense at octet {offset}: {what} {value}")]
    Malformed {
        /// Where the header, record or block begins.
        offset: u64,
        /// What is wrong.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

/// What a capture says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When it was captured: nanoseconds since 1970.
    pub time_ns: u64,
    /// True where the capture has only its beginning (snapshot length).
    pub cut: bool,
    /// Where its record begins in the capture.
    pub offset: u64,
}

/// A capture that is being read.
pub struct Reader<R> {
    octets: Octets<R>,
    format: Format,
}

enum Format {
    Classic(Classic),
    NextGeneration(NextGeneration),
}

impl<R: Read> Reader<R> {
    /// Reads the capture's header.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(source: R) -> Result<Self, CaptureError> {
        let mut octets = Octets::new(source);
        let magic = octets.take()?;
        let format = if magic == next_generation::MAGIC {
            Format::NextGeneration(NextGeneration::begin(&mut octets)?)
        } else {
            Format::Classic(Classic::begin(&mut octets, magic)?)
        };
        Ok(Self { octets, format })
    }

    /// The next frame, whose octets replace those in `frame`; none at the end.
    ///
    /// # Errors
    ///
    /// What is wrong with the capture here. Nothing useful can be read behind that.
    pub fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Option<Captured>, CaptureError> {
        match &mut self.format {
            Format::Classic(classic) => classic.next_frame(&mut self.octets, frame),
            Format::NextGeneration(blocks) => blocks.next_frame(&mut self.octets, frame),
        }
    }
}
