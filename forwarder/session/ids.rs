//! The names by which a session knows its service, its backend and its next hops.

/// A service by its number, which is stable as long as a session holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceIx(pub u16);

/// A backend by its number, which is stable as long as a session holds it.
///
/// Below [`BackendIx::MOST`]: sessions keep a flag in the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BackendIx(pub u32);

/// A neighbour that the configuration names (a backend or a gateway), by its number, which is
/// stable while the configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedIx(pub u16);

impl ServiceIx {
    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl BackendIx {
    /// How many there can be.
    pub const MOST: u32 = 1 << 20;

    /// The number as an index of a slice.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl FixedIx {
    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Which publication of services it was. Comes round after 2 billion of them: sessions keep a flag
/// in the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Generation(pub u32);

impl Generation {
    /// The highest number.
    pub(super) const LAST: u32 = u32::MAX >> 1;

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1) & Self::LAST)
    }

    /// The one before this.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.wrapping_sub(1) & Self::LAST)
    }

    /// True where this one came before `other`: no more than half of all lie between two that are
    /// compared.
    #[inline]
    pub fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) << 1).cast_signed() < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_come_round() {
        let (last, first) = (Generation(Generation::LAST), Generation(0));
        assert_eq!((last.next(), first.before()), (first, last));
        assert!(last.is_before(first) && !first.is_before(last));
        assert!(Generation(5).is_before(Generation(7)) && !Generation(7).is_before(Generation(5)));
        assert!(first.is_before(Generation(1)) && !first.is_before(first));
    }
}
