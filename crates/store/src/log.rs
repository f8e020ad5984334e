//! What was written down of the writes: to be read, and checked.

use std::sync::Arc;

use model::audit::{Entry, Record};
use model::ids::Revision;
use sha2::{Digest, Sha256};

use crate::engine::{Error, From, Records, Row};

/// Rows that are read at once when all of them are.
const PAGE: usize = 4096;

/// The records of all writes that were not forgotten. Each call reads the
/// database, and blocks for as long as that takes.
#[derive(Clone)]
pub struct Log(pub(crate) Arc<dyn Records>);

/// What a check of the whole log has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    pub entries: u64,
    /// Revisions of the oldest and the newest; 0 of an empty log.
    pub first: Revision,
    pub last: Revision,
}

/// The hash of a row: SHA-256 over what it says and the hash of the one before.
pub(crate) fn hash(prev: &[u8], revision: Revision, at_ms: i64, body: &str) -> Vec<u8> {
    let whole = Sha256::new()
        .chain_update(prev)
        .chain_update(revision.to_be_bytes())
        .chain_update(at_ms.to_be_bytes())
        .chain_update(body);
    whole.finalize().to_vec()
}

/// `last` is the newest row there is, if any: the first write after a migration
/// from before there was a log has none before.
///
/// # Errors
/// [`Error::Broken`] when it is not that of the write `revision`, after which the
/// hash was `head`.
pub(crate) fn check_end(
    revision: Revision,
    head: &[u8],
    last: Option<(Revision, Vec<u8>)>,
) -> Result<(), Error> {
    let is_whole = match last {
        Some((newest, hash)) => newest == revision && hash == head,
        None => head.is_empty(),
    };
    if is_whole { Ok(()) } else { Err(Error::Broken(revision)) }
}

impl Log {
    /// At most `limit` entries; with `text`, those in which it stands.
    ///
    /// # Errors
    /// The database cannot be read, or an entry is damaged.
    pub fn read(&self, from: From, limit: usize, text: Option<&str>) -> Result<Vec<Entry>, Error> {
        self.0.read(from, limit, text)?.into_iter().map(entry).collect()
    }

    /// The newest revision that there was at `at_ms`, in milliseconds since
    /// 1970; None when that was before all that was not forgotten.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn revision_at(&self, at_ms: i64) -> Result<Option<Revision>, Error> {
        let one = |from| Ok::<_, Error>(self.0.read(from, 1, None)?.pop());
        let Some(oldest) = one(From::After(0))?.filter(|row| row.at_ms <= at_ms) else {
            return Ok(None);
        };
        let newest = one(From::Before(Revision::MAX))?.map_or(oldest.revision, |row| row.revision);
        let (mut at, mut end) = (oldest.revision, newest + 1);
        // The row at `at` is early enough; from `end` on all are too late.
        while end - at > 1 {
            let middle = at + (end - at) / 2;
            match one(From::After(middle - 1))?.filter(|row| row.revision < end) {
                Some(row) if row.at_ms <= at_ms => at = row.revision,
                Some(_) | None => end = middle,
            }
        }
        Ok(Some(at))
    }

    /// Reads all entries and compares each with its hash and its neighbour.
    ///
    /// # Errors
    /// [`Error::Broken`] for the first that is not as it was written.
    pub fn check(&self) -> Result<Checked, Error> {
        let mut checked = Checked { entries: 0, first: 0, last: 0 };
        let mut prev: Option<Vec<u8>> = None;
        loop {
            let rows = self.0.read(From::After(checked.last), PAGE, None)?;
            if rows.is_empty() {
                return Ok(checked);
            }
            for row in rows {
                check(&row, checked.last, prev.as_deref())?;
                if checked.entries == 0 {
                    checked.first = row.revision;
                }
                checked.entries += 1;
                checked.last = row.revision;
                prev = Some(row.hash);
            }
        }
    }
}

/// `last` and `prev` are the revision and the hash of the row before, if there
/// is one.
fn check(row: &Row, last: Revision, prev: Option<&[u8]>) -> Result<(), Error> {
    let follows = prev.is_none_or(|prev| row.prev == prev && row.revision == last + 1);
    let Row { revision, at_ms, body, prev, .. } = row;
    let is_whole = hash(prev, *revision, *at_ms, body) == row.hash;
    if follows && is_whole { Ok(()) } else { Err(Error::Broken(row.revision)) }
}

fn entry(row: Row) -> Result<Entry, Error> {
    let Row { revision, at_ms, body, .. } = row;
    let record: Record = serde_json::from_str(&body).map_err(|source| Error::Damaged {
        kind: "log".to_owned(),
        id: revision.to_string(),
        source,
    })?;
    Ok(Entry { revision, at_ms, record })
}
