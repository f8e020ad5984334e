//! What each account owns, so that nobody's lists and limits cost what others
//! have.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use uuid::Uuid;

use crate::label::{self, Filter, Label};
use crate::labelled::{Kind, Labelled};
use crate::objects::{Done, Network, Peering, Port, Router, Server};
use crate::world::World;

/// UUIDs by kind.
#[derive(Debug, Clone, Default)]
pub struct Owned {
    pub networks: OrdSet<Uuid>,
    pub peerings: OrdSet<Uuid>,
    pub ports: OrdSet<Uuid>,
    pub routers: OrdSet<Uuid>,
    pub servers: OrdSet<Uuid>,
    pub peering_groups: OrdSet<Uuid>,
    pub(crate) labelled: Labelled,
    /// What was done under keys, by its age: seconds since 1970, and the key.
    pub(crate) done: OrdSet<(i64, String)>,
}

impl Owned {
    pub(crate) fn own(&mut self, kind: Kind, uuid: Uuid, labels: &[Label]) {
        self.of(kind).insert(uuid);
        self.labelled.put(kind, uuid, labels);
    }

    pub(crate) fn disown(&mut self, kind: Kind, uuid: Uuid, labels: &[Label]) -> Option<Uuid> {
        self.labelled.take(kind, uuid, labels);
        self.of(kind).remove(&uuid)
    }

    fn of(&mut self, kind: Kind) -> &mut OrdSet<Uuid> {
        match kind {
            Kind::Network => &mut self.networks,
            Kind::Peering => &mut self.peerings,
            Kind::Router => &mut self.routers,
            Kind::Server => &mut self.servers,
        }
    }

    /// What was done under keys is no possession.
    pub fn is_empty(&self) -> bool {
        let Self { networks, peerings, ports, routers, servers, peering_groups, .. } = self;
        let all = [networks, peerings, ports, routers, servers, peering_groups];
        all.iter().all(|uuids| uuids.is_empty())
    }
}

/// By name of the account. Shared, as a write copies those that are near.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owners(OrdMap<Arc<str>, Arc<Owned>>);

impl Owners {
    pub(crate) fn get(&self, account: &str) -> Option<&Owned> {
        self.0.get(account).map(|it| &**it)
    }

    pub(crate) fn of(&mut self, account: &str) -> &mut Owned {
        Arc::make_mut(self.0.entry(account.into()).or_default())
    }

    /// Takes something out. An account that has nothing left is as one that
    /// never had anything: what is remembered makes the same world again.
    pub(crate) fn take(&mut self, account: &str, out: impl FnOnce(&mut Owned) -> Option<Uuid>) {
        let Some(owned) = self.0.get_mut(account).map(Arc::make_mut) else { return };
        out(owned);
        if owned.is_empty() && owned.done.is_empty() {
            self.0.remove(account);
        }
    }
}

/// What an account owns and all of `filters` match, by UUID.
impl World {
    /// None for all.
    fn filtered(&self, account: &str, kind: Kind, filters: &[Filter]) -> Option<Vec<Uuid>> {
        let first = filters.first()?;
        Some(self.owned(account).map(|o| o.labelled.find(kind, first)).unwrap_or_default())
    }

    pub fn networks_with<'w>(
        &'w self,
        account: &str,
        filters: &'w [Filter],
    ) -> Box<dyn Iterator<Item = &'w Arc<Network>> + 'w> {
        let Some(found) = self.filtered(account, Kind::Network, filters) else {
            return Box::new(self.networks_of_account(account));
        };
        let found = found.into_iter().filter_map(|uuid| self.networks.get(&uuid));
        Box::new(found.filter(|it| label::all_match(filters, &it.labels)))
    }

    pub fn peerings_with<'w>(
        &'w self,
        account: &str,
        filters: &'w [Filter],
    ) -> Box<dyn Iterator<Item = &'w Arc<Peering>> + 'w> {
        let Some(found) = self.filtered(account, Kind::Peering, filters) else {
            return Box::new(self.peerings_of_account(account));
        };
        let found = found.into_iter().filter_map(|uuid| self.peerings.get(&uuid));
        Box::new(found.filter(|it| label::all_match(filters, &it.labels)))
    }

    pub fn routers_with<'w>(
        &'w self,
        account: &str,
        filters: &'w [Filter],
    ) -> Box<dyn Iterator<Item = &'w Arc<Router>> + 'w> {
        let Some(found) = self.filtered(account, Kind::Router, filters) else {
            return Box::new(self.routers_of_account(account));
        };
        let found = found.into_iter().filter_map(|uuid| self.routers.get(&uuid));
        Box::new(found.filter(|it| label::all_match(filters, &it.labels)))
    }

    pub fn servers_with<'w>(
        &'w self,
        account: &str,
        filters: &'w [Filter],
    ) -> Box<dyn Iterator<Item = &'w Arc<Server>> + 'w> {
        let Some(found) = self.filtered(account, Kind::Server, filters) else {
            return Box::new(self.servers_of_account(account));
        };
        let found = found.into_iter().filter_map(|uuid| self.servers.get(&uuid));
        Box::new(found.filter(|it| label::all_match(filters, &it.labels)))
    }
}

/// What an account owns, by UUID.
impl World {
    pub fn networks_of_account<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<Network>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.networks.iter());
        uuids.filter_map(|uuid| self.networks.get(uuid))
    }

    pub fn peerings_of_account<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<Peering>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.peerings.iter());
        uuids.filter_map(|uuid| self.peerings.get(uuid))
    }

    pub fn ports_of_account<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<Port>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.ports.iter());
        uuids.filter_map(|uuid| self.ports.get(uuid))
    }

    pub fn routers_of_account<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<Router>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.routers.iter());
        uuids.filter_map(|uuid| self.routers.get(uuid))
    }

    pub fn servers_of_account<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<Server>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.servers.iter());
        uuids.filter_map(|uuid| self.servers.get(uuid))
    }
}

impl World {
    pub(crate) fn done_count(&self, account: &str) -> usize {
        self.owned(account).map_or(0, |o| o.done.len())
    }

    /// The oldest first.
    pub(crate) fn done_by_age(&self, account: &str) -> impl Iterator<Item = &Arc<Done>> {
        let keys = self.owned(account).into_iter().flat_map(|o| o.done.iter());
        keys.filter_map(move |(_, key)| self.done(account, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, Key, Object};

    fn router(n: u128, account: &str) -> Change {
        Change::Put(Object::Router(Router {
            uuid: Uuid::from_u128(n),
            account: account.to_owned(),
            name: String::new(),
            labels: vec![],
            static_routes: vec![],
            revision: 0,
        }))
    }

    fn routers(world: &World, account: &str) -> Vec<u128> {
        world.routers_of_account(account).map(|r| r.uuid.as_u128()).collect()
    }

    #[test]
    fn each_account_has_its_own_by_uuid_however_often_they_are_put() {
        let mut world = World::default();
        world.commit(&[router(2, "a"), router(1, "a"), router(3, "b"), router(2, "a")]);
        assert_eq!(routers(&world, "a"), [1, 2]);
        assert_eq!(routers(&world, "b"), [3]);
        world.commit(&[Change::Delete(Key::Router(Uuid::from_u128(1))), router(3, "a")]);
        assert_eq!(routers(&world, "a"), [2, 3]);
        assert_eq!(routers(&world, "b"), [0; 0]);
        assert_eq!(routers(&world, "nobody"), [0; 0]);
        assert_eq!(world.owned("a").unwrap().routers.len(), 2);
        assert!(world.owned("b").is_none(), "as it was before it had any");
    }
}
