//! pcapng (draft-ietf-opsawg-pcapng): sections of blocks, in which frames name their interface.

use std::io::Read;

use super::{
    CaptureError, Captured, ETHERNET,
    octets::{Octets, Order},
};

/// The type of a Section Header Block, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
pub(super) const SECTION: u32 = u32::from_be_bytes(MAGIC);
pub(super) const INTERFACE: u32 = 1;
/// Obsolete, but written by old programs.
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
pub(super) const ENHANCED_PACKET: u32 = 6;

/// A Section Header Block's second number, by which its byte order is known.
pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Octets of a block's type and of its length, which stands at its end too.
const AROUND: u32 = 12;

/// Interfaces of one section that are told apart.
const MAX_INTERFACES: usize = 4096;

/// How the blocks of the current section are read.
pub(super) struct NextGeneration {
    order: Order,
    interfaces: Vec<Interface>,
    /// When the last frame was captured; some have no time of their own.
    last_ns: u64,
}

/// How the frames of an interface are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interface {
    /// Octets of a frame that are captured at most; 0 for all.
    snap_octets: u32,
    unit: Unit,
    /// Added to each time.
    offset_s: i64,
}

/// What times are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// This many a second.
    PerSecond(u128),
    /// Two to this power a second.
    PowerOfTwo(u8),
}

impl NextGeneration {
    /// Reads the rest of the first block, behind its type.
    pub(super) fn begin<R: Read>(octets: &mut Octets<R>) -> Result<Self, CaptureError> {
        let length = octets.take()?;
        let order = begin_section(octets, length)?;
        Ok(Self {
            order,
            interfaces: Vec::new(),
            last_ns: 0,
        })
    }

    pub(super) fn next_frame<R: Read>(
        &mut self,
        octets: &mut Octets<R>,
        frame: &mut Vec<u8>,
    ) -> Result<Option<Captured>, CaptureError> {
        while let Some([a, b, c, d, length @ ..]) = octets.begin::<8>()? {
            let kind = self.order.u32([a, b, c, d]);
            if kind == SECTION {
                self.order = begin_section(octets, length)?;
                self.interfaces.clear();
                continue;
            }
            let length = self.order.u32(length);
            let Some(body) = body(length) else {
                return Err(octets.malformed("block length", length));
            };
            let captured = match kind {
                INTERFACE => {
                    self.interface(octets, body, frame)?;
                    None
                }
                PACKET | ENHANCED_PACKET => Some(self.packet(octets, kind, body, frame)?),
                SIMPLE_PACKET => Some(self.simple_packet(octets, body, frame)?),
                _ => {
                    octets.skip(body)?;
                    None
                }
            };
            let again = self.order.u32(octets.take()?);
            if again != length {
                return Err(octets.malformed("second block length", again));
            }
            if let Some(captured) = captured {
                self.last_ns = captured.time_ns;
                return Ok(Some(captured));
            }
        }
        Ok(None)
    }

