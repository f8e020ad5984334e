//! The lease of this host, as its agent knows it: renewed for as long as a
//! watch lasts, and what came before a pause is acted on only if it still
//! holds after it.

use std::time::{Duration, Instant};

use model::ids::Revision;
use model::wire::agent::{Held, Renewal};
use tokio::sync::watch;

use crate::client::{ClientError, Link};

/// Renewals in the time after which the lease is lost: one or two may be late.
const RENEWALS: f64 = 10.0 / 3.0;

/// A renewal that is not answered for this many times the limit, and at least
/// so long, means that the connection is of no use: a new one gets through
/// sooner than TCP sends again.
const PATIENCE: u32 = 3;
const LEAST_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) epoch: Revision,
    limit: Duration,
    /// When the last renewal left that was answered.
    renewed: Instant,
}

pub(crate) struct Holder {
    /// None until the server has given one; an older server gives none.
    lease: watch::Sender<Option<Lease>>,
    certificate_due: watch::Sender<bool>,
}

impl Holder {
    pub(crate) fn new() -> Self {
        Self { lease: watch::channel(None).0, certificate_due: watch::channel(false).0 }
    }

    /// Waits until the server has said so, in its last answer.
    pub(crate) async fn certificate_is_due(&self) {
        // The sender is ours, so it is there.
        let _ = self.certificate_due.subscribe().wait_for(|is_due| *is_due).await;
    }

    pub(crate) fn epoch(&self) -> Option<Revision> {
        self.lease.borrow().map(|lease| lease.epoch)
    }

    pub(crate) fn take(&self, epoch: Revision, limit_ms: u64) {
        let limit = Duration::from_millis(limit_ms);
        self.lease.send_replace(Some(Lease { epoch, limit, renewed: Instant::now() }));
    }

    /// Waits until the lease is known to hold. It is not after the process, or
    /// the machine, has stood still: others may have been told meanwhile that
    /// this host is lost.
    pub(crate) async fn holds(&self) {
        let mut leases = self.lease.subscribe();
        let holds = |lease: &Option<Lease>| {
            lease.is_none_or(|lease| lease.renewed.elapsed() <= lease.limit)
        };
        // The sender is ours, so it is there.
        let _ = leases.wait_for(holds).await;
    }

    /// Renews it until that fails.
    pub(crate) async fn renew(&self, link: &Link) -> ClientError {
        let mut leases = self.lease.subscribe();
        let Ok(lease) = leases.wait_for(Option::is_some).await.map(|lease| *lease) else {
            return ClientError::Ended;
        };
        let Some(Lease { epoch, limit, .. }) = lease else { return ClientError::Ended };
        let mut tick = tokio::time::interval(limit.div_f64(RENEWALS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let patience = (limit * PATIENCE).max(LEAST_PATIENCE);
        loop {
            tick.tick().await;
            let renewed = Instant::now();
            match tokio::time::timeout(patience, link.post("renew", &Renewal { epoch })).await {
                Err(_) => return ClientError::Late,
                Ok(Err(error)) => return error,
                Ok(Ok(answer)) => {
                    self.lease.send_replace(Some(Lease { epoch, limit, renewed }));
                    // Most say nothing.
                    let held: Held = serde_json::from_slice(&answer).unwrap_or_default();
                    self.certificate_due.send_replace(held.certificate_due);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_after_a_pause_waits_until_the_lease_was_renewed() {
        let holder = Holder::new();
        holder.holds().await;
        holder.take(7, 60_000);
        holder.holds().await;
        holder.take(7, 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let waited = tokio::time::timeout(Duration::from_millis(20), holder.holds()).await;
        assert!(waited.is_err(), "it may be lost");
        let again = async { holder.take(7, 60_000) };
        tokio::join!(holder.holds(), again);
    }
}
