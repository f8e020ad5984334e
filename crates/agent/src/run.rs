//! Starts the agent's parts and stops them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::wire::agent::Report;
use tokio::sync::{oneshot, watch};

use crate::client::ClientError;
use crate::config::Config;
use crate::guard::{Guard, News};
use crate::host::pin_dir;
use crate::identity::{self, Card, Identity, IdentityError};
use crate::join::{JoinError, join, join_again};
use crate::mailbox::Mailbox;
use crate::probe::{Desk, Prober};
use crate::reconcile::{BoxError, Kernel, Outlet, chain, work};
use crate::servers::Servers;
use crate::slice::{Keeper, Slice, SliceFile};
use crate::tls::TlsError;
use crate::watch::Watch;

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Address(#[from] ClientError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("this host's identity cannot be used")]
    Tls(#[from] TlsError),
    #[error("this host's kernel cannot be used")]
    Kernel(#[source] BoxError),
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error("the thread that owns the kernel has ended")]
    Worker,
}

/// The step that is under way when the agent stops may take this long.
const LAST_STEP: Duration = Duration::from_secs(5);

/// Takes part as `config` says until `shutdown`, on the kernel that `open`
/// gives. What is in the kernel then stays.
///
/// # Errors
/// The kernel or the configuration cannot be used, or the server refuses the
/// join. Once joined, nothing that the server does ends it.
pub async fn run_on<K: Kernel>(
    config: Config,
    open: impl FnOnce() -> Result<K, BoxError> + Send + 'static,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let mut at = Servers::new(&config.server)?;
    let known = known_identity(&config)?;
    if known.is_none() {
        Card::wished(&config)?;
    }
    let mut owner = Owner::start(&config.state_dir, open).await?;
    let Owner { slices, reports, desk, last, ended, .. } = &mut owner;
    let takes_part = async {
        let identity = match known {
            Some(identity) => join_again(&mut at, &config, identity).await,
            None => join(&mut at, &config).await?,
        };
        let tls = Arc::new(identity.papers.tls()?);
        let (slices, reports, desk) = (slices.clone(), reports.clone(), desk.clone());
        let (pins, known, boot) = (pin_dir(&config, &identity.card), last.take(), boot());
        let state_dir = config.state_dir.clone();
        let watch = Watch {
            at,
            tls,
            identity,
            state_dir,
            renewed: None,
            slices,
            reports,
            desk,
            known,
            boot,
            pins,
        };
        watch.run().await;
        Ok(())
    };
    let result = tokio::select! {
        () = shutdown => Ok(()),
        result = takes_part => result,
        _ = ended => Err(AgentError::Worker),
    };
    owner.stop().await;
    result
}

/// As whom this host takes part; None when it is to join.
pub(crate) fn known_identity(config: &Config) -> Result<Option<Identity>, IdentityError> {
    identity::make_dir(&config.state_dir)?;
    let known = Identity::load(&config.state_dir)?;
    if let Some(Identity { card, .. }) = &known {
        card.check(config)?;
    }
    Ok(known)
}

/// What the kernel calls this boot; a host without that name has one boot.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The thread that owns the kernel, as others see it.
struct Owner {
    slices: Arc<Mailbox<Slice>>,
    reports: watch::Receiver<Option<Report>>,
    desk: Arc<Desk>,
    /// The slice it started with.
    last: Option<Slice>,
    ended: oneshot::Receiver<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Owner {
    /// Goes to work at once with the last slice there is on disk.
    async fn start<K: Kernel>(
        dir: &Path,
        open: impl FnOnce() -> Result<K, BoxError> + Send + 'static,
    ) -> Result<Self, AgentError> {
        let slices = Arc::new(Mailbox::new());
        let (said, reports) = watch::channel(None);
        let (opened, is_open) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let file = SliceFile::open(dir);
        let last = file.held().cloned();
        let held = last.clone();
        let keeper = Keeper::start(file).map_err(AgentError::Thread)?;
        let mailbox = slices.clone();
        let desk = Arc::new(Desk::new());
        let out = Outlet { said, desk: desk.clone(), news: Arc::default() };
        let thread = std::thread::Builder::new().name("kernel".to_owned()).spawn(move || {
            let _ends: oneshot::Sender<()> = ends;
            match open() {
                Ok(mut kernel) => {
                    let _prober = prober(&mut kernel, &out.desk, &mailbox);
                    let _guard = guard(&mut kernel, &out.news, &mailbox);
                    // Nobody asks any more if the agent was stopped meanwhile.
                    let _ = opened.send(Ok(()));
                    work(kernel, &mailbox, &out, held, &keeper);
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
        let thread = thread.map_err(AgentError::Thread)?;
        let is_open = is_open.await.map_err(|_| AgentError::Worker)?;
        is_open.map_err(AgentError::Kernel)?;
        let thread = Some(thread);
        Ok(Self { slices, reports, desk, last, ended, thread })
    }

    async fn stop(mut self) {
        self.slices.close();
        let Some(thread) = self.thread.take() else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(LAST_STEP, joined).await.is_err() {
            tracing::warn!("a step is still under way; stopping without it");
        }
    }
}

/// Without probes packets flow all the same.
fn prober(
    kernel: &mut impl Kernel,
    desk: &Arc<Desk>,
    mailbox: &Arc<Mailbox<Slice>>,
) -> Option<Prober> {
    let probes = match kernel.probes() {
        Ok(probes) => probes?,
        Err(error) => {
            tracing::error!(error = chain(&*error), "nothing is measured");
            return None;
        }
    };
    let mailbox = mailbox.clone();
    let started = Prober::start(probes, desk.clone(), move || mailbox.ring());
    started.inspect_err(|error| tracing::error!(%error, "nothing is measured")).ok()
}

/// Without it the kernel is read now and then all the same.
fn guard(
    kernel: &mut impl Kernel,
    news: &Arc<News>,
    mailbox: &Arc<Mailbox<Slice>>,
) -> Option<Guard> {
    let sentinel = match kernel.sentinel() {
        Ok(sentinel) => sentinel?,
        Err(error) => {
            tracing::error!(error = chain(&*error), "what others change is seen late");
            return None;
        }
    };
    let mailbox = mailbox.clone();
    let started = Guard::start(sentinel, news.clone(), move || mailbox.ring());
    started.inspect_err(|error| tracing::error!(%error, "what others change is seen late")).ok()
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.slices.close();
    }
}
