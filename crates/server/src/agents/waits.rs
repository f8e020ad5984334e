//! Waiting for hosts, and for what they are told of.

use std::time::Duration;

use model::ids::Revision;

use super::hub::Hub;

impl Hub {
    /// Waits until every connected host has acted on `revision`, or `limit`
    /// has passed.
    pub async fn settled(&self, revision: Revision, limit: Duration) {
        let mut changed = self.changed();
        let all_have = async {
            while !self.is_settled(revision) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        // That the limit has passed is seen in the presence.
        let _ = tokio::time::timeout(limit, all_have).await;
    }

    /// Every connected host has acted on `revision`.
    pub(super) fn is_settled(&self, revision: Revision) -> bool {
        self.shared.settled(revision)
    }

    /// Waits until this hub has heard of `revision`, which was committed.
    pub(crate) async fn heard(&self, revision: Revision) {
        self.until(|| self.shared.lock().newest().revision() >= revision).await;
    }

    /// Waits until `is_so`, which is asked again whenever a host says something.
    pub(crate) async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changed = self.changed();
        while !is_so() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
