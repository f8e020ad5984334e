//! What of its main account's a sub-account may see and touch.
//!
//! Access is given to networks and servers. A peering goes with its local
//! network, a port with its network and server. A router is seen by who may
//! use any of its networks, and changed by who may use all of them. Making
//! what has no UUID yet takes access to all of its kind.

use uuid::Uuid;

use crate::access::Wish as AccessWish;
use crate::credentials::{SubAccount, Target};
use crate::error::{Noun, Rule};
use crate::interface::{self, Link};
use crate::network::{self, Attach};
use crate::objects::{Peering, Port};
use crate::op::{Op, Wish};
use crate::provided;
use crate::world::World;

/// A main account's own scope has no bounds but what it owns.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'w> {
    world: &'w World,
    sub: Option<&'w SubAccount>,
}

impl<'w> Scope<'w> {
    /// # Errors
    /// [`Rule::Absent`] when the sub-account is gone.
    pub fn of(world: &'w World, sub: Option<&str>) -> Result<Self, Rule> {
        let Some(name) = sub else { return Ok(Self { world, sub: None }) };
        let absent = || Rule::Absent(Noun::Account, name.to_owned());
        let sub = world.credentials().sub(name).ok_or_else(absent)?;
        Ok(Self { world, sub: Some(sub) })
    }

    pub fn has_network(&self, uuid: Uuid) -> bool {
        let in_list = |it: &SubAccount| it.networks.iter().any(|t| t.is(uuid));
        self.sub.is_none_or(in_list) || provided::get(uuid).is_some()
    }

    pub fn has_server(&self, uuid: Uuid) -> bool {
        self.sub.is_none_or(|it| it.servers.iter().any(|r| r.target.is(uuid)))
    }

    pub fn has_peering(&self, it: &Peering) -> bool {
        self.has_network(it.network)
    }

    pub fn has_port(&self, it: &Port) -> bool {
        self.has_network(it.network) && it.nic.is_none_or(|nic| self.has_server(nic.server))
    }

    pub fn sees_router(&self, uuid: Uuid) -> bool {
        self.every_network() || self.world.networks_on(uuid).any(|n| self.has_network(n.uuid))
    }

    fn changes_router(&self, uuid: Uuid) -> bool {
        let all = || self.world.networks_on(uuid).all(|n| self.has_network(n.uuid));
        self.every_network() || self.sees_router(uuid) && all()
    }

    pub(crate) fn every_network(&self) -> bool {
        self.sub.is_none_or(|it| it.networks.contains(&Target::All))
    }

    fn every_server(&self) -> bool {
        self.sub.is_none_or(|it| it.servers.iter().any(|r| r.target == Target::All))
    }
}

/// # Errors
/// [`Rule::Forbidden`].
pub fn check(allowed: bool, noun: Noun, id: impl ToString) -> Result<(), Rule> {
    if allowed { Ok(()) } else { Err(Rule::Forbidden(noun, id.to_string())) }
}

/// Whether `sub` may do `op`, which its main account may. What there is not,
/// or is another account's, is for the rules of `op` to refuse: in their
/// words, which do not tell the one from the other.
///
/// # Errors
/// [`Rule::Forbidden`], [`Rule::ForbiddenToMake`], [`Rule::MainOnly`].
pub fn check_op(world: &World, sub: &str, op: &Op) -> Result<(), Rule> {
    let scope = Scope::of(world, Some(sub))?;
    let main = scope.sub.map(|it| it.main.as_str()).unwrap_or_default();
    let may = Judge { scope, main };
    match op {
        Op::Peering { uuid, wish, .. } => match wish {
            Wish::Create(wish) => may.network(wish.network),
            Wish::Modify(_) | Wish::Delete => may.peering(*uuid),
        },
        Op::DeleteBoth { uuid, .. } => {
            let mirror = world.peerings.get(uuid).and_then(|it| world.mirror(it));
            may.peering(*uuid)?;
            mirror.map_or(Ok(()), |it| may.peering(it.uuid))
        }
        Op::Accept { request, .. } | Op::Decline { request, .. } => {
            world.peerings.get(request).map_or(Ok(()), |it| may.network(it.peer_network))
        }
        Op::Network { uuid, wish, .. } => may.network_wish(*uuid, wish),
        Op::Router { uuid, wish, .. } => match wish {
            Wish::Create(_) => may.make(scope.every_network(), Noun::Router),
            Wish::Modify(_) | Wish::Delete => may.router(*uuid),
        },
        Op::Server { uuid, wish, .. } => match wish {
            Wish::Create(wish) => {
                may.make(scope.every_server(), Noun::Server)?;
                wish.interfaces.iter().try_for_each(|it| may.link(Some(&it.link)))
            }
            Wish::Modify(_) | Wish::Delete => may.server(*uuid),
        },
        Op::Interface { server, wish, .. } => {
            may.server(*server)?;
            match wish {
                interface::Wish::Create(wish) => may.link(Some(&wish.link)),
                interface::Wish::Modify(_, wish) => may.link(wish.link.as_ref()),
                interface::Wish::Delete(_) => Ok(()),
            }
        }
        Op::CreatePort { wish, .. } => may.network_of(&wish.network),
        Op::DeletePort { uuid, .. } => may.port(*uuid),
        Op::Access { by, wish } => may.credentials(sub, by, wish),
        Op::Under { op, .. } | Op::From { op, .. } => check_op(world, sub, op),
        Op::PeeringGroup { .. } | Op::GroupStep { .. } => Err(Rule::MainOnly(sub.to_owned())),
        Op::Webhook { .. } | Op::Told(_) | Op::Answered { .. } => {
            Err(Rule::MainOnly(sub.to_owned()))
        }
        Op::AsSub { .. } | Op::PlaceServers { .. } | Op::Found { .. } | Op::Join { .. } => {
            Err(Rule::MainOnly(sub.to_owned()))
        }
        Op::Seals(_) | Op::Node(_) | Op::Certificate(_) => Err(Rule::MainOnly(sub.to_owned())),
        Op::TakeLease { .. } | Op::DropLease { .. } | Op::LoseLeases(_) => {
            Err(Rule::MainOnly(sub.to_owned()))
        }
        Op::AllowJoin { .. } | Op::DeleteHost { .. } | Op::CreateAccount { .. } => {
            Err(Rule::MainOnly(sub.to_owned()))
        }
        Op::CreateZone { .. } | Op::DeleteZone { .. } => Err(Rule::MainOnly(sub.to_owned())),
    }
}

