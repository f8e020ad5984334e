//! Hands the newest of something to one waiting thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What was not taken before the next came is forgotten.
pub(crate) struct Mailbox<T> {
    slot: Mutex<Slot<T>>,
    bell: Condvar,
}

struct Slot<T> {
    newest: Option<T>,
    rung: bool,
    closed: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mail<T> {
    New(T),
    /// Nothing came until the time that was given.
    Late,
    /// Somebody wants attention.
    Rung,
    Closed,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self {
            slot: Mutex::new(Slot { newest: None, rung: false, closed: false }),
            bell: Condvar::new(),
        }
    }

    pub(crate) fn put(&self, it: T) {
        self.lock().newest = Some(it);
        self.bell.notify_one();
    }

    pub(crate) fn ring(&self) {
        self.lock().rung = true;
        self.bell.notify_one();
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.bell.notify_one();
    }

    /// What was put and not taken, also when closed.
    pub(crate) fn rest(&self) -> Option<T> {
        self.lock().newest.take()
    }

    /// Blocks until there is something, or until `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Mail<T> {
        let mut slot = self.lock();
        loop {
            if slot.closed {
                return Mail::Closed;
            }
            if let Some(it) = slot.newest.take() {
                return Mail::New(it);
            }
            if std::mem::take(&mut slot.rung) {
                return Mail::Rung;
            }
            let Some(until) = until else {
                slot = self.bell.wait(slot).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Mail::Late;
            }
            slot = self.bell.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_is_handed_out_once() {
        let mailbox = Mailbox::new();
        mailbox.put(1);
        mailbox.put(2);
        assert_eq!(mailbox.wait(None), Mail::New(2));
        assert_eq!(mailbox.wait(Some(Instant::now())), Mail::Late);
        mailbox.ring();
        mailbox.put(3);
        assert_eq!(mailbox.wait(None), Mail::New(3));
        assert_eq!(mailbox.wait(None), Mail::Rung);
        mailbox.put(3);
        mailbox.close();
        assert_eq!(mailbox.wait(None), Mail::Closed);
    }
}
