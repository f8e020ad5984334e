//! What a database has to do for us: little, so that two can do it alike.

use std::path::PathBuf;
use std::sync::Arc;

use model::change::Change;
use model::ids::Revision;
use model::world::World;

pub(crate) trait Engine: Send {
    /// All that is remembered.
    ///
    /// # Errors
    /// The database cannot be read, or holds what we cannot read.
    fn load(&mut self) -> Result<World, Error>;

    /// Makes a group of writes durable, all or none.
    ///
    /// # Errors
    /// The database did not take it.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Error>;

    /// The way to what was written down of the writes, beside the writer's.
    fn records(&self) -> Arc<dyn Records>;
}

/// A group of writes. Their revisions follow each other.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Revision of the first.
    pub(crate) first: Revision,
    /// Milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// What was written down before that may go, as much as comes.
    pub(crate) forget_ms: i64,
    pub(crate) writes: &'a [Write],
}

pub(crate) struct Write {
    pub(crate) changes: Vec<Change>,
    /// JSON of [`model::audit::Record`].
    pub(crate) record: String,
}

/// Which of the records to read, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Later than this revision, the oldest first.
    After(Revision),
    /// Earlier than this revision, the newest first.
    Before(Revision),
}

/// Reads what was written down.
pub(crate) trait Records: Send + Sync {
    /// At most `limit` entries; with `text`, those that have it in their body.
    ///
    /// # Errors
    /// The database cannot be read, or an entry cannot.
    fn read(&self, from: From, limit: usize, text: Option<&str>) -> Result<Vec<Row>, Error>;
}

/// One record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) revision: Revision,
    pub(crate) at_ms: i64,
    pub(crate) body: String,
    pub(crate) prev: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    #[error("cannot lock {}", .0.display())]
    Lock(PathBuf, #[source] std::io::Error),
    #[error("another process has the database: it holds {}", .0.display())]
    InUse(PathBuf),
    #[error("the database holds a {kind} {id:?} that cannot be read")]
    Damaged { kind: String, id: String, source: serde_json::Error },
    #[error("the database holds the {kind} {id:?} twice, or another object under its name")]
    Mislabelled { kind: String, id: String },
    #[error("the database is of version {found}, this program knows versions up to {known}")]
    TooNew { found: i64, known: i64 },
    #[error("another process has written to the database: its revision is {found}, ours {ours}")]
    NotAlone { found: Revision, ours: Revision },
    #[error(
        "what was written down of revision {0} is not what was written, or the one before is gone"
    )]
    Broken(Revision),
    #[error("an object cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the writer thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// Each write of the group has this.
    #[error("the group of writes was not made durable")]
    Group(#[source] Arc<Error>),
    /// Too many writes wait; this one was not taken.
    #[error("too many writes wait")]
    Busy,
    #[error("the writer has stopped")]
    Stopped,
}
