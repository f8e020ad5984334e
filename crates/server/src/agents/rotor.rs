//! Has keys rotate: takes the steps of [`model::seal::next`] as they are due.

use std::time::{Duration, Instant};

use model::audit::Origin;
use model::op::Op;
use model::seal::{Rotation, next};
use store::Store;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use super::hub::Hub;

/// How often it is looked whether a step is due.
const LOOK: Duration = Duration::from_millis(250);

/// For how long every host has to be ready before packets go by the newer keys:
/// meanwhile tunnels shake hands, which they begin within a quarter of a second.
const SHAKE: Duration = Duration::from_secs(2);

/// Uses keys for `life`. Never ends by itself.
pub(crate) async fn run(store: Store, hub: Hub, life: Duration) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    // Since when packets could go by the newer keys.
    let mut ready: Option<Instant> = None;
    let leads = store.leads();
    loop {
        tick.tick().await;
        if !*leads.borrow() {
            ready = None;
            continue;
        }
        let world = store.world();
        let Some(rotation) = world.seals.rotation() else { continue };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let Some(to) = next(&world, &hub.presence(), life, now) else {
            ready = None;
            continue;
        };
        let since = *ready.get_or_insert_with(Instant::now);
        if to.used == rotation.used || since.elapsed() >= SHAKE {
            ready = None;
            step(&store, to).await;
        }
    }
}

async fn step(store: &Store, to: Rotation) {
    let op = Op::Seals(model::seal::Wish::Rotate(to));
    match store.write(op.from(Origin::kannas("keys are due"))).await {
        Ok(commit) => {
            let Rotation { made, used, kept, .. } = to;
            let revision = commit.revision;
            tracing::info!(made, used, kept, revision, "keys go on to the next step");
        }
        // The next tick tries again.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot rotate keys");
        }
    }
}
