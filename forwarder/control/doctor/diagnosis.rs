//! From what was heard to what is wrong.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    Hearing, Patient, Ward,
    hearing::Answer,
    probes::{FAR, Question},
};
use crate::{
    config::Forward,
    control::views::{Examination, Fault, Finding},
    wire::{
        Mac, Protocol,
        icmp::{FRAGMENTATION_NEEDED, PROTOCOL_UNREACHABLE},
    },
};

/// What is wrong in a ward, as far as it was heard.
pub fn examination(ward: &Ward, heard: &Hearing) -> Examination {
    let mut findings = Vec::new();
    for (place, patient) in ward.patients.iter().enumerate() {
        let of = Bedside {
            patient,
            place,
            heard,
        };
        findings.extend(of.findings());
    }
    findings.extend(elsewhere(ward, heard));
    Examination {
        backends: ward.patients.len() as u64,
        not_looked_at: ward.others as u64,
        findings,
    }
}

/// One patient, and what was heard.
struct Bedside<'a> {
    patient: &'a Patient,
    place: usize,
    heard: &'a Hearing,
}

impl Bedside<'_> {
    fn findings(&self) -> Vec<Finding> {
        let Patient { neighbour, rip, .. } = *self.patient;
        if self.heard.mac(neighbour).is_none() {
            let evidence = format!("nobody answers ARP for {neighbour}");
            let advice = format!(
                "see that the host of {neighbour} is up, on the port's link and network, and \
                 that no VLAN is between"
            );
            let what = "its next hop cannot be reached";
            return vec![self.finding(Fault::Unreachable, what, evidence, advice)];
        }
        if self.answer(Question::Own).is_none() && self.answer(Question::Small).is_none() {
            let evidence = format!(
                "{rip} answers ARP, but neither {} nor pings",
                self.asked(rip, self.patient.rip_port)
            );
            let advice = "start the server, and let its firewall admit the director; the rest \
                          cannot be judged until then";
            let what = "it answers nothing";
            return vec![self.finding(Fault::Silent, what, evidence, advice.to_owned())];
        }
        let all = [self.gateway(), self.vip(), self.arp(), self.mtu()];
        all.into_iter().flatten().collect()
    }

    fn gateway(&self) -> Option<Finding> {
        let Patient {
            dip, rip, rip_port, ..
        } = *self.patient;
        if self.patient.forward != Forward::Nat
            || self.answer(Question::Own).is_none()
            || self.answer(Question::Far).is_some()
        {
            return None;
        }
        let asked = self.asked(rip, rip_port);
        let evidence = format!(
            "asked at {asked}, it answers {dip}, which is on its link, and does not answer {FAR} \
             through the director"
        );
        let advice = format!(
            "on it: ip route replace default via {dip}; or use FULLNAT, which needs no route back"
        );
        let what = "its default gateway is not the director, so clients get no answers";
        Some(self.finding(Fault::Gateway, what, evidence, advice))
    }

    fn vip(&self) -> Option<Finding> {
        let Patient {
            vip,
            vip_port,
            rip,
            rip_port,
            forward,
            ..
        } = *self.patient;
        let is_tunnel = forward == Forward::Tun;
        if !is_tunnel && forward != Forward::Dr {
            return None;
        }
        let own = self.answer(Question::Own)?;
        let (at_own, at_vip) = (self.asked(rip, rip_port), self.asked(vip, vip_port));
        match (self.answer(Question::Vip), own) {
            (Some(Answer::Taken), _) | (Some(Answer::Refused), Answer::Refused) => None,
            (Some(Answer::Refused), Answer::Taken) => {
                let evidence = format!("it takes a SYN at {at_own}, and resets one at {at_vip}");
                let advice = format!("let the server listen at {vip} as well, or at any address");
                let what = "nothing listens at the VIP";
                Some(self.finding(Fault::VipClosed, what, evidence, advice))
            }
            (None, _) if is_tunnel => {
                let refused = self.heard.error(rip, PROTOCOL_UNREACHABLE);
                let more = match refused {
                    Some((from, _)) => format!("; {from} says that it knows no such protocol"),
                    None => String::new(),
                };
                let evidence =
                    format!("it answers at {at_own}, and not at {at_vip} through the tunnel{more}");
                let advice = format!(
                    "on it: scripts/realserver.sh tun add {vip} (the tunnel's module loaded, its \
                     interface up with the VIP, rp_filter off)"
                );
                let what = "it does not take packets out of the tunnel, or has no VIP";
                Some(self.finding(Fault::Tunnel, what, evidence, advice))
            }
            (None, _) => {
                let evidence =
                    format!("it answers at {at_own}, and not at {at_vip} when it gets the packet");
                let advice = format!(
                    "on it: scripts/realserver.sh dr add {vip} (the VIP on lo, hidden from ARP)"
                );
                let what = "it does not have the VIP";
                Some(self.finding(Fault::VipMissing, what, evidence, advice))
            }
        }
    }

    fn arp(&self) -> Option<Finding> {
        let Patient {
            vip,
            forward,
            neighbour,
            ..
        } = *self.patient;
        let hidden = matches!(forward, Forward::Dr | Forward::Tun);
        let mac = self.heard.mac(neighbour)?;
        if !hidden || !self.patient.is_on_link() || !self.heard.who_has(vip).any(|one| one == mac) {
            return None;
        }
        let evidence = format!("asked who has {vip}, {mac} answers, which is its MAC");
        let advice = "on it: sysctl net.ipv4.conf.all.arp_ignore=1 \
                      net.ipv4.conf.all.arp_announce=2 (scripts/realserver.sh does that)";
        let what = "it answers ARP for the VIP, so clients of the link pass the director by";
        Some(self.finding(Fault::AnswersArp, what, evidence, advice.to_owned()))
    }

    fn mtu(&self) -> Option<Finding> {
        let Patient {
            rip, mtu, forward, ..
        } = *self.patient;
        if self.answer(Question::Small).is_none() || self.answer(Question::Large).is_some() {
            return None;
        }
        let told = self.heard.error(rip, FRAGMENTATION_NEEDED);
        let more = match told {
            Some((from, mtu)) => format!("; {from} says that {mtu} octets pass"),
            None => String::new(),
        };
        let evidence = format!(
            "{rip} answers small pings, and none of {mtu} octets that may not be cut{more}"
        );
        let advice = match forward {
            Forward::Tun => {
                "give all links on the way the port's MTU, or set the port's `mtu` to \
                             what passes; clamp_mss helps TCP alone"
            }
            _ => "give all links on the way the port's MTU, or set the port's `mtu` to what passes",
        };
        let what = "packets as large as the port's MTU do not come back from it";
        Some(self.finding(Fault::Mtu, what, evidence, advice.to_owned()))
    }

    fn answer(&self, question: Question) -> Option<Answer> {
        self.heard.answer(self.place, question)
    }

    /// How people write what was asked.
    fn asked(&self, address: Ipv4Addr, port: u16) -> String {
        match self.patient.protocol {
            Protocol::Tcp => format!("{address}:{port}"),
            _ => format!("{address} (ping)"),
        }
    }

    fn finding(&self, fault: Fault, what: &str, evidence: String, advice: String) -> Finding {
        Finding {
            service: self.patient.service.clone(),
            backend: Some(self.patient.backend.clone()),
            fault,
            what: what.to_owned(),
            evidence,
            advice,
        }
    }
}

/// VIPs that hosts have who are neither the director nor backends.
fn elsewhere(ward: &Ward, heard: &Hearing) -> Vec<Finding> {
    let backends: BTreeSet<Mac> = ward
        .patients
        .iter()
        .filter_map(|patient| heard.mac(patient.neighbour))
        .collect();
    let own: BTreeSet<Mac> = ward.links.iter().map(|link| link.mac).collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for patient in &ward.patients {
        let vip = patient.vip;
        let strangers = heard
            .who_has(vip)
            .filter(|mac| !own.contains(mac) && !backends.contains(mac));
        for mac in strangers {
            if told.insert((vip, mac)) {
                findings.push(Finding {
                    service: patient.service.clone(),
                    backend: None,
                    fault: Fault::VipElsewhere,
                    what: format!("another host has the VIP {vip}"),
                    evidence: format!("asked who has {vip}, {mac} answers"),
                    advice: "take the address from that host, or hide it from ARP there; where \
                             it is a second director, put the VIP into a group (docs/groups.md)"
                        .to_owned(),
                });
            }
        }
    }
    findings
}
