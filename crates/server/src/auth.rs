//! Who calls: Basic authentication (RFC 7617) against the accounts.
//!
//! Argon2id is slow on purpose, about 20 ms of a core, and clients send their
//! password with every request. So an account's last good credentials are
//! remembered by a keyed digest that is worth nothing outside this process,
//! for as long as the account's hash is the one they were checked against.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::world::World;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Passwords that are checked at a time; each takes a core and 19 MiB. Callers
/// whose credentials are remembered do not wait for them.
const CHECKS: usize = 2;

/// Accounts whose credentials are remembered.
const REMEMBERED: usize = 10_000;

/// What the password of an account that does not exist is checked against, so
/// that the time of an answer does not tell which accounts there are.
static DECOY: LazyLock<String> = LazyLock::new(|| hash("no account has this password"));

/// The PHC string of argon2id, at its default cost, for `password`.
///
/// # Panics
/// The system gives no random numbers.
pub(crate) fn hash(password: &str) -> String {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.expect("the default cost is valid and the system has random numbers").to_string()
}

pub(crate) struct Auth {
    /// Of the digests; made anew by every process.
    key: [u8; 32],
    verified: Mutex<BTreeMap<String, Verified>>,
    room: Arc<Semaphore>,
}

/// Credentials that were good.
struct Verified {
    digest: [u8; 32],
    /// The account's hash then.
    hash: String,
}

struct Credentials {
    name: String,
    password: String,
}

impl Auth {
    pub(crate) fn new() -> Self {
        LazyLock::force(&DECOY);
        Self {
            key: rand::random(),
            verified: Mutex::default(),
            room: Arc::new(Semaphore::new(CHECKS)),
        }
    }

    /// The account that the request's credentials are of.
    ///
    /// # Errors
    /// [`Problem::NoCredentials`] and [`Problem::BadCredentials`].
    pub(crate) async fn account(
        &self,
        world: &World,
        headers: &HeaderMap,
    ) -> Result<String, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(Problem::NoCredentials)?;
        let given = Credentials::of(value).filter(|_| values.next().is_none());
        let given = given.ok_or(Problem::BadCredentials)?;
        let hash = world.accounts.get(&given.name).map(|a| a.password.clone());
        let Some(hash) = hash else {
            check(self.permit().await, given.password, DECOY.clone()).await;
            return Err(Problem::BadCredentials);
        };
        if self.knows(&given, &hash) || self.learns(&given, &hash).await {
            return Ok(given.name);
        }
        Err(Problem::BadCredentials)
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        let room = self.room.clone();
        room.acquire_owned().await.expect("the semaphore is never closed")
    }

    fn knows(&self, given: &Credentials, hash: &str) -> bool {
        let digest = self.digest(given);
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |v: &Verified| v.hash == hash && bool::from(v.digest.ct_eq(&digest));
        verified.get(&given.name).is_some_and(same)
    }

    async fn learns(&self, given: &Credentials, hash: &str) -> bool {
        let permit = self.permit().await;
        // Of a client's parallel calls the first has done the work by then.
        if self.knows(given, hash) {
            return true;
        }
        if !check(permit, given.password.clone(), hash.to_owned()).await {
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

/// The permit goes along with the work, which goes on when the caller has
/// hung up.
async fn check(permit: OwnedSemaphorePermit, password: String, hash: String) -> bool {
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        is_of(&password, &hash)
    });
    work.await.unwrap_or(false)
}

fn is_of(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
}

impl Credentials {
    /// None for another scheme and for what cannot be read.
    fn of(value: &HeaderValue) -> Option<Self> {
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(ENGINE.decode(token.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Self { name: name.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::change::Object;
    use model::objects::Account;

    fn world(password: &str) -> World {
        let admin = Account { name: "alice".to_owned(), password: hash(password), admin: true };
        World::restore(1, [Object::Account(admin)])
    }

    fn basic(pair: &str) -> HeaderMap {
        let token = base64::prelude::BASE64_STANDARD.encode(pair);
        let value = HeaderValue::try_from(format!("Basic {token}")).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    #[tokio::test]
    async fn remembered_credentials_are_forgotten_when_the_hash_changes() {
        let auth = Auth::new();
        let (before, after) = (world("first"), world("second"));
        assert!(auth.account(&before, &basic("alice:first")).await.is_ok());
        // No permit is left: only what is remembered can be good.
        auth.room.acquire_many(2).await.unwrap().forget();
        assert_eq!(auth.account(&before, &basic("alice:first")).await.ok().unwrap(), "alice");

        auth.room.add_permits(CHECKS);
        assert!(auth.account(&after, &basic("alice:first")).await.is_err());
        assert!(auth.account(&after, &basic("alice:second")).await.is_ok());
        assert!(auth.account(&before, &basic("alice:second")).await.is_err());
    }

    #[tokio::test]
    async fn what_is_not_basic_is_refused_and_nothing_is_remembered() {
        let auth = Auth::new();
        let world = world("first");
        for value in
            ["", "Basic", "Basic !", "Basic YWxpY2U=", "Bearer YWxpY2U6Zmlyc3Q=", "Basic /w=="]
        {
            let value = HeaderValue::from_static(value);
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            assert!(auth.account(&world, &headers).await.is_err());
        }
        let mut twice = basic("alice:first");
        twice.append(header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        assert!(auth.account(&world, &twice).await.is_err());
        assert!(auth.account(&world, &basic("alice:wrong")).await.is_err());
        assert!(auth.account(&world, &basic("nobody:first")).await.is_err());
        assert!(auth.verified.lock().unwrap().is_empty());
    }
}
