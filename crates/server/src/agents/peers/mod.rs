//! Several servers on one memory. Each tells the others of the hosts that are
//! connected to it, and asks them of those that are connected there.

mod beat;
mod door;
mod hear;
mod link;
mod stream;
mod touch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::explain::{Found, Look};
use model::flow::{Counted, Exchange};
use model::ids::Vni;
use model::wire::peer::{Ask, Counts, OfHost, Pair, Tally};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::hub::Hub;
pub(crate) use beat::{end, run as beat};
pub(crate) use door::router;
pub(crate) use hear::run as hear;
use link::Link;
pub(crate) use link::client;
pub(crate) use touch::run as touch;

/// What others have counted is not waited for longer.
const COUNTS: Duration = Duration::from_secs(1);

/// One server of several.
#[derive(Clone)]
pub struct Among {
    /// New with each start.
    pub id: Uuid,
    /// Where others reach its port for agents: host and port.
    pub address: String,
    /// Whether it is the one that does what is to be done once.
    pub leads: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Among {
    pub(crate) fn leads(&self) -> bool {
        (self.leads)()
    }
}

/// The other servers, as far as there are connections with them.
#[derive(Default)]
pub(crate) struct Peers(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    links: BTreeMap<Uuid, Link>,
    /// Those that read our stream, and how many streams.
    readers: BTreeMap<Uuid, usize>,
}

impl Peers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self, node: Uuid) -> Option<Link> {
        self.lock().links.get(&node).cloned()
    }

    /// True when it is told of our hosts.
    fn is_read_by(&self, node: Uuid) -> bool {
        self.lock().readers.contains_key(&node)
    }

    /// Those that are told of our hosts.
    fn readers(&self) -> Vec<Uuid> {
        self.lock().readers.keys().copied().collect()
    }

    /// None of one that is not there, or does not answer within `limit`.
    async fn post<T: DeserializeOwned>(
        &self,
        node: Uuid,
        what: &str,
        it: &impl Serialize,
        limit: Duration,
    ) -> Option<T> {
        let link = self.link(node)?;
        match tokio::time::timeout(limit, link.post(what, it)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, %node, what, "another server does not answer");
                None
            }
            Err(_) => None,
        }
    }

    /// What all others that are there answer within `limit`.
    async fn post_all<T: DeserializeOwned + Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        it: impl Serialize + Clone + Send + Sync + 'static,
        limit: Duration,
    ) -> Vec<T> {
        let nodes: Vec<Uuid> = self.lock().links.keys().copied().collect();
        let mut asked = JoinSet::new();
        for node in nodes {
            let (peers, it) = (self.clone(), it.clone());
            asked.spawn(async move { peers.post(node, what, &it, limit).await });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }
}

impl Hub {
    /// None when the host does not answer within `limit`, wherever it is.
    pub(crate) async fn ask(&self, host: Uuid, look: Look, limit: Duration) -> Option<Found> {
        let elsewhere = self.shared.lock().roster.node_of(host);
        let Some(node) = elsewhere else { return self.asks.ask(host, look, limit).await };
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.peers.post(node, "ask", &Ask { host, look, limit_ms }, limit).await?
    }

    /// A host tells what it has counted, `at` seconds since 1970.
    pub(crate) fn counted(&self, host: Uuid, counted: Counted, at: i64) {
        let mut inner = self.shared.lock();
        let world = inner.newest();
        inner.tally.take(&world, host, counted, at);
    }

    fn counts(&self, local: Vni, peer: Vni) -> Counts {
        self.shared.lock().tally.between(local, peer)
    }

    fn tally_here(&self, host: Uuid) -> Option<Tally> {
        let inner = self.shared.lock();
        inner.tally.of(host).map(|it| Tally { verdicts: it.verdicts.clone(), at: it.at })
    }

    /// Packets between two networks, and when a host last told of any. Of a
    /// server that does not answer what its hosts have counted is missing.
    pub(crate) async fn exchange(&self, local: Vni, peer: Vni) -> (Exchange, Option<i64>) {
        let mut all: Vec<Counts> =
            self.peers.post_all("exchange", Pair { local, peer }, COUNTS).await;
        all.push(self.counts(local, peer));
        let at = all.iter().filter_map(|it| it.at).max();
        // A host that has moved is remembered where it was, too.
        let mut newest = BTreeMap::new();
        for it in all.into_iter().flat_map(|it| it.hosts) {
            let known = newest.entry(it.host).or_insert_with(|| it.clone());
            if known.at < it.at {
                *known = it;
            }
        }
        let mut exchange = Exchange::default();
        newest.into_values().for_each(|it| exchange.join(it.exchange));
        (exchange, at)
    }

    /// What a host has counted in all, and when it said so.
    pub(crate) async fn tally(&self, host: Uuid) -> Option<(BTreeMap<String, u64>, i64)> {
        let mut all: Vec<Option<Tally>> =
            self.peers.post_all("tally", OfHost { host }, COUNTS).await;
        all.push(self.tally_here(host));
        let newest = all.into_iter().flatten().max_by_key(|it| it.at)?;
        Some((newest.verdicts, newest.at))
    }
}
