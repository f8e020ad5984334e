//! Who carries which label, so that a filtered list costs what it finds.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use crate::label::{Filter, Label};

/// What has labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Network,
    Peering,
    Router,
    Server,
}

/// The pairs of a kind and key stand side by side. They are shared, as a write
/// copies those that are near.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labelled(OrdMap<Arc<Pair>, OrdSet<Uuid>>);

/// Key and value.
type Pair = (Kind, String, String);

impl Labelled {
    pub(crate) fn put(&mut self, kind: Kind, uuid: Uuid, labels: &[Label]) {
        for Label { key, value } in labels {
            let pair = (kind, key.clone(), value.clone());
            if let Some(those) = self.0.get_mut(&pair) {
                those.insert(uuid);
            } else {
                self.0.insert(Arc::new(pair), OrdSet::unit(uuid));
            }
        }
    }

    pub(crate) fn take(&mut self, kind: Kind, uuid: Uuid, labels: &[Label]) {
        for Label { key, value } in labels {
            let pair = (kind, key.clone(), value.clone());
            let Some(those) = self.0.get_mut(&pair) else { continue };
            those.remove(&uuid);
            if those.is_empty() {
                self.0.remove(&pair);
            }
        }
    }

    /// By UUID. An object has a key once, so it is found once.
    pub(crate) fn find(&self, kind: Kind, filter: &Filter) -> Vec<Uuid> {
        let value = filter.value().unwrap_or_default();
        let first = (kind, filter.key().to_owned(), value.to_owned());
        let here = |(k, key, value): &Pair| {
            *k == kind && key == filter.key() && filter.value().is_none_or(|v| v == value)
        };
        let pairs = self.0.range(first..).take_while(|(pair, _)| here(pair));
        let mut found: Vec<Uuid> = pairs.flat_map(|(_, those)| those).copied().collect();
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::label::all_match;

    fn labels() -> impl Strategy<Value = Vec<Label>> {
        vec(("[ab]{1,2}", "[xy]{0,2}"), 0..4).prop_map(|pairs| {
            let mut labels: Vec<Label> = Vec::new();
            for (key, value) in pairs {
                if labels.iter().all(|l| l.key != key) {
                    labels.push(Label { key, value });
                }
            }
            labels
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_look_at_each_finds(
            all in vec(labels(), 0..20), gone in 0_usize..20, filter in "[ab]{1,2}(=[xy]{0,2})?"
        ) {
            let filter = Filter::new(&filter);
            let mut index = Labelled::default();
            let uuid = |n: usize| Uuid::from_u128(n as u128);
            for (n, labels) in all.iter().enumerate() {
                index.put(Kind::Peering, uuid(n), labels);
                index.put(Kind::Router, uuid(n + 100), labels);
            }
            if let Some(labels) = all.get(gone) {
                index.take(Kind::Peering, uuid(gone), labels);
            }
            let each = all.iter().enumerate().filter(|(n, _)| *n != gone);
            let matching = each.filter(|(_, l)| all_match(std::slice::from_ref(&filter), l));
            let want: Vec<Uuid> = matching.map(|(n, _)| uuid(n)).collect();
            prop_assert_eq!(index.find(Kind::Peering, &filter), want);
            prop_assert!(index.find(Kind::Network, &filter).is_empty());
        }
    }
}
