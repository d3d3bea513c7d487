//! A datagram, and what comes back.

use std::io;

use tokio::net::UdpSocket;

use super::{Fault, Pass, Question, any, digits};
use crate::config::health::Udp;

/// As many octets of an answer as are looked at.
const MAX_ANSWER: usize = 2048;

/// Sends the payload. Where an answer is wanted it is waited for; where none is, silence is as good
/// as any answer, and an ICMP error the only failure.
pub(super) async fn ask(udp: &Udp, question: &Question) -> Result<Pass, Fault> {
    let Some(reply) = &udp.reply else {
        let patience = question.check.timing.timeout.mul_f32(0.9);
        let answered = tokio::time::timeout(patience, exchange(&udp.payload, question)).await;
        return match answered {
            Ok(Err(fault)) => Err(fault),
            Ok(Ok(_)) | Err(_) => Ok(Pass::default()),
        };
    };
    let answer = exchange(&udp.payload, question).await?;
    if reply.fits(&answer) {
        return Ok(Pass::default());
    }
    let beginning = answer.get(..16).unwrap_or(&answer);
    let (octets, beginning) = (answer.len(), digits(beginning));
    Err(Fault::Unexpected(format!(
        "{octets} octets, `{beginning}`…"
    )))
}

/// One datagram there and one back. Others than who was asked are not heard.
pub(super) async fn exchange(payload: &[u8], question: &Question) -> Result<Vec<u8>, Fault> {
    let socket = UdpSocket::bind(any(question.to)).await?;
    if let Some(name) = question.device.as_deref() {
        let bound = socket.bind_device(Some(name.as_bytes()));
        bound.map_err(|source| Fault::Device {
            device: name.to_owned(),
            source,
        })?;
    }
    socket.connect(question.to).await?;
    socket.send(payload).await?;
    let mut answer = vec![0; MAX_ANSWER];
    let octets = loop {
        match socket.recv(&mut answer).await {
            Ok(octets) => break octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    };
    answer.truncate(octets);
    Ok(answer)
}
