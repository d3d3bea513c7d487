//! What is at which path, and what is said where nothing is.

use std::{net::IpAddr, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequestParts, Query as Parameters, State,
        rejection::{BytesRejection, JsonRejection, QueryRejection},
    },
    http::{
        Method, Uri,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};

use super::{Change, PAGE_SESSIONS, Query, examining, recording, refusal::Refusal};
use crate::{
    config::Edit,
    control::{
        commands::{AdminChange, Command},
        explain::Flow,
        metrics,
        views::{self, Cursor},
    },
};

/// The page consists of itself alone, and asks nobody but the program that it came from.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'self'";

/// Where the configuration is, which holds passwords.
pub(super) const CONFIGURATION: &str = "/config";

/// Octets of edits that are made together.
const EDIT_OCTETS: usize = 16 << 20;

/// The API on top of `manager`.
pub(super) fn router(manager: Manager) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/version", get(version))
        .route("/services", table(Query::Services))
        .route("/backends", get(backends))
        .route("/sessions", get(sessions))
        .route("/persistence", get(persistence))
        .route("/ports", table(Query::Ports))
        .route("/neighbours", table(Query::Neighbours))
        .route("/groups", table(Query::Groups))
        .route("/sync", table(Query::Sync))
        .route("/snat", table(Query::Snat))
        .route("/routes", table(Query::Routes))
        .route("/drops", table(Query::Drops))
        .route("/checks", table(Query::Checks))
        .route("/events", table(Query::Events))
        .route("/workers", table(Query::Workers))
        .route("/timeouts", table(Query::Timeouts))
        .route(CONFIGURATION, get(configuration))
        .route("/changes", get(changes))
        .route(
            "/edit",
            post(edit).layer(DefaultBodyLimit::max(EDIT_OCTETS)),
        )
        .route("/metrics", get(metrics))
        .route("/zero", post(zero))
        .route("/reload", post(reload))
        .route("/backend", post(backend))
        .route("/route", get(route_to))
        .route("/explain", get(explain))
        .route("/doctor", post(examining::examine))
        .route("/capture", post(recording::begin))
        .route("/capture/end", post(recording::end))
        .fallback(async |uri: Uri| Refusal::Path(uri.path().to_owned()))
        .method_not_allowed_fallback(async |method: Method| Refusal::Method(method))
        .with_state(manager)
}

/// A route whose answer is the manager's as it is.
fn table<T>(query: fn(oneshot::Sender<T>) -> Query) -> MethodRouter<Manager>
where
    T: Serialize + Send + 'static,
{
    get(
        move |State(manager): State<Manager>, _: NoParameters| async move {
            let answer = manager.ask(query).await?;
            aside(move || Json(answer).into_response()).await
        },
    )
}

/// Does what takes longer than ARP and adverts can wait, such as writing or reading the JSON of
/// many backends.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    spawn_blocking(work).await.map_err(|_| Refusal::Stopping)
}

/// The page that shows all this to people.
async fn page(_: NoParameters) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, include_str!("page.html"))
}

async fn version(_: NoParameters) -> Json<views::Version> {
    Json(views::Version {
        version: concat!("weir ", env!("WEIR_VERSION")).to_owned(),
    })
}

async fn configuration(
    State(manager): State<Manager>,
    _: NoParameters,
) -> Result<Response, Refusal> {
    let answer = manager.ask(Query::Configuration).await??;
    aside(move || Json(answer).into_response()).await
}

async fn backends(State(manager): State<Manager>, _: NoParameters) -> Result<Response, Refusal> {
    let services = manager.ask(Query::Services).await?;
    let of = |service: views::Service| {
        let backends = service.backends.into_iter();
        backends.map(move |backend| views::ServiceBackend {
            service: service.name.clone(),
            protocol: service.protocol,
            virtual_address: service.virtual_address,
            backend,
        })
    };
    aside(move || {
        let backends = services.into_iter().flat_map(of);
        Json(backends.collect::<Vec<_>>()).into_response()
    })
    .await
}

