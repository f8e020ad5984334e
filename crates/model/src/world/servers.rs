//! Servers among what is remembered.

use std::sync::Arc;

use uuid::Uuid;

use super::World;
use crate::labelled::Kind;
use crate::objects::{Port, Server};

impl World {
    pub(super) fn put_server(&mut self, it: Server) {
        self.owners.of(&it.account).own(Kind::Server, it.uuid, &it.labels);
        self.unplaced.extend(it.host.is_none().then_some(it.uuid));
        self.servers.insert(it.uuid, Arc::new(it));
    }

    /// The interfaces of `server`, by index.
    pub fn nics_of(&self, server: Uuid) -> impl Iterator<Item = (u8, &Arc<Port>)> {
        let all = self.by_nic.range((server, 0)..=(server, u8::MAX));
        all.filter_map(|((_, index), uuid)| Some((*index, self.ports.get(uuid)?)))
    }

    pub fn nic(&self, server: Uuid, index: u8) -> Option<&Arc<Port>> {
        self.ports.get(self.by_nic.get(&(server, index))?)
    }

    /// Servers without a host, by UUID.
    pub fn unplaced(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.unplaced.iter().filter_map(|uuid| self.servers.get(uuid))
    }
}
