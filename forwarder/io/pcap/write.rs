//! A pcap in nanoseconds, as it is written.

use std::io::{self, BufWriter, Write};

use super::{ETHERNET, MAX_FRAME, classic::NANOSECONDS};

/// Octets written at once.
const BUFFER: usize = 256 * 1024;

/// A capture that is being written, least octet first on every machine.
pub struct Writer<W: Write> {
    sink: BufWriter<W>,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(sink: W) -> io::Result<Self> {
        let mut sink = BufWriter::with_capacity(BUFFER, sink);
        let version = [2_u16.to_le_bytes(), 4_u16.to_le_bytes()].concat();
        sink.write_all(&NANOSECONDS.to_le_bytes())?;
        sink.write_all(&version)?;
        for number in [0, 0, MAX_FRAME, ETHERNET.into()] {
            sink.write_all(&number.to_le_bytes())?;
        }
        Ok(Self { sink })
    }

    /// Writes a frame of this time, in nanoseconds since 1970.
    ///
    /// # Errors
    ///
    /// What the system says, or that time or length are beyond what the format holds.
    pub fn write(&mut self, time_ns: u64, frame: &[u8]) -> io::Result<()> {
        let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
        let seconds = number(time_ns / 1_000_000_000)?;
        let nanoseconds = number(time_ns % 1_000_000_000)?;
        let octets = number(frame.len() as u64)?;
        let mut header = [0; 16];
        let numbers = [seconds, nanoseconds, octets, octets];
        for (place, number) in header.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *place = number.to_le_bytes();
        }
        self.sink.write_all(&header)?;
        self.sink.write_all(frame)
    }

    /// Writes out what is still held.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.flush()?;
        self.sink
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }
}
