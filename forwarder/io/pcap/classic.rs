//! pcap: a header, then records.

use std::io::Read;

use super::{
    CaptureError, Captured, ETHERNET,
    octets::{Octets, Order},
};

/// Begins captures in microseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Begins captures in nanoseconds.
pub(super) const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// How the records of a capture are read.
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds in what stands behind the seconds.
    unit_ns: u32,
}

impl Classic {
    /// Reads the header behind its magic number.
    pub(super) fn begin<R: Read>(
        octets: &mut Octets<R>,
        magic: [u8; 4],
    ) -> Result<Self, CaptureError> {
        let known = [Order::Little, Order::Big].into_iter().find_map(|order| {
            let unit_ns = match order.u32(magic) {
                MICROSECONDS => 1000,
                NANOSECONDS => 1,
                _ => return None,
            };
            Some(Self { order, unit_ns })
        });
        let classic = known.ok_or(CaptureError::NoCapture { magic })?;
        let header: [u8; 20] = octets.take()?;
        let [_version, _zone, _accuracy, _snap_octets, network] = classic.order.u32s(&header);
        // The upper half says whether frames end with their checksum, which the packet's way cuts
        // off as it does padding.
        let [.., high, low] = network.to_be_bytes();
        let link_type = u16::from_be_bytes([high, low]);
        if link_type != ETHERNET {
            let offset = 20;
            return Err(CaptureError::LinkType { offset, link_type });
        }
        Ok(classic)
    }

    pub(super) fn next_frame<R: Read>(
        &mut self,
        octets: &mut Octets<R>,
        frame: &mut Vec<u8>,
    ) -> Result<Option<Captured>, CaptureError> {
        let Some(header) = octets.begin::<16>()? else {
            return Ok(None);
        };
        let [seconds, units, captured, original] = self.order.u32s(&header);
        octets.take_frame(captured, frame)?;
        Ok(Some(Captured {
            time_ns: u64::from(seconds) * 1_000_000_000
                + u64::from(units) * u64::from(self.unit_ns),
            cut: captured < original,
            offset: octets.begun(),
        }))
    }
}
