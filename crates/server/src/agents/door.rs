//! The agents' requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use model::audit::Origin;
use model::certificate::Certificate;
#[cfg(test)]
use model::certificate::Serial;
use model::error::Rule;
use model::flow::Counted;
use model::ids::Revision;
use model::lease::{Claim, goes_on, resumed};
use model::objects::Host;
use model::op::Op;
use model::seal::{End, Generation, take_keys as take_keys_of};
use model::wire::agent::{Answer, Held, Renewal, Report};
use model::world::World;
use rustls::pki_types::CertificateDer;
use store::{Commit, Store, WriteError};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::authority::{certificate_of, host_of, node_of};
use super::hub::{Gone, Hub};
use super::papers;
use super::peers;
use super::roster::Heard;
use super::watch as stream;

/// Bytes of the largest body: a report with an error for each of some
/// thousand ports.
const BODY: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Door {
    /// Writes what a host does, which is written down as its.
    pub(super) async fn write(
        &self,
        host: Uuid,
        cause: &str,
        op: Op,
    ) -> Result<Arc<Commit>, Refusal> {
        let origin = Origin::host(host, cause);
        self.store.write(op.from(origin)).await.map_err(refuse)
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// As its certificate says; None without one.
    pub(crate) host: Option<Uuid>,
    /// That certificate.
    shown: Option<Certificate>,
    /// The same of another server.
    pub(crate) node: Option<Uuid>,
    connection: u64,
}

impl Peer {
    pub(crate) fn new(certificate: Option<&CertificateDer<'_>>) -> Self {
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        let connection = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        let host = certificate.and_then(host_of);
        let node = certificate.and_then(node_of);
        Self { host, shown: certificate.and_then(certificate_of), node, connection }
    }

    /// A host that has shown a certificate without an end.
    #[cfg(test)]
    pub(crate) fn played(host: Uuid) -> Self {
        let serial = Serial::of(&[1]);
        let shown = Some(Certificate { serial, since: 0, until: i64::MAX });
        Self { host: Some(host), shown, ..Self::new(None) }
    }
}

pub(crate) fn router(door: Door) -> Router {
    Router::new()
        .route("/agent/v1/join", post(papers::join))
        .route("/agent/v1/watch", get(watch_slice))
        .route("/agent/v1/report", post(report))
        .route("/agent/v1/renew", post(renew))
        .route("/agent/v1/certificate", post(papers::renew))
        .route("/agent/v1/counters", post(counters))
        .route("/agent/v1/answer", post(answer))
        .merge(peers::router())
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(door)
}

/// A request that is refused, with the sentence for the agent's log.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self(status, sentence.into())
    }

    /// The chain of causes is the operator's, not the agent's.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "an agent's request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says why.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.0.canonical_reason().unwrap_or("Refused").to_uppercase().replace(' ', "_");
        let error = serde_json::json!({ "error_code": code, "error_message": self.1 });
        (self.0, Json(serde_json::json!({ "error": error }))).into_response()
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

/// A host that exists and has shown its certificate.
pub(super) struct Member {
    pub(super) host: Uuid,
    pub(super) shown: Certificate,
    connection: u64,
}

impl FromRequestParts<Door> for Member {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Refusal> {
        let peer = parts.extensions.get::<Peer>().cloned();
        let member = peer
            .and_then(|p| Some(Self { host: p.host?, shown: p.shown?, connection: p.connection }));
        let member = member.ok_or_else(|| {
            Refusal::new(StatusCode::UNAUTHORIZED, "A host's certificate is needed; join first.")
        })?;
        member.check(door).await?;
        Ok(member)
    }
}

/// What all servers have answered is in it.
pub(super) async fn fresh(door: &Door) -> Result<Arc<World>, Refusal> {
    door.store.fresh().await.map_err(|error| refuse(WriteError::Store(error)))
}

fn refuse(error: WriteError) -> Refusal {
    match error {
        WriteError::Rule(rule) => refuse_rule(rule),
        WriteError::Store(error) if error.is_away() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "an agent is put off");
            let sentence = "The service is unavailable for now; nothing was done.";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence)
        }
        WriteError::Store(error) => Refusal::internal(&error),
    }
}

