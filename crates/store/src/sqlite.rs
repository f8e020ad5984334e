//! SQLite in one file: WAL, synchronous=FULL, checkpoints off the commit path.

use std::path::Path;

use model::change::{Change, Object};
use model::ids::Revision;
use model::world::World;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::engine::{Engine, Error};

/// In the order of their numbers; `user_version` counts those applied.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_init.sql")];

const REVISION: &str = "SELECT n FROM revision";
const SET_REVISION: &str = "UPDATE revision SET n = ?1";
const OBJECTS: &str = "SELECT kind, id, body FROM object ORDER BY kind, id";
const PUT: &str = "
    INSERT INTO object (kind, id, revision, body) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body";
const DELETE: &str = "DELETE FROM object WHERE kind = ?1 AND id = ?2";

/// WAL pages after which a commit checkpoints even if it is never quiet:
/// bounds the file at about 80 MB.
const CHECKPOINT_PAGES: i64 = 20_000;

pub(crate) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // Two servers on one file would each miss the other's writes.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let found: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    for sql in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(sql)?;
    }
    tx.pragma_update(None, "user_version", known)?;
    Ok(tx.commit()?)
}

impl Engine for Sqlite {
    fn load(&mut self) -> Result<World, Error> {
        let tx = self.connection.transaction()?;
        let revision: i64 = tx.query_row(REVISION, [], |row| row.get(0))?;
        let mut statement = tx.prepare(OBJECTS)?;
        let mut rows = statement.query([])?;
        let mut objects: Vec<Object> = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, id, body): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let object = serde_json::from_str(&body);
            objects.push(object.map_err(|source| Error::Damaged { kind, id, source })?);
        }
        Ok(World::restore(revision.cast_unsigned(), objects))
    }

    fn commit(&mut self, first: Revision, writes: &[&[Change]]) -> Result<(), Error> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = tx.query_row(REVISION, [], |row| row.get(0))?;
        let (found, ours) = (found.cast_unsigned(), first - 1);
        if found != ours {
            return Err(Error::NotAlone { found, ours });
        }
        let mut revision = ours;
        for changes in writes {
            revision += 1;
            for change in *changes {
                execute(&tx, revision.cast_signed(), change)?;
            }
        }
        tx.prepare_cached(SET_REVISION)?.execute(params![revision.cast_signed()])?;
        Ok(tx.commit()?)
    }

    fn tidy(&mut self) {
        let result = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = result {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "checkpoint failed; it is tried again"
            );
        }
    }
}

fn execute(tx: &Transaction<'_>, revision: i64, change: &Change) -> Result<(), Error> {
    match change {
        Change::Put(object) => {
            let (kind, id) = object.key().columns();
            let body = serde_json::to_string(object).map_err(Error::Encode)?;
            tx.prepare_cached(PUT)?.execute(params![kind, id, revision, body])?;
        }
        Change::Delete(key) => {
            let (kind, id) = key.columns();
            tx.prepare_cached(DELETE)?.execute(params![kind, id])?;
        }
    }
    Ok(())
}
