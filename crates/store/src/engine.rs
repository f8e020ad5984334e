//! What a database has to do for us: little, so that two can do it alike.

use std::path::PathBuf;
use std::sync::Arc;

use model::change::{Change, Object};
use model::ids::Revision;
use model::world::World;
use tokio::sync::{mpsc, watch};

use crate::postgres::Sight;
use crate::{Errand, Shared};

pub(crate) trait Engine: Send {
    /// All that is remembered.
    ///
    /// # Errors
    /// The database cannot be read, or holds what we cannot read.
    fn load(&mut self) -> Result<World, Error>;

    /// Makes a group of writes durable, all or none.
    ///
    /// # Errors
    /// The database did not take it; or ([`Error::Unknown`]) it may have.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error>;

    /// The way to what was written down of the writes, beside the writer's.
    fn records(&self) -> Arc<dyn Records>;

    /// What others have written after `ours`, as of a moment after the call.
    /// With `turn` nobody else writes from then until [`Self::commit`] or
    /// [`Self::pass`].
    ///
    /// # Errors
    /// The database cannot be read.
    fn news(&mut self, _ours: Revision, _turn: bool) -> Result<News, Error> {
        Ok(News::Nothing)
    }

    /// Lets others write again.
    fn pass(&mut self) {}

    /// Begins to work beside the writer.
    fn accompany(&mut self, _writer: &Desk) -> Company {
        Company::none()
    }
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

/// What a row holds.
///
/// # Errors
/// It cannot be read, or is under another's name.
pub(crate) fn object_of(kind: &str, id: &str, body: &str) -> Result<Object, Error> {
    let named = || (kind.to_owned(), id.to_owned());
    let object: Object = serde_json::from_str(body).map_err(|source| {
        let (kind, id) = named();
        Error::Damaged { kind, id, source }
    })?;
    if object.key().columns() == (kind, id.to_owned()) {
        return Ok(object);
    }
    let (kind, id) = named();
    Err(Error::Mislabelled { kind, id })
}

/// What became of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    /// Others have written since, and nothing of it was done.
    Overtaken,
}

/// What others have written.
#[derive(Debug)]
pub(crate) enum News {
    Nothing,
    /// Groups of writes, each of them its changes: one after the other from
    /// the revision that was asked for.
    Groups(Vec<Vec<Vec<Change>>>),
    /// All there is, as what was written one after the other is not kept.
    World(Box<World>),
}

/// Where an engine's company reaches the writer and its world.
pub(crate) struct Desk {
    pub(crate) shared: Arc<Shared>,
    pub(crate) errands: mpsc::WeakSender<Errand>,
}

/// What is there beside the writer.
pub(crate) struct Company {
    /// True while this process, of all on the database, is the one that does
    /// what one does for all.
    pub(crate) leads: watch::Receiver<bool>,
    /// Tells that it is not to be that one any more.
    pub(crate) resigned: watch::Sender<bool>,
    /// None where nobody else writes.
    pub(crate) sight: Option<Sight>,
}

impl Company {
    /// Nobody else is on the database.
    fn none() -> Self {
        let resigned = watch::channel(false).0;
        Self { leads: watch::channel(true).1, resigned, sight: None }
    }

    pub(crate) fn resign(&self) {
        self.resigned.send_replace(true);
    }
}

impl Error {
    /// True when nothing of what was asked was done, and it may be asked again.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Away(_) | Self::Busy | Self::Crowded | Self::Sight(_) => true,
            Self::Group(cause) => cause.is_away(),
            Self::Sqlite(_) | Self::Postgres(_) | Self::Unknown(_) | Self::Replaced { .. } => false,
            Self::Lock(..) | Self::InUse(_) | Self::NotAlone { .. } | Self::TooNew { .. } => false,
            Self::Damaged { .. } | Self::Broken(_) | Self::Mislabelled { .. } | Self::Encode(_) => {
                false
            }
            Self::Url | Self::SslMode | Self::Certificates(..) => false,
            Self::NoVersion { .. } | Self::Exists(_) | Self::File(..) | Self::Unsound(_) => false,
            Self::Lost { .. } => false,
            Self::Thread(_) | Self::Stopped => false,
        }
    }
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
    /// Nothing of what was asked was done.
    #[error("the database cannot be reached")]
    Away(#[source] Option<tokio_postgres::Error>),
    #[error("the database cannot be reached, and it is not known whether it has what was written")]
    Unknown(#[source] Option<tokio_postgres::Error>),
    #[error("the database failed")]
    Postgres(#[from] tokio_postgres::Error),
    /// The source may quote a password.
    #[error(
        "the database's URL makes no sense: postgres://USER:PASSWORD@HOST:PORT/NAME, with %XX for what is special in them"
    )]
    Url,
    #[error(
        "the database's sslmode must be disable, require or verify-full; the last two are the same here, and check the certificate"
    )]
    SslMode,
    #[error("cannot use the certificates of {}", .0.display())]
    Certificates(PathBuf, #[source] Option<rustls::pki_types::pem::Error>),
    #[error("the database is not the one that it was: at revision {ours} it has other writes")]
    Replaced { ours: Revision },
    /// Each read that waited has this.
    #[error("it is not known what is newest")]
    Sight(#[source] Arc<Error>),
    #[error("others have written each time that a group of writes was to be")]
    Crowded,
    #[error(
        "what was written down of revision {0} is not what was written, or the one before is gone"
    )]
    Broken(Revision),
    #[error("there is no version {to} of the database; this program knows 1 to {known}")]
    NoVersion { to: i64, known: i64 },
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("cannot use {}", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    #[error("the database is damaged: {0}")]
    Unsound(String),
    #[error(
        "the database is at revision {found}, and {acknowledged} was acknowledged: the disk has lost \
         writes; restore a backup, or remove {} to go on without them", .witness.display()
    )]
    Lost { found: Revision, acknowledged: Revision, witness: PathBuf },
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
