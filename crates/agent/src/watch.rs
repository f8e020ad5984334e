//! Follows the server: each whole slice goes to the kernel's thread, each of
//! its reports to the server. Connects again for as long as it runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use model::explain::Look;
use model::wire::agent::{Assembly, Line, Report};
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};

use crate::asks;
use crate::backoff::Backoff;
use crate::client::{ClientError, Link};
use crate::counters;
use crate::identity::Identity;
use crate::lease::Holder;
use crate::mailbox::Mailbox;
use crate::probe::Desk;
use crate::reconcile::chain;
use crate::renew;
use crate::servers::Servers;
use crate::slice::Slice;
use crate::tls::TlsError;

/// Without a line for this long the server is gone; it sends one every 5 s.
const SILENCE: Duration = Duration::from_secs(20);

/// A watch that the server ends sooner than this is not begun anew at once.
const BRIEF: Duration = Duration::from_secs(5);

/// Bytes of the longest line.
const LINE: usize = 1 << 20;

/// A host that was deleted asks now and then only.
const UNWANTED: Duration = Duration::from_secs(60);

pub(crate) struct Watch {
    pub(crate) at: Servers,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) identity: Identity,
    /// Where that is kept.
    pub(crate) state_dir: PathBuf,
    /// When it was renewed last.
    pub(crate) renewed: Option<Instant>,
    pub(crate) slices: Arc<Mailbox<Slice>>,
    pub(crate) reports: watch::Receiver<Option<Report>>,
    pub(crate) desk: Arc<Desk>,
    /// The last whole slice: where to resume.
    pub(crate) known: Option<Slice>,
    /// The boot of this host's kernel.
    pub(crate) boot: String,
    /// Where the counters are pinned.
    pub(crate) pins: PathBuf,
}

impl Watch {
    /// Never ends by itself.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let mut healthy = false;
            let begun = Instant::now();
            let error = match self.session(&mut healthy).await {
                Ok(identity) => match self.take_up(identity) {
                    Ok(()) => continue,
                    Err(error) => ClientError::Answer(error.into()),
                },
                Err(error) => error,
            };
            // Two agents with one identity end each other's watch in turn.
            let replaced = matches!(error, ClientError::Ended) && begun.elapsed() < BRIEF;
            if healthy && !replaced {
                backoff.reset();
            }
            let mut delay = backoff.next_delay();
            if is_unwanted(&error) {
                delay = UNWANTED;
            }
            let error = chain(&error);
            tracing::warn!(error, ?delay, "the watch ended; what is in the kernel stays");
            tokio::time::sleep(delay).await;
        }
    }

    /// The next connection shows the new certificate, and so the server takes
    /// the one before no more.
    fn take_up(&mut self, identity: Identity) -> Result<(), TlsError> {
        self.tls = Arc::new(identity.papers.tls()?);
        self.identity = identity;
        self.renewed = Some(Instant::now());
        Ok(())
    }

    /// One connection, until it breaks or the host has another certificate.
    async fn session(&mut self, healthy: &mut bool) -> Result<Identity, ClientError> {
        let link = self.at.open(&self.tls).await?;
        let body = self.begin(&link).await?;
        tracing::info!(revision = self.known.as_ref().map(Slice::revision), "watching");
        // A report that was made earlier answers no mark of this session.
        self.reports.mark_unchanged();
        let Self { slices, reports, desk, known, pins, identity, state_dir, renewed, .. } = self;
        let lease = Holder::new();
        let (asked, mut asks) = mpsc::channel(asks::WAITING);
        tokio::select! {
            error = follow(body, known, (&lease, &asked), |slice| {
                *healthy = true;
                slices.put(slice);
            }) => Err(error),
            error = asks::answer(&link, pins, desk, &mut asks) => Err(error),
            error = tell(&link, reports, desk, || slices.ring()) => Err(error),
            error = lease.renew(&link) => Err(error),
            error = counters::tell(&link, pins) => Err(error),
            renewed = renew::renewed(&link, (identity, state_dir), *renewed, &lease) => renewed,
        }
    }

    async fn begin(&mut self, link: &Link) -> Result<Incoming, ClientError> {
        let known = self.known.as_ref();
        let revision = known.map(|slice| slice.revision().to_string());
        let epoch = known.and_then(|slice| slice.epoch).map(|epoch| epoch.to_string());
        let mut query = vec![("boot", self.boot.as_str()), ("answers", "true"), ("seals", "true")];
        query.extend(epoch.as_deref().map(|epoch| ("epoch", epoch)));
        let all = query.clone();
        query.extend(revision.as_deref().map(|revision| ("revision", revision)));
        match link.watch(&query).await {
            Err(ClientError::Refused { status: StatusCode::GONE, .. }) => {
                tracing::info!(revision, "too old to resume from; asking for everything");
                link.watch(&all).await
            }
            answer => answer,
        }
    }
}

