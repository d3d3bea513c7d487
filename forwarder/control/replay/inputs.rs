//! Several captures as one.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::ReplayError;
use crate::{
    control::views,
    io::{
        PortIx,
        pcap::{Captured, Reader},
    },
};

/// The longest time between two frames. What is longer is a broken time or a capture of other
/// days; timers would run through all of it.
const MAX_PAUSE_NS: u64 = 30 * 24 * 3600 * 1_000_000_000;

/// Captures whose frames come in the order of their times.
#[derive(Default)]
pub struct Inputs {
    captures: Vec<Input>,
    /// The capture whose frame came last.
    last: Option<usize>,
    last_ns: Option<u64>,
}

struct Input {
    port: PortIx,
    file: PathBuf,
    reader: Reader<Box<dyn Read>>,
    next: Option<Captured>,
    octets: Vec<u8>,
    frames: u64,
    cut_frames: u64,
    disordered_frames: u64,
}

/// A frame that comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    /// Where.
    pub(super) port: PortIx,
    /// The capture.
    pub(super) file: &'a Path,
    /// Its place in the capture, from 1.
    pub(super) number: u64,
    /// Nanoseconds since 1970; never before the frame that came last.
    pub(super) time_ns: u64,
    /// Whether these are only its first octets.
    pub(super) cut: bool,
    /// Its octets.
    pub(super) octets: &'a [u8],
}

impl Inputs {
    /// Adds what `source`, the capture `file`, has: frames that come in on `port`.
    ///
    /// # Errors
    ///
    /// That it is no capture, or what is wrong with its first frame.
    pub fn add(
        &mut self,
        port: PortIx,
        file: PathBuf,
        source: Box<dyn Read>,
    ) -> Result<(), ReplayError> {
        let reader = match Reader::new(source) {
            Ok(reader) => reader,
            Err(source) => return Err(ReplayError::Capture { file, source }),
        };
        let mut input = Input {
            port,
            file,
            reader,
            next: None,
            octets: Vec::new(),
            frames: 0,
            cut_frames: 0,
            disordered_frames: 0,
        };
        input.advance()?;
        self.captures.push(input);
        Ok(())
    }

    /// What was read of each capture.
    pub(super) fn views(&self, port_name: impl Fn(PortIx) -> String) -> Vec<views::Capture> {
        let view = |input: &Input| views::Capture {
            port: port_name(input.port),
            file: input.file.display().to_string(),
            frames: input.frames,
            cut_frames: input.cut_frames,
            disordered_frames: input.disordered_frames,
        };
        self.captures.iter().map(view).collect()
    }

    /// When the first frame comes, if there is any.
    pub(super) fn begin_ns(&self) -> Option<u64> {
        self.earliest().map(|(time_ns, _)| time_ns)
    }

    /// The next frame. Of two at the same time that comes first whose capture was added first.
    pub(super) fn next(&mut self) -> Result<Option<Arrival<'_>>, ReplayError> {
        if let Some(input) = self.last.take().and_then(|at| self.captures.get_mut(at)) {
            input.advance()?;
        }
        let Some((time_ns, at)) = self.earliest() else {
            return Ok(None);
        };
        let pause_ns = time_ns - self.last_ns.replace(time_ns).unwrap_or(time_ns);
        self.last = Some(at);
        let input = &mut self.captures[at];
        let Some(captured) = input.next else {
            return Ok(None);
        };
        if pause_ns > MAX_PAUSE_NS {
            return Err(ReplayError::Pause {
                file: input.file.clone(),
                offset: captured.offset,
                days: pause_ns / (24 * 3600 * 1_000_000_000),
            });
        }
        input.frames += 1;
        input.cut_frames += u64::from(captured.cut);
        Ok(Some(Arrival {
            port: input.port,
            file: &input.file,
            number: input.frames,
            time_ns,
            cut: captured.cut,
            octets: &input.octets,
        }))
    }

    fn earliest(&self) -> Option<(u64, usize)> {
        let heads = self.captures.iter().zip(0..);
        heads
            .filter_map(|(input, at)| Some((input.next?.time_ns, at)))
            .min()
    }
}

impl Input {
    /// Reads its next frame. One with a time before the last comes at the time of the last: time
    /// does not go back.
    fn advance(&mut self) -> Result<(), ReplayError> {
        let last_ns = self.next.map(|last| last.time_ns);
        self.next =
            self.reader
                .next_frame(&mut self.octets)
                .map_err(|source| ReplayError::Capture {
                    file: self.file.clone(),
                    source,
                })?;
        if let (Some(last_ns), Some(next)) = (last_ns, &mut self.next)
            && next.time_ns < last_ns
        {
            next.time_ns = last_ns;
            self.disordered_frames += 1;
        }
        Ok(())
    }
}
