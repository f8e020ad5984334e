//! Webhooks: each account's, and the operator's own, is told of every state of
//! a peering that it was not told of, at least once, in order for each
//! peering, for as long as it takes.
//!
//! There is no queue: what is due is the difference between what is and what
//! was told (`model::webhook`), looked for again whenever anything may have
//! changed. A webhook that is slow or away holds up nobody but itself.

mod operator;
mod post;
mod reach;
mod sink;
mod trust;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::consent::Patience;
use model::objects::Webhook;
use model::webhook::OPERATOR;
use store::Store;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::agents::Hub;
use crate::stopped;
pub use operator::WebhookError;
pub(crate) use operator::webhook as operators;
pub(crate) use post::Poster;
pub(crate) use reach::Reach;
pub(crate) use trust::connector;

/// What the webhooks' tasks work with.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) request_days: u32,
    pub(crate) operators: Option<Arc<Webhook>>,
    /// Where accounts' webhooks may be.
    pub(crate) reach: Reach,
    pub(crate) tls: TlsConnector,
}

impl Events {
    fn patience(&self) -> Patience {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Patience { now, days: self.request_days }
    }

    /// Until `stop` says so.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut groups = self.store.groups();
        let mut leads = self.store.leads();
        let mut tasks = JoinSet::new();
        let mut running = BTreeMap::new();
        loop {
            if *leads.borrow_and_update() {
                self.keep_running(&mut tasks, &mut running);
            } else {
                // Another server tells.
                tasks.abort_all();
                running.clear();
            }
            tokio::select! {
                Ok(()) = leads.changed() => {}
                () = stopped(&mut stop) => break,
                told = groups.recv() => if matches!(told, Err(RecvError::Closed)) { break },
            }
        }
        tasks.shutdown().await;
    }

    /// One task for each webhook as it is.
    fn keep_running(
        &self,
        tasks: &mut JoinSet<()>,
        running: &mut BTreeMap<String, (Arc<Webhook>, tokio::task::AbortHandle)>,
    ) {
        let world = self.store.world();
        running.retain(|account, (it, task)| {
            let wanted = match account.as_str() {
                OPERATOR => self.operators.as_ref(),
                account => world.webhooks.get(account),
            };
            let kept = wanted.is_some_and(|wanted| wanted == it);
            if !kept {
                task.abort();
            }
            kept
        });
        for it in world.webhooks.values().chain(&self.operators) {
            running.entry(it.account.clone()).or_insert_with(|| {
                let reach =
                    if it.account == OPERATOR { Reach::Anywhere } else { self.reach.clone() };
                let poster = Poster::new(it.clone(), reach, self.tls.clone());
                (it.clone(), tasks.spawn(sink::run(self.clone(), poster)))
            });
        }
        // Only what was aborted ends.
        while tasks.try_join_next().is_some() {}
    }
}
