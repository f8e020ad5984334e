//! Peering groups among what is remembered.

use std::sync::Arc;

use uuid::Uuid;

use super::World;
use crate::peering_group::PeeringGroup;

impl World {
    pub(super) fn put_group(&mut self, it: PeeringGroup) {
        self.owners.of(&it.account).peering_groups.insert(it.uuid);
        self.peering_groups.insert(it.uuid, Arc::new(it));
    }

    pub(super) fn disown_group(&mut self, uuid: Uuid) {
        if let Some(it) = self.peering_groups.get(&uuid) {
            self.owners.take(&it.account, |o| o.peering_groups.remove(&uuid));
        }
    }

    /// What an account has, by UUID.
    pub fn peering_groups_of<'w>(
        &'w self,
        account: &str,
    ) -> impl Iterator<Item = &'w Arc<PeeringGroup>> + use<'w> {
        let uuids = self.owned(account).into_iter().flat_map(|o| o.peering_groups.iter());
        uuids.filter_map(|uuid| self.peering_groups.get(uuid))
    }
}
