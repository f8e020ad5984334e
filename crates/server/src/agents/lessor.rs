//! Declares leases lost that were not renewed.

use model::audit::Origin;
use model::lease::Loss;
use model::op::Op;
use store::Store;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;

use super::hub::Hub;
use super::leases::{Look, Silent};

/// Never ends by itself.
pub(crate) async fn run(store: Store, hub: Hub) {
    let mut tick = tokio::time::interval(hub.lease_settings().tick());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut braked = false;
    loop {
        tick.tick().await;
        // Silence while nobody may come here is no silence.
        if hub.is_blind() {
            continue;
        }
        let look = hub.look();
        match &look {
            Look::Lost(silent) if silent.is_empty() => {}
            Look::Lost(silent) => lose(&store, silent).await,
            Look::Braked(hosts) if !braked => tracing::warn!(
                hosts,
                "more than half of all hosts are silent at once; nothing is withdrawn"
            ),
            Look::Braked(_) => {}
        }
        braked = matches!(look, Look::Braked(_));
    }
}

async fn lose(store: &Store, silent: &[Silent]) {
    let now = OffsetDateTime::now_utc();
    let loss = |it: &Silent| {
        let since = now - std::time::Duration::from_millis(it.ms);
        Loss { host: it.host, epoch: it.epoch, since: since.unix_timestamp() }
    };
    let op = Op::LoseLeases(silent.iter().map(loss).collect());
    match store.write(op.from(Origin::kannas("leases were not renewed"))).await {
        Ok(commit) => {
            let revision = commit.revision;
            for Silent { host, epoch, ms } in silent {
                let name = commit.world.hosts.get(host).map(|it| it.name.as_str());
                tracing::warn!(%host, name, epoch, silent_ms = ms, revision, "a host is lost");
            }
        }
        // The next tick tries again.
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot declare hosts lost");
        }
    }
}
