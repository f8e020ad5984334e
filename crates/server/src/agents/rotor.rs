//! Has keys rotate: takes the steps of [`model::seal::next`] as they are due.

use std::time::Duration;

use model::op::Op;
use model::seal::{Rotation, next};
use store::Store;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use super::hub::Hub;

/// How often it is looked whether a step is due.
const LOOK: Duration = Duration::from_millis(250);

/// Uses keys for `life`. Never ends by itself.
pub(crate) async fn run(store: Store, hub: Hub, life: Duration) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    loop {
        tick.tick().await;
        let world = store.world();
        if world.seals.rotation().is_none() {
            continue;
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if let Some(to) = next(&world, &hub.presence(), life, now) {
            step(&store, to).await;
        }
    }
}

async fn step(store: &Store, to: Rotation) {
    match store.write(Op::Seals(model::seal::Wish::Rotate(to))).await {
        Ok(commit) => {
            let Rotation { made, used, kept, .. } = to;
            let revision = commit.world.revision();
            tracing::info!(made, used, kept, revision, "keys go on to the next step");
        }
        // The next tick tries again.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot rotate keys");
        }
    }
}
