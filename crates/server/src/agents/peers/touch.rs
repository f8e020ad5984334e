//! Whether what this server knows may be of the past: it has not reached the
//! database for the time that a host has to renew its lease. Then it says
//! nothing more to hosts, which go to others, nor to other servers.
//!
//! When the database is away for all, nobody writes. So servers that hear each
//! other, none of which knows of a later write, go on for a while.

use std::time::{Duration, Instant};

use store::Store;
use tokio::time::MissedTickBehavior;

use crate::agents::hub::Hub;

/// Never ends by itself.
pub(crate) async fn run(store: Store, hub: Hub) {
    if hub.shared.among.is_none() {
        return std::future::pending().await;
    }
    let settings = hub.lease_settings();
    let limit = Duration::from_millis(settings.limit_ms);
    let longest = limit + Duration::from_secs(settings.grace_seconds);
    let mut tick = tokio::time::interval(limit.div_f64(4.0).min(Duration::from_secs(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Instant::now();
    loop {
        tick.tick().await;
        let asked = Instant::now();
        if matches!(tokio::time::timeout(limit, store.fresh()).await, Ok(Ok(_))) {
            seen = asked;
        }
        // A process that stood still finds out first whether it is well.
        let stood_still = asked.elapsed() > limit * 2;
        if !stood_still {
            let away = seen.elapsed();
            hub.blind(away > limit && (away > longest || !hub.all_agree()));
        }
    }
}

impl Hub {
    /// All other servers are heard, and none has heard of a later write.
    fn all_agree(&self) -> bool {
        let own = self.shared.among.as_ref().map(|it| it.id);
        let nodes = self.shared.nodes.borrow().clone();
        // One that has come since knows the database.
        if self.peers.readers().iter().any(|id| !nodes.contains_key(id)) {
            return false;
        }
        let others: Vec<_> = nodes.keys().filter(|id| Some(**id) != own).collect();
        let inner = self.shared.lock();
        let far = &inner.roster.far;
        let heard = others.iter().all(|id| far.hears(**id));
        !others.is_empty() && heard && far.newest() <= inner.roster.newest()
    }
}
