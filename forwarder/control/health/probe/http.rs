//! Requests of HTTP/1.1, over TLS or not.

use std::pin::pin;

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request as Message, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Fault, Pass, Question, digits, tls};
use crate::config::health::{Digest, Http, Request};

/// Octets of a body that are searched.
const SEARCHED: usize = 64 * 1024;

/// Octets of a body whose digest is taken.
pub(super) const MAX_BODY: usize = 16 << 20;

/// Asks for each URL over a connection of its own; all must be answered as wanted.
pub(super) async fn ask(http: &Http, question: &Question) -> Result<Pass, Fault> {
    for request in &http.requests {
        let stream = super::connect(question).await?;
        let host = request.host.clone();
        let host = host.unwrap_or_else(|| question.to.to_string());
        match (&http.tls, &question.tls) {
            (None, _) | (_, None) => exchange(stream, request, &host).await?,
            (Some(tls), Some(connector)) => {
                let connector = connector.as_ref();
                let connector = connector.map_err(|fault| Fault::Tls(fault.to_string()))?;
                let name = tls.sni.as_deref().unwrap_or_else(|| without_port(&host));
                let stream = tls::handshake(connector, name, stream).await?;
                exchange(stream, request, &host).await?;
            }
        }
    }
    Ok(Pass::default())
}

/// The host of a Host header, without the brackets of IPv6.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(name)
}

async fn exchange<S>(stream: S, request: &Request, host: &str) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(SEARCHED)
        .handshake(TokioIo::new(stream))
        .await?;
    let message = Message::builder()
        .method(request.method.as_str())
        .uri(&request.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "weir")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Fault::Unexpected(error.to_string()))?;
    let mut answered = pin!(async {
        let response = sender.send_request(message).await?;
        judge(response, request).await
    });
    // The connection does the work; where it is over, all that there is to read has been read.
    tokio::select! {
        judged = &mut answered => judged,
        _ = connection => answered.await,
    }
}

async fn judge(response: Response<Incoming>, request: &Request) -> Result<(), Fault> {
    let status = response.status().as_u16();
    let path = || request.path.clone();
    if !request.status.iter().any(|range| range.contains(&status)) {
        return Err(Fault::Status {
            status,
            path: path(),
        });
    }
    if request.body.is_none() && request.digest.is_none() {
        return Ok(());
    }
    let (searched, found) = read(response.into_body(), request).await?;
    if let Some(pattern) = &request.body
        && !pattern.regex().is_match(&searched)
    {
        return Err(Fault::Body { path: path() });
    }
    if let Some(wanted) = &request.digest
        && found.as_slice() != wanted.octets()
    {
        let found = digits(&found);
        return Err(Fault::Digest {
            path: path(),
            found,
        });
    }
    Ok(())
}

/// The beginning of a body, and the digest of all of it where one is wanted.
async fn read(mut body: Incoming, request: &Request) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let (mut searched, mut octets) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        octets += data.len();
        let room = SEARCHED - searched.len();
        searched.extend_from_slice(data.get(..room).unwrap_or(&data));
        match request.digest {
            Some(Digest::Md5(_)) => md5.update(&data),
            Some(Digest::Sha256(_)) => sha256.update(&data),
            None if searched.len() == SEARCHED => break,
            None => {}
        }
        if octets > MAX_BODY {
            return Err(Fault::TooLong {
                path: request.path.clone(),
            });
        }
    }
    let digest = match request.digest {
        Some(Digest::Md5(_)) => md5.finalize().to_vec(),
        Some(Digest::Sha256(_)) => sha256.finalize().to_vec(),
        None => Vec::new(),
    };
    Ok((searched, digest))
}
