//! Other servers' requests.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::explain::Found;
use model::wire::peer::{Ask, Counts, OfHost, Pair, Tally};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::stream;
use crate::agents::door::{Door, Peer};
use crate::agents::hub::Hub;

/// A question to a host is not waited for longer, whoever asks.
const ASK: Duration = Duration::from_secs(10);

pub(crate) fn router() -> Router<Door> {
    Router::new()
        .route("/peer/v1/watch", get(watch))
        .route("/peer/v1/ask", post(ask))
        .route("/peer/v1/exchange", post(exchange))
        .route("/peer/v1/tally", post(tally))
}

/// Another server, by its certificate.
struct Node(Uuid);

impl FromRequestParts<Door> for Node {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &Door) -> Result<Self, StatusCode> {
        let shown = parts.extensions.get::<Peer>().and_then(|peer| peer.node);
        shown.map(Self).ok_or(StatusCode::FORBIDDEN)
    }
}

async fn watch(Node(node): Node, State(door): State<Door>) -> Response {
    if door.hub.is_blind() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    tracing::info!(%node, "another server listens");
    let (pieces, stream) = mpsc::channel(2);
    let Door { hub, stop, .. } = door;
    tokio::spawn(async move {
        let _reading = Reading::new(&hub, node);
        tokio::select! {
            () = stream::run(hub.clone(), pieces, stop) => {}
            () = hub.blinded() => {}
        }
    });
    let body = Body::from_stream(ReceiverStream::new(stream));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn ask(
    Node(_): Node,
    State(door): State<Door>,
    Json(Ask { host, look, limit_ms }): Json<Ask>,
) -> Json<Option<Found>> {
    let limit = Duration::from_millis(limit_ms).min(ASK);
    Json(door.hub.asks.ask(host, look, limit).await)
}

async fn exchange(
    Node(_): Node,
    State(door): State<Door>,
    Json(Pair { local, peer }): Json<Pair>,
) -> Json<Counts> {
    Json(door.hub.counts(local, peer))
}

async fn tally(
    Node(_): Node,
    State(door): State<Door>,
    Json(OfHost { host }): Json<OfHost>,
) -> Json<Option<Tally>> {
    Json(door.hub.tally_here(host))
}

/// A server is counted as a reader for as long as this is.
struct Reading {
    hub: Hub,
    node: Uuid,
}

impl Reading {
    fn new(hub: &Hub, node: Uuid) -> Self {
        *hub.peers.lock().readers.entry(node).or_default() += 1;
        Self { hub: hub.clone(), node }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut peers = self.hub.peers.lock();
        if let Some(streams) = peers.readers.get_mut(&self.node) {
            *streams -= 1;
            if *streams == 0 {
                peers.readers.remove(&self.node);
            }
        }
    }
}
