//! Consent as a conversation: a half that waits for its answer is a request
//! to the owner of the peer network, who accepts it, declines it, or lets it
//! expire. Nothing of that is a state: what waits stays `pending-peer`.

use uuid::Uuid;

use crate::change::{Change, Object};
use crate::error::{Noun, Rule};
use crate::label::Label;
use crate::objects::{Configured, Network, Peering};
use crate::peering::{self, Create};
use crate::terms::Terms;
use crate::world::World;

const DAY: i64 = 24 * 60 * 60;

/// How long what nobody answers is a request, seen at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// Seconds since 1970.
    pub now: i64,
    /// 0 is for ever.
    pub days: u32,
}

/// How an unanswered half stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Open,
    Declined,
    /// When, in seconds since 1970.
    Expired(i64),
}

impl Patience {
    /// When the request of `it` expires, in seconds since 1970.
    pub fn expires(self, it: &Peering) -> Option<i64> {
        (self.days > 0).then(|| it.offered.saturating_add(i64::from(self.days) * DAY))
    }

    pub fn request(self, it: &Peering) -> Request {
        match self.expires(it).filter(|at| *at <= self.now) {
            _ if it.declined => Request::Declined,
            Some(at) => Request::Expired(at),
            None => Request::Open,
        }
    }
}

impl Terms {
    fn patience(&self) -> Patience {
        Patience { now: self.now, days: self.policy.request_days }
    }
}

/// What others ask of `account`, by its networks.
pub fn requests<'w>(
    world: &'w World,
    account: &str,
    patience: Patience,
) -> impl Iterator<Item = &'w Peering> {
    let networks = world.networks_of_account(account);
    let halves = networks.flat_map(|n| world.halves_towards(n.uuid)).map(|half| &**half);
    halves.filter(move |half| is_request(world, half, patience))
}

/// Disabled halves ask for nothing; nor does one to the own account, whose
/// owner knows of it.
fn is_request(world: &World, half: &Peering, patience: Patience) -> bool {
    half.configured == Configured::Active
        && world.network(half.peer_network).is_some_and(|n| n.account != half.account)
        && world.mirror(half).is_none()
        && patience.request(half) == Request::Open
}

/// The half that answers a request, as its owner wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accept {
    pub name: Option<String>,
    pub labels: Vec<Label>,
}

/// Makes `uuid`, the half that answers `request`.
///
/// # Errors
/// [`Rule::Absent`] when that asks nothing of the account; as
/// [`peering::create`].
pub fn accept(
    world: &World,
    terms: &Terms,
    (account, uuid): (&str, Uuid),
    request: Uuid,
    wish: &Accept,
) -> Result<Vec<Change>, Rule> {
    let half = addressed(world, account, request)?;
    if !is_request(world, half, terms.patience()) {
        return Err(absent(request));
    }
    let create = Create {
        name: wish.name.clone().unwrap_or_else(|| format!("answer to {request}")),
        configured: Configured::Active,
        network: half.peer_network,
        peer_network: half.network,
        labels: wish.labels.clone(),
        note: None,
    };
    peering::create(world, terms, account, uuid, &create)
}

/// Nothing changes for what was declined before.
///
/// # Errors
/// [`Rule::Absent`] when that asks nothing of the account.
pub fn decline(
    world: &World,
    terms: &Terms,
    account: &str,
    request: Uuid,
) -> Result<Vec<Change>, Rule> {
    let half = addressed(world, account, request)?;
    if half.declined {
        return Ok(Vec::new());
    }
    if !is_request(world, half, terms.patience()) {
        return Err(absent(request));
    }
    Ok(vec![Change::Put(Object::Peering(Peering { declined: true, ..half.clone() }))])
}

/// The half that answers takes back what was declined before: should it go,
/// the other waits again and was not refused.
pub(crate) fn no_longer_declined(world: &World, network: Uuid, peer: Uuid) -> Option<Change> {
    let mirror = world.half(peer, network).filter(|it| it.declined)?;
    let it = Peering { declined: false, ..Peering::clone(mirror) };
    Some(Change::Put(Object::Peering(it)))
}

fn addressed<'w>(world: &'w World, account: &str, request: Uuid) -> Result<&'w Peering, Rule> {
    let half = world.peerings.get(&request).ok_or_else(|| absent(request))?;
    let owned = |n: &Network| n.account == account && half.account != account;
    let towards = world.network(half.peer_network).filter(|n| owned(n));
    towards.map(|_| &**half).ok_or_else(|| absent(request))
}

fn absent(request: Uuid) -> Rule {
    Rule::Absent(Noun::PeeringRequest, request.to_string())
}

#[cfg(test)]
#[path = "consent_tests.rs"]
mod tests;
