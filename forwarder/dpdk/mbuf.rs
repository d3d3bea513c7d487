//! One packet in DPDK's buffers.

use std::{fmt, ptr::NonNull, slice};

use dpdk_sys::rte_mbuf;

use crate::{io::Frame, mem, wire::ethernet};

/// The 802.1Q tag: its type, and how long it is.
const TAG_TYPE: [u8; 2] = ethernet::ETHERTYPE_VLAN.to_be_bytes();
const TAG: usize = ethernet::TAGGED_LEN - ethernet::LEN;
/// Both addresses of an Ethernet header, before which nothing of a tag stands.
const ADDRESSES: usize = 12;

/// One chain of DPDK buffers, owned: they go back to their pool in `Drop`.
///
/// As long as a pointer, and an array of these is an array of DPDK's pointers.
///
/// Invariant: the pointer is the first segment of a chain that nobody else has a reference to,
/// with `data_off + data_len <= buf_len` in each segment, as drivers and pools give it.
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: a buffer belongs to no thread: pools take it back on any.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Owns what DPDK gave.
    ///
    /// # Safety
    /// `mbuf` is a whole chain that the caller owns.
    pub(super) unsafe fn from_raw(mbuf: NonNull<rte_mbuf>) -> Self {
        Self(mbuf)
    }

    /// Puts a tag that the driver has cut off back into the frame. False where there is no
    /// headroom for it.
    ///
    /// Drivers on top of the kernel's packet sockets hand tags over beside the frame.
    pub(super) fn restore_tag(&mut self) -> bool {
        if !self.has_lost_tag() {
            return true;
        }
        if self.head().len() < ADDRESSES || !self.prepend(TAG) {
            return false;
        }
        let tag = self.fields().vlan_tci.to_be_bytes();
        let head = self.head_mut();
        head.copy_within(TAG..TAG + ADDRESSES, 0);
        if let Some((kind, value)) = head
            .get_mut(ADDRESSES..ADDRESSES + TAG)
            .map(|place| place.split_at_mut(2))
        {
            kind.copy_from_slice(&TAG_TYPE);
            value.copy_from_slice(&tag);
        }
        self.fields_mut().ol_flags &= !dpdk_sys::SHIM_MBUF_VLAN_STRIPPED;
        true
    }

    /// Whether the driver has cut the frame's tag off.
    #[inline]
    pub(super) fn has_lost_tag(&self) -> bool {
        self.fields().ol_flags & dpdk_sys::SHIM_MBUF_VLAN_STRIPPED != 0
    }

    /// Makes a frame of one segment `octets` long; what is new has unspecified content. False,
    /// and nothing changed, where the buffer is too small or the frame has more segments.
    #[inline]
    pub(super) fn resize(&mut self, octets: usize) -> bool {
        let fields = self.fields_mut();
        let room = fields.buf_len.saturating_sub(fields.data_off);
        match u16::try_from(octets) {
            Ok(octets) if octets <= room && fields.nb_segs == 1 => {
                fields.data_len = octets;
                fields.pkt_len = u32::from(octets);
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn fields(&self) -> &rte_mbuf {
        // SAFETY: the pointer is to a buffer that this value owns.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn fields_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: the pointer is to a buffer that this value alone owns.
        unsafe { self.0.as_mut() }
    }

    /// Where the first octet lies.
    #[inline]
    fn start(&self) -> *mut u8 {
        let fields = self.fields();
        fields
            .buf_addr
            .cast::<u8>()
            .wrapping_add(usize::from(fields.data_off))
    }

    /// Cuts from the end of several segments, and frees those of which nothing is left: hardware
    /// stumbles over empty segments.
    #[cold]
    fn truncate_chain(&mut self, mut cut: usize) {
        while cut > 0 {
            let mut before = self.0;
            let mut last = self.0;
            // SAFETY: `last` is a segment of this chain, the first and then each one's next.
            while let Some(next) = NonNull::new(unsafe { (*last.as_ptr()).next }) {
                before = last;
                last = next;
            }
            // SAFETY: `last` is a segment of this chain, which this value alone owns; the borrow
            // ends before any other is made.
            let length = unsafe { &mut (*last.as_ptr()).data_len };
            let taken = cut.min(usize::from(*length));
            // Both are at most what they were: `taken <= data_len`, and `cut <= pkt_len`.
            *length -= u16::try_from(taken).unwrap_or(*length);
            let left = *length;
            cut -= taken;
            let octets = self.octets().saturating_sub(taken);
            self.fields_mut().pkt_len = u32::try_from(octets).unwrap_or(u32::MAX);
            if before == last {
                return;
            }
            if left == 0 {
                // SAFETY: `before` is a segment of this chain, the one whose next is `last`.
                unsafe { (*before.as_ptr()).next = std::ptr::null_mut() };
                self.fields_mut().nb_segs -= 1;
                // SAFETY: `last` was cut out of the chain above, so this value owns it apart.
                drop(unsafe { Self::from_raw(last) });
            }
        }
    }
}

impl Frame for Mbuf {
    #[inline]
    fn head(&self) -> &[u8] {
        let length = usize::from(self.fields().data_len);
        // SAFETY: the segment holds `data_len` octets from `data_off` on, by the invariant;
        // pools are made of mapped, zeroed memory; nobody writes to it while this is borrowed.
        unsafe { slice::from_raw_parts(self.start(), length) }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut [u8] {
        let length = usize::from(self.fields().data_len);
        // SAFETY: as for `head`, and this value is borrowed alone.
        unsafe { slice::from_raw_parts_mut(self.start(), length) }
    }

    #[inline]
    fn octets(&self) -> usize {
        self.fields().pkt_len as usize
    }

    #[inline]
    fn prepend(&mut self, count: usize) -> bool {
        let fields = self.fields_mut();
        // What fits into the headroom fits into a segment, whose size is 16 bits.
        let Ok(count) = u16::try_from(count) else {
            return false;
        };
        let Some(start) = fields.data_off.checked_sub(count) else {
            return false;
        };
        fields.data_off = start;
        fields.data_len = fields.data_len.wrapping_add(count);
        fields.pkt_len = fields.pkt_len.wrapping_add(u32::from(count));
        true
    }

    #[inline]
    fn truncate(&mut self, octets: usize) -> bool {
        let Some(cut) = self.octets().checked_sub(octets) else {
            return false;
        };
        if self.fields().nb_segs != 1 {
            self.truncate_chain(cut);
            return true;
        }
        self.resize(octets)
    }

    fn another(&self, octets: usize) -> Option<Self> {
        let pool = self.fields().pool;
        // SAFETY: a pool lives while buffers of it are out, this one among them, and any thread
        // may take from it.
        let mbuf = NonNull::new(unsafe { dpdk_sys::shim_pktmbuf_alloc(pool) })?;
        // SAFETY: the pool gave a buffer of one segment, which nobody else has.
        let mut mbuf = unsafe { Self::from_raw(mbuf) };
        mbuf.resize(octets).then_some(mbuf)
    }

    #[inline]
    fn prefetch(&self) {
        if let Some(first) = self.head().first() {
            mem::prefetch(first);
        }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this value owns the chain, and its pool lives: it does not go while buffers
        // of it are out.
        unsafe { dpdk_sys::shim_pktmbuf_free(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf")
            .field("octets", &self.octets())
            .field("segments", &self.fields().nb_segs)
            .field("head", &self.head())
            .finish()
    }
}

const _: () = assert!(size_of::<Option<Mbuf>>() == 8);

#[cfg(test)]
mod tests;
