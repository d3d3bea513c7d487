//! What a frame carries through the device under test: when it was sent, in which trial.
//!
//! It stands in the last octets, which no mode changes, whatever headers it puts before.

use weir::io::Now;

/// Octets of a stamp.
pub(super) const OCTETS: usize = 16;

/// When a frame was sent, and in which trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) sent: Now,
    pub(super) trial: u64,
}

impl Stamp {
    /// Writes it over the end of the frame. The checksum becomes wrong, and forwarders do not
    /// look: they update it.
    pub(super) fn write(self, frame: &mut [u8]) {
        if let Some(place) = frame.last_chunk_mut::<OCTETS>() {
            let (time, trial) = place.split_at_mut(8);
            time.copy_from_slice(&self.sent.ns.to_le_bytes());
            trial.copy_from_slice(&self.trial.to_le_bytes());
        }
    }

    /// What stands at the end of the frame, be it a stamp or not.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (octets, _) = frame.last_chunk::<OCTETS>()?.as_chunks::<8>();
        let [time, trial] = octets else { return None };
        Some(Self {
            sent: Now {
                ns: u64::from_le_bytes(*time),
            },
            trial: u64::from_le_bytes(*trial),
        })
    }
}

#[cfg(test)]
mod tests {
    use weir::io::Now;

    use super::Stamp;

    #[test]
    fn comes_back_from_behind_other_headers() {
        let stamp = Stamp {
            sent: Now { ns: 1 << 40 },
            trial: u64::MAX - 1,
        };
        let mut frame = vec![9; 60];
        stamp.write(&mut frame);
        assert_eq!(frame[..44], [9; 44]);
        let tunnelled = [vec![1; 20], frame].concat();
        assert_eq!(Stamp::read(&tunnelled), Some(stamp));
        assert_eq!(Stamp::read(&[0; 15]), None);
    }
}
