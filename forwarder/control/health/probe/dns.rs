//! A question to a DNS server.

use simple_dns::{CLASS, Name, Packet, PacketFlag, Question as Asked, RCODE, TYPE};

use super::{Fault, Pass, Question, udp};

/// Asks for a record. What the server answers does not matter as long as it says `NoError`.
pub(super) async fn ask(name: &str, record: &str, question: &Question) -> Result<Pass, Fault> {
    // Each question has a socket of its own, so what tells answers apart is its port.
    const ID: u16 = 0x7765;
    let wrong = |error: simple_dns::SimpleDnsError| Fault::Unexpected(error.to_string());
    let mut query = Packet::new_query(ID);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let absolute = name.strip_suffix('.').unwrap_or(name);
    let name = Name::new(absolute).map_err(wrong)?;
    let asked = Asked::new(name, kind(record).into(), CLASS::IN.into(), false);
    query.questions.push(asked);
    let octets = query.build_bytes_vec().map_err(wrong)?;
    let answer = udp::exchange(&octets, question).await?;
    let answer = Packet::parse(&answer).map_err(wrong)?;
    if answer.id() != ID || !answer.has_flags(PacketFlag::RESPONSE) {
        return Err(Fault::Unexpected("not to what was asked".to_owned()));
    }
    match answer.rcode() {
        RCODE::NoError => Ok(Pass::default()),
        code => Err(Fault::Unexpected(format!("{code:?}"))),
    }
}

/// Those that the configuration knows.
fn kind(record: &str) -> TYPE {
    match record {
        "A" => TYPE::A,
        "AAAA" => TYPE::AAAA,
        "CNAME" => TYPE::CNAME,
        "MX" => TYPE::MX,
        "NS" => TYPE::NS,
        "PTR" => TYPE::PTR,
        "SRV" => TYPE::SRV,
        "TXT" => TYPE::TXT,
        _ => TYPE::SOA,
    }
}
