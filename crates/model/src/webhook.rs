//! Who is told of the states of peerings, and what is still to be told.
//!
//! What was told last is remembered, what is the case is computed, and the
//! difference is what is due. So nothing that is due is lost by a restart,
//! there is no queue that could fill, and who was away is told how things
//! stand, not all that happened meanwhile.

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::consent::Patience;
use crate::error::{Rule, Subject};
use crate::objects::{Peering, Told, Webhook};
use crate::reasons::Reason;
use crate::state::{Presence, State, judge};
use crate::world::World;

/// The account that hears of everything: the operator's own webhook.
pub const OPERATOR: &str = "";

#[derive(Clone, PartialEq, Eq)]
pub enum Wish {
    Set { url: String, secret: String },
    Delete,
}

/// # Errors
/// A URL or a secret that cannot be one.
pub fn decide(account: &str, wish: &Wish) -> Result<Vec<Change>, Rule> {
    let Wish::Set { url, secret } = wish else {
        return Ok(vec![Change::Delete(Key::Webhook(account.to_owned()))]);
    };
    if !is_url(url) {
        let why = "must be an http or https URL of at most 2048 characters, without user";
        return Err(Rule::bad(Subject::Request, "webhook.url", why));
    }
    if !(16..=255).contains(&secret.len()) || !secret.bytes().all(|c| c.is_ascii_graphic()) {
        let why = "must be 16 to 255 visible ASCII characters";
        return Err(Rule::bad(Subject::Request, "webhook.secret", why));
    }
    let (account, url, secret) = (account.to_owned(), url.clone(), secret.clone());
    Ok(vec![Change::Put(Object::Webhook(Webhook { account, url, secret }))])
}

/// Whether it may be the URL of a webhook, as far as text tells.
pub fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next());
    let plain = url.len() <= 2048 && url.bytes().all(|c| c.is_ascii_graphic() && c != b'#');
    plain && host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

/// A state that its sink was not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub peering: Uuid,
    pub account: String,
    pub state: State,
    /// What was told last; None for what is new.
    pub before: Option<State>,
    pub reasons: Vec<Reason>,
    /// Counts what is told of the peering, from 1.
    pub sequence: u64,
}

impl Event {
    pub fn told(&self, sink: &str) -> Told {
        let Self { peering, state, sequence, .. } = *self;
        Told { sink: sink.to_owned(), peering, state, sequence }
    }
}

/// What `sink` is to be told, by peering.
pub fn due<'w>(
    world: &'w World,
    presence: &'w Presence,
    patience: Patience,
    sink: &'w str,
) -> impl Iterator<Item = Event> + 'w {
    let all = (sink == OPERATOR).then(|| world.peerings.values()).into_iter().flatten();
    all.chain(world.peerings_of_account(sink))
        .filter_map(move |it| event(world, sink, it, judge(world, presence, patience, it)))
}

fn event(
    world: &World,
    sink: &str,
    it: &Peering,
    (state, reasons): (State, Vec<Reason>),
) -> Option<Event> {
    let told = world.told(sink, it.uuid);
    let before = told.map(|told| told.state);
    let sequence = told.map_or(1, |told| told.sequence + 1);
    let (peering, account) = (it.uuid, it.account.clone());
    (before != Some(state)).then_some(Event { peering, account, state, before, reasons, sequence })
}

/// Remembers what was told. Not of what is gone, and not what is older than
/// what is known.
pub(crate) fn remember(world: &World, told: &Told) -> Vec<Change> {
    let known = world.told(&told.sink, told.peering).map_or(0, |it| it.sequence);
    if !world.peerings.contains_key(&told.peering) || told.sequence <= known {
        return Vec::new();
    }
    vec![Change::Put(Object::Told(told.clone()))]
}

/// What was told of a peering goes with it.
pub(crate) fn forget(world: &World, it: &Peering) -> impl Iterator<Item = Change> + use<> {
    let sinks = [OPERATOR, it.account.as_str()].into_iter();
    let told = sinks.filter_map(|sink| world.told(sink, it.uuid)).map(|told| told.key());
    told.map(Change::Delete).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_no_user() {
        for (url, want) in [
            ("https://example.com/hook?x=1", true),
            ("http://192.0.2.1:8080", true),
            ("http://[2001:db8::1]/", true),
            ("ftp://example.com", false),
            ("https://", false),
            ("https:///path", false),
            ("https://user@example.com/", false),
            ("https://example.com/#x", false),
            ("https://exa mple.com/", false),
            ("example.com", false),
        ] {
            assert_eq!(is_url(url), want, "{url}");
        }
        assert!(!is_url(&format!("https://example.com/{}", "x".repeat(2048))));
    }
}