    /// Reads what an Interface Description Block says; `scratch` is for its options.
    fn interface<R: Read>(
        &mut self,
        octets: &mut Octets<R>,
        body: u32,
        scratch: &mut Vec<u8>,
    ) -> Result<(), CaptureError> {
        let Some(options) = body.checked_sub(8) else {
            return Err(octets.malformed("interface block body", body));
        };
        let [a, b, _, _, snap_octets @ ..] = octets.take::<8>()?;
        let link_type = self.order.u16([a, b]);
        if link_type != ETHERNET {
            let offset = octets.begun() + 8;
            return Err(CaptureError::LinkType { offset, link_type });
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(octets.malformed("more interfaces than", MAX_INTERFACES as u64));
        }
        let mut interface = Interface {
            snap_octets: self.order.u32(snap_octets),
            unit: Unit::PerSecond(1_000_000),
            offset_s: 0,
        };
        octets.take_frame(options, scratch)?;
        let mut rest = scratch.as_slice();
        while let Some(([a, b, c, d], behind)) = rest.split_first_chunk() {
            let length = usize::from(self.order.u16([*c, *d]));
            let Some((value, next)) = behind
                .get(..length)
                .zip(behind.get(length.next_multiple_of(4)..))
            else {
                return Err(octets.malformed("interface option length", length as u64));
            };
            match (self.order.u16([*a, *b]), value) {
                (0, _) => break,
                (9, [resolution]) => {
                    let unit = Unit::of(*resolution);
                    interface.unit =
                        unit.ok_or_else(|| octets.malformed("time resolution", *resolution))?;
                }
                (14, [_, _, _, _, _, _, _, _]) => {
                    let [first, second] = self.order.u32s(value);
                    let (high, low) = match self.order {
                        Order::Big => (first, second),
                        Order::Little => (second, first),
                    };
                    interface.offset_s = (u64::from(high) << 32 | u64::from(low)).cast_signed();
                }
                _ => {}
            }
            rest = next;
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Reads an Enhanced Packet Block, or the obsolete Packet Block: they differ in the interface's
    /// width alone.
    fn packet<R: Read>(
        &mut self,
        octets: &mut Octets<R>,
        kind: u32,
        body: u32,
        frame: &mut Vec<u8>,
    ) -> Result<Captured, CaptureError> {
        let Some(room) = body.checked_sub(20) else {
            return Err(octets.malformed("packet block body", body));
        };
        let header: [u8; 20] = octets.take()?;
        let [interface, high, low, captured, original] = self.order.u32s(&header);
        let [a, b, ..] = header;
        let interface = if kind == PACKET {
            self.order.u16([a, b]).into()
        } else {
            interface
        };
        let Some(known) = self.interfaces.get(interface as usize) else {
            return Err(octets.malformed("a frame of unknown interface", interface));
        };
        let units = u64::from(high) << 32 | u64::from(low);
        let Some(time_ns) = known.time_ns(units) else {
            return Err(octets.malformed("time", units));
        };
        let Some(behind) = room.checked_sub(captured) else {
            return Err(octets.malformed("captured length", captured));
        };
        octets.take_frame(captured, frame)?;
        octets.skip(behind)?;
        Ok(Captured {
            time_ns,
            cut: captured < original,
            offset: octets.begun(),
        })
    }

    /// Reads a Simple Packet Block: a frame of the first interface, without time or length of its
    /// own.
    fn simple_packet<R: Read>(
        &mut self,
        octets: &mut Octets<R>,
        body: u32,
        frame: &mut Vec<u8>,
    ) -> Result<Captured, CaptureError> {
        let Some(room) = body.checked_sub(4) else {
            return Err(octets.malformed("packet block body", body));
        };
        let original = self.order.u32(octets.take()?);
        let Some(interface) = self.interfaces.first() else {
            return Err(octets.malformed("a frame of unknown interface", 0_u64));
        };
        let bound = match interface.snap_octets {
            0 => u32::MAX,
            bound => bound,
        };
        let captured = original.min(bound);
        let Some(padding) = room.checked_sub(captured) else {
            return Err(octets.malformed("captured length", captured));
        };
        octets.take_frame(captured, frame)?;
        octets.skip(padding)?;
        Ok(Captured {
            time_ns: self.last_ns,
            cut: captured < original,
            offset: octets.begun(),
        })
    }
}

/// Reads a Section Header Block behind its type and length; returns the order it sets.
fn begin_section<R: Read>(octets: &mut Octets<R>, length: [u8; 4]) -> Result<Order, CaptureError> {
    let mark = octets.take()?;
    let order = [Order::Little, Order::Big]
        .into_iter()
        .find(|order| order.u32(mark) == BYTE_ORDER)
        .ok_or_else(|| octets.malformed("byte order mark", u32::from_be_bytes(mark)))?;
    let length = order.u32(length);
    let Some(rest) = body(length).and_then(|body| body.checked_sub(4)) else {
        return Err(octets.malformed("block length", length));
    };
    octets.skip(rest)?;
    let again = order.u32(octets.take()?);
    if again != length {
        return Err(octets.malformed("second block length", again));
    }
    Ok(order)
}

/// Octets between a block's two lengths.
fn body(length: u32) -> Option<u32> {
    length
        .checked_sub(AROUND)
        .filter(|body| body.is_multiple_of(4))
}

impl Unit {
    /// As the option `if_tsresol` writes it.
    fn of(resolution: u8) -> Option<Self> {
        match resolution & 0x7f {
            power if resolution & 0x80 != 0 => Some(Self::PowerOfTwo(power)),
            power => 10_u128.checked_pow(power.into()).map(Self::PerSecond),
        }
    }
}

impl Interface {
    /// Nanoseconds since 1970; none where their seconds do not fit into 32 bits, as in pcap.
    fn time_ns(&self, units: u64) -> Option<u64> {
        let scaled = u128::from(units) * 1_000_000_000;
        let ns = match self.unit {
            Unit::PerSecond(unit) => scaled / unit,
            Unit::PowerOfTwo(power) => scaled >> power,
        };
        let offset_ns = i128::from(self.offset_s) * 1_000_000_000;
        let ns = u64::try_from(i128::try_from(ns).ok()? + offset_ns).ok()?;
        (ns / 1_000_000_000 <= u32::MAX.into()).then_some(ns)
    }
}
