//! The names by which a session knows its service, its backend and its next hops.

/// A service by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceIx(pub u16);

/// A backend by its number, which is stable as long as a session holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BackendIx(pub u16);

/// A neighbour that the configuration names (a backend or a gateway), by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedIx(pub u16);

impl ServiceIx {
    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl BackendIx {
    /// The number `more` places on, if there is one.
    #[inline]
    pub fn plus(self, more: usize) -> Option<Self> {
        Some(Self(self.0.checked_add(u16::try_from(more).ok()?)?))
    }

    /// The number as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl FixedIx {
    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
