//! A TCP connection.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use super::{Fault, Pass, Question};

/// Connects, and that is all. The connection is reset: its backend's server need not read it, and
/// no port waits here for what may still be under way.
pub(super) async fn ask(question: &Question) -> Result<Pass, Fault> {
    super::connect(question)
        .await?
        .set_zero_linger()
        .map_err(Fault::System)?;
    Ok(Pass::default())
}

/// A connection by way of a device, if one is given.
pub(super) async fn connect(to: SocketAddr, device: Option<&str>) -> Result<TcpStream, Fault> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(name) = device {
        let bound = socket.bind_device(Some(name.as_bytes()));
        bound.map_err(|source| Fault::Device {
            device: name.to_owned(),
            source,
        })?;
    }
    let stream = socket.connect(to).await?;
    // A request is one segment, and is not to wait for more.
    stream.set_nodelay(true)?;
    Ok(stream)
}
