//! Captures, by HTTP: an answer that goes on until what is wanted has been captured.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{State, rejection::JsonRejection},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
};
use hyper::body::{Body as HttpBody, Frame};
use serde::Deserialize;

use super::{
    Query, Stay,
    refusal::Refusal,
    router::{Manager, NoParameters},
};
use crate::control::{
    capture::{Asked, SNAP_OCTETS, Wish, filter},
    views,
};

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    on: Vec<String>,
    #[serde(default)]
    filter: String,
    count: Option<u64>,
    snap_octets: Option<usize>,
}

impl TryFrom<Wanted> for Wish {
    type Error = Refusal;

    fn try_from(wanted: Wanted) -> Result<Self, Refusal> {
        let snap_octets = wanted.snap_octets.unwrap_or(SNAP_OCTETS);
        if !(1..=SNAP_OCTETS).contains(&snap_octets) {
            return Err(Refusal::Snap(snap_octets));
        }
        if wanted.count == Some(0) {
            return Err(Refusal::Count);
        }
        Ok(Self {
            on: wanted.on,
            filter: filter(&wanted.filter)?,
            count: wanted.count,
            snap_octets,
        })
    }
}

/// Begins a capture; the answer is pcapng, and ends with it.
pub(super) async fn begin(
    State(manager): State<Manager>,
    Extension(stay): Extension<Stay>,
    _: NoParameters,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(wanted) = wanted?;
    let wish = wanted.try_into()?;
    let begin = |answer| Query::Capture(Asked::Begin { wish, answer });
    let stream = manager.ask(begin).await??;
    stay.with(stream);
    let headers = [(CONTENT_TYPE, "application/x-pcapng")];
    Ok((headers, Body::new(Recorded(stay))))
}

/// Ends the capture that is under way: who has begun it gets the rest.
pub(super) async fn end(
    State(manager): State<Manager>,
    _: NoParameters,
) -> Result<Json<views::Done>, Refusal> {
    let ended = manager
        .ask(|answer| Query::Capture(Asked::End(answer)))
        .await?;
    ended
        .then_some(Json(views::Done {}))
        .ok_or(Refusal::NoCapture)
}

/// A capture as HTTP sends it.
struct Recorded(Stay);

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece.into()))))
    }
}
