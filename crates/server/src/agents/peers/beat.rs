//! Tells the store that this server is there: at its start and its end, and
//! now and then for as long as another server does not hear it, which must not
//! take it for dead.

use std::time::Duration;

use model::node::Wish;
use model::op::Op;
use store::Store;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Among;
use crate::agents::hub::Hub;

/// At most so long from one sign of life to the next.
const BEAT: Duration = Duration::from_secs(15);

/// What is written in the end may take this long.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server that has given no sign of life for this long does not come back.
const BURIED: Duration = Duration::from_secs(600);

/// Never ends by itself.
pub(crate) async fn run(store: Store, hub: Hub) {
    let Some(among) = hub.shared.among.clone() else { return std::future::pending().await };
    let grace = Duration::from_secs(hub.lease_settings().grace_seconds);
    let mut tick = tokio::time::interval((grace / 4).clamp(Duration::from_millis(500), BEAT));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_heard = true;
    loop {
        tick.tick().await;
        let world = store.world();
        let unheard = |id: &Uuid| *id != among.id && !hub.peers.is_read_by(*id);
        let is_heard = !world.nodes.keys().any(unheard);
        // One that has just started may be about to listen.
        if !world.nodes.contains_key(&among.id) || !(is_heard || was_heard) {
            write(&store, here(&among)).await;
        }
        was_heard = is_heard;
        if among.leads() {
            for id in hub.silent_nodes(BURIED) {
                tracing::info!(node = %id, "another server is no more");
                write(&store, Wish::Gone(id)).await;
            }
        }
    }
}

/// The others need not wait for this server.
pub(crate) async fn end(store: &Store, hub: &Hub) {
    let Some(among) = &hub.shared.among else { return };
    if tokio::time::timeout(FAREWELL, write(store, Wish::Gone(among.id))).await.is_err() {
        tracing::warn!("cannot say that this server is no more");
    }
}

fn here(among: &Among) -> Wish {
    Wish::Here { id: among.id, address: among.address.clone() }
}

async fn write(store: &Store, wish: Wish) {
    if let Err(error) = store.write(Op::Node(wish)).await {
        // The next tick tries again.
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "cannot write which servers there are");
    }
}

impl Hub {
    /// Servers without a sign of life for so long.
    fn silent_nodes(&self, limit: Duration) -> Vec<Uuid> {
        let now_ms = self.shared.now_ms();
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let nodes = self.shared.nodes.borrow().clone();
        let own = self.shared.among.as_ref().map(|it| it.id);
        let inner = self.shared.lock();
        let others = nodes.keys().copied().filter(|id| Some(*id) != own);
        others.filter(|id| inner.leases.is_silent(*id, limit_ms, now_ms)).collect()
    }
}
