//! The JSON of the API and of the agents, in and out.
//!
//! In: strict and by hand, so that a refusal names the attribute and has the
//! contract's code. Out: plain serialisation.

pub mod account;
pub mod agent;
pub mod audit;
pub mod counters;
pub mod explain;
mod fields;
pub mod forecast;
pub mod health;
pub mod interface;
pub mod network;
pub mod network_view;
pub mod peer;
pub mod peering;
pub mod peering_group;
pub mod peering_request;
pub mod port;
pub mod router;
pub mod seal;
pub mod server;
pub mod server_view;
pub mod sub_account;
pub mod token;
pub mod webhook;
pub mod zone;

pub use fields::Fields;

use std::cell::Cell;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Rule, Subject};
use crate::label::Label;

/// `labels` of a body: absent is None, null clears (contract section 2).
fn labels(fields: &mut Fields) -> Result<Option<Vec<Label>>, Rule> {
    labels_at(fields, "labels")
}

fn labels_at(fields: &mut Fields, key: &str) -> Result<Option<Vec<Label>>, Rule> {
    let Some(entries) = fields.array_or_null(key, Subject::Request)? else { return Ok(None) };
    let mut labels = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let missing = |fields: &Fields, key: &str| {
            Rule::bad(Subject::Request, fields.path(key), "is required")
        };
        let key = entry.string("key", Subject::LabelKey)?.ok_or_else(|| missing(&entry, "key"))?;
        let value =
            entry.string("value", Subject::LabelValue)?.ok_or_else(|| missing(&entry, "value"))?;
        entry.finish()?;
        labels.push(Label { key, value });
    }
    Ok(Some(labels))
}

/// Seconds since 1970, as the API writes times.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

/// A list whose items are made as they are written, once: of a long one each
/// is written while what it shows is still at hand.
pub struct Each<I>(Cell<Option<I>>);

impl<I> Each<I> {
    pub fn of(items: I) -> Self {
        Self(Cell::new(Some(items)))
    }
}

impl<I: Iterator<Item: Serialize>> Serialize for Each<I> {
    /// # Errors
    /// It was written before.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let items = self.0.take();
        to.collect_seq(items.ok_or_else(|| S::Error::custom("the list was written before"))?)
    }
}

/// The API's booleans are words.
fn yes_no(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

/// A UUID alone in an object, as attached networks are listed.
#[derive(Serialize)]
pub struct Reference {
    pub uuid: uuid::Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_once_and_then_never_as_an_empty_one() {
        let made = Cell::new(0);
        let each = Each::of((0..3).inspect(|_| made.set(made.get() + 1)));
        assert_eq!(serde_json::to_string(&each).unwrap(), "[0,1,2]");
        assert!(serde_json::to_string(&each).is_err());
        assert_eq!(made.get(), 3);
    }
}
