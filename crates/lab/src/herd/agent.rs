//! One simulated agent: it watches, answers marks, renews its lease and comes back, as the real one does, and has no
//! kernel.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agent::{Address, Backoff, ClientError, Lines, Link};
use anyhow::{Context, Result, ensure};
use model::ids::Revision;
use model::spec::HostSpec;
use model::wire::agent::{Assembly, Line, Renewal, Report};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

/// As a real one has it in its kernel: by it a lease is taken over.
const BOOT: &str = "simulated";

/// Renewals in the time after which a lease is lost, as real agents have it.
const RENEWALS: f64 = 10.0 / 3.0;

/// Before it is told of a lease.
const FAR: Duration = Duration::from_secs(86_400);

/// What an agent has seen, for who watches it.
#[derive(Debug)]
pub(super) struct Sight {
    begun: Instant,
    /// Of the last mark: microseconds since the beginning.
    at_us: AtomicU64,
    revision: AtomicU64,
    /// Sessions that have got to their first mark.
    sessions: AtomicU64,
    pub(super) snapshots: AtomicU64,
    pub(super) marks: AtomicU64,
    pub(super) renewals: AtomicU64,
    /// A fresh snapshot was compared: it is what this agent had.
    pub(super) same: AtomicBool,
}

impl Sight {
    pub(super) fn new(begun: Instant) -> Self {
        Self {
            begun,
            at_us: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            marks: AtomicU64::new(0),
            renewals: AtomicU64::new(0),
            same: AtomicBool::new(false),
        }
    }

    /// When the last mark came, since the beginning.
    pub(super) fn at(&self) -> Duration {
        Duration::from_micros(self.at_us.load(Ordering::Relaxed))
    }

    pub(super) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    fn mark(&self, revision: Revision, first: bool) {
        let at = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.at_us.store(at, Ordering::Relaxed);
        self.revision.store(revision, Ordering::Relaxed);
        self.marks.fetch_add(1, Ordering::Relaxed);
        if first {
            self.sessions.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) struct Agent {
    pub(super) host: Uuid,
    pub(super) name: Address,
    pub(super) at: SocketAddr,
    pub(super) authority_pem: Arc<str>,
    pub(super) key_pem: String,
    pub(super) certificate_pem: String,
    pub(super) sight: Arc<Sight>,
    /// Told when agents are to compare what they have.
    pub(super) compare: watch::Receiver<bool>,
}

/// What outlasts a session.
#[derive(Default)]
struct Known {
    slice: Option<HostSpec>,
    epoch: Option<Revision>,
}

impl Agent {
    /// Until it has compared what it has with what the server tells who begins.
    pub(super) async fn run(self) -> Result<()> {
        let tls = agent::trust(&self.authority_pem, &self.certificate_pem, &self.key_pem);
        let tls = Arc::new(tls.context("its certificate")?);
        let (mut backoff, mut known) = (Backoff::default(), Known::default());
        loop {
            let before = self.sight.sessions();
            let ended = match Link::open(&self.name, self.at, tls.clone()).await {
                Ok(link) => self.session(&link, &mut known).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => return Ok(()),
                Err(_) if self.sight.sessions() > before => backoff.reset(),
                Err(_) => {}
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn session(&self, link: &Link, known: &mut Known) -> Result<(), ClientError> {
        let mut lines = self.begin(link, known, true).await?;
        let mut assembly = Assembly::from(known.slice.clone().unwrap_or_default());
        let mut compare = self.compare.clone();
        let mut first = true;
        let mut renew = tokio::time::interval(FAR);
        loop {
            let line = tokio::select! {
                line = lines.next() => line?,
                _ = renew.tick(), if known.epoch.is_some() => {
                    let epoch = known.epoch.unwrap_or_default();
                    link.post("renew", &Renewal { epoch }).await?;
                    self.sight.renewals.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                () = async { drop(compare.wait_for(|it| *it).await) }, if !first => {
                    drop(lines);
                    return self.check(link, known).await;
                }
            };
            if let Line::Lease { epoch, limit_ms } = line {
                known.epoch = Some(epoch);
                let every = Duration::from_millis(limit_ms).div_f64(RENEWALS);
                // Real agents did not start at the same time either.
                let share = f64::from(self.host.as_bytes()[15]) / 256.0;
                let start = tokio::time::Instant::now() + every.mul_f64(share);
                renew = tokio::time::interval_at(start, every);
            }
            if line == Line::Snapshot {
                self.sight.snapshots.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(slice) = assembly.take(line) {
                let revision = slice.revision;
                known.slice = Some(slice.clone());
                self.sight.mark(revision, first);
                first = false;
                let report = Report { epoch: known.epoch, revision, ..Report::default() };
                link.post("report", &report).await?;
            }
        }
    }

    async fn begin(&self, link: &Link, known: &Known, resume: bool) -> Result<Lines, ClientError> {
        let revision = known.slice.as_ref().filter(|_| resume).map(|it| it.revision.to_string());
        let epoch = known.epoch.map(|it| it.to_string());
        let mut query = vec![("boot", BOOT)];
        query.extend(epoch.as_deref().map(|epoch| ("epoch", epoch)));
        let all = query.clone();
        query.extend(revision.as_deref().map(|revision| ("revision", revision)));
        let body = match link.watch(&query).await {
            Err(ClientError::Refused { status, .. }) if status.as_u16() == 410 => {
                link.watch(&all).await?
            }
            answer => answer?,
        };
        Ok(Lines::new(body))
    }

    /// Begins anew with nothing, and compares.
    async fn check(&self, link: &Link, known: &Known) -> Result<(), ClientError> {
        let mut lines = self.begin(link, known, false).await?;
        let mut assembly = Assembly::default();
        loop {
            if let Some(slice) = assembly.take(lines.next().await?) {
                let had = known.slice.clone().unwrap_or_default();
                let had = HostSpec { revision: slice.revision, ..had };
                self.sight.same.store(had == *slice && !had.routes.is_empty(), Ordering::Relaxed);
                return Ok(());
            }
        }
    }
}

/// How a reader fared that did not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slept {
    /// It read all that it was told then, and had what who begins is told.
    Caught,
    /// The server had given it up, as it may: it would come back.
    GivenUp,
}

/// Watches, and after its first mark reads nothing more until it is told to; then it reads on, and compares.
pub(super) async fn sleeper(
    agent: Agent,
    asleep: oneshot::Sender<()>,
    wake: oneshot::Receiver<()>,
) -> Result<Slept> {
    let tls = agent::trust(&agent.authority_pem, &agent.certificate_pem, &agent.key_pem)?;
    let link = Link::open(&agent.name, agent.at, Arc::new(tls)).await?;
    let mut lines = agent.begin(&link, &Known::default(), false).await?;
    let (mut assembly, mut known) = (Assembly::default(), Known::default());
    while assembly.take(lines.next().await?).is_none() {}
    // Who waits for it is there.
    let _ = asleep.send(());
    wake.await.context("nobody wakes the sleeper")?;
    // Until nothing comes for as long as a stream without news says that it is alive.
    loop {
        match lines.next().await {
            Ok(Line::Idle) => break,
            Ok(line) => {
                if let Some(slice) = assembly.take(line) {
                    known.slice = Some(slice.clone());
                }
            }
            Err(_) => return Ok(Slept::GivenUp),
        }
    }
    drop(lines);
    agent.check(&link, &known).await?;
    ensure!(agent.sight.same.load(Ordering::Relaxed), "it has another slice than who begins");
    Ok(Slept::Caught)
}
