//! Lists that are asked for again before anything has changed.
//!
//! What a list shows follows from the world, what hosts say, the second and
//! the caller's access, which is of the world. While those are the same, so is
//! its text: many who watch a list then cost as much as one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use model::ids::Revision;

/// All that may be another the next time. What hosts say is looked at first,
/// so that a text is never taken for newer than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) revision: Revision,
    /// Of what hosts say: another for each change of it.
    pub(crate) word: u64,
    /// Since 1970.
    pub(crate) second: i64,
}

/// Who asks, as account and sub-account, and the parameters.
pub(crate) type Asked = (String, Option<String>, Vec<(String, String)>);

#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<BTreeMap<Asked, (Seen, Bytes)>>);

/// Texts that are kept, and bytes of the longest: 16 MiB in all at most.
const TEXTS: usize = 64;
const LONGEST: usize = 256 << 10;

impl Memo {
    pub(crate) fn get(&self, asked: &Asked, seen: Seen) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(asked).filter(|(at, _)| *at == seen).map(|(_, text)| text.clone())
    }

    pub(crate) fn put(&self, asked: Asked, seen: Seen, text: &Bytes) {
        if text.len() > LONGEST {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TEXTS {
            kept.retain(|_, (at, _)| *at == seen);
        }
        if kept.len() < TEXTS {
            kept.insert(asked, (seen, text.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen { revision: 1, word: 2, second: 3 };

    fn asked(n: usize) -> Asked {
        ("a".to_owned(), None, vec![("offset".to_owned(), n.to_string())])
    }

    #[test]
    fn a_text_is_given_to_who_asks_the_same_while_nothing_has_changed() {
        let memo = Memo::default();
        let text = Bytes::from_static(b"text");
        memo.put(asked(1), SEEN, &text);
        assert_eq!(memo.get(&asked(1), SEEN), Some(text));
        for other in
            [Seen { revision: 2, ..SEEN }, Seen { word: 3, ..SEEN }, Seen { second: 4, ..SEEN }]
        {
            assert_eq!(memo.get(&asked(1), other), None, "{other:?}");
        }
        let (account, sub, parameters) = asked(1);
        let deputy = Some("deputy".to_owned());
        for other in
            [("b".to_owned(), sub, parameters.clone()), (account, deputy, parameters), asked(2)]
        {
            assert_eq!(memo.get(&other, SEEN), None, "{other:?}");
        }
    }

    #[test]
    fn it_keeps_few_and_none_that_is_long_and_the_old_give_way() {
        let memo = Memo::default();
        let text = |length| Bytes::from(vec![b' '; length]);
        memo.put(asked(0), SEEN, &text(LONGEST + 1));
        assert_eq!(memo.get(&asked(0), SEEN), None);
        for n in 0..2 * TEXTS {
            memo.put(asked(n), SEEN, &text(1));
        }
        let kept = |seen| (0..2 * TEXTS).filter(|n| memo.get(&asked(*n), seen).is_some()).count();
        assert_eq!(kept(SEEN), TEXTS);
        let later = Seen { second: 4, ..SEEN };
        memo.put(asked(0), later, &text(1));
        assert_eq!((kept(SEEN), kept(later)), (0, 1));
    }
}
