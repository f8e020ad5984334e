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
const OLDEST: &str =
    "SELECT revision, at_ms FROM log WHERE revision < ?1 ORDER BY revision LIMIT ?2";
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

/// # Errors
/// [`Error::Broken`] when the newest row is not that of the newest write. The
/// first write after a migration from before there was a log has none before.
pub(crate) fn check_end(tx: &Transaction<'_>, head: &Head) -> Result<(), Error> {
    let row = |row: &SqlRow<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?));
    let last: Option<(Revision, Vec<u8>)> = tx.query_row(LAST, [], row).optional()?;
    let is_whole = match last {
        Some((revision, hash)) => revision == head.revision && hash == head.hash,
        None => head.hash.is_empty(),
    };
    if is_whole { Ok(()) } else { Err(Error::Broken(head.revision)) }
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
    let most = i64::try_from(batch.writes.len()).unwrap_or(i64::MAX).saturating_mul(2);
    let row = |row: &SqlRow<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let mut statement = tx.prepare_cached(OLDEST)?;
    let rows = statement.query_map(params![batch.first.cast_signed(), most], row)?;
    let oldest: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    for (revision, _) in oldest.iter().take_while(|(_, at_ms)| *at_ms < batch.forget_ms) {
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
