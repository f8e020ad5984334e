//! How many requests are answered at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::{Busy, Problem};

/// For how long who is turned away is asked to wait, in milliseconds.
const WAIT_MS: u64 = 1000;

/// Room for so many requests, of which one account has at most half: so there is
/// always room for another one's.
#[derive(Clone)]
pub(crate) struct Load(Arc<Inner>);

struct Inner {
    most: usize,
    /// Requests under way by account.
    under_way: Mutex<(usize, HashMap<String, usize>)>,
}

/// A request that is under way, until it is dropped.
pub(crate) struct Turn {
    load: Load,
    account: String,
}

impl Load {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, under_way: Mutex::default() }))
    }

    /// # Errors
    /// [`Problem::Busy`].
    pub(crate) fn enter(&self, account: &str) -> Result<Turn, Problem> {
        let mut under_way = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_account) = &mut *under_way;
        let own = by_account.get(account).copied().unwrap_or(0);
        if *all >= self.0.most || own >= self.0.most.div_ceil(2) {
            return Err(Problem::Busy(Busy::Load, WAIT_MS));
        }
        *all += 1;
        match by_account.get_mut(account) {
            Some(own) => *own += 1,
            None => drop(by_account.insert(account.to_owned(), 1)),
        }
        Ok(Turn { load: self.clone(), account: account.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = self.load.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_account) = &mut *under_way;
        *all -= 1;
        match by_account.get_mut(&self.account) {
            Some(own) if *own > 1 => *own -= 1,
            Some(_) | None => drop(by_account.remove(&self.account)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_has_at_most_half_of_the_room_and_all_have_all_of_it() {
        let load = Load::new(5);
        let is_busy = |account| matches!(load.enter(account), Err(Problem::Busy(Busy::Load, _)));
        let a: Vec<Turn> = (0..3).map(|_| load.enter("a").unwrap()).collect();
        assert!(is_busy("a"));
        let b = [load.enter("b").unwrap(), load.enter("b").unwrap()];
        assert!(is_busy("b") && is_busy("c"));
        drop(a);
        let c: Vec<Turn> = (0..3).map(|_| load.enter("c").unwrap()).collect();
        assert!(is_busy("c"));
        drop((b, c));
        assert_eq!(*load.0.under_way.lock().unwrap(), (0, HashMap::new()));
    }
}
