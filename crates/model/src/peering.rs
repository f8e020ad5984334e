//! What may be done to a peering.

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::consent;
use crate::error::{Noun, Rule, Subject};
use crate::label::{self, Label};
use crate::objects::{Configured, Network, Peering};
use crate::policy::Policy;
use crate::provided;
use crate::terms::Terms;
use crate::webhook;
use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    pub configured: Configured,
    pub network: Uuid,
    pub peer_network: Uuid,
    pub labels: Vec<Label>,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub name: Option<String>,
    pub configured: Option<Configured>,
    pub labels: Option<Vec<Label>>,
    /// `""` takes it away.
    pub note: Option<String>,
}

/// Characters of the longest note.
const MAX_NOTE: usize = 500;

/// # Errors
/// In the order of contract section 4.4: syntax, local network, peer network,
/// duplicate, router, limit.
pub fn create(
    world: &World,
    terms: &Terms,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    let policy = &terms.policy;
    check_name(&wish.name)?;
    label::check(&wish.labels, "network_peering.labels")?;
    wish.note.as_deref().map_or(Ok(()), check_note)?;
    if provided::get(wish.network).is_some() {
        return Err(Rule::NetworkProvided(wish.network));
    }
    let local = absent(world, Noun::Network, wish.network)?;
    if local.account != account {
        return Err(Rule::NetworkForbidden(wish.network));
    }
    absent(world, Noun::PeerNetwork, wish.peer_network)?;
    if wish.network == wish.peer_network {
        return Err(Rule::PeeringWithItself);
    }
    if let Some(other) = world.half(wish.network, wish.peer_network) {
        return Err(Rule::PeeringExists(other.uuid));
    }
    if policy.strict_router && local.router.is_none() {
        return Err(Rule::LocalNetworkNoRouter(local.uuid));
    }
    policy.limits_of(world, account).check_peerings(world, account)?;
    let revision = world.next_revision();
    let mut changes = put(Peering {
        uuid,
        account: account.to_owned(),
        name: wish.name.clone(),
        configured: wish.configured,
        configured_since: revision,
        network: wish.network,
        peer_network: wish.peer_network,
        labels: wish.labels.clone(),
        note: wish.note.clone().filter(|note| !note.is_empty()),
        offered: terms.now,
        declined: false,
        group: None,
        revision,
    });
    changes.extend(consent::no_longer_declined(world, wish.network, wish.peer_network));
    Ok(changes)
}

/// `active` offers it anew to who has declined it or let it expire.
///
/// # Errors
/// [`Rule::Absent`] also for somebody else's: what exists is not told.
pub fn modify(
    world: &World,
    terms: &Terms,
    account: &str,
    uuid: Uuid,
    wish: &Modify,
) -> Result<Vec<Change>, Rule> {
    let mut it = own(world, account, &uuid.to_string())?.clone();
    if let Some(name) = &wish.name {
        check_name(name)?;
        it.name.clone_from(name);
    }
    if let Some(labels) = &wish.labels {
        label::check(labels, "network_peering.labels")?;
        it.labels.clone_from(labels);
    }
    if let Some(note) = &wish.note {
        check_note(note)?;
        it.note = Some(note.clone()).filter(|note| !note.is_empty());
    }
    it.revision = world.next_revision();
    if wish.configured == Some(Configured::Active) {
        it.offered = terms.now;
        it.declined = false;
    }
    if let Some(configured) = wish.configured
        && configured != it.configured
    {
        it.configured = configured;
        it.configured_since = it.revision;
    }
    Ok(put(it))
}

/// From any state, unless the policy is strict; the networks are disconnected
/// by it.
///
/// # Errors
/// [`Rule::PeeringNotDisabled`]; as [`modify`].
pub fn delete(
    world: &World,
    policy: &Policy,
    account: &str,
    uuid: Uuid,
) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    if policy.strict_delete && it.configured == Configured::Active {
        return Err(Rule::PeeringNotDisabled(it.uuid));
    }
    Ok(webhook::forget(world, it).chain([Change::Delete(Key::Peering(it.uuid))]).collect())
}

/// Both halves in one write, when the account owns both; the one that there
/// is when no other answers it.
///
/// # Errors
/// [`Rule::PeerHalfForbidden`]: to take back what others have agreed to is
/// theirs. As [`delete`], for either half.
pub fn delete_both(
    world: &World,
    policy: &Policy,
    account: &str,
    uuid: Uuid,
) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    let mut changes = delete(world, policy, account, uuid)?;
    if let Some(mirror) = world.mirror(it) {
        if mirror.account != account {
            return Err(Rule::PeerHalfForbidden(mirror.uuid));
        }
        changes.extend(delete(world, policy, account, mirror.uuid)?);
    }
    Ok(changes)
}

/// The account's peering of that UUID, given as the path had it.
///
/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is not theirs.
pub fn own<'w>(world: &'w World, account: &str, id: &str) -> Result<&'w Peering, Rule> {
    let found = Uuid::try_parse(id).ok().and_then(|uuid| world.peerings.get(&uuid));
    let own = found.filter(|p| p.account == account);
    own.map(|p| &**p).ok_or_else(|| Rule::Absent(Noun::Peering, id.to_owned()))
}

fn put(it: Peering) -> Vec<Change> {
    vec![Change::Put(Object::Peering(it))]
}

fn absent(world: &World, noun: Noun, uuid: Uuid) -> Result<&Network, Rule> {
    world.network(uuid).map(|n| &**n).ok_or_else(|| Rule::Absent(noun, uuid.to_string()))
}

/// It is shown to another account, on a terminal too.
fn check_note(note: &str) -> Result<(), Rule> {
    let plain = |c: char| !c.is_control() || c == '\n';
    if note.chars().count() <= MAX_NOTE && note.chars().all(plain) {
        return Ok(());
    }
    let why = format!("must be at most {MAX_NOTE} characters, none of them a control character");
    Err(Rule::bad(Subject::Request, "network_peering.note", why))
}

fn check_name(name: &str) -> Result<(), Rule> {
    if (1..=255).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Rule::bad(Subject::Name, "network_peering.name", "must be 1 to 255 characters"))
}

#[cfg(test)]
#[path = "peering_tests.rs"]
mod tests;
