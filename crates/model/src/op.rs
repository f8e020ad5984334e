//! Every write there is, as data: decided in the store's one write order.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::change::{Change, Object};
use crate::error::Rule;
use crate::objects::{Account, Authority, JoinToken, Zone};
use crate::policy::Policy;
use crate::world::World;
use crate::{
    access, account, host, interface, network, peering, port, router, scope, server, zone,
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
    DeleteZone {
        by: String,
        id: String,
        /// Seconds since 1970.
        now: i64,
    },
    /// Under a policy that is not the default.
    Under {
        policy: Policy,
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

/// What `op` does to `world`: no changes is a write that changes nothing.
///
/// # Errors
/// The rule that says no; then nothing changes.
pub fn decide(world: &World, op: &Op) -> Result<Vec<Change>, Rule> {
    decide_under(world, &Policy::default(), op)
}

fn decide_under(world: &World, policy: &Policy, op: &Op) -> Result<Vec<Change>, Rule> {
    match op {
        Op::Under { policy, op } => decide_under(world, policy, op),
        Op::AsSub { name, op } => {
            scope::check_op(world, name, op)?;
            decide_under(world, policy, op)
        }
        Op::Peering { by, uuid, wish } => match wish {
            Wish::Create(wish) => peering::create(world, policy, by, *uuid, wish),
            Wish::Modify(wish) => peering::modify(world, by, *uuid, wish),
            Wish::Delete => peering::delete(world, policy, by, *uuid),
        },
        Op::Network { by, uuid, wish } => match wish {
            Wish::Create(wish) => network::create(world, policy, by, *uuid, wish),
            Wish::Modify(wish) => network::modify(world, by, *uuid, wish),
            Wish::Delete => network::delete(world, by, *uuid),
        },
        Op::Router { by, uuid, wish } => match wish {
            Wish::Create(wish) => router::create(world, policy, by, *uuid, wish),
            Wish::Modify(wish) => router::modify(world, by, *uuid, wish),
            Wish::Delete => router::delete(world, by, *uuid),
        },
        Op::Server { by, uuid, wish } => match wish {
            Wish::Create(wish) => server::create(world, by, *uuid, wish),
            Wish::Modify(wish) => server::modify(world, by, *uuid, wish),
            Wish::Delete => server::delete(world, by, *uuid),
        },
        Op::Interface { by, server, wish } => {
            interface::decide(world, server::own(world, by, *server)?, wish)
        }
        Op::PlaceServers { live } => Ok(server::place(world, live)),
        Op::CreatePort { by, uuid, wish } => port::create(world, by, *uuid, wish),
        Op::DeletePort { by, uuid } => port::delete(world, by, *uuid),
        Op::Join { uuid, wish } => host::join(world, *uuid, wish),
        Op::AllowJoin { by, token } => {
            admin(world, by).and_then(|()| host::allow_join(world, token))
        }
        Op::DeleteHost { by, id } => admin(world, by).and_then(|()| host::delete(world, id)),
        Op::CreateAccount { by, account } => {
            admin(world, by).and_then(|()| account::create(world, account))
        }
        Op::Access { by, wish } => access::decide(world, by, wish),
        Op::CreateZone { by, zone } => admin(world, by).and_then(|()| zone::create(world, zone)),
        Op::DeleteZone { by, id, now } => {
            admin(world, by).and_then(|()| zone::delete(world, id, *now))
        }
        Op::Found { admin, authority } => Ok(found(world, admin, authority)),
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
