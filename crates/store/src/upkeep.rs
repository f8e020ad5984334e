//! What an operator does to a database: brings it to a version, copies it,
//! puts a copy back.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use model::audit::Origin;
use model::ids::Revision;
use model::op::Op;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::engine::Error;
use crate::migration::Migrated;
use crate::postgres::{self, Url};
use crate::{Store, sqlite};

/// Name of the store's file in its directory.
const FILE: &str = "kannas.db";

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A directory, of one of SQLite.
    Directory(PathBuf),
    Postgres(Box<Url>),
}

/// Brings the tables to that version of them, or to the newest; nobody may
/// work on a file meanwhile. What a newer version keeps and an older one does
/// not is gone on the way back.
///
/// # Errors
/// There is no such version, or the database cannot be used.
pub fn migrate(place: &Place, to: Option<i64>) -> Result<Migrated, Error> {
    match place {
        Place::Directory(dir) => sqlite::migrate_file(&dir.join(FILE), to),
        Place::Postgres(url) => postgres::migrate_at(url, to),
    }
}

/// Copies the database in `dir`, as it is at one moment, to `file`, which is
/// not there yet; while a server works on it. Gives the copy's revision.
///
/// # Errors
/// It cannot be read whole, or the file not be made.
pub fn backup(dir: &Path, file: &Path) -> Result<Revision, Error> {
    if file.exists() {
        return Err(Error::Exists(file.to_owned()));
    }
    let beside = named(file, ".partial");
    let copied = copy_of(&dir.join(FILE), &beside).and_then(|()| checked(&beside));
    let placed = copied.and_then(|revision| {
        // Not a renaming, which would replace what has come there meanwhile.
        fs::hard_link(&beside, file).map_err(|error| {
            let file = file.to_owned();
            if error.kind() == io::ErrorKind::AlreadyExists {
                Error::Exists(file)
            } else {
                Error::File(file, error)
            }
        })?;
        Ok(revision)
    });
    // What is left of it is of no use.
    let _ = fs::remove_file(&beside);
    sync_dir(file.parent())?;
    placed
}

fn copy_of(from: &Path, to: &Path) -> Result<(), Error> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let source = Connection::open_with_flags(from, read_only)?;
    // It has secrets in it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    made.map_err(|error| Error::File(to.to_owned(), error))?;
    let mut target = Connection::open(to)?;
    target.pragma_update(None, "synchronous", "FULL")?;
    // All in one step, which is one moment: writers are not held up by a reader.
    if Backup::new(&source, &mut target)?.step(-1)? != StepResult::Done {
        return Err(Error::Unsound("the copy was not finished".to_owned()));
    }
    // The copy is one file.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(|error| Error::File(to.to_owned(), error))
}

/// The revision of a database that SQLite finds whole.
fn checked(file: &Path) -> Result<Revision, Error> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(Error::Unsound(said));
    }
    let revision: i64 = connection.query_row("SELECT n FROM revision", [], |row| row.get(0))?;
    Ok(revision.cast_unsigned())
}

/// What a restoring has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub revision: Revision,
    /// Where the database is that was there before.
    pub old: Option<PathBuf>,
}

/// Puts `file`, made by [`backup`], in the place of the database in `dir`, on
/// which nobody may work meanwhile. It is looked through as a whole first: all
/// its objects are read, and what was written down is compared with its hashes.
///
/// Hosts take new leases: what they have acted on since the copy was made is
/// nothing that they may go on from.
///
/// # Errors
/// A server works on it; or the file is damaged, and nothing has changed.
pub fn restore(dir: &Path, file: &Path) -> Result<Restored, Error> {
    let place = dir.join(FILE);
    let witness = sqlite::lock(&place)?;
    checked(file)?;
    let aside = dir.join("restoring");
    // Of one that was cut.
    let _ = fs::remove_dir_all(&aside);
    let made = DirBuilder::new().mode(0o700).create(&aside);
    made.map_err(|error| Error::File(aside.clone(), error))?;
    let restored = copy_of(file, &aside.join(FILE)).and_then(|()| looked_through(&aside)).and_then(
        |revision| {
            witness.forget()?;
            Ok(Restored { revision, old: replace(&place, &aside.join(FILE))? })
        },
    );
    let _ = fs::remove_dir_all(&aside);
    sync_dir(Some(dir))?;
    restored
}

fn looked_through(dir: &Path) -> Result<Revision, Error> {
    let store = Store::open(dir)?;
    store.log().check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(Error::Thread)?;
    for host in store.world().leases.keys() {
        let op = Op::DropLease { host: *host }.from(Origin::kannas("a copy was put back"));
        runtime.block_on(store.write(op)).map_err(|error| match error {
            crate::WriteError::Store(error) => error,
            crate::WriteError::Rule(rule) => Error::Unsound(rule.to_string()),
        })?;
    }
    Ok(store.world().revision())
}

/// At no moment is there none, from which a server would begin anew.
fn replace(place: &Path, with: &Path) -> Result<Option<PathBuf>, Error> {
    let failed = |error| Error::File(place.to_owned(), error);
    let left = named(with, "-wal");
    if left.exists() {
        return Err(Error::Unsound(format!("{} is there still", left.display())));
    }
    let old = if place.exists() { Some(keep_old(place)?) } else { None };
    fs::rename(with, place).map_err(failed)?;
    Ok(old)
}

/// The old one under a name that is free, with what of it is in its log.
fn keep_old(place: &Path) -> Result<PathBuf, Error> {
    let mut free = (1..).map(|n| place.with_file_name(format!("kannas-old-{n}.db")));
    let old = free.find(|path| !path.exists()).unwrap_or_default();
    let failed = |error| Error::File(old.clone(), error);
    // The log is moved to the file if it can be read, so that the new one has none beside it.
    let folded = Connection::open(place).and_then(|it| {
        it.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        it.close().map_err(|(_, error)| error)
    });
    if let Err(error) = folded {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the old database cannot be read");
    }
    let log = named(place, "-wal");
    if log.exists() {
        fs::rename(&log, named(&old, "-wal")).map_err(failed)?;
    }
    let _ = fs::remove_file(named(place, "-shm"));
    fs::hard_link(place, &old).map_err(failed)?;
    Ok(old)
}

fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// So that a name that has come or gone survives a loss of power.
fn sync_dir(dir: Option<&Path>) -> Result<(), Error> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| Error::File(dir.to_owned(), error))
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
