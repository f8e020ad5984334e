//! Who is connected, what they have acted on, and the worlds to resume from.

use std::time::Duration;

use model::ids::Revision;
use model::state::Presence;
use store::Store;

/// A handle; clones are the same hub.
#[derive(Debug, Clone)]
pub struct Hub;

impl Hub {
    pub fn start(_store: Store) -> Self {
        Self
    }

    /// What the connected hosts say.
    pub fn presence(&self) -> Presence {
        Presence::new()
    }

    /// Waits until every connected host has acted on `revision`, or `limit`
    /// has passed.
    pub async fn settled(&self, _revision: Revision, _limit: Duration) {}
}
