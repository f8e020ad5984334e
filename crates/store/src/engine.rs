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

    /// Makes a group of writes durable, all or none. Their revisions follow
    /// each other; `first` is that of the first.
    ///
    /// # Errors
    /// The database did not take it.
    fn commit(&mut self, first: Revision, writes: &[&[Change]]) -> Result<(), Error>;
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
    #[error("an object cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    #[error("the writer thread cannot be started")]
    Thread(#[source] std::io::Error),
    /// Each write of the group has this.
    #[error("the group of writes was not made durable")]
    Group(#[source] Arc<Error>),
    #[error("the writer has stopped")]
    Stopped,
}
