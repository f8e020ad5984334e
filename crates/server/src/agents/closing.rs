//! When this server is not for hosts: it is about to stop, or cannot know
//! what others have written.

use std::time::Duration;

use tokio::sync::watch;

use super::hub::Hub;

/// Why, if it is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// It is about to stop. Hosts that are here go within so much time.
    drains: Option<Duration>,
    /// What it knows may be of the past.
    blind: bool,
}

impl Closed {
    pub(crate) fn is_closed(self) -> bool {
        self.drains.is_some() || self.blind
    }

    /// Within so much time all are to be gone.
    fn within(self) -> Duration {
        if self.blind { Duration::ZERO } else { self.drains.unwrap_or_default() }
    }
}

impl Hub {
    /// Sends hosts to other servers, each at a moment within `spread`, so that
    /// they do not all come at once there.
    pub(crate) fn drain(&self, spread: Duration) {
        self.shared.closed.send_modify(|closed| closed.drains = Some(spread));
        self.shared.tell();
    }

    /// Nothing is said to anybody of what may be of the past.
    pub(crate) fn blind(&self, blind: bool) {
        let changed = |closed: &mut Closed| std::mem::replace(&mut closed.blind, blind) != blind;
        if self.shared.closed.send_if_modified(changed) {
            tracing::warn!(blind, "whether the database can be reached has changed");
            self.shared.tell();
        }
    }

    pub(crate) fn closed(&self) -> watch::Receiver<Closed> {
        self.shared.closed.subscribe()
    }

    /// Hosts are to go elsewhere.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.borrow().is_closed()
    }

    pub(crate) fn is_blind(&self) -> bool {
        self.shared.closed.borrow().blind
    }

    /// Waits until one who is here is to go.
    pub(crate) async fn sent_away(&self) {
        let mut closed = self.closed();
        let share: f64 = rand::random();
        loop {
            // The sender is the hub's.
            let Ok(why) = closed.wait_for(|it| it.is_closed()).await.map(|it| *it) else { return };
            tokio::select! {
                () = tokio::time::sleep(why.within().mul_f64(share)) => return,
                _ = closed.changed() => {}
            }
        }
    }

    /// Waits until nothing may be said of what is known here.
    pub(crate) async fn blinded(&self) {
        let _ = self.closed().wait_for(|it| it.blind).await;
    }
}
