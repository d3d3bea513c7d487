//! What is answered, out of all that passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use super::{
    Patient,
    probes::{FIRST_PORT, IDENTIFIER, Question},
};
use crate::{
    io::pcap::{CaptureError, Reader},
    wire::{
        Mac, arp,
        ethernet::{self, ETHERTYPE_ARP, ETHERTYPE_IPV4},
        icmp,
        ipv4::{self, PROTOCOL_ICMP, PROTOCOL_TCP},
        tcp,
    },
};

/// An answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// A SYN was taken, or a ping answered.
    Taken,
    /// A SYN was refused by a reset.
    Refused,
}

/// What has been heard.
#[derive(Debug, Default)]
pub struct Hearing {
    /// Who says that it has an address.
    has: BTreeMap<Ipv4Addr, BTreeSet<Mac>>,
    /// By the patient's place and the question.
    answers: BTreeMap<(usize, Question), Answer>,
    /// What a host on the way, or the backend, said of a packet to a RIP: a code of ICMP's
    /// "unreachable", and the MTU that it told.
    errors: BTreeMap<(Ipv4Addr, u8), (Ipv4Addr, u16)>,
}

impl Hearing {
    /// Hears what there is in a capture.
    ///
    /// # Errors
    ///
    /// That it cannot be read.
    pub fn listen(&mut self, capture: &[u8], patients: &[Patient]) -> Result<(), CaptureError> {
        let mut reader = Reader::new(capture)?;
        let mut frame = Vec::new();
        while reader.next_frame(&mut frame)?.is_some() {
            let Ok(link) = ethernet::parse(&frame) else {
                continue;
            };
            let packet = frame.get(link.payload_offset()..).unwrap_or_default();
            match link.ethertype {
                ETHERTYPE_ARP => self.hear_arp(packet),
                ETHERTYPE_IPV4 => self.hear(packet, patients),
                _ => {}
            }
        }
        Ok(())
    }

    /// The MAC of a neighbour.
    pub fn mac(&self, neighbour: Ipv4Addr) -> Option<Mac> {
        self.has.get(&neighbour)?.first().copied()
    }

    /// All who say that they have an address.
    pub(super) fn who_has(&self, address: Ipv4Addr) -> impl Iterator<Item = Mac> {
        self.has.get(&address).into_iter().flatten().copied()
    }

    pub(super) fn answer(&self, place: usize, question: Question) -> Option<Answer> {
        self.answers.get(&(place, question)).copied()
    }

    /// Who said so of a packet to this address, and the MTU that it told.
    pub(super) fn error(&self, rip: Ipv4Addr, code: u8) -> Option<(Ipv4Addr, u16)> {
        self.errors.get(&(rip, code)).copied()
    }

    fn hear_arp(&mut self, packet: &[u8]) {
        if let Ok((header, _)) = arp::parse(packet)
            && header.operation() == arp::Operation::Reply
        {
            let macs = self.has.entry(header.sender_ip()).or_default();
            macs.insert(header.sender_mac);
        }
    }

    fn hear(&mut self, packet: &[u8], patients: &[Patient]) {
        let Ok((header, payload)) = ipv4::parse(packet) else {
            return;
        };
        let (number, answer) = match header.protocol() {
            PROTOCOL_TCP => {
                let Some(number) = u16_at(payload, 2).and_then(|to| to.checked_sub(FIRST_PORT))
                else {
                    return;
                };
                let Ok((segment, _)) = tcp::parse(payload) else {
                    return;
                };
                match (segment.flags().rst(), segment.flags().syn()) {
                    (true, _) => (number, Answer::Refused),
                    (_, true) => (number, Answer::Taken),
                    _ => return,
                }
            }
            PROTOCOL_ICMP => match icmp::parse(payload) {
                Ok((message, _)) if message.kind() == icmp::ECHO_REPLY => {
                    if message.identifier() != IDENTIFIER {
                        return;
                    }
                    (message.sequence(), Answer::Taken)
                }
                Ok((message, quoted)) if message.kind() == icmp::UNREACHABLE => {
                    if let Some(to) = quoted.get(16..20).and_then(|to| to.first_chunk::<4>()) {
                        let of = (Ipv4Addr::from_octets(*to), message.code());
                        self.errors
                            .insert(of, (header.source(), message.sequence()));
                    }
                    return;
                }
                _ => return,
            },
            _ => return,
        };
        let Some((place, question)) = Question::of(number) else {
            return;
        };
        let Some(patient) = patients.get(place) else {
            return;
        };
        let asked = match question {
            Question::Vip => patient.vip,
            _ => patient.rip,
        };
        if header.source() == asked {
            self.answers.insert((place, question), answer);
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}
