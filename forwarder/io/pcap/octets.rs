//! The octets of a capture, with their place.

use std::io::{BufReader, ErrorKind, Read};

use super::{CaptureError, MAX_FRAME};

/// Octets read at once.
const BUFFER: usize = 256 * 1024;

/// What a capture is read from.
pub(super) struct Octets<R> {
    source: BufReader<R>,
    offset: u64,
    /// Where the header, record or block begins that is being read.
    begun: u64,
}

/// The order of octets in a capture's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(octets),
            Self::Big => u16::from_be_bytes(octets),
        }
    }

    pub(super) fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(octets),
            Self::Big => u32::from_be_bytes(octets),
        }
    }

    /// The numbers that follow one another.
    pub(super) fn u32s<const N: usize>(self, octets: &[u8]) -> [u32; N] {
        let (words, _) = octets.as_chunks();
        std::array::from_fn(|at| words.get(at).map_or(0, |word| self.u32(*word)))
    }
}

impl<R: Read> Octets<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source: BufReader::with_capacity(BUFFER, source),
            offset: 0,
            begun: 0,
        }
    }

    /// The first octets of a record or block; none at the end of the capture.
    pub(super) fn begin<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        self.begun = self.offset;
        let mut octets = [0; N];
        match self.fill(&mut octets)? {
            0 => Ok(None),
            filled if filled == N => Ok(Some(octets)),
            _ => Err(self.cut_short()),
        }
    }

    /// The next octets.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], CaptureError> {
        let mut octets = [0; N];
        self.take_into(&mut octets)?;
        Ok(octets)
    }

    /// The octets of a frame, or of something that may be as long as one.
    pub(super) fn take_frame(
        &mut self,
        octets: u32,
        frame: &mut Vec<u8>,
    ) -> Result<(), CaptureError> {
        if octets > MAX_FRAME {
            return Err(self.malformed("captured length", octets));
        }
        frame.resize(octets as usize, 0);
        self.take_into(frame)
    }

    pub(super) fn skip(&mut self, octets: u32) -> Result<(), CaptureError> {
        let mut left = octets as usize;
        let mut scratch = [0; 4096];
        while let Some(chunk) = scratch.get_mut(..left.min(4096))
            && !chunk.is_empty()
        {
            self.take_into(chunk)?;
            left -= chunk.len();
        }
        Ok(())
    }

    /// Where the header, record or block begins that is being read.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// That something in what is being read makes no sense.
    pub(super) fn malformed(&self, what: &'static str, value: impl Into<u64>) -> CaptureError {
        CaptureError::Malformed {
            offset: self.begun,
            what,
            value: value.into(),
        }
    }

    fn take_into(&mut self, into: &mut [u8]) -> Result<(), CaptureError> {
        if self.fill(into)? < into.len() {
            return Err(self.cut_short());
        }
        Ok(())
    }

    /// Reads until `into` is full or the capture ends; returns how many octets it read.
    fn fill(&mut self, into: &mut [u8]) -> Result<usize, CaptureError> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..)
            && !rest.is_empty()
        {
            match self.source.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset;
                    return Err(CaptureError::Read { offset, source });
                }
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }

    fn cut_short(&self) -> CaptureError {
        CaptureError::CutShort {
            offset: self.begun,
            end: self.offset,
        }
    }
}
