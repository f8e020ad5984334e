//! What may be done to accounts: made and deleted by administrators.

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::objects::Account;
use crate::policy::Quota;
use crate::world::World;

/// # Errors
/// As [`check_name`].
pub fn create(world: &World, account: &Account) -> Result<Vec<Change>, Rule> {
    check_name(world, &account.name, "account.username")?;
    Ok(vec![Change::Put(Object::Account(account.clone()))])
}

/// Takes its tokens along.
///
/// # Errors
/// An unknown account; [`Rule::AccountNotEmpty`] while it owns anything;
/// [`Rule::LastAdministrator`].
pub fn delete(world: &World, name: &str) -> Result<Vec<Change>, Rule> {
    let absent = || Rule::Absent(Noun::Account, name.to_owned());
    let it = world.accounts.get(name).ok_or_else(absent)?;
    let has_subs = world.credentials().subs_of(name).next().is_some();
    if has_subs || world.owned(name).is_some() {
        return Err(Rule::AccountNotEmpty(name.to_owned()));
    }
    if it.admin && world.accounts.values().filter(|a| a.admin).count() == 1 {
        return Err(Rule::LastAdministrator(name.to_owned()));
    }
    let mut changes = leftovers_gone(world, name);
    let webhook = world.webhooks.get(name).map(|it| Key::Webhook(it.account.clone()));
    changes.extend(webhook.map(Change::Delete));
    changes.push(Change::Delete(Key::Account(name.to_owned())));
    Ok(changes)
}

/// # Errors
/// An unknown account.
pub fn set_quota(world: &World, name: &str, quota: Quota) -> Result<Vec<Change>, Rule> {
    let absent = || Rule::Absent(Noun::Account, name.to_owned());
    let it = world.accounts.get(name).ok_or_else(absent)?;
    if it.quota == quota {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Put(Object::Account(Account { quota, ..Account::clone(it) }))])
}

/// What is a user's own, and must not be there for the next one of its name:
/// its tokens, and what was done under its keys.
pub(crate) fn leftovers_gone(world: &World, user: &str) -> Vec<Change> {
    let tokens = world.credentials().tokens_of(user).map(|t| Key::Token(t.id));
    let done = world.done_by_age(user).map(|it| it.key());
    tokens.chain(done).map(Change::Delete).collect()
}

/// # Errors
/// A name that is taken, by an account or a sub-account, or that Basic
/// authentication cannot carry (RFC 7617 §2: no colon).
pub fn check_name(world: &World, name: &str, at: &str) -> Result<(), Rule> {
    let fits = (1..=64).contains(&name.chars().count());
    if !fits || name.chars().any(|c| c == ':' || c.is_control() || c.is_whitespace()) {
        let why = "must be 1 to 64 characters without colon or space";
        return Err(Rule::bad(Subject::Name, at, why));
    }
    if world.accounts.contains_key(name) || world.credentials().sub(name).is_some() {
        return Err(Rule::Exists(Noun::Account, name.to_owned()));
    }
    Ok(())
}

/// Says whether `password` will do for the user `name`: long enough and not
/// what everybody tries first (NIST SP 800-63B §5.1.1.2 asks for no more).
///
/// # Errors
/// A [`Rule::Bad`] for the attribute `at`.
pub fn check_password(name: &str, password: &str, at: &str) -> Result<(), Rule> {
    let mut kinds: Vec<char> = password.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let why = if !(8..=1024).contains(&password.len()) {
        "must be 8 to 1024 bytes"
    } else if password.chars().any(char::is_control) {
        "must be without control characters"
    } else if kinds.len() < 4 {
        "must be made of at least four different characters"
    } else if password.to_lowercase() == name.to_lowercase() {
        "must not be the user's name"
    } else {
        return Ok(());
    };
    Err(Rule::bad(Subject::Request, at, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_varied_and_not_the_name() {
        for (password, want) in [
            ("short: 7", true),
            ("short 7", false),
            ("aaaabbbbcccc", false),
            ("aaaabbbbcccd", true),
            ("With\ttab in it", false),
            ("Helsinki-Ops", false),
            ("helsinki-ops2", true),
            (&"longer".repeat(171), false),
            ("пароль12", true),
        ] {
            let got = check_password("helsinki-ops", password, "account.password");
            assert_eq!(got.is_ok(), want, "{password}: {got:?}");
        }
    }
}
