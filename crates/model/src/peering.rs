//! What may be done to a peering.

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::label::{self, Label};
use crate::objects::{Configured, Network, Peering};
use crate::policy::Policy;
use crate::provided;
use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    pub configured: Configured,
    pub network: Uuid,
    pub peer_network: Uuid,
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub name: Option<String>,
    pub configured: Option<Configured>,
    pub labels: Option<Vec<Label>>,
}

/// # Errors
/// In the order of contract section 4.4: syntax, local network, peer network,
/// duplicate, router, limit.
pub fn create(
    world: &World,
    policy: &Policy,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    check_name(&wish.name)?;
    label::check(&wish.labels, "network_peering.labels")?;
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
    policy.limits.check_peerings(world, account)?;
    let revision = world.next_revision();
    Ok(put(Peering {
        uuid,
        account: account.to_owned(),
        name: wish.name.clone(),
        configured: wish.configured,
        configured_since: revision,
        network: wish.network,
        peer_network: wish.peer_network,
        labels: wish.labels.clone(),
        revision,
    }))
}

/// # Errors
/// [`Rule::Absent`] also for somebody else's: what exists is not told.
pub fn modify(
    world: &World,
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
    it.revision = world.next_revision();
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
    Ok(vec![Change::Delete(Key::Peering(it.uuid))])
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

fn check_name(name: &str) -> Result<(), Rule> {
    if (1..=255).contains(&name.chars().count()) {
        return Ok(());
    }
    Err(Rule::bad(Subject::Name, "network_peering.name", "must be 1 to 255 characters"))
}