async fn changes(State(manager): State<Manager>, _: NoParameters) -> Result<Response, Refusal> {
    let differences = manager.ask(Query::Differences).await?;
    aside(move || Json(&*differences).into_response()).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZeroParameters {
    service: Option<String>,
}

async fn zero(
    State(manager): State<Manager>,
    parameters: Result<Parameters<ZeroParameters>, QueryRejection>,
) -> Result<Json<views::Done>, Refusal> {
    let Parameters(ZeroParameters { service }) = parameters?;
    let query = |answer| Query::Zero {
        service: service.clone(),
        answer,
    };
    if manager.ask(query).await? {
        Ok(Json(views::Done {}))
    } else {
        Err(Refusal::Service(service.unwrap_or_default()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadParameters {
    expect: Option<Expected>,
}

/// What the file has to say, lest it be refused.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Running,
}

async fn reload(
    State(manager): State<Manager>,
    parameters: Result<Parameters<ReloadParameters>, QueryRejection>,
) -> Result<Json<views::Changed>, Refusal> {
    let Parameters(ReloadParameters { expect }) = parameters?;
    let change = match expect {
        None => Change::Reload,
        Some(Expected::Running) => Change::Adopt,
    };
    manager.change(change).await
}

async fn edit(
    State(manager): State<Manager>,
    _: NoParameters,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<views::Changed>, Refusal> {
    let body = body.map_err(JsonRejection::from)?;
    let Json(edits) = aside(move || Json::<Vec<Edit>>::from_bytes(&body)).await??;
    manager
        .change(Change::Tell(Command::Edit(edits.into())))
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendParameters {
    service: String,
    backend: String,
    change: Wanted,
    weight: Option<u16>,
    /// Of draining.
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Enable,
    Drain,
    Disable,
    Weight,
}

async fn backend(
    State(manager): State<Manager>,
    parameters: Result<Parameters<BackendParameters>, QueryRejection>,
) -> Result<Json<views::Changed>, Refusal> {
    let Parameters(parameters) = parameters?;
    let change = match parameters.change {
        Wanted::Enable => AdminChange::Enable,
        Wanted::Drain => parameters.timeout_ms.map_or(AdminChange::Drain, |ms| {
            AdminChange::DrainFor(Duration::from_millis(ms))
        }),
        Wanted::Disable => AdminChange::Disable,
        Wanted::Weight => AdminChange::Weight(parameters.weight.map(u32::from)),
    };
    let command = Command::SetAdmin {
        service: parameters.service,
        backend: parameters.backend,
        change,
    };
    manager.change(Change::Tell(command)).await
}

async fn metrics(
    State(manager): State<Manager>,
    _: NoParameters,
) -> Result<impl IntoResponse, Refusal> {
    let scrape = manager.ask(Query::Scrape).await?;
    let text = aside(move || scrape.text()).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParameters {
    from: Option<String>,
    limit: Option<String>,
}

/// Where a page begins, and how many there may be on it.
fn page_of(
    parameters: Result<Parameters<PageParameters>, QueryRejection>,
) -> Result<(Cursor, usize), Refusal> {
    let Parameters(PageParameters { from, limit }) = parameters?;
    let from = match from {
        None => Cursor::default(),
        Some(text) => {
            Cursor::try_from(text.clone()).map_err(|source| Refusal::Cursor { text, source })?
        }
    };
    let limit = match limit {
        None => PAGE_SESSIONS,
        Some(text) => match text.parse() {
            Ok(limit @ 1..=PAGE_SESSIONS) => limit,
            _ => return Err(Refusal::Limit(text)),
        },
    };
    Ok((from, limit))
}

async fn sessions(
    State(manager): State<Manager>,
    parameters: Result<Parameters<PageParameters>, QueryRejection>,
) -> Result<Json<views::Page>, Refusal> {
    let (from, limit) = page_of(parameters)?;
    let query = |answer| Query::Sessions {
        from,
        limit,
        answer,
    };
    manager.ask(query).await.map(Json)
}

async fn persistence(
    State(manager): State<Manager>,
    parameters: Result<Parameters<PageParameters>, QueryRejection>,
) -> Result<Json<views::Templates>, Refusal> {
    let (from, limit) = page_of(parameters)?;
    let query = |answer| Query::Persistence {
        from,
        limit,
        answer,
    };
    manager.ask(query).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteParameters {
    to: String,
}

async fn route_to(
    State(manager): State<Manager>,
    parameters: Result<Parameters<RouteParameters>, QueryRejection>,
) -> Result<Json<views::RouteTo>, Refusal> {
    let Parameters(RouteParameters { to }) = parameters?;
    let address: IpAddr = to.parse().map_err(|_| Refusal::Address(to))?;
    let query = |answer| Query::RouteTo { address, answer };
    manager.ask(query).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowParameters {
    flow: String,
}

/// Two questions, as the first is one to a worker and the second has to be answered at once.
async fn explain(
    State(manager): State<Manager>,
    parameters: Result<Parameters<FlowParameters>, QueryRejection>,
) -> Result<Json<views::Explanation>, Refusal> {
    let Parameters(FlowParameters { flow }) = parameters?;
    let flow: Flow = flow.parse()?;
    let recall = manager.ask(|answer| Query::Recall { flow, answer }).await?;
    let query = |answer| Query::Explain {
        flow,
        recall,
        answer,
    };
    Ok(Json(manager.ask(query).await??))
}

/// The manager as a request sees it.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    pub(super) queries: mpsc::Sender<Query>,
    /// How long it may take to answer.
    pub(super) patience: Duration,
}

impl Manager {
    pub(super) async fn ask<T>(
        &self,
        query: impl FnOnce(oneshot::Sender<T>) -> Query,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let exchange = async {
            self.queries.send(query(answer)).await.ok()?;
            answered.await.ok()
        };
        match timeout(self.patience, exchange).await {
            Ok(answer) => answer.ok_or(Refusal::Stopping),
            Err(_) => Err(Refusal::Busy(self.patience)),
        }
    }

    async fn change(&self, change: Change) -> Result<Json<views::Changed>, Refusal> {
        let answer = self.ask(|answer| Query::Change { change, answer }).await;
        let answer = answer.map_err(|refusal| match refusal {
            Refusal::Busy(patience) => Refusal::Late(patience),
            other => other,
        })?;
        answer.map(Json).map_err(Refusal::Change)
    }
}

/// Refuses parameters where a route has none, so that a misspelt one is not silently ignored.
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(query) => Err(Refusal::Unexpected(query.to_owned())),
        }
    }
}
