//! The standard health service of gRPC (`grpc.health.v1.Health/Check`), over HTTP/2 without TLS.

use std::pin::pin;

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request as Message, Response,
    body::{Bytes, Incoming},
    client::conn::http2,
    header,
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{Fault, Pass, Question};

/// Octets of an answer; a good one has seven.
const MAX_ANSWER: usize = 4096;

/// `HealthCheckResponse { status: SERVING }` behind the five octets of its frame: not compressed,
/// two octets long; field 1 is the number 1.
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 0x08, 1];

/// Asks whether a service is served.
pub(super) async fn ask(service: &str, question: &Question) -> Result<Pass, Fault> {
    let stream = super::connect(question).await?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let message = Message::post(format!(
        "http://{}/grpc.health.v1.Health/Check",
        question.to
    ))
    .header(header::CONTENT_TYPE, "application/grpc")
    .header(header::TE, "trailers")
    .header(header::USER_AGENT, "weir")
    .body(Full::new(Bytes::from(request(service))))
    .map_err(|error| Fault::Unexpected(error.to_string()))?;
    let mut answered = pin!(async {
        let response = sender.send_request(message).await?;
        judge(response).await
    });
    tokio::select! {
        judged = &mut answered => judged,
        _ = connection => answered.await,
    }
}

/// `HealthCheckRequest { service }` with its frame. The configuration bounds the name's length, so
/// that it fits one octet, or two.
fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        // Field 1 is a text; its length in groups of seven bits, the last first.
        message.push(0x0a);
        let mut rest = service.len();
        while rest > 0x7f {
            message.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or(0));
            rest >>= 7;
        }
        message.push(u8::try_from(rest).unwrap_or(0));
        message.extend(service.as_bytes());
    }
    let octets = u32::try_from(message.len()).unwrap_or(0);
    let mut framed = vec![0];
    framed.extend(octets.to_be_bytes());
    framed.extend(message);
    framed
}

async fn judge(response: Response<Incoming>) -> Result<Pass, Fault> {
    let status = |headers: &header::HeaderMap| {
        let status = headers.get("grpc-status")?;
        Some(String::from_utf8_lossy(status.as_bytes()).into_owned())
    };
    let unexpected = |text: String| Err(Fault::Unexpected(text));
    let early = status(response.headers());
    if response.status() != 200 {
        return unexpected(format!("HTTP status {}", response.status().as_u16()));
    }
    let limited = Limited::new(response.into_body(), MAX_ANSWER);
    let body = match limited.collect().await {
        Ok(body) => body,
        Err(error) => return unexpected(error.to_string()),
    };
    match early.or_else(|| body.trailers().and_then(status)) {
        Some(code) if code != "0" => unexpected(format!("gRPC status {code}")),
        _ if body.to_bytes().as_ref() == SERVING => Ok(Pass::default()),
        _ => unexpected("not serving".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_framed_protocol_buffers() {
        assert_eq!(request(""), [0, 0, 0, 0, 0]);
        assert_eq!(request("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = request(&"x".repeat(200));
        assert_eq!(long.get(..8), Some(&[0, 0, 0, 0, 203, 0x0a, 0xc8, 1][..]));
    }
}
