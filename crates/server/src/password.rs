//! Passwords: argon2id, and what is remembered so that it is paid for once.
//!
//! Argon2id is slow on purpose, about 20 ms of a core, and clients send their
//! password with every request. So a user's last good credentials are
//! remembered by a keyed digest that is worth nothing outside this process,
//! for as long as the user's hash is the one they were checked against.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::aside::aside;
use crate::problem::Problem;

/// Passwords that are checked at a time; each takes a core and 19 MiB. Callers
/// whose credentials are remembered do not wait for them.
const CHECKS: usize = 2;

/// Users whose credentials are remembered.
const REMEMBERED: usize = 10_000;

/// What the password of a user that does not exist is checked against, so that
/// the time of an answer does not tell which users there are.
static DECOY: LazyLock<String> = LazyLock::new(|| hash("no user has this password"));

/// The PHC string of argon2id, at its default cost, for `password`.
///
/// # Panics
/// The system gives no random numbers.
pub(crate) fn hash(password: &str) -> String {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.expect("the default cost is valid and the system has random numbers").to_string()
}

/// As [`hash`], out of the way of other requests.
///
/// # Errors
/// A bug.
pub(crate) async fn hash_aside(password: String) -> Result<String, Problem> {
    aside(move || hash(&password)).await
}

pub(crate) struct Passwords {
    /// Of the digests; made anew by every process.
    key: [u8; 32],
    verified: Mutex<BTreeMap<String, Verified>>,
    room: Arc<Semaphore>,
}

/// Credentials that were good.
struct Verified {
    digest: [u8; 32],
    /// The user's hash then.
    hash: String,
}

pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Leave to check one password.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Passwords {
    pub(crate) fn new() -> Self {
        LazyLock::force(&DECOY);
        Self {
            key: rand::random(),
            verified: Mutex::default(),
            room: Arc::new(Semaphore::new(CHECKS)),
        }
    }

    /// Whether `given` are the last that were good, for a user whose hash is
    /// still `hash`.
    pub(crate) fn knows(&self, given: &Credentials, hash: &str) -> bool {
        let digest = self.digest(given);
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |v: &Verified| v.hash == hash && bool::from(v.digest.ct_eq(&digest));
        verified.get(&given.name).is_some_and(same)
    }

    pub(crate) async fn turn(&self) -> Turn {
        let room = self.room.clone();
        room.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Whether the password is that of `hash`; of nothing without one, in the
    /// same time.
    pub(crate) async fn check(&self, turn: Turn, given: &Credentials, hash: Option<&str>) -> bool {
        let password = given.password.clone();
        let Some(hash) = hash else {
            is_of(turn, password, DECOY.clone()).await;
            return false;
        };
        if !is_of(turn, password, hash.to_owned()).await {
            return false;
        }
        let it = Verified { digest: self.digest(given), hash: hash.to_owned() };
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.insert(given.name.clone(), it);
        if verified.len() > REMEMBERED {
            verified.pop_first();
        }
        true
    }

    /// Names have no colon, so no two pairs give the same bytes.
    fn digest(&self, given: &Credentials) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.key);
        digest.update(&given.name);
        digest.update(b":");
        digest.update(&given.password);
        digest.finalize().into()
    }
}

/// The turn goes along with the work, which goes on when the caller has hung
/// up.
async fn is_of(turn: Turn, password: String, hash: String) -> bool {
    let work = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let parsed = PasswordHash::new(&hash);
        parsed.is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    });
    work.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn remembered_credentials_are_forgotten_when_the_hash_changes() {
        let all = Passwords::new();
        let (first, second) = (hash("first"), hash("second"));
        let given = |password: &str| Credentials {
            name: "alice".to_owned(),
            password: password.to_owned(),
        };
        assert!(!all.knows(&given("first"), &first));
        assert!(all.check(all.turn().await, &given("first"), Some(&first)).await);
        assert!(all.knows(&given("first"), &first));
        assert!(!all.knows(&given("second"), &first));
        assert!(!all.knows(&given("first"), &second));
        assert!(!all.check(all.turn().await, &given("first"), Some(&second)).await);
        assert!(all.check(all.turn().await, &given("second"), Some(&second)).await);
        assert!(!all.knows(&given("second"), &first));
    }

    #[tokio::test]
    async fn nothing_wrong_is_remembered() {
        let all = Passwords::new();
        let given = Credentials { name: "x".to_owned(), password: "y".to_owned() };
        assert!(!all.check(all.turn().await, &given, None).await);
        assert!(!all.check(all.turn().await, &given, Some("no PHC string")).await);
        assert!(all.verified.lock().unwrap().is_empty());
    }
}
