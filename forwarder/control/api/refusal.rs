//! Why a request has no answer.

use std::{num::ParseIntError, time::Duration};

use axum::{
    Json,
    extract::rejection::{JsonRejection, QueryRejection},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};

use super::PAGE_SESSIONS;
use crate::{
    config::Unwritable,
    control::{
        capture::{CaptureError, FilterError, SNAP_OCTETS},
        explain::FlowError,
        views,
    },
    mem::NoMemory,
};

/// Why a request has no answer; clients get it as [`views::Refusal`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("give the token: as bearer token, or as the password of any user")]
    Token,
    #[error("nothing is at `{0}`")]
    Path(String),
    #[error("`{0}` does nothing here")]
    Method(Method),
    #[error("over TCP the API is for reading; `{0}` takes the unix socket")]
    ReadOnly(Method),
    #[error("service: there is no `{0}`")]
    Service(String),
    #[error("{0}")]
    Change(String),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error("this path takes no parameters, but there is `{0}`")]
    Unexpected(String),
    #[error(transparent)]
    Parameters(#[from] QueryRejection),
    #[error("{}", .0.body_text())]
    Body(#[from] JsonRejection),
    #[error("over TCP the configuration is not told, for the passwords in it")]
    Secret,
    #[error("from: `{text}` is not what a page gave as `next`: {source}")]
    Cursor { text: String, source: ParseIntError },
    #[error("limit: `{0}` is not a number from 1 to {PAGE_SESSIONS}")]
    Limit(String),
    #[error("to: `{0}` is no IP address")]
    Address(String),
    #[error("flow: {0}")]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("snap_octets: {0} is not a number from 1 to {SNAP_OCTETS}")]
    Snap(usize),
    #[error("count: 0 frames are none; leave it out for no bound")]
    Count,
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("what was overheard cannot be read: {0}")]
    Overheard(#[from] crate::io::pcap::CaptureError),
    #[error("no capture is under way")]
    NoCapture,
    #[error(transparent)]
    Memory(#[from] NoMemory),
    #[error("the management thread did not answer within {0:?}")]
    Busy(Duration),
    #[error(
        "the change was not made within {0:?}, and may still come into force; `weir show changes` \
         tells"
    )]
    Late(Duration),
    #[error("weir is stopping")]
    Stopping,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Secret => StatusCode::FORBIDDEN,
            Self::Path(_) | Self::Service(_) => StatusCode::NOT_FOUND,
            Self::Method(_) | Self::ReadOnly(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Change(_)
            | Self::Unwritable(_)
            | Self::NoCapture
            | Self::Capture(CaptureError::UnderWay) => StatusCode::CONFLICT,
            Self::Unexpected(_)
            | Self::Parameters(_)
            | Self::Body(_)
            | Self::Cursor { .. }
            | Self::Limit(_)
            | Self::Address(_)
            | Self::Flow(_)
            | Self::Filter(_)
            | Self::Snap(_)
            | Self::Count
            | Self::Capture(CaptureError::Nothing { .. } | CaptureError::NoPort { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Self::Memory(_)
            | Self::Busy(_)
            | Self::Late(_)
            | Self::Stopping
            | Self::Overheard(_)
            | Self::Capture(CaptureError::Thread(_)) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let error = self.to_string();
        (status, Json(views::Refusal { error })).into_response()
    }
}