/// Hands each whole slice on; what was cut off half way is forgotten.
async fn follow(
    body: Incoming,
    known: &mut Option<Slice>,
    (lease, asked): (&Holder, &mpsc::Sender<(u64, Look)>),
    mut hand_on: impl FnMut(Slice),
) -> ClientError {
    let mut lines = Lines::new(body);
    let last = known.as_ref().map(|slice| slice.spec.as_ref().clone());
    let mut assembly = Assembly::from(last.unwrap_or_default());
    loop {
        let line = match tokio::time::timeout(SILENCE, lines.next()).await {
            Err(_) => return ClientError::Late,
            Ok(Err(error)) => return error,
            Ok(Ok(line)) => line,
        };
        if let Line::Ask { id, look } = line {
            // One too many is not answered, which the server does not wait for.
            let _ = asked.try_send((id, look));
            continue;
        }
        if let Line::Lease { epoch, limit_ms } = line {
            if known.as_ref().is_some_and(|slice| slice.epoch > Some(epoch)) {
                return ClientError::Past;
            }
            lease.take(epoch, limit_ms);
        }
        if let Some(spec) = assembly.take(line) {
            let slice = Slice { epoch: lease.epoch(), spec: Arc::new(spec.clone()) };
            lease.holds().await;
            *known = Some(slice.clone());
            hand_on(slice);
        }
    }
}

/// Each report of the kernel's thread, and between them what probes have found.
/// Rings that thread when the server has heard of more repairs.
async fn tell(
    link: &Link,
    reports: &mut watch::Receiver<Option<Report>>,
    desk: &Desk,
    ring: impl Fn(),
) -> ClientError {
    let mut news = desk.subscribe();
    desk.forget();
    // Of this session, and taken by the server.
    let mut last: Option<Report> = None;
    loop {
        tokio::select! {
            changed = reports.changed() => {
                if changed.is_err() {
                    // The kernel's thread is gone, which ends the agent.
                    std::future::pending::<()>().await;
                }
                last = reports.borrow_and_update().clone();
            }
            // The desk is as long-lived as the agent.
            _ = news.changed() => {}
        }
        let mut more = last.is_some();
        while more && let Some(report) = &last {
            let (ways, faults, rest) = desk.news();
            more = rest;
            let errors = report.errors.iter().cloned().chain(faults).collect();
            let report = Report { errors, ways, ..report.clone() };
            match link.post("report", &report).await {
                Ok(_) => {
                    if desk.hear(report.repairs.count, Instant::now()) {
                        ring();
                    }
                }
                // It was about a slice of an earlier session.
                Err(ClientError::Refused { status: StatusCode::CONFLICT, message }) => {
                    tracing::debug!(revision = report.revision, message, "report not taken");
                    desk.forget();
                    last = None;
                }
                Err(error) => return error,
            }
        }
    }
}

fn is_unwanted(error: &ClientError) -> bool {
    let ClientError::Refused { status, .. } = error else { return false };
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status)
}

/// The lines of a watch.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    read: usize,
}

impl Lines {
    pub fn new(body: Incoming) -> Self {
        Self { body, buffer: Vec::new(), read: 0 }
    }

    /// # Errors
    /// The watch has ended, or what came is no line.
    pub async fn next(&mut self) -> Result<Line, ClientError> {
        loop {
            let rest = &self.buffer[self.read..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = Line::parse(&rest[..end]);
                self.read += end + 1;
                return line.map_err(|e| ClientError::Answer(e.into()));
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            if self.buffer.len() > LINE {
                return Err(ClientError::Answer("a line without end".into()));
            }
            let frame = self.body.frame().await.ok_or(ClientError::Ended)??;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