struct Judge<'w> {
    scope: Scope<'w>,
    main: &'w str,
}

impl Judge<'_> {
    fn make(&self, all: bool, noun: Noun) -> Result<(), Rule> {
        if all { Ok(()) } else { Err(Rule::ForbiddenToMake(noun)) }
    }

    fn network_wish(
        &self,
        uuid: Uuid,
        wish: &Wish<network::Create, network::Modify>,
    ) -> Result<(), Rule> {
        match wish {
            Wish::Create(wish) => {
                self.make(self.scope.every_network(), Noun::Network)?;
                self.router_of(wish.router.as_deref())
            }
            Wish::Modify(wish) => {
                self.network(uuid)?;
                match &wish.router {
                    Some(Attach::To(id)) => self.router_of(Some(id)),
                    Some(Attach::Nothing) | None => Ok(()),
                }
            }
            Wish::Delete => self.network(uuid),
        }
    }

    fn network(&self, uuid: Uuid) -> Result<(), Rule> {
        let ours = self.scope.world.network(uuid).is_some_and(|n| n.account == self.main);
        check(!ours || self.scope.has_network(uuid), Noun::Network, uuid)
    }

    /// As a body had it.
    fn network_of(&self, id: &str) -> Result<(), Rule> {
        Uuid::try_parse(id).map_or(Ok(()), |uuid| self.network(uuid))
    }

    fn router(&self, uuid: Uuid) -> Result<(), Rule> {
        let found = self.scope.world.routers.get(&uuid);
        let ours = found.is_some_and(|r| r.account == self.main);
        check(!ours || self.scope.changes_router(uuid), Noun::Router, uuid)
    }

    /// As a body had it. A network that is attached changes what the others
    /// on the router reach.
    fn router_of(&self, id: Option<&str>) -> Result<(), Rule> {
        let uuid = id.and_then(|id| Uuid::try_parse(id).ok());
        uuid.map_or(Ok(()), |uuid| self.router(uuid))
    }

    fn server(&self, uuid: Uuid) -> Result<(), Rule> {
        let found = self.scope.world.servers.get(&uuid);
        let ours = found.is_some_and(|s| s.account == self.main);
        check(!ours || self.scope.has_server(uuid), Noun::Server, uuid)
    }

    fn peering(&self, uuid: Uuid) -> Result<(), Rule> {
        let ours = self.scope.world.peerings.get(&uuid).filter(|p| p.account == self.main);
        check(ours.is_none_or(|p| self.scope.has_peering(p)), Noun::Peering, uuid)
    }

    fn port(&self, uuid: Uuid) -> Result<(), Rule> {
        let ours = self.scope.world.ports.get(&uuid).filter(|p| p.account == self.main);
        check(ours.is_none_or(|p| self.scope.has_port(p)), Noun::Port, uuid)
    }

    fn link(&self, link: Option<&Link>) -> Result<(), Rule> {
        match link {
            Some(Link::Private(id)) => self.network_of(id),
            Some(Link::Provided(_)) | None => Ok(()),
        }
    }

    /// Tokens and the password of its own.
    fn credentials(&self, sub: &str, by: &str, wish: &AccessWish) -> Result<(), Rule> {
        let own = match wish {
            AccessWish::CreateToken(_) | AccessWish::DeleteToken(_) => true,
            AccessWish::SetPassword(user, _) => user == sub,
            AccessWish::CreateSub(_) | AccessWish::ModifySub(..) | AccessWish::DeleteSub(_) => {
                false
            }
            AccessWish::Grant(_) | AccessWish::Revoke(_) | AccessWish::TokensUsed(_) => false,
            AccessWish::DeleteAccount(_) | AccessWish::SetQuota(..) => false,
        };
        if own && by == sub { Ok(()) } else { Err(Rule::MainOnly(sub.to_owned())) }
    }
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
