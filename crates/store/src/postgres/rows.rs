//! Between what is written and the rows it is kept in.

use std::collections::BTreeMap;

use model::change::{Change, Object};
use model::ids::Revision;
use uuid::Uuid;

use super::Place;
use super::session::{Columns, Told};
use crate::engine::Error;

/// A group of writes as rows: each object as the last of them leaves it.
pub(super) struct Batch {
    /// Where it goes on from.
    pub(super) ours: Place,
    /// Where it leads to.
    pub(super) place: Place,
    pub(super) news: String,
    pub(super) put_kinds: Vec<&'static str>,
    pub(super) put_ids: Vec<String>,
    pub(super) put_revisions: Vec<i64>,
    pub(super) put_bodies: Vec<String>,
    pub(super) gone_kinds: Vec<&'static str>,
    pub(super) gone_ids: Vec<String>,
}

impl Batch {
    /// # Errors
    /// An object cannot be written as JSON.
    pub(super) fn of(ours: Place, first: Revision, writes: &[&[Change]]) -> Result<Self, Error> {
        let mut left = BTreeMap::new();
        let mut revision = first - 1;
        for changes in writes {
            revision += 1;
            for change in *changes {
                let put = match change {
                    Change::Put(object) => Some((revision.cast_signed(), object)),
                    Change::Delete(_) => None,
                };
                left.insert(change.key().columns(), put);
            }
        }
        let mut it = Self {
            ours,
            place: Place { revision, mark: Uuid::new_v4() },
            news: serde_json::to_string(writes).map_err(Error::Encode)?,
            put_kinds: Vec::new(),
            put_ids: Vec::new(),
            put_revisions: Vec::new(),
            put_bodies: Vec::new(),
            gone_kinds: Vec::new(),
            gone_ids: Vec::new(),
        };
        for ((kind, id), put) in left {
            if let Some((revision, object)) = put {
                it.put_bodies.push(serde_json::to_string(object).map_err(Error::Encode)?);
                it.put_kinds.push(kind);
                it.put_ids.push(id);
                it.put_revisions.push(revision);
            } else {
                it.gone_kinds.push(kind);
                it.gone_ids.push(id);
            }
        }
        Ok(it)
    }
}

/// The groups after `ours`, each of its writes' changes; None when they do not
/// lead from there to the newest.
///
/// # Errors
/// [`Error::Replaced`]; or a group cannot be read.
pub(super) fn groups(ours: Place, told: &Told) -> Result<Option<Vec<Vec<Vec<Change>>>>, Error> {
    let replaced = Err(Error::Replaced { ours: ours.revision });
    if told.newest.revision <= ours.revision {
        return replaced;
    }
    let mut rest = told.groups.as_slice();
    if ours != Place::default() {
        let Some(((place, _), after)) = rest.split_first() else { return Ok(None) };
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
    for (place, body) in rest {
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
    Ok((at >= told.newest.revision).then_some(all))
}

/// # Errors
/// One cannot be read, or is under another's name.
pub(super) fn objects(rows: Vec<Columns>) -> Result<Vec<Object>, Error> {
    let mut all = Vec::with_capacity(rows.len());
    let mut names = std::collections::BTreeSet::new();
    for (kind, id, body) in rows {
        let object: Object = match serde_json::from_str(&body) {
            Ok(object) => object,
            Err(source) => return Err(Error::Damaged { kind, id, source }),
        };
        let named = object.key().columns() == (kind.as_str(), id.clone());
        if !named || !names.insert(object.key()) {
            return Err(Error::Mislabelled { kind, id });
        }
        all.push(object);
    }
    Ok(all)
}
