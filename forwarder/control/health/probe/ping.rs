//! An ICMP echo.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{Fault, Pass, Question, any};
use crate::wire::{checksum::checksum, icmp, icmpv6};

/// What is sent and must come back.
const PAYLOAD: &[u8; 16] = b"weir echo check\0";

/// Sends an echo request and waits for its reply.
pub(super) async fn ask(question: &Question) -> Result<Pass, Fault> {
    let (socket, raw) = socket(question)?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(SocketAddr::new(question.to.ip(), 0)).await?;
    // Raw sockets hear the replies to all others; the kernel gives one of its own kind its port
    // as identifier.
    let identifier = identifier();
    let (request, reply) = match question.to {
        SocketAddr::V4(_) => (request(icmp::ECHO, identifier), icmp::ECHO_REPLY),
        // The kernel computes the checksum, which covers the addresses.
        SocketAddr::V6(_) => (request(icmpv6::ECHO, identifier), icmpv6::ECHO_REPLY),
    };
    socket.send(&request).await?;
    let mut received = [0; 256];
    loop {
        let octets = socket.recv(&mut received).await?;
        let packet = received.get(..octets).unwrap_or_default();
        let message = match question.to {
            SocketAddr::V4(_) if raw => after_header(packet),
            _ => packet,
        };
        let (kind, same) = (message.first(), message.get(8..) == Some(PAYLOAD));
        let own = !raw || message.get(4..6) == Some(&identifier.to_be_bytes());
        if kind == Some(&reply) && same && own {
            return Ok(Pass::default());
        }
    }
}

/// A socket for ICMP, and whether it is a raw one: the kernel's own kind is for the groups of
/// `net.ipv4.ping_group_range`, the raw one for root.
fn socket(question: &Question) -> Result<(std::net::UdpSocket, bool), Fault> {
    let (domain, icmp) = match question.to {
        SocketAddr::V4(_) => (Domain::IPV4, Some(Protocol::ICMPV4)),
        SocketAddr::V6(_) => (Domain::IPV6, Some(Protocol::ICMPV6)),
    };
    let (socket, raw) = match Socket::new(domain, Type::DGRAM, icmp) {
        Ok(socket) => (socket, false),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            (Socket::new(domain, Type::RAW, icmp)?, true)
        }
        Err(error) => return Err(error.into()),
    };
    socket.set_nonblocking(true)?;
    if let Some(name) = question.device.as_deref() {
        let bound = socket.bind_device(Some(name.as_bytes()));
        bound.map_err(|source| Fault::Device {
            device: name.to_owned(),
            source,
        })?;
    }
    socket.bind(&any(question.to).into())?;
    Ok((socket.into(), raw))
}

/// One that other pings of this machine hardly have at this moment.
fn identifier() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
    static NEXT: AtomicU16 = AtomicU16::new(0x7765);
    NEXT.fetch_add(1, Relaxed)
}

fn request(kind: u8, identifier: u16) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend([0, 1]);
    message.extend(PAYLOAD);
    let sum = checksum(&message).to_be_bytes();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum);
    }
    message
}

/// What follows the IPv4 header, with which raw sockets receive.
fn after_header(packet: &[u8]) -> &[u8] {
    let words = packet.first().map_or(0, |first| first & 0xf);
    packet.get(usize::from(words) * 4..).unwrap_or_default()
}
