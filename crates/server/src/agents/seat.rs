//! One session's place in the hub.

use std::sync::Arc;

use model::ids::Revision;
use model::wire::agent::Line;
use model::world::World;
use tokio::sync::Notify;
use uuid::Uuid;

use super::hub::Hub;
use super::owed::{Debt, Work};

/// It is free again on drop.
pub(crate) struct Seat {
    pub(super) hub: Hub,
    pub(super) host: Uuid,
    pub(super) id: u64,
    pub(super) epoch: Option<Revision>,
    pub(super) bell: Arc<Notify>,
}

impl Seat {
    /// What the host is told of its lease.
    pub(crate) fn lease(&self) -> Option<Line> {
        let limit_ms = self.hub.lease_settings().limit_ms;
        self.epoch.map(|epoch| Line::Lease { epoch, limit_ms })
    }

    pub(crate) fn host(&self) -> Uuid {
        self.host
    }

    /// The newest world, and what the host has not been told of it since it was
    /// asked last; None once it has another session.
    pub(crate) fn next(&self) -> Option<(Arc<World>, Option<Debt>)> {
        let mut inner = self.hub.shared.lock();
        let own = inner.bells.get(&self.host).is_some_and(|it| Arc::ptr_eq(it, &self.bell));
        own.then(|| (inner.newest(), inner.owed.take(self.host)))
    }

    pub(crate) fn work(&self) -> &Work {
        &self.hub.work
    }

    /// See [`Roster::looked`].
    pub(crate) fn looked(&self, revision: Revision, tell: bool) -> bool {
        let current = self.hub.shared.lock().roster.looked(self.host, self.id, revision, tell);
        self.hub.shared.tell();
        current
    }

    /// Waits for something that may concern the host.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now_ms = self.hub.shared.now_ms();
        let mut inner = self.hub.shared.lock();
        inner.roster.end(self.host, self.id);
        inner.leases.left(self.host, self.id, now_ms);
        if inner.bells.get(&self.host).is_some_and(|bell| Arc::ptr_eq(bell, &self.bell)) {
            inner.bells.remove(&self.host);
            inner.owed.take(self.host);
        }
        drop(inner);
        self.hub.shared.tell();
    }
}
