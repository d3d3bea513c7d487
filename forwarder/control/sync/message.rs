//! What directors tell each other of sessions, in octets.
//!
//! A message is a row of records. A record begins with its kind; numbers are in network order:
//!
//! ```text
//! kind  protocol  state  forward  flags  remaining_ms  client    VIP       RIP       [LIP]
//! 1     1         1      1        1      4             6 or 18   6 or 18   6 or 18   6 or 18
//! ```
//!
//! Addresses come before their ports. The LIP is there in FULLNAT alone. A record of
//! [`ALL_TOLD`] is its kind and nothing else.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{
    path::News,
    session::{Family, Forward, Means, Told, tcp::State},
    wire::{Endpoint, Protocol},
};

/// A session of IPv4.
const FOUR: u8 = 4;

/// A session of IPv6.
const SIX: u8 = 6;

/// The whole table has been told.
const ALL_TOLD: u8 = 1;

/// Set where a UDP session has had a second datagram.
const LASTS: u8 = 1;

/// Set where the session is no more.
const ENDED: u8 = 2;

/// Set where the backend was told of the client by a line of text.
const BY_V1: u8 = 4;

/// Set where it was told by a binary header.
const BY_V2: u8 = 8;

/// Octets of the largest record.
pub(super) const LARGEST: usize = 9 + 4 * 18;

/// What one record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// How a session stands.
    Session(News),
    /// Before this one stands each session that there was when the link came about.
    AllTold,
}

/// That octets are no row of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Writes a record behind others.
pub(super) fn write(record: Record, out: &mut Vec<u8>) {
    match record {
        Record::Session(News::Four(told)) => write_session(FOUR, &told, out),
        Record::Session(News::Six(told)) => write_session(SIX, &told, out),
        Record::AllTold => out.push(ALL_TOLD),
    }
}

/// The records of a message: all of them, or none.
pub(super) fn read(mut octets: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut records = Vec::new();
    while let Some((kind, rest)) = octets.split_first() {
        octets = rest;
        let record = match *kind {
            FOUR => read_session(&mut octets).map(|told| Record::Session(News::Four(told))),
            SIX => read_session(&mut octets).map(|told| Record::Session(News::Six(told))),
            ALL_TOLD => Some(Record::AllTold),
            _ => None,
        };
        records.push(record.ok_or(Malformed)?);
    }
    Ok(records)
}

/// A family of addresses in octets.
trait Octets: Family {
    fn write(self, out: &mut Vec<u8>);
    fn read(octets: &mut &[u8]) -> Option<Self>;
}

impl Octets for Ipv4Addr {
    fn write(self, out: &mut Vec<u8>) {
        out.extend(self.octets());
    }

    fn read(octets: &mut &[u8]) -> Option<Self> {
        take::<4>(octets).map(Self::from)
    }
}

impl Octets for Ipv6Addr {
    fn write(self, out: &mut Vec<u8>) {
        out.extend(self.octets());
    }

    fn read(octets: &mut &[u8]) -> Option<Self> {
        take::<16>(octets).map(Self::from)
    }
}

fn write_session<A: Octets>(kind: u8, told: &Told<A>, out: &mut Vec<u8>) {
    let introduces = match told.introduces {
        None => 0,
        Some(Means::V1) => BY_V1,
        Some(Means::V2) => BY_V2,
    };
    let lasts = if told.lasts { LASTS } else { 0 };
    let flags = lasts | if told.ended { ENDED } else { 0 } | introduces;
    let forward = number_of(told.forward);
    out.extend([kind, told.protocol as u8, told.state as u8, forward, flags]);
    out.extend(told.remaining_ms.to_be_bytes());
    let ends = [
        Some(told.client),
        Some(told.vip),
        Some(told.rip),
        told.local,
    ];
    for end in ends.into_iter().flatten() {
        end.address.write(out);
        out.extend(end.port.to_be_bytes());
    }
}

