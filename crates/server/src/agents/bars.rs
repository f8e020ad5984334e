//! Hosts that are not let in any more, and for how long certificates let one in.

use model::change::{Change, Key, Object};
use uuid::Uuid;

use super::hub::Hub;

impl Hub {
    /// Once, before hosts are let in.
    pub fn set_certificate_days(&self, days: u32) {
        // Whoever has set it before is right.
        let _ = self.shared.certificate_days.set(days);
    }

    pub(crate) fn certificate_days(&self) -> u32 {
        self.shared.certificate_days.get().copied().unwrap_or(90)
    }

    /// True for a host that is there and was not revoked.
    pub(crate) fn admits(&self, host: Uuid) -> bool {
        let world = self.shared.lock().newest();
        world.hosts.get(&host).is_some_and(|it| it.certificates.revoked().is_none())
    }

    /// Waits until the host is not admitted any more.
    pub(crate) async fn is_barred(&self, host: Uuid) {
        let mut barred = self.shared.barred.subscribe();
        while self.admits(host) {
            if barred.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A host is not let in any more.
pub(super) fn bars(change: &Change) -> bool {
    if let Change::Put(Object::Host(host)) = change {
        return host.certificates.revoked().is_some();
    }
    matches!(change, Change::Delete(Key::Host(_)))
}
