//! Things under two names, side by side for each first name.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(crate) struct Groups<T>(OrdMap<(Uuid, Uuid), Arc<T>>);

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Self(OrdMap::new())
    }
}

impl<T> Groups<T> {
    pub(crate) fn insert(&mut self, first: Uuid, second: Uuid, it: Arc<T>) {
        self.0.insert((first, second), it);
    }

    pub(crate) fn remove(&mut self, first: Uuid, second: Uuid) {
        self.0.remove(&(first, second));
    }

    pub(crate) fn get(&self, first: Uuid, second: Uuid) -> Option<&Arc<T>> {
        self.0.get(&(first, second))
    }

    /// By second name.
    pub(crate) fn of(&self, first: Uuid) -> impl Iterator<Item = &Arc<T>> {
        let rest = self.0.range((first, Uuid::nil())..);
        rest.take_while(move |(names, _)| names.0 == first).map(|(_, it)| it)
    }
}

/// The second halves of the pairs that begin with `first`.
pub(crate) fn seconds(set: &OrdSet<(Uuid, Uuid)>, first: Uuid) -> impl Iterator<Item = Uuid> {
    set.range((first, Uuid::nil())..).take_while(move |it| it.0 == first).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_group_has_what_was_put_there(
            steps in vec((0_u128..4, 0_u128..4, any::<bool>()), 0..60)
        ) {
            let mut groups = Groups::default();
            let mut all = BTreeMap::new();
            for (n, (first, second, put)) in steps.into_iter().enumerate() {
                let names = (Uuid::from_u128(first), Uuid::from_u128(second));
                if put {
                    groups.insert(names.0, names.1, Arc::new(n));
                    all.insert(names, n);
                } else {
                    groups.remove(names.0, names.1);
                    all.remove(&names);
                }
                for first in (0..5).map(Uuid::from_u128) {
                    let of = all.iter().filter(|(names, _)| names.0 == first);
                    let want: Vec<usize> = of.map(|(_, n)| *n).collect();
                    prop_assert_eq!(groups.of(first).map(|n| **n).collect::<Vec<_>>(), &*want);
                }
                prop_assert_eq!(groups.get(names.0, names.1).map(|n| **n), all.get(&names).copied());
            }
        }
    }
}
