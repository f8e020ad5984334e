//! SQLite in one file: WAL, synchronous=FULL, checkpoints off the commit path.

use std::collections::HashMap;
use std::fs::{OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::change::{Change, Key, Object};
use model::world::World;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoints;
use crate::engine::{Batch, Engine, Error, Outcome, Records, Write, object_of};
use crate::log::check_end;
use crate::migration::{Migrated, Migration, way};
use crate::sqlite_log::{SqliteRecords, forget, head, last, write_down};
use crate::witness::Witness;

/// In the order of their numbers; `user_version` counts those applied.
const MIGRATIONS: [Migration; 3] = [
    Migration {
        up: include_str!("../migrations/0001_init.sql"),
        down: include_str!("../migrations/0001_init.down.sql"),
    },
    Migration {
        up: include_str!("../migrations/0002_log.sql"),
        down: include_str!("../migrations/0002_log.down.sql"),
    },
    Migration {
        up: include_str!("../migrations/0003_digest.sql"),
        down: include_str!("../migrations/0003_digest.down.sql"),
    },
];

const SET_REVISION: &str = "UPDATE revision SET n = ?1, head = ?2, at_ms = ?3, digest = ?4";
const DIGEST: &str = "SELECT digest FROM revision";
const OBJECTS: &str = "SELECT number, kind, id, body FROM object ORDER BY number";
const INSERT: &str = "INSERT INTO object (kind, id, revision, body) VALUES (?1, ?2, ?3, ?4)";
const UPDATE: &str = "UPDATE object SET revision = ?2, body = ?3 WHERE number = ?1";
const DELETE: &str = "DELETE FROM object WHERE number = ?1";

/// Bytes; SQLite's own choice.
pub(crate) const PAGE: usize = 4096;

pub(crate) struct Sqlite {
    /// Before the connection, so that the last to close tidies the log away.
    checkpoints: Checkpoints,
    connection: Connection,
    numbers: Numbers,
    path: PathBuf,
    witness: Witness,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let witness = lock(path)?;
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        migrate(&mut connection, &MIGRATIONS, None)?;
        let checkpoints = Checkpoints::start(path)?;
        let (numbers, path) = (Numbers::default(), path.to_owned());
        Ok(Self { checkpoints, connection, numbers, path, witness })
    }
}

/// Two servers on one file would each miss the other's writes. A file of its
/// own, as SQLite's locks on the database end when any handle of it is closed
/// (fcntl(2), "Advisory record locking").
pub(crate) fn lock(database: &Path) -> Result<Witness, Error> {
    let path: PathBuf = database.with_extension("lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let file = opened.map_err(|e| Error::Lock(path.clone(), e))?;
    match file.try_lock() {
        Ok(()) => Ok(Witness { file, path }),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path)),
        Err(TryLockError::Error(error)) => Err(Error::Lock(path, error)),
    }
}

/// See [`crate::migrate`].
pub(crate) fn migrate_file(path: &Path, to: Option<i64>) -> Result<Migrated, Error> {
    let _lock = lock(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection, &MIGRATIONS, to)
}

fn migrate(
    connection: &mut Connection,
    migrations: &[Migration],
    to: Option<i64>,
) -> Result<Migrated, Error> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let found: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let (steps, migrated) = way(migrations, found, to)?;
    for sql in steps {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "user_version", migrated.to)?;
    tx.commit()?;
    Ok(migrated)
}

impl Engine for Sqlite {
    fn load(&mut self) -> Result<World, Error> {
        let tx = self.connection.transaction()?;
        let head = head(&tx)?;
        check_end(head.revision, &head.hash, last(&tx)?)?;
        self.witness.check(head.revision)?;
        let digest: Vec<u8> = tx.query_row(DIGEST, [], |row| row.get(0))?;
        let mut statement = tx.prepare(OBJECTS)?;
        let mut rows = statement.query([])?;
        let mut objects: Vec<Object> = Vec::new();
        let mut numbers = Numbers::default();
        while let Some(row) = rows.next()? {
            let (kind, id, body): (String, String, String) =
                (row.get(1)?, row.get(2)?, row.get(3)?);
            let object = object_of(&kind, &id, &body)?;
            let place = Place { number: row.get(0)?, hash: hash_of(&kind, &id, &body) };
            numbers.digest ^= place.hash;
            if numbers.all.insert(object.key(), place).is_some() {
                return Err(Error::Mislabelled { kind, id });
            }
            objects.push(object);
        }
        if !digest.is_empty() && digest != numbers.digest.to_be_bytes() {
            let why = format!("objects are not as the write {} left them", head.revision);
            return Err(Error::Unsound(why));
        }
        self.numbers = numbers;
        Ok(World::restore(head.revision, objects))
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let written = self.write(batch);
        let pages = written.inspect_err(|_| self.numbers.go_back())?;
        self.numbers.before.clear();
        self.witness.acknowledge(batch);
        self.checkpoints.committed(&self.connection, pages);
        Ok(Outcome::Committed)
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(SqliteRecords::beside(&self.path))
    }
}

