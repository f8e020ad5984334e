//! The memory: one order of writes, each durable before it is answered.
//!
//! A writer thread takes operations in the order they come, decides each on
//! the world as it is after the one before, and commits a group of them in one
//! transaction. Readers hold a [`World`]: a picture at one revision that costs
//! nothing to keep.

mod checkpoint;
mod engine;
mod log;
mod sqlite;
mod sqlite_log;
mod writer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod wishes;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use model::change::Change;
use model::error::Rule;
use model::ids::Revision;
use model::op::Op;
use model::world::World;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{broadcast, mpsc, oneshot};

pub use engine::{Error, From};
pub use log::{Checked, Log};

/// One write.
#[derive(Debug)]
pub struct Commit {
    /// Its own place in the one order; the newest one if it changed nothing.
    pub revision: Revision,
    pub changes: Vec<Change>,
    /// After it, and after writes to other objects that became durable with it.
    pub world: Arc<World>,
}

/// Writes that became durable at once, in their order.
#[derive(Debug)]
pub struct Group {
    pub commits: Vec<Arc<Commit>>,
    /// After the last of them.
    pub world: Arc<World>,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("refused")]
    Rule(#[from] Rule),
    #[error("cannot write to the store")]
    Store(#[from] Error),
}

/// Handle to the one writer and the newest world. Clones share them; the
/// writer ends, with all it was given written, when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

struct Shared {
    newest: RwLock<Arc<World>>,
    groups: broadcast::Sender<Arc<Group>>,
    log: Log,
    /// For how long records are kept, in milliseconds.
    keep_ms: AtomicI64,
}

/// Ends the writer on drop: closes its queue, then waits for it.
struct Queue {
    jobs: Option<mpsc::Sender<Job>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

struct Job {
    op: Op,
    answer: oneshot::Sender<Result<Arc<Commit>, WriteError>>,
}

/// Operations that may wait for the writer.
const QUEUE: usize = 4096;

/// For how long more of them wait for room, before they are turned away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Groups a slow follower may be behind before it must look at the world
/// itself (`RecvError::Lagged`).
const FOLLOWERS_LAG: usize = 4096;

impl Store {
    /// Opens the SQLite database `kannas.db` in `dir`, made if it is not there.
    ///
    /// # Errors
    /// The file cannot be opened, is of a newer version, or is damaged.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::start(sqlite::Sqlite::open(&dir.join("kannas.db"))?)
    }

    fn start(mut engine: impl engine::Engine + 'static) -> Result<Self, Error> {
        let world = engine.load()?;
        let shared = Arc::new(Shared {
            newest: RwLock::new(Arc::new(world)),
            groups: broadcast::channel(FOLLOWERS_LAG).0,
            log: Log(engine.records()),
            keep_ms: AtomicI64::new(i64::MAX),
        });
        let (jobs, queue) = mpsc::channel(QUEUE);
        let for_writer = shared.clone();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(queue, &for_writer, &mut engine))
            .map_err(Error::Thread)?;
        let queue = Queue { jobs: Some(jobs), writer: Mutex::new(Some(writer)) };
        Ok(Self { shared, queue: Arc::new(queue) })
    }

    /// The newest committed picture.
    pub fn world(&self) -> Arc<World> {
        self.shared.world()
    }

    /// Decides `op` in the one order of writes. What is answered is durable
    /// and seen by every later [`Self::world`].
    ///
    /// # Errors
    /// A rule said no, and nothing changed; or too many writes wait, and nothing
    /// changed ([`Error::Busy`]); or the database could not take it, and it is
    /// not known whether a restart will have it.
    pub async fn write(&self, op: Op) -> Result<Arc<Commit>, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Job { op, answer }).await?;
        answered.await.map_err(|_| WriteError::Store(Error::Stopped))?
    }

    /// What was written down of all writes.
    pub fn log(&self) -> Log {
        self.shared.log.clone()
    }

    /// From now on each write forgets some of what was written down longer
    /// ago than this. Without it, all is kept.
    pub fn keep_log(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.shared.keep_ms.store(ms, Ordering::Relaxed);
    }

    /// Every later write, in order.
    pub fn groups(&self) -> broadcast::Receiver<Arc<Group>> {
        self.shared.groups.subscribe()
    }
}

impl Shared {
    fn world(&self) -> Arc<World> {
        self.newest.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn publish(&self, world: &Arc<World>, commits: &[Arc<Commit>]) {
        if commits.is_empty() {
            return;
        }
        let mut newest = self.newest.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *newest = world.clone();
        drop(newest);
        // No follower is no fault.
        let _ =
            self.groups.send(Arc::new(Group { commits: commits.to_vec(), world: world.clone() }));
    }
}

impl Queue {
    async fn send(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or(Error::Stopped)?;
        let job = match jobs.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(job)) => job,
            Err(TrySendError::Closed(_)) => return Err(Error::Stopped),
        };
        jobs.send_timeout(job, PATIENCE).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Error::Busy,
            SendTimeoutError::Closed(_) => Error::Stopped,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.jobs = None;
        let writer =
            self.writer.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panicked writer has said so already.
            let _ = writer.join();
        }
    }
}
