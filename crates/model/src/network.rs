//! What may be done to a network.

use std::net::IpAddr;

use uuid::Uuid;

use crate::admission::{admitted, overlap};
use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::{Prefix, Revision, Vni};
use crate::label::{self, Filter, Label};
use crate::objects::{Network, Subnet};
use crate::op::Wish;
use crate::peering_group;
use crate::policy::Policy;
use crate::provided::{self, Provided};
use crate::room;
use crate::router;
use crate::terms::Terms;
use crate::world::World;
use crate::zone;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    pub zone: String,
    pub labels: Vec<Label>,
    pub router: Option<String>,
    pub subnets: Vec<Subnet>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub name: Option<String>,
    pub zone: Option<String>,
    pub labels: Option<Vec<Label>>,
    pub router: Option<Attach>,
    /// The whole new set, merged with what was there by `wire::network`.
    pub subnets: Option<Vec<Subnet>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attach {
    /// The UUID as the body had it.
    To(String),
    Nothing,
}

/// What is wished, and what follows of it for peering groups.
///
/// # Errors
/// As [`create`], [`modify`] and [`delete`].
pub(crate) fn decide(
    world: &World,
    terms: &Terms,
    (account, uuid): (&str, Uuid),
    wish: &Wish<Create, Modify>,
) -> Result<Vec<Change>, Rule> {
    let changes = match wish {
        Wish::Create(wish) => create(world, &terms.policy, account, uuid, wish),
        Wish::Modify(wish) => modify(world, account, uuid, wish),
        Wish::Delete => delete(world, account, uuid),
    };
    Ok(peering_group::follow(world, terms, changes?))
}

/// # Errors
/// The first faulty attribute; a router that is not there or whose networks
/// overlap this one; the account's limit.
pub fn create(
    world: &World,
    policy: &Policy,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    let vni = Vni::try_from(world.next_vni()).map_err(|_| Rule::NoVniLeft)?;
    let revision = world.next_revision();
    zone::check(world, &wish.zone)?;
    let router = wish.router.as_deref().map(|id| router::own(world, account, id)).transpose()?;
    let it = Network {
        uuid,
        account: account.to_owned(),
        name: wish.name.clone(),
        zone: wish.zone.clone(),
        vni,
        labels: wish.labels.clone(),
        router: router.map(|r| r.uuid),
        router_since: revision,
        subnets: wish.subnets.clone(),
        subnets_since: revision,
        revision,
    };
    let mut changes = checked(world, it)?;
    policy.limits_of(world, account).check_networks(world, account)?;
    changes.push(Change::Put(Object::NextVni { vni: u32::from(vni) + 1 }));
    Ok(changes)
}

/// # Errors
/// [`Rule::Absent`] also for somebody else's; else as [`create`].
pub fn modify(
    world: &World,
    account: &str,
    uuid: Uuid,
    wish: &Modify,
) -> Result<Vec<Change>, Rule> {
    let mut it = own(world, account, &uuid.to_string())?.clone();
    if wish.zone.as_ref().is_some_and(|z| *z != it.zone) {
        return Err(Rule::bad(Subject::Zone, "network.zone", "cannot be changed"));
    }
    it.revision = world.next_revision();
    it.name = wish.name.clone().unwrap_or(it.name);
    it.labels = wish.labels.clone().unwrap_or(it.labels);
    let router = match &wish.router {
        None => it.router,
        Some(Attach::Nothing) => None,
        Some(Attach::To(id)) => Some(router::own(world, account, id)?.uuid),
    };
    // From one router to another is no interruption of its peerings.
    if router.is_some() != it.router.is_some() {
        it.router_since = it.revision;
    }
    it.router = router;
    if let Some(subnets) = &wish.subnets {
        let prefixes = |s: &[Subnet]| s.iter().map(|s| s.prefix).collect::<Vec<_>>();
        if prefixes(subnets) != prefixes(&it.subnets) {
            it.subnets_since = it.revision;
        }
        it.subnets.clone_from(subnets);
    }
    checked(world, it)
}

/// # Errors
/// [`Rule::NetworkHasPeerings`] and [`Rule::NetworkHasPorts`]: nothing that
/// hangs on it is deleted silently. Peerings of others towards it do not hold
/// it; they see that it is gone.
pub fn delete(world: &World, account: &str, uuid: Uuid) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    if world.halves_of(it.uuid).next().is_some() {
        return Err(Rule::NetworkHasPeerings(it.uuid));
    }
    if world.ports_on(it.uuid).next().is_some() {
        return Err(Rule::NetworkHasPorts(it.uuid));
    }
    Ok(vec![Change::Delete(Key::Network(it.uuid))])
}

