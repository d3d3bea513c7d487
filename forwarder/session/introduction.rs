//! How far a backend has been told of its client, and what that does to sequence numbers.
//!
//! A header of the PROXY protocol stands before all that the client sends. So what the client
//! counts from its SYN on, the backend counts from the header's end on.

use super::Deltas;

/// How backends are told of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// By a line of text before the client's first octet: the PROXY protocol, version 1.
    V1,
    /// By a binary header there, or in each datagram: version 2.
    V2,
}

/// How far a connection is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The backend has not answered: where it counts from is unknown.
    Unanswered,
    /// It has, and nothing has been told.
    Awaited,
    /// It has been, and the backend has not acknowledged it.
    Told,
    /// The backend has it.
    Known,
}

/// What a session remembers where its backend is told of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// How.
    pub means: Means,
    /// How far it is.
    pub phase: Phase,
    /// The number of the first octet, as the backend has acknowledged the SYN. Before that, by the
    /// client's last SYN, which tells no more than whether the next is the same.
    pub start: u32,
    /// Octets that the backend gets before that.
    pub octets: u8,
}

impl Introduction {
    /// A client's sequence number as the backend counts.
    #[inline]
    #[must_use]
    pub fn to_backend(self, sequence: u32) -> u32 {
        match self.phase {
            Phase::Unanswered | Phase::Awaited => sequence,
            Phase::Told | Phase::Known => sequence.wrapping_add(self.octets.into()),
        }
    }

    /// What a backend acknowledges, as the client counts. What lies in the header is held to its
    /// start until the backend has all of it.
    #[inline]
    #[must_use]
    pub fn to_client(self, acknowledgement: u32) -> u32 {
        let octets = u32::from(self.octets);
        let shifted = acknowledgement.wrapping_sub(octets);
        match self.phase {
            Phase::Unanswered | Phase::Awaited => acknowledgement,
            Phase::Known => shifted,
            Phase::Told => match acknowledgement.wrapping_sub(self.start) {
                inside if inside < octets => self.start,
                behind if behind.cast_signed() >= 0 => shifted,
                // Of what was before this connection.
                _ => acknowledgement,
            },
        }
    }

    /// The same after a backend has acknowledged a SYN so. Where that is another than before, it
    /// has begun another connection.
    #[inline]
    #[must_use]
    pub fn answered(self, acknowledgement: u32) -> Self {
        if self.phase != Phase::Unanswered && self.start == acknowledgement {
            return self;
        }
        Self {
            phase: Phase::Awaited,
            start: acknowledgement,
            ..self
        }
    }

    /// True for a client's number before all that it can have to say.
    #[inline]
    #[must_use]
    pub fn is_before(self, sequence: u32) -> bool {
        sequence.wrapping_sub(self.start).cast_signed() < 0
    }

    /// The same after a backend has acknowledged this.
    #[inline]
    #[must_use]
    pub fn acknowledged(self, acknowledgement: u32) -> Self {
        let behind = acknowledgement.wrapping_sub(self.start);
        let all = behind >= self.octets.into() && behind.cast_signed() >= 0;
        let phase = match self.phase {
            Phase::Told if all => Phase::Known,
            phase => phase,
        };
        Self { phase, ..self }
    }

    /// In the place of the deltas, which follow from the session's ends.
    pub(super) fn packed(self) -> Deltas {
        let [a, b, c, d] = self.start.to_ne_bytes();
        let octets = [
            a,
            b,
            c,
            d,
            self.octets,
            self.means as u8,
            self.phase as u8,
            0,
        ];
        zerocopy::transmute!(octets)
    }

    pub(super) fn unpacked(deltas: Deltas) -> Self {
        let [a, b, c, d, octets, means, phase, _]: [u8; 8] = zerocopy::transmute!(deltas);
        Self {
            means: match means {
                0 => Means::V1,
                _ => Means::V2,
            },
            phase: match phase {
                0 => Phase::Unanswered,
                1 => Phase::Awaited,
                2 => Phase::Told,
                _ => Phase::Known,
            },
            start: u32::from_ne_bytes([a, b, c, d]),
            octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(start: u32, octets: u8) -> Introduction {
        Introduction {
            means: Means::V1,
            phase: Phase::Told,
            start,
            octets,
        }
    }

    #[test]
    fn what_is_acknowledged_of_a_header_is_held_to_its_start() {
        for start in [0, 1, 1000, u32::MAX, u32::MAX - 27, 1 << 31] {
            let told = told(start, 28);
            for inside in 0..28 {
                let number = start.wrapping_add(inside);
                assert_eq!(told.to_client(number), start);
                assert_eq!(told.acknowledged(number), told);
            }
            for behind in [0, 1, 5000] {
                let number = start.wrapping_add(28 + behind);
                assert_eq!(told.to_client(number), start.wrapping_add(behind));
                assert_eq!(told.acknowledged(number).phase, Phase::Known);
            }
            let before = start.wrapping_sub(1);
            assert_eq!(told.to_client(before), before);
            assert_eq!(told.acknowledged(before), told);
        }
    }

    #[test]
    fn before_the_header_nothing_is_shifted() {
        let awaited = Introduction {
            phase: Phase::Awaited,
            ..told(1000, 28)
        };
        for number in [0, 999, 1000, 1001, 5000] {
            assert_eq!(awaited.to_backend(number), number);
            assert_eq!(awaited.to_client(number), number);
            assert_eq!(awaited.acknowledged(number), awaited);
        }
    }

    #[test]
    fn a_backend_alone_says_where_it_begins() {
        for start in [0, 1, 1000, u32::MAX] {
            let unanswered = Introduction {
                phase: Phase::Unanswered,
                ..told(start, 28)
            };
            for number in [start, start.wrapping_sub(28)] {
                let awaited = unanswered.answered(number);
                assert_eq!((awaited.phase, awaited.start), (Phase::Awaited, number));
            }
            let told = told(start, 28);
            assert_eq!(told.answered(start), told);
            let another = told.answered(start.wrapping_add(5));
            assert_eq!(another, unanswered.answered(start.wrapping_add(5)));
            assert!(told.is_before(start.wrapping_sub(1)));
            assert!(!told.is_before(start) && !told.is_before(start.wrapping_add(5)));
        }
    }

    proptest! {
        #[test]
        fn what_is_known_goes_there_and_back(start: u32, octets: u8, number: u32) {
            let known = Introduction { phase: Phase::Known, ..told(start, octets) };
            prop_assert_eq!(known.to_client(known.to_backend(number)), number);
            let told = told(start, octets);
            let sent = start.wrapping_add(number >> 2);
            prop_assert_eq!(told.to_client(told.to_backend(sent)), sent);
            prop_assert_eq!(told.to_backend(sent), known.to_backend(sent));
        }

        #[test]
        fn what_is_packed_is_unpacked(
            start: u32,
            octets: u8,
            means in 0..2_usize,
            phase in 0..4_usize,
        ) {
            let introduction = Introduction {
                means: [Means::V1, Means::V2][means],
                phase: [Phase::Unanswered, Phase::Awaited, Phase::Told, Phase::Known][phase],
                start,
                octets,
            };
            prop_assert_eq!(Introduction::unpacked(introduction.packed()), introduction);
        }
    }
}
