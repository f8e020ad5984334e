//! What may be done to a router.

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::label::{self, Label};
use crate::objects::{Router, StaticRoute};
use crate::policy::Policy;
use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub name: String,
    pub labels: Vec<Label>,
    pub static_routes: Vec<StaticRoute>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub name: Option<String>,
    pub labels: Option<Vec<Label>>,
    pub static_routes: Option<Vec<StaticRoute>>,
}

/// # Errors
/// The first faulty attribute; the account's limit.
pub fn create(
    world: &World,
    policy: &Policy,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    let it = Router {
        uuid,
        account: account.to_owned(),
        name: wish.name.clone(),
        labels: wish.labels.clone(),
        static_routes: wish.static_routes.clone(),
        revision: world.next_revision(),
    };
    let changes = checked(it)?;
    policy.limits_of(world, account).check_routers(world, account)?;
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
    it.revision = world.next_revision();
    it.name = wish.name.clone().unwrap_or(it.name);
    it.labels = wish.labels.clone().unwrap_or(it.labels);
    it.static_routes = wish.static_routes.clone().unwrap_or(it.static_routes);
    checked(it)
}

/// # Errors
/// [`Rule::RouterAttached`] while networks hang on it.
pub fn delete(world: &World, account: &str, uuid: Uuid) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    if world.networks_on(it.uuid).next().is_some() {
        return Err(Rule::RouterAttached(it.uuid));
    }
    Ok(vec![Change::Delete(Key::Router(it.uuid))])
}

/// The account's router of that UUID, given as the path or the body had it.
///
/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is not theirs.
pub fn own<'w>(world: &'w World, account: &str, id: &str) -> Result<&'w Router, Rule> {
    let found = Uuid::try_parse(id).ok().and_then(|uuid| world.routers.get(&uuid));
    let own = found.filter(|r| r.account == account);
    own.map(|r| &**r).ok_or_else(|| Rule::Absent(Noun::Router, id.to_owned()))
}

fn checked(it: Router) -> Result<Vec<Change>, Rule> {
    if !(1..=255).contains(&it.name.chars().count()) {
        return Err(Rule::bad(Subject::RouterName, "router.name", "must be 1 to 255 characters"));
    }
    label::check(&it.labels, "router.labels")?;
    for (i, route) in it.static_routes.iter().enumerate() {
        let at = format!("router.static_routes.{i}");
        let other_family = |n: &std::net::IpAddr| n.is_ipv4() != route.route.address().is_ipv4();
        if route.nexthop.as_ref().is_some_and(other_family) {
            let why = "must be of the address family of its route";
            return Err(Rule::bad(Subject::Nexthop, format!("{at}.nexthop"), why));
        }
        if it.static_routes[..i].iter().any(|r| r.route == route.route) {
            let why = format!("repeats {}", route.route);
            return Err(Rule::bad(Subject::RouteDuplicate, format!("{at}.route"), why));
        }
    }
    Ok(vec![Change::Put(Object::Router(it))])
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