fn refuse_rule(rule: Rule) -> Refusal {
    let forbids = matches!(
        rule,
        Rule::JoinTokenInvalid | Rule::HostRevoked(_) | Rule::CertificateReplaced(_)
    );
    let status = if forbids {
        StatusCode::FORBIDDEN
    } else if matches!(rule, Rule::Exists(..)) {
        StatusCode::CONFLICT
    } else {
        StatusCode::BAD_REQUEST
    };
    Refusal::new(status, rule.to_string())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the edge: a token's expiry is wall-clock time")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[derive(Debug, serde::Deserialize)]
struct WatchQuery {
    revision: Option<Revision>,
    /// Of the lease that the host has.
    epoch: Option<Revision>,
    /// None of an agent that knows no leases.
    boot: Option<String>,
    /// It knows of encryption.
    #[serde(default)]
    seals: bool,
    /// It answers questions.
    #[serde(default)]
    answers: bool,
}

/// Bytes of what names a boot: a UUID has 36.
const BOOT: usize = 64;

async fn watch_slice(
    member: Member,
    State(door): State<Door>,
    Query(query): Query<WatchQuery>,
) -> Result<Response, Refusal> {
    let Member { host, connection, .. } = member;
    if door.hub.is_closed() {
        let sentence = "This server takes no hosts for now; others may.";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, sentence));
    }
    // It may come from another server, and goes on from there.
    door.hub.heard(fresh(&door).await?.revision()).await;
    let (epoch, goes_on) = match query.boot {
        Some(boot) => {
            let claim = Claim { epoch: query.epoch, boot, node: door.hub.node() };
            let (epoch, goes_on) = lease(&door, host, claim).await?;
            (Some(epoch), goes_on)
        }
        None => {
            no_lease(&door, host).await?;
            (None, query.epoch.is_none())
        }
    };
    if !query.seals {
        take_keys(&door, host, None).await?;
    }
    // What a host has from under another lease is of the past.
    let resume = query.revision.filter(|_| goes_on);
    let begun = door.hub.begin(host, connection, resume, epoch);
    let (seat, resumed) = begun.map_err(|Gone| {
        Refusal::new(StatusCode::GONE, "That revision is not kept; ask without one.")
    })?;
    tracing::info!(%host, revision = resume, epoch, "a host watches");
    let (pieces, stream) = mpsc::channel(2);
    let asks = door.hub.asks.open(host, query.answers);
    let reader = stream::Reader { pieces, asks, seals: query.seals };
    tokio::spawn(async move {
        tokio::select! {
            () = stream::run(seat, resumed, reader, door.stop) => {}
            () = door.hub.sent_away() => tracing::info!(%host, "the host is sent to another server"),
        }
    });
    let body = Body::from_stream(ReceiverStream::new(stream));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The epoch of the lease under which the host goes on, and whether what it
/// has is still what it is to have.
async fn lease(door: &Door, host: Uuid, claim: Claim) -> Result<(Revision, bool), Refusal> {
    if claim.boot.len() > BOOT {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "No boot has so long a name."));
    }
    let before = door.store.world();
    if let Some(epoch) = resumed(&before, host, &claim) {
        return Ok((epoch, true));
    }
    let take = Op::TakeLease { host, claim: claim.clone() };
    let commit = door.write(host, "watch", take).await?;
    let lease = commit.world.leases.get(&host);
    let lease =
        lease.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, "The host was deleted."))?;
    tracing::info!(%host, epoch = lease.epoch, "a host has taken a lease");
    door.hub.heard(commit.world.revision()).await;
    Ok((lease.epoch, goes_on(&before, lease, &claim)))
}

/// An agent that was put back to an older one renews nothing.
async fn no_lease(door: &Door, host: Uuid) -> Result<(), Refusal> {
    if door.store.world().leases.contains_key(&host) {
        let commit = door.write(host, "watch without leases", Op::DropLease { host }).await?;
        door.hub.heard(commit.world.revision()).await;
    }
    Ok(())
}

/// What the host's agent says of its keys is remembered; None: it knows of none.
async fn take_keys(
    door: &Door,
    host: Uuid,
    ends: Option<BTreeMap<Generation, End>>,
) -> Result<(), Refusal> {
    let known = take_keys_of(&door.store.world(), host, ends.as_ref()).map_err(refuse_rule)?;
    if !known.is_empty() {
        let op = Op::Seals(model::seal::Wish::Keys { host, ends });
        let commit = door.write(host, "other keys", op).await?;
        tracing::info!(%host, revision = commit.revision, "a host has other keys");
        door.hub.heard(commit.world.revision()).await;
    }
    Ok(())
}

async fn renew(
    member: Member,
    State(door): State<Door>,
    body: Result<Json<Renewal>, JsonRejection>,
) -> Result<Response, Refusal> {
    let Json(Renewal { epoch }) = body?;
    if door.hub.renew(member.host, member.connection, epoch) {
        let world = door.store.world();
        let due = |it: &Arc<Host>| it.certificates.is_due(now());
        return Ok(match world.hosts.get(&member.host).is_some_and(due) {
            true => Json(Held { certificate_due: true }).into_response(),
            false => StatusCode::NO_CONTENT.into_response(),
        });
    }
    Err(Refusal::new(StatusCode::CONFLICT, "The lease is lost: watch anew."))
}

async fn counters(
    member: Member,
    State(door): State<Door>,
    body: Result<Json<Counted>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(counted) = body?;
    door.hub.counted(member.host, counted, now());
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    member: Member,
    State(door): State<Door>,
    body: Result<Json<Answer>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(answer) = body?;
    door.hub.asks.answered(member.host, answer);
    Ok(StatusCode::NO_CONTENT)
}

async fn report(
    member: Member,
    State(door): State<Door>,
    body: Result<Json<Report>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    let Json(report) = body?;
    for error in &report.errors {
        tracing::debug!(host = %member.host, revision = report.revision, error = error.message);
    }
    // Before the report: a host that is live has its keys.
    if let Some(ends) = report.ends.clone()
        && door.hub.is_current(member.host, member.connection, report.epoch)
    {
        take_keys(&door, member.host, Some(ends)).await?;
    }
    match door.hub.report(member.host, member.connection, report) {
        Heard::Taken => Ok(StatusCode::NO_CONTENT),
        Heard::NoSession => {
            let sentence = "Reports go over the connection of the host's newest watch.";
            Err(Refusal::new(StatusCode::CONFLICT, sentence))
        }
        Heard::OldEpoch => {
            Err(Refusal::new(StatusCode::CONFLICT, "The report is of another lease."))
        }
        Heard::Unasked => {
            Err(Refusal::new(StatusCode::CONFLICT, "The report answers no mark of this watch."))
        }
    }
}
