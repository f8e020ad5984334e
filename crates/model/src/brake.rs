//! How guessing of passwords is slowed: what follows a failure waits, the
//! longer the more there were.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

/// Failures are forgotten when there was none for this long, in milliseconds.
pub const MEMORY_MS: u64 = 15 * 60 * 1000;

/// The longest that one failure holds up the next try, in milliseconds.
const LONGEST_MS: u64 = 60_000;

/// Entries of each kind that are kept; the one that failed the longest ago
/// goes first.
const KEPT: usize = 10_000;

/// How long to wait after `failures`, of which the first `free` cost nothing:
/// a second, then twice as long each time, up to a minute.
pub fn delay_ms(failures: u32, free: u32) -> u64 {
    let Some(beyond) = failures.checked_sub(free + 1) else { return 0 };
    1000_u64.checked_shl(beyond.min(32)).map_or(LONGEST_MS, |ms| ms.min(LONGEST_MS))
}

/// Failures by some key. Times are milliseconds of a clock that never goes
/// back.
#[derive(Debug)]
struct Failures<K> {
    free: u32,
    by_key: BTreeMap<K, Entry>,
    by_age: BTreeSet<(u64, K)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    count: u32,
    last: u64,
}

impl<K: Ord + Clone> Failures<K> {
    fn new(free: u32) -> Self {
        Self { free, by_key: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    /// Milliseconds until the next try, 0 for at once.
    fn wait(&self, key: &K, now: u64) -> u64 {
        let Some(it) = self.by_key.get(key) else { return 0 };
        if now.saturating_sub(it.last) >= MEMORY_MS {
            return 0;
        }
        (it.last + delay_ms(it.count, self.free)).saturating_sub(now)
    }

    fn add(&mut self, key: K, now: u64) {
        let count = match self.forget(&key) {
            Some(old) if now.saturating_sub(old.last) < MEMORY_MS => old.count.saturating_add(1),
            Some(_) | None => 1,
        };
        self.by_age.insert((now, key.clone()));
        self.by_key.insert(key, Entry { count, last: now });
        if self.by_key.len() > KEPT
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_key.remove(&oldest);
        }
    }

    fn forget(&mut self, key: &K) -> Option<Entry> {
        let old = self.by_key.remove(key)?;
        self.by_age.remove(&(old.last, key.clone()));
        Some(old)
    }
}

/// Where guesses come from: one IPv4 address, or the /64 of IPv6 that a
/// customer has at the least (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(it) => it.into(),
            IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits() >> 64 << 64).into(),
        })
    }
}

/// Counts failures of a user from an address, of an address with whatever
/// user, and of a user from wherever.
///
/// An address that a user has called from with the right password is held up
/// only by failures of just the two, so nobody can lock a user out from
/// elsewhere.
#[derive(Debug)]
pub struct Brake {
    pairs: Failures<(String, Source)>,
    sources: Failures<Source>,
    users: Failures<String>,
    /// When each was last right.
    trusted: Failures<(String, Source)>,
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            pairs: Failures::new(5),
            sources: Failures::new(50),
            users: Failures::new(100),
            trusted: Failures::new(0),
        }
    }
}

impl Brake {
    /// Milliseconds until `user` may try again from `address`; 0 for at once.
    pub fn wait(&self, user: &str, address: IpAddr, now: u64) -> u64 {
        let source = Source::from(address);
        let pair = (known(user), source);
        let own = self.pairs.wait(&pair, now);
        if self.trusted.by_key.contains_key(&pair) {
            return own;
        }
        own.max(self.sources.wait(&source, now)).max(self.users.wait(&pair.0, now))
    }

    pub fn failed(&mut self, user: &str, address: IpAddr, now: u64) {
        let source = Source::from(address);
        self.pairs.add((known(user), source), now);
        self.sources.add(source, now);
        self.users.add(known(user), now);
    }

    /// The password was checked and right.
    pub fn succeeded(&mut self, user: &str, address: IpAddr, now: u64) {
        let pair = (known(user), Source::from(address));
        self.pairs.forget(&pair);
        if !self.trusted.by_key.contains_key(&pair) {
            self.trusted.add(pair, now);
        }
    }
}

/// What is kept of a name. None is longer, but who guesses may send one.
fn known(user: &str) -> String {
    user.chars().take(64).collect()
}

#[cfg(test)]
#[path = "brake_tests.rs"]
mod tests;