impl Sqlite {
    /// Gives the number of pages it may have written.
    fn write(&mut self, batch: &Batch<'_>) -> Result<usize, Error> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = head(&tx)?;
        let (found, ours) = (head.revision, batch.first - 1);
        if found != ours {
            return Err(Error::NotAlone { found, ours });
        }
        head.at_ms = head.at_ms.max(batch.at_ms);
        let mut pages = 0;
        for Write { changes, record } in batch.writes {
            head.revision += 1;
            for change in changes {
                pages += execute(&tx, &mut self.numbers, head.revision.cast_signed(), change)?;
            }
            pages += write_down(&tx, &mut head, record)?;
        }
        forget(&tx, batch)?;
        let digest = self.numbers.digest.to_be_bytes();
        let row = params![head.revision.cast_signed(), head.hash, head.at_ms, digest];
        tx.prepare_cached(SET_REVISION)?.execute(row)?;
        tx.commit()?;
        Ok(pages)
    }
}

/// Where an object is, and what stands there.
#[derive(Clone, Copy)]
struct Place {
    number: i64,
    hash: u128,
}

/// The row of each object.
#[derive(Default)]
struct Numbers {
    all: HashMap<Key, Place>,
    /// XOR of the hashes of all rows.
    digest: u128,
    /// What was there before each change of the transaction.
    before: Vec<(Key, Option<Place>)>,
}

impl Numbers {
    fn put(&mut self, key: Key, place: Place) {
        let before = self.all.insert(key.clone(), place);
        self.digest ^= place.hash ^ before.map_or(0, |it| it.hash);
        self.before.push((key, before));
    }

    fn take(&mut self, key: &Key) -> Option<i64> {
        let before = self.all.remove(key);
        self.digest ^= before.map_or(0, |it| it.hash);
        self.before.push((key.clone(), before));
        before.map(|it| it.number)
    }

    fn go_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            let after = match before {
                Some(place) => self.all.insert(key, place),
                None => self.all.remove(&key),
            };
            self.digest ^= after.map_or(0, |it| it.hash) ^ before.map_or(0, |it| it.hash);
        }
    }
}

/// Lengths are said, so that no two rows are the same bytes.
fn hash_of(kind: &str, id: &str, body: &str) -> u128 {
    let lengths = [kind.len(), id.len()].map(|it| it.to_be_bytes()).concat();
    let whole = Sha256::new().chain_update(lengths).chain_update(kind);
    let whole = whole.chain_update(id).chain_update(body).finalize();
    whole.iter().take(16).fold(0, |hash, byte| hash << 8 | u128::from(*byte))
}

/// Gives the number of pages it may have written.
fn execute(
    tx: &Transaction<'_>,
    numbers: &mut Numbers,
    revision: i64,
    change: &Change,
) -> Result<usize, Error> {
    match change {
        Change::Put(object) => {
            let key = object.key();
            let body = serde_json::to_string(object).map_err(Error::Encode)?;
            let (kind, id) = key.columns();
            let hash = hash_of(kind, &id, &body);
            let number = match numbers.all.get(&key) {
                Some(Place { number, .. }) => {
                    tx.prepare_cached(UPDATE)?.execute(params![number, revision, body])?;
                    *number
                }
                None => tx.prepare_cached(INSERT)?.insert(params![kind, id, revision, body])?,
            };
            numbers.put(key, Place { number, hash });
            Ok(1 + body.len() / PAGE)
        }
        Change::Delete(key) => {
            if let Some(number) = numbers.take(key) {
                tx.prepare_cached(DELETE)?.execute(params![number])?;
            }
            Ok(1)
        }
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
