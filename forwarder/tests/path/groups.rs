//! VRRP through the whole path: who gets adverts, and whose the addresses are.

use weir::wire::{
    Mac, checksum,
    vrrp::{self, Advert, Version},
};

use crate::{
    case::{Case, case},
    octets::{l4, reply_to, request, tagged, with},
    rig::{
        frames::{ip, spec},
        mac,
    },
    world::{B1_MAC, CLIENT_MAC, World, nat},
};

const PEER: &str = "192.0.2.3";
const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xc3]);
const VIP: &str = "192.0.2.100";

/// A director of a pair, whose adverts come every 100 ms.
fn paired(keys: &str) -> World {
    nat().top(&format!(
        r#"groups: [(name: "pair", port: "wan", id: 51, advert_interval: "100ms",
            addresses: ["{VIP}", "10.1.0.254"], {keys})],"#
    ))
}

/// An advert in a frame, from the other director or from this one.
fn advert(from: &str, macs: [Mac; 2], to: &str, priority: u8, id: u16) -> Vec<u8> {
    let addresses = [ip(VIP), ip("10.1.0.254")];
    let advert = Advert {
        version: Version::V3,
        id: 51,
        priority,
        interval_cs: 10,
        addresses: &addresses,
        password: None,
    };
    let mut packet = vec![0; advert.octets()];
    advert.emit(&mut packet, ip(from), ip(to)).unwrap();
    // The library makes no VRRP, but UDP with as many octets.
    let udp = spec(0, &format!("{from}:0"), &format!("{to}:0"))
        .macs(macs[0], macs[1])
        .ttl(255)
        .tos(0xc0)
        .may_fragment(id)
        .payload(&packet[8..])
        .udp();
    let frame = with(&udp, 14 + 9, &[112]);
    let frame = with(&frame, 24, &[0, 0]);
    let sum = checksum::checksum(&frame[14..34]);
    let frame = with(&frame, 24, &sum.to_be_bytes());
    with(&frame, l4(&frame), &packet)
}

fn theirs(priority: u8) -> Vec<u8> {
    advert(PEER, [PEER_MAC, vrrp::GROUP_MAC], "224.0.0.18", priority, 0)
}

fn ours(priority: u8, id: u16) -> Vec<u8> {
    advert(
        "192.0.2.2",
        [mac(0), vrrp::GROUP_MAC],
        "224.0.0.18",
        priority,
        id,
    )
}

const HEARD: &str = "port0.rx punt.vrrp";

pub fn cases() -> Vec<Case> {
    let question = request(CLIENT_MAC, "192.0.2.9", VIP);
    let inside = request(B1_MAC, "10.1.0.11", "10.1.0.254");
    let silent = "port0.rx punt.arp arp.not_ours";
    let answered = "punt.arp arp.answered injected";
    vec![
        case("a backup has no addresses, a master has", paired(""))
            .rx(0, &question)
            .moved(silent)
            .rx(1, &inside)
            .moved("port1.rx punt.arp arp.not_ours")
            // Three intervals and 156/256 of one.
            .wait_ms(361)
            .tx(0, ours(100, 1))
            .moved("injected port0.tx")
            .rx(0, &question)
            .tx(0, reply_to(&question, mac(0)))
            .moved(&format!("port0.rx port0.tx {answered}"))
            .rx(1, &inside)
            .tx(1, reply_to(&inside, mac(1)))
            .moved(&format!("port1.rx port1.tx {answered}"))
            .rx(0, theirs(150))
            .moved(HEARD)
            .rx(0, &question)
            .moved(silent),
        case("who is heard is not followed", paired(""))
            .rx(0, theirs(150))
            .after_ms(300)
            .moved(HEARD)
            .rx(0, theirs(150))
            .after_ms(300)
            .moved(HEARD)
            .rx(0, theirs(0))
            .moved(HEARD)
            .wait_ms(61)
            .tx(0, ours(100, 1))
            .moved("injected port0.tx"),
        case(
            "what is no advert to all directors is another's",
            paired(""),
        )
        .rx(0, tagged(&theirs(150), 5))
        .drops("not_for_mac")
        .rx(0, with(&theirs(150), 14 + 9, &[17]))
        .drops("not_for_mac")
        .rx(0, with(&theirs(150), 0, &[1, 0, 0x5e, 0, 0, 13]))
        .drops("not_for_mac")
        .rx(0, with(&theirs(150), 14 + 8, &[254]))
        .drops("ipv4_checksum"),
        case(
            "directors that know each other",
            paired(&format!(r#"peers: ["{PEER}"]"#)).neighbours(
                r#"(address: "192.0.2.3", mac: "02:00:00:00:00:c3"),
                    (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
                    (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),"#,
            ),
        )
        .wait_ms(361)
        .tx(0, advert("192.0.2.2", [mac(0), PEER_MAC], PEER, 100, 1))
        .moved("injected port0.tx")
        .rx(0, advert(PEER, [PEER_MAC, mac(0)], "192.0.2.2", 150, 0))
        .moved(HEARD)
        .rx(0, &question)
        .moved(silent),
    ]
}