/// The account's network of that UUID, given as the path had it.
///
/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is not theirs;
/// [`Rule::NetworkProvided`].
pub fn own<'w>(world: &'w World, account: &str, id: &str) -> Result<&'w Network, Rule> {
    match seen(world, account, id)? {
        Seen::Own(it) => Ok(it),
        Seen::Provided(it) => Err(Rule::NetworkProvided(it.uuid)),
    }
}

/// A network that an account can see.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'w> {
    Own(&'w Network),
    Provided(&'static Provided),
}

impl Seen<'_> {
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Own(it) => it.uuid,
            Self::Provided(it) => it.uuid,
        }
    }

    /// The provider's do not change.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Own(it) => it.revision,
            Self::Provided(_) => 0,
        }
    }

    pub fn zone(&self) -> &str {
        match self {
            Self::Own(it) => &it.zone,
            Self::Provided(it) => it.zone,
        }
    }
}

/// The network of that UUID, if `account` can see it.
///
/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is another
/// account's.
pub fn seen<'w>(world: &'w World, account: &str, id: &str) -> Result<Seen<'w>, Rule> {
    let uuid = Uuid::try_parse(id).ok();
    let own = uuid.and_then(|uuid| world.network(uuid)).filter(|n| n.account == account);
    let own = own.map(|n| Seen::Own(n));
    let found = own.or_else(|| provided::get(uuid?).map(Seen::Provided));
    found.ok_or_else(|| Rule::Absent(Noun::Network, id.to_owned()))
}

/// All that `account` can see and that `filters` match, by UUID. The
/// provider's have no labels.
pub fn all_seen<'w>(world: &'w World, account: &str, filters: &'w [Filter]) -> Vec<Seen<'w>> {
    let own = world.networks_with(account, filters).map(|n| Seen::Own(n));
    let provided = provided::all().filter(|_| filters.is_empty()).map(Seen::Provided);
    let mut all: Vec<Seen<'w>> = provided.chain(own).collect();
    all.sort_by_key(Seen::uuid);
    all
}

fn checked(world: &World, it: Network) -> Result<Vec<Change>, Rule> {
    if !(1..=255).contains(&it.name.chars().count()) {
        return Err(Rule::bad(Subject::NetworkName, "network.name", "must be 1 to 255 characters"));
    }
    label::check(&it.labels, "network.labels")?;
    for port in world.ports_on(it.uuid) {
        let usable = |address: &IpAddr| {
            let subnet = it.subnet_of(*address);
            subnet.is_some_and(|s| s.gateway != *address && room::usable(s, *address))
        };
        let holds = |p: &Prefix| it.prefixes().any(|own| own.net().contains(&p.net()));
        let lost = port.addresses().find(|a| !usable(a)).map(|a| format!("address {a}"));
        let lost =
            lost.or_else(|| Some(format!("prefix {}", port.prefixes.iter().find(|p| !holds(p))?)));
        if let Some(lost) = lost {
            let why = format!("must go on holding the {lost} of port {}", port.uuid);
            return Err(Rule::bad(Subject::IpAddress, "network.ip_networks", why));
        }
    }
    check_neighbours(world, &it)?;
    Ok(vec![Change::Put(Object::Network(it))])
}

/// A router keeps its networks apart, and a network that joins it takes
/// nothing away from those that are there: neither their own addresses nor
/// what their admitted peerings reach.
fn check_neighbours(world: &World, it: &Network) -> Result<(), Rule> {
    let Some(router) = it.router else { return Ok(()) };
    for other in world.networks_on(router).filter(|n| n.uuid != it.uuid) {
        let peers = |network| {
            let halves = world.halves_of(network).filter(|h| admitted(world, h));
            halves.filter_map(|h| world.network(h.peer_network)).map(|n| &**n)
        };
        let theirs = peers(other.uuid).filter(|n| n.uuid != it.uuid);
        let against_mine = [&**other].into_iter().chain(theirs).find_map(|n| overlap(it, n));
        let mut mine = peers(it.uuid).filter(|n| n.uuid != other.uuid);
        let against_theirs = || mine.find_map(|n| overlap(n, other));
        if let Some((new, held)) = against_mine.or_else(against_theirs) {
            let (mine, theirs) = (new.to_string(), held.to_string());
            return Err(Rule::OverlapsOnRouter { mine, theirs, network: other.uuid });
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