fn read_session<A: Octets>(octets: &mut &[u8]) -> Option<Told<A>> {
    let [protocol, state, forward, flags] = take(octets)?;
    let (protocol, forward) = (protocol_of(protocol)?, forward_of(forward)?);
    let remaining_ms = u32::from_be_bytes(take(octets)?);
    let (client, vip, rip) = (end(octets)?, end(octets)?, end(octets)?);
    let local = match forward {
        Forward::FullNat => Some(end(octets)?),
        Forward::Nat | Forward::Dr | Forward::Tun | Forward::Wrap | Forward::Snat => None,
    };
    let introduces = match flags & !(LASTS | ENDED) {
        0 => None,
        BY_V1 => Some(Means::V1),
        BY_V2 => Some(Means::V2),
        _ => return None,
    };
    Some(Told {
        client,
        vip,
        rip,
        local,
        protocol,
        forward,
        introduces,
        state: state_of(state, protocol)?,
        lasts: flags & LASTS != 0,
        ended: flags & ENDED != 0,
        remaining_ms,
    })
}

fn end<A: Octets>(octets: &mut &[u8]) -> Option<Endpoint<A>> {
    let address = A::read(octets)?;
    Some(Endpoint::new(address, u16::from_be_bytes(take(octets)?)))
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*taken)
}

fn protocol_of(number: u8) -> Option<Protocol> {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp];
    all.into_iter().find(|one| *one as u8 == number)
}

/// By these numbers, whatever others the program has.
const FORWARDS: [Forward; 6] = [
    Forward::Nat,
    Forward::Dr,
    Forward::Tun,
    Forward::FullNat,
    Forward::Snat,
    Forward::Wrap,
];

fn number_of(forward: Forward) -> u8 {
    let mut numbered = (0..).zip(FORWARDS);
    let found = numbered.find(|(_, one)| *one == forward);
    found.map_or(u8::MAX, |(number, _)| number)
}

fn forward_of(number: u8) -> Option<Forward> {
    FORWARDS.get(usize::from(number)).copied()
}

fn state_of(number: u8, protocol: Protocol) -> Option<State> {
    let all = [
        State::None,
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait,
        State::TimeWait,
        State::Close,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::SynAck,
    ];
    let state = all.into_iter().find(|one| *one as u8 == number)?;
    (protocol == Protocol::Tcp || state == State::None).then_some(state)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end<A: Octets>(address: impl Strategy<Value = A>) -> impl Strategy<Value = Endpoint<A>> {
        (address, any::<u16>()).prop_map(|(address, port)| Endpoint::new(address, port))
    }

    fn told<A: Octets + 'static>(
        address: impl Strategy<Value = A> + Clone,
    ) -> impl Strategy<Value = Told<A>> {
        let ends = [(); 4].map(|()| end(address.clone()));
        (
            ends,
            0..3_usize,
            0..5_u8,
            0..11_u8,
            any::<(bool, bool, u32)>(),
            prop::sample::select(&[None, Some(Means::V1), Some(Means::V2)]),
        )
            .prop_map(
                |(
                    [client, vip, rip, local],
                    protocol,
                    forward,
                    state,
                    (lasts, ended, remaining_ms),
                    introduces,
                )| {
                    let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp][protocol];
                    let forward = forward_of(forward).unwrap();
                    let state = state_of(state, protocol).unwrap_or_default();
                    Told {
                        client,
                        vip,
                        rip,
                        local: (forward == Forward::FullNat).then_some(local),
                        protocol,
                        forward,
                        introduces,
                        state,
                        lasts,
                        ended,
                        remaining_ms,
                    }
                },
            )
    }

    /// Any record.
    pub(in crate::control::sync) fn record() -> impl Strategy<Value = Record> {
        prop_oneof![
            8 => told(any::<Ipv4Addr>()).prop_map(|told| Record::Session(News::Four(told))),
            8 => told(any::<Ipv6Addr>()).prop_map(|told| Record::Session(News::Six(told))),
            1 => Just(Record::AllTold),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(record(), 0..40)) {
            let mut octets = Vec::new();
            for record in &records {
                let before = octets.len();
                write(*record, &mut octets);
                prop_assert!(octets.len() - before <= LARGEST);
            }
            prop_assert_eq!(read(&octets), Ok(records));
        }

        /// Damaged or cut short it is refused, or says something else; nothing else happens.
        #[test]
        fn whatever_comes_is_read_or_refused(
            records in prop::collection::vec(record(), 1..9),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut octets = Vec::new();
            for record in &records {
                write(*record, &mut octets);
            }
            for (at, octet) in damage {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            octets.truncate(cut.index(octets.len()) + 1);
            if let Ok(read) = read(&octets) {
                let mut again = Vec::new();
                for record in read {
                    write(record, &mut again);
                }
                prop_assert_eq!(again, octets);
            }
        }
    }
}
