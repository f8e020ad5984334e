//! The memory: one order of writes, each durable before it is answered.
//!
//! A writer thread takes operations in the order they come, decides each on
//! the world as it is after the one before, and commits a group of them in one
//! transaction. Readers hold a [`World`]: a picture at one revision that costs
//! nothing to keep.

mod checkpoint;
mod engine;
mod log;
mod migration;
mod postgres;
mod sqlite;
mod sqlite_log;
mod upkeep;
mod witness;
mod writer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod wishes;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::change::Change;
use model::error::Rule;
use model::ids::Revision;
use model::op::Op;
use model::world::World;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use engine::{Company, Desk, Engine, Records};
pub use engine::{Error, From};
pub use log::{Checked, Log};
pub use migration::Migrated;
pub use postgres::Url;
pub use upkeep::{Place, Restored, backup, migrate, restore};

/// One write.
#[derive(Debug)]
pub struct Commit {
    /// Its own place in the one order; the newest one if it changed nothing.
    pub revision: Revision,
    pub changes: Vec<Change>,
    /// After it, and after writes to other objects that became durable with it.
    pub world: Arc<World>,
}

/// Writes that became durable at once, in their order, whichever process on
/// the database they are of.
#[derive(Debug)]
pub struct Group {
    /// None when so much was written elsewhere that it is not known one by one.
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
    company: Arc<Company>,
}

struct Shared {
    newest: watch::Sender<Arc<World>>,
    groups: broadcast::Sender<Arc<Group>>,
    log: Log,
    /// For how long records are kept, in milliseconds.
    keep_ms: AtomicI64,
}

/// Ends the writer on drop: closes its queue, then waits for it.
struct Queue {
    errands: Option<mpsc::Sender<Errand>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// What the writer is asked for.
#[expect(clippy::large_enum_variant, reason = "nearly all are writes; a box for each costs more")]
enum Errand {
    Write(Job),
    /// To look for what others have written.
    Look,
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

    /// Works on the PostgreSQL database at `url`, beside all others that do.
    ///
    /// Blocks for some seconds if it cannot be reached.
    ///
    /// # Errors
    /// As [`Self::open`]; or the database cannot be reached, or lets us not in.
    pub fn connect(url: &Url) -> Result<Self, Error> {
        Self::start(postgres::Postgres::open(url)?)
    }

    fn start(mut engine: impl Engine + 'static) -> Result<Self, Error> {
        let (errands, queue) = mpsc::channel(QUEUE);
        let weak = errands.downgrade();
        let (tell, started) = std::sync::mpsc::channel();
        // It reads all there is first: an engine is used by one thread.
        let work = move || {
            let desk = match engine.load() {
                Ok(world) => {
                    let shared = Arc::new(Shared::new(world, engine.records()));
                    Desk { shared, errands: weak }
                }
                Err(error) => return drop(tell.send(Err(error))),
            };
            let company = engine.accompany(&desk);
            // Who has asked waits below.
            let _ = tell.send(Ok((desk.shared.clone(), company)));
            writer::run(queue, &desk.shared, &mut engine);
        };
        let writer = std::thread::Builder::new().name("store-writer".to_owned()).spawn(work);
        let writer = writer.map_err(Error::Thread)?;
        let (shared, company) = match started.recv().unwrap_or(Err(Error::Stopped)) {
            Ok(started) => started,
            Err(error) => {
                // It lets go of the database first.
                let _ = writer.join();
                return Err(error);
            }
        };
        let queue = Queue { errands: Some(errands), writer: Mutex::new(Some(writer)) };
        Ok(Self { shared, queue: Arc::new(queue), company: Arc::new(company) })
    }

    /// The newest committed picture.
    pub fn world(&self) -> Arc<World> {
        self.shared.world()
    }

    /// A picture that has every write which any process on the database was
    /// told is durable before this was called. Without others that write,
    /// [`Self::world`].
    ///
    /// # Errors
    /// The database cannot say, within some seconds.
    pub async fn fresh(&self) -> Result<Arc<World>, Error> {
        match &self.company.sight {
            Some(sight) => sight.fresh().await,
            None => Ok(self.world()),
        }
    }

    /// True while this process, of all on the database, is the one that does
    /// what one does for all: at most one is told so at a time.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.company.leads.clone()
    }

    /// This process does no more what one does for all, so that another one
    /// does it at once. A process that is alone goes on to.
    pub fn resign(&self) {
        self.company.resign();
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
        self.queue.send(Errand::Write(Job { op, answer })).await?;
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
    fn new(world: World, records: Arc<dyn Records>) -> Self {
        Self {
            newest: watch::channel(Arc::new(world)).0,
            groups: broadcast::channel(FOLLOWERS_LAG).0,
            log: Log(records),
            keep_ms: AtomicI64::new(i64::MAX),
        }
    }

    fn world(&self) -> Arc<World> {
        self.newest.borrow().clone()
    }

    fn publish(&self, world: &Arc<World>, commits: Vec<Arc<Commit>>) {
        self.newest.send_replace(world.clone());
        // No follower is no fault.
        let _ = self.groups.send(Arc::new(Group { commits, world: world.clone() }));
    }
}

impl Queue {
    async fn send(&self, errand: Errand) -> Result<(), Error> {
        let errands = self.errands.as_ref().ok_or(Error::Stopped)?;
        let errand = match errands.try_send(errand) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(errand)) => errand,
            Err(TrySendError::Closed(_)) => return Err(Error::Stopped),
        };
        errands.send_timeout(errand, PATIENCE).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => Error::Busy,
            SendTimeoutError::Closed(_) => Error::Stopped,
        })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.errands = None;
        let writer =
            self.writer.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A panicked writer has said so already.
            let _ = writer.join();
        }
    }
}
