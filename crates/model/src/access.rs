//! What may be done to sub-accounts, tokens and passwords.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::account::{self, check_name, leftovers_gone};
use crate::change::{Change, Key, Object};
use crate::credentials::{Reach, SubAccount, Target, Token};
use crate::error::{Noun, Rule, Subject};
use crate::ip_range::IpRange;
use crate::objects::Account;
use crate::op::admin;
use crate::policy::Quota;
use crate::world::World;

/// Tokens that one user may have; bounds what a loop can fill memory with.
pub const MAX_TOKENS: usize = 1000;

/// Sub-accounts that one account may have, for the same reason.
pub const MAX_SUBS: usize = 1000;

/// The longest that a token lives: 8760 hours, in microseconds.
pub const LONGEST_LIFE: i64 = 8760 * 3600 * 1_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    CreateSub(Box<SubAccount>),
    ModifySub(String, Box<Modify>),
    DeleteSub(String),
    Grant(Permission),
    Revoke(Permission),
    CreateToken(Token),
    DeleteToken(Uuid),
    /// By nobody: when each was last used, in microseconds since 1970.
    TokensUsed(BTreeMap<Uuid, i64>),
    DeleteAccount(String),
    /// What one account may have.
    SetQuota(String, Quota),
    /// A PHC string of argon2id for a user.
    SetPassword(String, Hash),
}

/// A PHC string.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(pub String);

/// None leaves it as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub password: Option<String>,
    pub allow_api: Option<bool>,
    pub allow_gui: Option<bool>,
    pub ip_filters: Option<Vec<IpRange>>,
    pub networks: Option<Vec<Target>>,
    pub servers: Option<Vec<Reach<Target>>>,
    pub storages: Option<Vec<String>>,
    pub tags: Option<Vec<Reach<String>>>,
    pub roles: Option<Vec<String>>,
    pub contact: BTreeMap<String, String>,
}

/// One thing that one sub-account has access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub user: String,
    pub kind: TargetKind,
    pub target: Target,
    pub storage: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    Network,
    Server,
}

/// `by` is the user who wishes: an account, or a sub-account for tokens and
/// passwords of its own.
///
/// # Errors
/// The rule that says no.
pub fn decide(world: &World, by: &str, wish: &Wish) -> Result<Vec<Change>, Rule> {
    match wish {
        Wish::CreateSub(it) => create_sub(world, by, it),
        Wish::ModifySub(name, wish) => {
            let mut it = own_sub(world, by, name)?.clone();
            modify(&mut it, wish);
            Ok(vec![put(it)])
        }
        Wish::DeleteSub(name) => {
            own_sub(world, by, name)?;
            let mut changes = leftovers_gone(world, name);
            changes.push(Change::Delete(Key::SubAccount(name.clone())));
            Ok(changes)
        }
        Wish::Grant(it) => grant(world, by, it),
        Wish::Revoke(it) => revoke(world, by, it),
        Wish::CreateToken(it) => create_token(world, by, it),
        Wish::DeleteToken(id) => {
            let it = own_token(world, by, &id.to_string())?;
            Ok(vec![Change::Delete(Key::Token(it.id))])
        }
        Wish::TokensUsed(when) => Ok(used(world, when)),
        Wish::DeleteAccount(name) => admin(world, by).and_then(|()| account::delete(world, name)),
        Wish::SetQuota(name, quota) => {
            admin(world, by).and_then(|()| account::set_quota(world, name, *quota))
        }
        Wish::SetPassword(name, Hash(hash)) => set_password(world, by, name, hash),
    }
}

/// # Errors
/// [`Rule::Absent`] when there is none or it is another account's.
pub fn own_sub<'w>(world: &'w World, main: &str, name: &str) -> Result<&'w SubAccount, Rule> {
    let own = world.credentials().sub(name).filter(|it| it.main == main);
    own.map(|it| &**it).ok_or_else(|| Rule::Absent(Noun::Account, name.to_owned()))
}

/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is another
/// user's.
pub fn own_token<'w>(world: &'w World, user: &str, id: &str) -> Result<&'w Token, Rule> {
    let found = Uuid::try_parse(id).ok().and_then(|id| world.credentials().token(id));
    let own = found.filter(|it| it.user == user);
    own.map(|it| &**it).ok_or_else(|| Rule::Absent(Noun::Token, id.to_owned()))
}

fn create_sub(world: &World, by: &str, it: &SubAccount) -> Result<Vec<Change>, Rule> {
    if !world.accounts.contains_key(by) || it.main != by {
        return Err(Rule::Absent(Noun::Account, it.main.clone()));
    }
    check_name(world, &it.name, "sub_account.username")?;
    if world.credentials().subs_of(by).nth(MAX_SUBS - 1).is_some() {
        return Err(Rule::SubAccountLimit(MAX_SUBS));
    }
    Ok(vec![put(it.clone())])
}

