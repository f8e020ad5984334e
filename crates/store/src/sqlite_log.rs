//! What is written down of each write, in SQLite.

use std::path::{Path, PathBuf};

use model::ids::Revision;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow, Transaction, params};

use crate::engine::{Batch, Error, From, Records, Row};
use crate::log::hash;
use crate::sqlite::PAGE;

const HEAD: &str = "SELECT n, head, at_ms FROM revision";
const RECORD: &str =
    "INSERT INTO log (revision, at_ms, body, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
const LAST: &str = "SELECT revision, hash FROM log ORDER BY revision DESC LIMIT 1";
const OLDEST: &str = "SELECT revision, at_ms FROM log ORDER BY revision";
const FORGET: &str = "DELETE FROM log WHERE revision = ?1";
const AFTER: &str = "SELECT revision, at_ms, body, prev, hash FROM log \
    WHERE revision > ?1 AND (?3 IS NULL OR instr(body, ?3) > 0) ORDER BY revision LIMIT ?2";
const BEFORE: &str = "SELECT revision, at_ms, body, prev, hash FROM log \
    WHERE revision < ?1 AND (?3 IS NULL OR instr(body, ?3) > 0) ORDER BY revision DESC LIMIT ?2";

/// The end of the one order of writes.
pub(crate) struct Head {
    pub(crate) revision: Revision,
    pub(crate) hash: Vec<u8>,
    pub(crate) at_ms: i64,
}

pub(crate) fn head(tx: &Transaction<'_>) -> Result<Head, Error> {
    let head = tx.prepare_cached(HEAD)?.query_row([], |row| {
        let revision = row.get::<_, i64>(0)?.cast_unsigned();
        Ok(Head { revision, hash: row.get(1)?, at_ms: row.get(2)? })
    });
    Ok(head?)
}

/// The revision and the hash of the newest row.
pub(crate) fn last(tx: &Transaction<'_>) -> Result<Option<(Revision, Vec<u8>)>, Error> {
    let row = |row: &SqlRow<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?));
    Ok(tx.query_row(LAST, [], row).optional()?)
}

/// Gives the number of pages it may have written.
pub(crate) fn write_down(
    tx: &Transaction<'_>,
    head: &mut Head,
    record: &str,
) -> Result<usize, Error> {
    let Head { revision, at_ms, .. } = *head;
    let hash = hash(&head.hash, revision, at_ms, record);
    let row = params![revision.cast_signed(), at_ms, record, head.hash, hash];
    tx.prepare_cached(RECORD)?.execute(row)?;
    head.hash = hash;
    Ok(1 + record.len() / PAGE)
}

/// Twice as many rows at most as come: so what is too old goes, and no write
/// waits for long.
pub(crate) fn forget(tx: &Transaction<'_>, batch: &Batch<'_>) -> Result<(), Error> {
    if batch.forget_ms <= 0 {
        return Ok(());
    }
    let mut statement = tx.prepare_cached(OLDEST)?;
    let mut rows = statement.query([])?;
    let mut old: Vec<i64> = Vec::new();
    // Most often it ends with the first.
    while old.len() < 2 * batch.writes.len()
        && let Some(row) = rows.next()?
        && row.get::<_, i64>(1)? < batch.forget_ms
    {
        old.push(row.get(0)?);
    }
    drop(rows);
    for revision in old {
        tx.prepare_cached(FORGET)?.execute([revision])?;
    }
    Ok(())
}

/// Opens the database anew for each reading, which writes are not held up by.
pub(crate) struct SqliteRecords(PathBuf);

impl SqliteRecords {
    pub(crate) fn beside(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Records for SqliteRecords {
    fn read(&self, from: From, limit: usize, text: Option<&str>) -> Result<Vec<Row>, Error> {
        let connection = Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let (sql, revision) = match from {
            From::After(revision) => (AFTER, revision),
            From::Before(revision) => (BEFORE, revision),
        };
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map(params![revision, limit, text], |row| {
            Ok(Row {
                revision: row.get::<_, i64>(0)?.cast_unsigned(),
                at_ms: row.get(1)?,
                body: row.get(2)?,
                prev: row.get(3)?,
                hash: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
