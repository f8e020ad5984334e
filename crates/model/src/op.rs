//! Every write there is, as data: decided in the store's one write order.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::audit::Origin;
use crate::change::{Change, Object};
use crate::consent::{self, Accept};
use crate::error::Rule;
use crate::lease::{self, Claim, Loss};
use crate::node;
use crate::objects::{Account, Authority, JoinToken, Outcome, Told, Zone};
use crate::seal;
use crate::terms::{self, Once, Terms};
use crate::world::World;
use crate::{
    access, account, certificate, host, interface, network, peering, peering_group, port, router,
    scope, server, webhook, zone,
};

/// A wish, by whom, and the UUID of what it makes or touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Peering {
        by: String,
        uuid: Uuid,
        wish: Wish<peering::Create, peering::Modify>,
    },
    Network {
        by: String,
        uuid: Uuid,
        wish: Wish<network::Create, network::Modify>,
    },
    Router {
        by: String,
        uuid: Uuid,
        wish: Wish<router::Create, router::Modify>,
    },
    Server {
        by: String,
        uuid: Uuid,
        wish: Wish<server::Create, server::Modify>,
    },
    Interface {
        by: String,
        server: Uuid,
        wish: interface::Wish,
    },
    /// By a host that comes for its slice.
    TakeLease {
        host: Uuid,
        claim: Claim,
    },
    /// By a host whose agent knows no leases.
    DropLease {
        host: Uuid,
    },
    /// By nobody: leases were not renewed.
    LoseLeases(Vec<Loss>),
    /// By a server among several, of itself or of one that is not there.
    Node(node::Wish),
    /// By nobody: hosts have come for servers that wait for one.
    PlaceServers {
        live: BTreeSet<Uuid>,
    },
    CreatePort {
        by: String,
        uuid: Uuid,
        wish: port::Create,
    },
    DeletePort {
        by: String,
        uuid: Uuid,
    },
    AllowJoin {
        by: String,
        token: JoinToken,
    },
    Join {
        uuid: Uuid,
        wish: host::Join,
    },
    DeleteHost {
        by: String,
        id: String,
    },
    /// By administrators or hosts: see there.
    Certificate(certificate::Wish),
    CreateAccount {
        by: String,
        account: Account,
    },
    /// To sub-accounts, tokens and passwords.
    Access {
        by: String,
        wish: access::Wish,
    },
    CreateZone {
        by: String,
        zone: Zone,
    },
    /// By administrators, hosts or nobody: see there.
    Seals(seal::Wish),
    DeleteZone {
        by: String,
        id: String,
        /// Seconds since 1970.
        now: i64,
    },
    /// A half and the one that answers it.
    DeleteBoth {
        by: String,
        uuid: Uuid,
    },
    /// Makes `uuid`, the half that answers `request`.
    Accept {
        by: String,
        uuid: Uuid,
        request: Uuid,
        wish: Accept,
    },
    Decline {
        by: String,
        request: Uuid,
    },
    PeeringGroup {
        by: String,
        uuid: Uuid,
        wish: peering_group::Wish,
        /// Halves that it makes or deletes at once.
        most: usize,
    },
    /// By nobody: what is due for a group.
    GroupStep {
        group: Uuid,
        pairs: Vec<peering_group::Ends>,
    },
    Webhook {
        by: String,
        wish: webhook::Wish,
    },
    /// By nobody: what a webhook was told.
    Told(Told),
    /// What was answered to what was done once.
    Answered {
        once: Once,
        outcome: Outcome,
    },
    /// On terms that are not the default.
    Under {
        terms: Terms,
        op: Box<Op>,
    },
    /// With what is written down of where it came from.
    From {
        origin: Origin,
        op: Box<Op>,
    },
    /// By a sub-account of the account that `op` is by.
    AsSub {
        name: String,
        op: Box<Op>,
    },
    /// The first account and the authority of a new installation; nothing
    /// when there is one.
    Found {
        admin: Account,
        authority: Authority,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish<C, M> {
    Create(C),
    Modify(M),
    Delete,
}

impl Op {
    pub fn from(self, origin: Origin) -> Self {
        Self::From { origin, op: Box::new(self) }
    }

    /// Where it came from, if that is known.
    pub fn origin(&self) -> Option<&Origin> {
        if let Self::From { origin, .. } = self { Some(origin) } else { None }
    }
}

/// What `op` does to `world`: no changes is a write that changes nothing.
///
/// # Errors
/// The rule that says no; then nothing changes.
pub fn decide(world: &World, op: &Op) -> Result<Vec<Change>, Rule> {
    decide_under(world, &Terms::default(), op)
}

fn decide_under(world: &World, terms: &Terms, op: &Op) -> Result<Vec<Change>, Rule> {
    match op {
        Op::Under { terms, op } => terms.apply(world, op, || decide_under(world, terms, op)),
        Op::From { op, .. } => decide_under(world, terms, op),
        Op::AsSub { name, op } => as_sub(world, terms, name, op),
        Op::Peering { by, uuid, wish } => match wish {
            Wish::Create(wish) => peering::create(world, terms, by, *uuid, wish),
            Wish::Modify(wish) => peering::modify(world, terms, by, *uuid, wish),
            Wish::Delete => peering::delete(world, &terms.policy, by, *uuid),
        },
        Op::DeleteBoth { by, uuid } => peering::delete_both(world, &terms.policy, by, *uuid),
        Op::Accept { by, uuid, request, wish } => {
            consent::accept(world, terms, (by, *uuid), *request, wish)
        }
        Op::Decline { by, request } => consent::decline(world, terms, by, *request),
        Op::Webhook { by, wish } => webhook::decide(by, wish),
        Op::Told(told) => Ok(webhook::remember(world, told)),
        Op::Answered { once, outcome } => Ok(terms::answered(world, once, outcome)),
        Op::Network { by, uuid, wish } => network::decide(world, terms, (by, *uuid), wish),
        Op::PeeringGroup { by, uuid, wish, most } => {
            peering_group::decide(world, terms, (by, *uuid), wish, *most)
        }
        Op::GroupStep { group, pairs } => peering_group::step(world, terms, *group, pairs),
        Op::Router { by, uuid, wish } => match wish {
            Wish::Create(wish) => router::create(world, &terms.policy, by, *uuid, wish),
            Wish::Modify(wish) => router::modify(world, by, *uuid, wish),
            Wish::Delete => router::delete(world, by, *uuid),
        },
        Op::Server { by, uuid, wish } => decide_server(world, by, *uuid, wish),
        Op::Interface { by, server, wish } => {
            interface::decide(world, server::own(world, by, *server)?, wish)
        }
        Op::TakeLease { host, claim } => lease::take(world, *host, claim),
        Op::DropLease { host } => Ok(lease::drop_of(world, *host)),
        Op::LoseLeases(losses) => Ok(lease::lose(world, losses)),
        Op::Node(wish) => Ok(node::decide(world, wish)),
        Op::PlaceServers { live } => Ok(server::place(world, live)),
        Op::CreatePort { by, uuid, wish } => port::create(world, by, *uuid, wish),
        Op::DeletePort { by, uuid } => port::delete(world, by, *uuid),
        Op::Join { uuid, wish } => host::join(world, *uuid, wish),
        Op::AllowJoin { by, token } => {
            admin(world, by).and_then(|()| host::allow_join(world, token))
        }
        Op::DeleteHost { by, id } => admin(world, by).and_then(|()| host::delete(world, id)),
        Op::Certificate(wish) => certificate::decide(world, wish),
        Op::CreateAccount { by, account } => {
            admin(world, by).and_then(|()| account::create(world, account))
        }
        Op::Access { by, wish } => access::decide(world, by, wish),
        Op::CreateZone { by, zone } => admin(world, by).and_then(|()| zone::create(world, zone)),
        Op::Seals(wish) => seal::decide(world, wish),
        Op::DeleteZone { by, id, now } => {
            admin(world, by).and_then(|()| zone::delete(world, id, *now))
        }
        Op::Found { admin, authority } => Ok(found(world, admin, authority)),
    }
}

fn as_sub(world: &World, terms: &Terms, name: &str, op: &Op) -> Result<Vec<Change>, Rule> {
    scope::check_op(world, name, op)?;
    let changes = decide_under(world, terms, op)?;
    peering_group::check_sub(world, scope::Scope::of(world, Some(name))?, &changes)?;
    Ok(changes)
}

fn decide_server(
    world: &World,
    by: &str,
    uuid: Uuid,
    wish: &Wish<server::Create, server::Modify>,
) -> Result<Vec<Change>, Rule> {
    match wish {
        Wish::Create(wish) => server::create(world, by, uuid, wish),
        Wish::Modify(wish) => server::modify(world, by, uuid, wish),
        Wish::Delete => server::delete(world, by, uuid),
    }
}

/// # Errors
/// [`Rule::AdminOnly`].
pub fn admin(world: &World, account: &str) -> Result<(), Rule> {
    match world.accounts.get(account) {
        Some(it) if it.admin => Ok(()),
        Some(_) | None => Err(Rule::AdminOnly(account.to_owned())),
    }
}

fn found(world: &World, admin: &Account, authority: &Authority) -> Vec<Change> {
    if world.authority().is_some() {
        return Vec::new();
    }
    let account = Change::Put(Object::Account(admin.clone()));
    vec![account, Change::Put(Object::Authority(authority.clone()))]
}

#[cfg(test)]
#[path = "op_tests.rs"]
mod tests;