fn modify(it: &mut SubAccount, wish: &Modify) {
    fn set<T: Clone>(at: &mut T, wish: Option<&T>) {
        if let Some(wish) = wish {
            at.clone_from(wish);
        }
    }
    set(&mut it.password, wish.password.as_ref());
    set(&mut it.allow_api, wish.allow_api.as_ref());
    set(&mut it.allow_gui, wish.allow_gui.as_ref());
    set(&mut it.ip_filters, wish.ip_filters.as_ref());
    set(&mut it.networks, wish.networks.as_ref());
    set(&mut it.servers, wish.servers.as_ref());
    set(&mut it.storages, wish.storages.as_ref());
    set(&mut it.tags, wish.tags.as_ref());
    set(&mut it.roles, wish.roles.as_ref());
    it.contact.extend(wish.contact.clone());
}

/// A second grant of the same is the same again.
fn grant(world: &World, by: &str, wish: &Permission) -> Result<Vec<Change>, Rule> {
    let mut it = own_sub(world, by, &wish.user)?.clone();
    match wish.kind {
        TargetKind::Network => {
            it.networks.retain(|t| *t != wish.target);
            it.networks.push(wish.target);
        }
        TargetKind::Server => {
            it.servers.retain(|r| r.target != wish.target);
            it.servers.push(Reach { target: wish.target, storage: wish.storage });
        }
    }
    Ok(vec![put(it)])
}

fn revoke(world: &World, by: &str, wish: &Permission) -> Result<Vec<Change>, Rule> {
    let mut it = own_sub(world, by, &wish.user)?.clone();
    let before = (it.networks.len(), it.servers.len());
    match wish.kind {
        TargetKind::Network => it.networks.retain(|t| *t != wish.target),
        TargetKind::Server => it.servers.retain(|r| r.target != wish.target),
    }
    if before == (it.networks.len(), it.servers.len()) {
        return Err(Rule::Absent(Noun::Permission, format!("for {}", wish.target)));
    }
    Ok(vec![put(it)])
}

fn create_token(world: &World, by: &str, it: &Token) -> Result<Vec<Change>, Rule> {
    let known = world.accounts.contains_key(by) || world.credentials().sub(by).is_some();
    if !known || it.user != by {
        return Err(Rule::Absent(Noun::Account, by.to_owned()));
    }
    let bad = |at: &str, why: &str| Err(Rule::bad(Subject::Request, at, why));
    if !(1..=1024).contains(&it.name.chars().count()) {
        return bad("name", "must be 1 to 1024 characters");
    }
    if it.expires <= it.created {
        return bad("expires_at", "must be in the future");
    }
    if it.expires - it.created > LONGEST_LIFE {
        return bad("expires_at", "must be within 8760 hours");
    }
    if it.allowed_ip_ranges.as_ref().is_some_and(|all| all.len() > 100) {
        return bad("allowed_ip_ranges", "must have at most 100 entries");
    }
    if world.credentials().tokens_of(by).nth(MAX_TOKENS - 1).is_some() {
        return Err(Rule::TokenLimit(MAX_TOKENS));
    }
    Ok(vec![Change::Put(Object::Token(it.clone()))])
}

/// Never back in time, and nothing of tokens that are gone.
fn used(world: &World, when: &BTreeMap<Uuid, i64>) -> Vec<Change> {
    let known = when.iter().filter_map(|(id, at)| Some((world.credentials().token(*id)?, *at)));
    let later = known.filter(|(it, at)| it.last_used < Some(*at));
    let changed = later.map(|(it, at)| Token { last_used: Some(at), ..Token::clone(it) });
    changed.map(|it| Change::Put(Object::Token(it))).collect()
}

/// By the user, an administrator, or a sub-account's main account.
fn set_password(world: &World, by: &str, name: &str, hash: &str) -> Result<Vec<Change>, Rule> {
    let hash = hash.to_owned();
    let absent = || Rule::Absent(Noun::Account, name.to_owned());
    check_password_setter(world, by, name)?;
    if let Some(it) = world.accounts.get(name) {
        let it = Account { password: hash, ..Account::clone(it) };
        return Ok(vec![Change::Put(Object::Account(it))]);
    }
    let it = world.credentials().sub(name).ok_or_else(absent)?;
    Ok(vec![put(SubAccount { password: hash, ..SubAccount::clone(it) })])
}

/// # Errors
/// [`Rule::AdminOnly`], whether or not there is such a user.
pub fn check_password_setter(world: &World, by: &str, name: &str) -> Result<(), Rule> {
    if by == name || own_sub(world, by, name).is_ok() {
        return Ok(());
    }
    admin(world, by)
}

fn put(it: SubAccount) -> Change {
    Change::Put(Object::SubAccount(Box::new(it)))
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
