//! The doctor: looks for the mistakes that are made when backends are set up.
//!
//! It asks as a client would: by ARP who has a VIP, by a SYN or a ping whether a backend answers
//! for its own address, for the VIP, and to who is not on its link. Questions go out by the ports
//! of the running program; answers are overheard by a capture, for most of them are for addresses
//! with which nobody has a session. Nothing that runs is changed by it. IPv4 alone.

mod diagnosis;
mod hearing;
mod patients;
mod probes;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, net::Ipv4Addr};

pub use diagnosis::examination;
pub use hearing::Hearing;
pub use patients::{Link, Patient, Ward, ward};

use tokio::sync::oneshot;

use crate::{io::PortIx, wire::Mac};

/// What the doctor asks of the program.
#[derive(Debug)]
pub enum Asked {
    /// Who is to be looked at.
    Ward(oneshot::Sender<Ward>),
    /// To send frames.
    Send {
        /// Each with its port.
        frames: Vec<Sent>,
        /// When they are on their way.
        answer: oneshot::Sender<()>,
    },
}

/// Patients that are looked at together.
pub const AT_ONCE: usize = 64;

/// The filter under which all answers are.
pub const ANSWERS: &str = "arp or icmp or tcp dst portrange 61000-61999";

/// A frame, and the port that it is to leave by.
pub type Sent = (PortIx, Vec<u8>);

impl Ward {
    /// Who has the VIPs, and who the addresses of the next hops?
    pub fn who_has(&self) -> Vec<Sent> {
        let mut asked = BTreeSet::new();
        for patient in &self.patients {
            asked.insert((patient.port, patient.neighbour));
            if self.absent.contains(&patient.vip) {
                continue;
            }
            // Where clients may be, and where backends are that have it.
            let near = |link: &&Link| link.addresses.iter().any(|net| net.contains(&patient.vip));
            let near = self.links.iter().filter(near).map(|link| link.port);
            asked.extend(near.chain([patient.port]).map(|port| (port, patient.vip)));
        }
        let frame = |(port, address): (PortIx, Ipv4Addr)| {
            let link = self.links.iter().find(|link| link.port == port)?;
            let dip = link.addresses.first()?.addr();
            Some((port, probes::who_has((link.mac, dip), address)))
        };
        asked.into_iter().filter_map(frame).collect()
    }

    /// What is asked of those whose next hop has answered.
    pub fn questions(&self, heard: &Hearing) -> Vec<Sent> {
        self.frames(heard, probes::questions)
    }

    /// What ends all that was begun by that.
    pub fn farewells(&self, heard: &Hearing) -> Vec<Sent> {
        self.frames(heard, probes::farewells)
    }

    fn frames(
        &self,
        heard: &Hearing,
        of: impl Fn(&Patient, u16, Mac) -> Vec<Vec<u8>>,
    ) -> Vec<Sent> {
        let mut frames = Vec::new();
        for (place, patient) in (0..).zip(&self.patients) {
            if let Some(mac) = heard.mac(patient.neighbour) {
                let made = of(patient, place, mac).into_iter();
                frames.extend(made.map(|frame| (patient.port, frame)));
            }
        }
        frames
    }

    /// Wards of no more than [`AT_ONCE`].
    pub fn split(self) -> Vec<Self> {
        let parts = self.patients.chunks(AT_ONCE);
        parts
            .map(|patients| Self {
                patients: patients.to_vec(),
                ..self.clone()
            })
            .collect()
    }
}
