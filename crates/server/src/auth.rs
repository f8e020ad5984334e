//! Who calls: Basic authentication (RFC 7617) and bearer tokens (RFC 6750).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::brake::Brake;
use model::credentials::Token;
use model::error::Rule;
use model::rate::{Bucket, Rate};
use model::world::World;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::password::{Credentials, Passwords};
use crate::problem::{Busy, Problem};

/// Accounts whose buckets are kept before those that are full are let go.
const BUCKETS: usize = 10_000;

pub(crate) struct Auth {
    passwords: Passwords,
    brake: Mutex<Brake>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// When tokens were used that has yet to be written down.
    uses: Mutex<BTreeMap<Uuid, i64>>,
    began: Instant,
}

/// A caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    /// Whose things it sees: its own, or its main account's.
    pub(crate) account: String,
    pub(crate) is_sub: bool,
    /// May make tokens, users and passwords: not with every token.
    pub(crate) makes_credentials: bool,
}

/// The time by the two clocks that are asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    /// Milliseconds since the server began; never goes back.
    pub(crate) ticks: u64,
}

impl Auth {
    pub(crate) fn new() -> Self {
        Self {
            passwords: Passwords::new(),
            brake: Mutex::default(),
            buckets: Mutex::default(),
            uses: Mutex::default(),
            began: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let ticks = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { micros: micros(OffsetDateTime::now_utc()), ticks }
    }

    /// The user that the request's credentials are of, calling `from` there.
    ///
    /// # Errors
    /// [`Problem::NoCredentials`], [`Problem::BadCredentials`],
    /// [`Problem::BadToken`], [`Problem::Busy`] after failures,
    /// [`Rule::ApiForbidden`].
    pub(crate) async fn user(
        &self,
        world: &World,
        headers: &HeaderMap,
        from: IpAddr,
        now: Moment,
    ) -> Result<User, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(Problem::NoCredentials)?;
        if values.next().is_some() {
            return Err(Problem::BadCredentials);
        }
        match Given::of(value).ok_or(Problem::BadCredentials)? {
            Given::Basic(given) => self.basic(world, given, from, now.ticks).await,
            Given::Bearer(text) => self.bearer(world, text, from, now.micros),
        }
    }

    async fn basic(
        &self,
        world: &World,
        given: Credentials,
        from: IpAddr,
        now: u64,
    ) -> Result<User, Problem> {
        self.braked(&given.name, from, now)?;
        let hash = hash_of(world, &given.name);
        if !hash.is_some_and(|hash| self.passwords.knows(&given, hash)) {
            let turn = self.passwords.turn().await;
            // Of many guesses at once only the first ones find their turn; and
            // of a client's parallel calls the first has done the work by then.
            self.braked(&given.name, from, now)?;
            let known = hash.is_some_and(|hash| self.passwords.knows(&given, hash));
            if !known && !self.passwords.check(turn, &given, hash).await {
                lock(&self.brake).failed(&given.name, from, now);
                return Err(Problem::BadCredentials);
            }
        }
        lock(&self.brake).succeeded(&given.name, from, now);
        user(world, &given.name, from)
    }

    fn braked(&self, name: &str, from: IpAddr, now: u64) -> Result<(), Problem> {
        match lock(&self.brake).wait(name, from, now) {
            0 => Ok(()),
            wait_ms => Err(Problem::Busy(Busy::Guessing, wait_ms)),
        }
    }

    /// A token's text is 128 random bits, which no number of guesses finds.
    fn bearer(&self, world: &World, text: &str, from: IpAddr, now: i64) -> Result<User, Problem> {
        let digest = digest(text);
        // How long the search takes tells of a digest, which is not of use to
        // who has not the text.
        let found = world.credentials().token_of_digest(&digest);
        let same = |t: &&std::sync::Arc<Token>| t.digest.as_bytes().ct_eq(digest.as_bytes()).into();
        let token = found.filter(same).filter(|t| t.is_good(now, from));
        let token = token.ok_or(Problem::BadToken)?;
        let user = user(world, &token.user, from)?;
        lock(&self.uses).insert(token.id, now);
        Ok(User { makes_credentials: token.can_create_tokens, ..user })
    }

    /// Counts a request of `account`.
    ///
    /// # Errors
    /// [`Problem::Busy`].
    pub(crate) fn count(&self, account: &str, rate: Rate, now: Moment) -> Result<(), Problem> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let mut buckets = lock(&self.buckets);
        let taken = if let Some(bucket) = buckets.get_mut(account) {
            bucket.take(rate, now.ticks)
        } else {
            if buckets.len() >= BUCKETS {
                buckets.retain(|_, bucket| !bucket.is_full(rate, now.ticks));
            }
            let mut bucket = Bucket::full(rate, now.ticks);
            let taken = bucket.take(rate, now.ticks);
            buckets.insert(account.to_owned(), bucket);
            taken
        };
        taken.map_err(|wait_ms| Problem::Busy(Busy::Rate, wait_ms))
    }

    /// When the token was used, as far as that has yet to be written down.
    pub(crate) fn use_of(&self, token: Uuid) -> Option<i64> {
        lock(&self.uses).get(&token).copied()
    }

    /// All that has yet to be written down. It is shown from here until it is.
    pub(crate) fn uses(&self) -> BTreeMap<Uuid, i64> {
        lock(&self.uses).clone()
    }

    /// Lets go of what was written down, unless a token was used since.
    pub(crate) fn written(&self, uses: &BTreeMap<Uuid, i64>) {
        lock(&self.uses).retain(|id, at| uses.get(id) != Some(at));
    }
}

pub(crate) fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// What is kept of a token's text.
pub(crate) fn digest(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes = Sha256::digest(text);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash_of<'w>(world: &'w World, name: &str) -> Option<&'w str> {
    let account = world.accounts.get(name).map(|it| it.password.as_str());
    account.or_else(|| world.credentials().sub(name).map(|it| it.password.as_str()))
}

/// The user of that name, whose credentials were good.
fn user(world: &World, name: &str, from: IpAddr) -> Result<User, Problem> {
    let of = |account: &str, is_sub| User {
        name: name.to_owned(),
        account: account.to_owned(),
        is_sub,
        makes_credentials: true,
    };
    if world.accounts.contains_key(name) {
        return Ok(of(name, false));
    }
    let sub = world.credentials().sub(name).ok_or(Problem::BadCredentials)?;
    if !sub.allow_api || !sub.may_call_from(from) {
        return Err(Problem::Rule(Rule::ApiForbidden(name.to_owned())));
    }
    Ok(of(&sub.main, true))
}

enum Given<'h> {
    Basic(Credentials),
    Bearer(&'h str),
}

impl<'h> Given<'h> {
    /// None for another scheme and for what cannot be read.
    fn of(value: &'h HeaderValue) -> Option<Self> {
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let (scheme, given) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Self::Bearer(given.trim()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(ENGINE.decode(given.trim()).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some(Self::Basic(Credentials { name: name.to_owned(), password: password.to_owned() }))
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
