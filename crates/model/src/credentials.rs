//! What callers present besides an account's own password, with the indexes
//! that a request's authentication needs.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{Malformed, text_conversions};
use crate::ip_range::IpRange;

/// Acts for its main account, within what it was given access to. It owns
/// nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAccount {
    /// The user of Basic authentication: no account has the same.
    pub name: String,
    pub main: String,
    /// PHC string of argon2id.
    pub password: String,
    pub allow_api: bool,
    pub allow_gui: bool,
    /// Where it may call from; empty is everywhere.
    pub ip_filters: Vec<IpRange>,
    pub networks: Vec<Target>,
    pub servers: Vec<Reach<Target>>,
    /// Kept and shown: there is nothing of the kind here.
    pub storages: Vec<String>,
    pub tags: Vec<Reach<String>>,
    pub roles: Vec<String>,
    /// Who is behind it, shown as it was given.
    pub contact: BTreeMap<String, String>,
}

/// What access is given to: one thing by UUID, or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    All,
    One(Uuid),
}

/// A target, and whether its storages go with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach<T> {
    pub target: T,
    pub storage: bool,
}

/// Lets its bearer act for a user, an account or a sub-account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub id: Uuid,
    /// Name of the account or sub-account.
    pub user: String,
    pub name: String,
    /// SHA-256 of the text, in hex: the text itself is not kept.
    pub digest: String,
    /// Microseconds since 1970, as all times here.
    pub created: i64,
    pub expires: i64,
    /// As far as it was written down: at most a minute behind.
    pub last_used: Option<i64>,
    pub can_create_tokens: bool,
    /// None leaves it to the user's own filters; empty is nowhere.
    pub allowed_ip_ranges: Option<Vec<IpRange>>,
}

impl SubAccount {
    pub fn may_call_from(&self, address: IpAddr) -> bool {
        self.ip_filters.is_empty() || self.ip_filters.iter().any(|r| r.contains(address))
    }
}

impl Token {
    /// `now` in microseconds since 1970. A user's own filters hold besides.
    pub fn is_good(&self, now: i64, address: IpAddr) -> bool {
        let ranges = self.allowed_ip_ranges.as_ref();
        now < self.expires && ranges.is_none_or(|all| all.iter().any(|r| r.contains(address)))
    }
}

impl Target {
    pub fn is(&self, uuid: Uuid) -> bool {
        match self {
            Self::All => true,
            Self::One(it) => *it == uuid,
        }
    }
}

impl std::str::FromStr for Target {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "*" {
            return Ok(Self::All);
        }
        let malformed = |_| Malformed { kind: "a UUID or *", text: text.to_owned() };
        Uuid::try_parse(text).map(Self::One).map_err(malformed)
    }
}

text_conversions!(Target);

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(uuid) => uuid.fmt(f),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Credentials {
    subs: OrdMap<String, Arc<SubAccount>>,
    by_main: OrdSet<(String, String)>,
    tokens: OrdMap<Uuid, Arc<Token>>,
    by_digest: OrdMap<String, Uuid>,
    by_user: OrdSet<(String, Uuid)>,
}

impl Credentials {
    pub fn sub(&self, name: &str) -> Option<&Arc<SubAccount>> {
        self.subs.get(name)
    }

    /// Sub-accounts of `main`, by name.
    pub fn subs_of(&self, main: &str) -> impl Iterator<Item = &Arc<SubAccount>> {
        let all = self.by_main.range((main.to_owned(), String::new())..);
        let own = all.take_while(move |(m, _)| *m == main);
        own.filter_map(|(_, name)| self.subs.get(name))
    }

    pub fn token(&self, id: Uuid) -> Option<&Arc<Token>> {
        self.tokens.get(&id)
    }

    pub fn token_of_digest(&self, digest: &str) -> Option<&Arc<Token>> {
        self.tokens.get(self.by_digest.get(digest)?)
    }

    /// Tokens of one user, by UUID.
    pub fn tokens_of(&self, user: &str) -> impl Iterator<Item = &Arc<Token>> {
        let all =
            self.by_user.range((user.to_owned(), Uuid::nil())..=(user.to_owned(), Uuid::max()));
        all.filter_map(|(_, id)| self.tokens.get(id))
    }

    pub(crate) fn put_sub(&mut self, it: SubAccount) {
        self.by_main.insert((it.main.clone(), it.name.clone()));
        self.subs.insert(it.name.clone(), Arc::new(it));
    }

    pub(crate) fn remove_sub(&mut self, name: &str) {
        if let Some(it) = self.subs.remove(name) {
            self.by_main.remove(&(it.main.clone(), it.name.clone()));
        }
    }

    pub(crate) fn put_token(&mut self, it: Token) {
        self.by_digest.insert(it.digest.clone(), it.id);
        self.by_user.insert((it.user.clone(), it.id));
        self.tokens.insert(it.id, Arc::new(it));
    }

    pub(crate) fn remove_token(&mut self, id: Uuid) {
        if let Some(it) = self.tokens.remove(&id) {
            self.by_digest.remove(&it.digest);
            self.by_user.remove(&(it.user.clone(), id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(n: u128, user: &str) -> Token {
        Token {
            id: Uuid::from_u128(n),
            user: user.to_owned(),
            name: String::new(),
            digest: n.to_string(),
            created: 0,
            expires: 10,
            last_used: None,
            can_create_tokens: false,
            allowed_ip_ranges: None,
        }
    }

    #[test]
    fn a_token_ends_with_its_time_and_outside_of_its_ranges() {
        let here: IpAddr = [192, 0, 2, 1].into();
        let range = |text: &str| Some(vec![text.parse().unwrap()]);
        for (now, ranges, want) in [
            (9, None, true),
            (10, None, false),
            (9, Some(vec![]), false),
            (9, range("192.0.2.1"), true),
            (9, range("192.0.2.2"), false),
            (9, range("::/0"), false),
            (9, Some(IpRange::everywhere()), true),
        ] {
            let it = Token { allowed_ip_ranges: ranges, ..token(1, "a") };
            assert_eq!(it.is_good(now, here), want, "{it:?} at {now}");
        }
    }

    #[test]
    fn tokens_are_found_by_digest_and_user_until_they_are_removed() {
        let mut all = Credentials::default();
        for it in [token(2, "a"), token(1, "a"), token(3, "ab"), token(2, "a")] {
            all.put_token(it);
        }
        let of = |all: &Credentials, user| -> Vec<u128> {
            all.tokens_of(user).map(|t| t.id.as_u128()).collect()
        };
        assert_eq!((of(&all, "a"), of(&all, "ab"), of(&all, "")), (vec![1, 2], vec![3], vec![]));
        assert_eq!(all.token_of_digest("2").unwrap().id, Uuid::from_u128(2));
        all.remove_token(Uuid::from_u128(2));
        assert!(all.token_of_digest("2").is_none());
        assert_eq!(of(&all, "a"), [1]);
    }
}
