//! The other end of the API: asks the running program over its unix socket.

use std::{
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, Connection, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

use crate::control::views::Refusal;

/// Longer than the program gives any connection, so that its own refusal arrives first.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "no weir listens on {}; is it running? (weir run --config FILE)",
        .0.display()
    )]
    NotRunning(PathBuf),
    #[error("permission denied on {}; weir answers root only", .0.display())]
    Denied(PathBuf),
    #[error("cannot connect to {}", socket.display())]
    Connect { socket: PathBuf, source: io::Error },
    #[error("no answer on {} within {PATIENCE:?}", .0.display())]
    Silent(PathBuf),
    #[error("the connection on {} broke off", socket.display())]
    Http {
        socket: PathBuf,
        source: hyper::Error,
    },
    #[error("weir answers {status} to {path}: {reason}")]
    Refused {
        path: String,
        status: StatusCode,
        reason: String,
    },
    #[error("weir's answer to {path} is that of another version")]
    Unreadable {
        path: String,
        source: serde_json::Error,
    },
}

/// Gets what is at `path`, on a connection of its own: a program that waits for nobody cuts those
/// that stay.
pub(super) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Error> {
    ask(socket, Method::GET, path, Vec::new()).await
}

/// Has done what is at `path`.
pub(super) async fn post<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Error> {
    ask(socket, Method::POST, path, Vec::new()).await
}

/// The same for what takes as long as it takes.
pub(super) async fn post_long<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, Error> {
    let mut body = Vec::new();
    let take = async |piece: Bytes| {
        body.extend(piece);
        ControlFlow::Continue(())
    };
    stream(socket, path, &(), None, take).await?;
    serde_json::from_slice(&body).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The same with something to go by, sent as JSON.
pub(super) async fn post_with<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    body: &impl Serialize,
) -> Result<T, Error> {
    let body = serde_json::to_vec(body).expect("what is sent has text keys alone");
    ask(socket, Method::POST, path, body).await
}

async fn ask<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<T, Error> {
    let (status, body) = timeout(PATIENCE, exchange(socket, method, path, body))
        .await
        .map_err(|_| Error::Silent(socket.to_owned()))??;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        });
    }
    Err(refused(path, status, &body))
}

fn refused(path: &str, status: StatusCode, body: &[u8]) -> Error {
    let reason = match serde_json::from_slice(body) {
        Ok(Refusal { error }) => error,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Error::Refused {
        path: path.to_owned(),
        status,
        reason,
    }
}

/// Sends something as JSON, and gives each piece of the answer as it comes, for as long as it does
/// and is wanted. Its beginning may take some time only, or any time where that is none.
pub(super) async fn stream(
    socket: &Path,
    path: &str,
    body: &impl Serialize,
    patience: Option<Duration>,
    mut each: impl AsyncFnMut(Bytes) -> ControlFlow<()>,
) -> Result<(), Error> {
    let body = serde_json::to_vec(body).expect("what is sent has text keys alone");
    let http = |source| Error::Http {
        socket: socket.to_owned(),
        source,
    };
    let (mut sender, connection) = connect(socket).await?;
    let answer = async move {
        let request = request(Method::POST, path, body);
        let answer = sender.send_request(request);
        let answer = match patience {
            Some(patience) => timeout(patience, answer)
                .await
                .map_err(|_| Error::Silent(socket.to_owned()))?,
            None => answer.await,
        };
        let answer = answer.map_err(http)?;
        let status = answer.status();
        let mut body = answer.into_body();
        if status != StatusCode::OK {
            let body = body.collect().await.map_err(http)?.to_bytes();
            return Err(refused(path, status, &body));
        }
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame.map_err(http)?.into_data()
                && each(piece).await.is_break()
            {
                break;
            }
        }
        Ok(())
    };
    // Who stops reading closes the connection, whatever it still waits for.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

async fn exchange(
    socket: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<(StatusCode, Bytes), Error> {
    let (mut sender, connection) = connect(socket).await?;
    let request = request(method, path, body);
    let answer = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    };
    // The connection has to be polled for the answer to come; how it ends says nothing more.
    let (answer, _) = tokio::join!(answer, connection);
    answer.map_err(|source| Error::Http {
        socket: socket.to_owned(),
        source,
    })
}

/// A connection of its own, in both halves.
async fn connect(
    socket: &Path,
) -> Result<
    (
        SendRequest<Full<Bytes>>,
        Connection<TokioIo<UnixStream>, Full<Bytes>>,
    ),
    Error,
> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Error::NotRunning(socket.to_owned())
            }
            io::ErrorKind::PermissionDenied => Error::Denied(socket.to_owned()),
            _ => Error::Connect {
                socket: socket.to_owned(),
                source,
            },
        })?;
    let connected = http1::handshake(TokioIo::new(stream)).await;
    connected.map_err(|source| Error::Http {
        socket: socket.to_owned(),
        source,
    })
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .body(Full::new(Bytes::from(body)))
        .expect("paths are written in this program");
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("weir"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}
