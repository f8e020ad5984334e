//! Between what is written and the rows it is kept in.

use std::collections::BTreeMap;

use model::change::{Change, Object};
use model::ids::Revision;
use uuid::Uuid;

use super::session::{Columns, Told};
use super::{Head, Place};
use crate::engine::{Batch, Error, object_of};
use crate::log::hash;

/// A group of writes as rows: each object as the last of them leaves it.
pub(super) struct Rows {
    /// Where it goes on from.
    pub(super) ours: Place,
    /// Where it leads to.
    pub(super) head: Head,
    pub(super) news: String,
    pub(super) put: Puts,
    pub(super) gone: Goings,
    pub(super) log: Records,
}

/// Columns of the objects that are there after it.
#[derive(Default)]
pub(super) struct Puts {
    pub(super) kinds: Vec<&'static str>,
    pub(super) ids: Vec<String>,
    pub(super) revisions: Vec<i64>,
    pub(super) bodies: Vec<String>,
}

/// Columns of those that are not.
#[derive(Default)]
pub(super) struct Goings {
    pub(super) kinds: Vec<&'static str>,
    pub(super) ids: Vec<String>,
}

/// Columns of what is written down of its writes.
#[derive(Default)]
pub(super) struct Records {
    pub(super) revisions: Vec<i64>,
    pub(super) bodies: Vec<String>,
    pub(super) prevs: Vec<Vec<u8>>,
    pub(super) hashes: Vec<Vec<u8>>,
}

impl Rows {
    /// # Errors
    /// An object cannot be written as JSON.
    pub(super) fn of(from: &Head, batch: &Batch<'_>) -> Result<Self, Error> {
        let mut head = Head { at_ms: from.at_ms.max(batch.at_ms), ..from.clone() };
        let (mut left, mut log, mut news) = (BTreeMap::new(), Records::default(), Vec::new());
        for (revision, write) in (batch.first..).zip(batch.writes) {
            for change in &write.changes {
                let put = match change {
                    Change::Put(object) => Some((revision.cast_signed(), object)),
                    Change::Delete(_) => None,
                };
                left.insert(change.key().columns(), put);
            }
            let prev = std::mem::take(&mut head.hash);
            head.hash = hash(&prev, revision, head.at_ms, &write.record);
            log.revisions.push(revision.cast_signed());
            log.bodies.push(write.record.clone());
            log.prevs.push(prev);
            log.hashes.push(head.hash.clone());
            head.place.revision = revision;
            news.push(&write.changes);
        }
        head.place.mark = Uuid::new_v4();
        let news = serde_json::to_string(&news).map_err(Error::Encode)?;
        let (mut put, mut gone) = (Puts::default(), Goings::default());
        for ((kind, id), object) in left {
            if let Some((revision, object)) = object {
                put.bodies.push(serde_json::to_string(object).map_err(Error::Encode)?);
                put.kinds.push(kind);
                put.ids.push(id);
                put.revisions.push(revision);
            } else {
                gone.kinds.push(kind);
                gone.ids.push(id);
            }
        }
        Ok(Self { ours: from.place, head, news, put, gone, log })
    }
}

/// The groups after `ours`, each of its writes' changes; None when they do not
/// lead from there to the newest.
///
/// # Errors
/// [`Error::Replaced`]; or a group cannot be read.
pub(super) fn groups(ours: Place, told: &Told) -> Result<Option<Vec<Vec<Vec<Change>>>>, Error> {
    let replaced = Err(Error::Replaced { ours: ours.revision });
    if told.newest.place.revision <= ours.revision {
        return replaced;
    }
    let mut rest = told.groups.as_slice();
    if ours != Place::default() {
        let Some(((Head { place, .. }, _), after)) = rest.split_first() else { return Ok(None) };
        if place.revision == ours.revision && place.mark != ours.mark {
            return replaced;
        }
        if *place != ours {
            return Ok(None);
        }
        rest = after;
    }
    let mut at = ours.revision;
    let mut all = Vec::with_capacity(rest.len());
    for (Head { place, .. }, body) in rest {
        let writes: Vec<Vec<Change>> = serde_json::from_str(body).map_err(|source| {
            Error::Damaged { kind: "news".to_owned(), id: place.revision.to_string(), source }
        })?;
        at += writes.len() as Revision;
        if at != place.revision {
            return Ok(None);
        }
        all.push(writes);
    }
    // More may have come since the newest was asked for.
    Ok((at >= told.newest.place.revision).then_some(all))
}

/// # Errors
/// One cannot be read, or is under another's name.
pub(super) fn objects(rows: Vec<Columns>) -> Result<Vec<Object>, Error> {
    let mut all = Vec::with_capacity(rows.len());
    let mut names = std::collections::BTreeSet::new();
    for (kind, id, body) in rows {
        let object = object_of(&kind, &id, &body)?;
        if !names.insert(object.key()) {
            return Err(Error::Mislabelled { kind, id });
        }
        all.push(object);
    }
    Ok(all)
}
