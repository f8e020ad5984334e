//! Takes in what other servers say of their hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use imbl::ordmap::DiffItem;
use model::node::Node;
use model::wire::peer::Line;
use model::world::World;
use rustls::ClientConfig;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::link::{Link, PeerError};
use crate::agents::far::DRIFT_MS;
use crate::agents::hub::{Hub, Shared};

/// Without a line for this long a server is not heard; it sends one each
/// second.
const SILENCE: Duration = Duration::from_secs(5);

/// Between attempts to reach a server: doubled from the first to the last, and
/// a random part less.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// A stream that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(5);

impl Shared {
    /// Takes notice of servers that have come, said that they are there, or
    /// gone.
    pub(in crate::agents) fn look_for_nodes(&self, world: &World) {
        let Some(among) = &self.among else { return };
        let before = self.nodes.borrow().clone();
        if before.ptr_eq(&world.nodes) {
            return;
        }
        let now_ms = self.now_ms();
        let mut inner = self.lock();
        for difference in before.diff(&world.nodes) {
            match difference {
                DiffItem::Add(id, _) | DiffItem::Update { new: (id, _), .. } => {
                    inner.leases.sign(*id, now_ms);
                }
                DiffItem::Remove(id, _) => inner.leases.forget(*id, now_ms),
            }
        }
        let others: BTreeSet<Uuid> =
            world.nodes.keys().copied().filter(|id| *id != among.id).collect();
        let hosts = inner.roster.far.expect(&others, now_ms);
        inner.roster.moved(hosts);
        drop(inner);
        self.nodes.send_replace(world.nodes.clone());
    }

    fn said(&self, node: Uuid, line: Line) {
        let now_ms = self.now_ms();
        let is_end = matches!(line, Line::At { .. });
        let mut inner = self.lock();
        inner.leases.sign(node, now_ms);
        let newest = inner.roster.newest();
        let hosts = inner.roster.far.take(node, line, newest, now_ms);
        inner.roster.moved(hosts);
        drop(inner);
        if is_end {
            self.tell();
        }
    }

    fn broke(&self, node: Uuid) {
        let now_ms = self.now_ms();
        self.lock().roster.far.broke(node, now_ms);
    }

    fn give_up(&self, node: Uuid) {
        let mut inner = self.lock();
        let hosts = inner.roster.far.give_up(node);
        inner.roster.moved(hosts);
        drop(inner);
        self.tell();
    }
}

impl Hub {
    /// Waits until every other server has said which hosts it has, or is given
    /// up.
    pub(crate) async fn introduced(&self) {
        let is_sure = || {
            let now_ms = self.shared.now_ms();
            !self.shared.lock().roster.far.is_unsure(now_ms)
        };
        self.until(is_sure).await;
    }
}

/// Reads the streams of all other servers there are. Never ends by itself.
pub(crate) async fn run(hub: Hub, tls: Arc<ClientConfig>) {
    let Some(own) = hub.shared.among.as_ref().map(|it| it.id) else {
        return std::future::pending().await;
    };
    let mut nodes = hub.shared.nodes.subscribe();
    let mut tasks = JoinSet::new();
    let mut reading: BTreeMap<Uuid, (Arc<Node>, AbortHandle)> = BTreeMap::new();
    loop {
        let there = nodes.borrow_and_update().clone();
        reading.retain(|id, (node, task)| {
            let kept = there.get(id).is_some_and(|it| it.address == node.address);
            if !kept {
                task.abort();
            }
            kept
        });
        for node in there.values().filter(|node| node.id != own) {
            reading.entry(node.id).or_insert_with(|| {
                let task = tasks.spawn(read(hub.clone(), node.clone(), tls.clone()));
                (node.clone(), task)
            });
        }
        // Only what was aborted ends.
        while tasks.try_join_next().is_some() {}
        if nodes.changed().await.is_err() {
            return;
        }
    }
}

async fn read(hub: Hub, node: Arc<Node>, tls: Arc<ClientConfig>) {
    let [first, last] = PAUSES;
    let mut pause = first;
    doubt(&hub, node.id);
    loop {
        let begun = Instant::now();
        let error = session(&hub, &node, tls.clone()).await;
        doubt(&hub, node.id);
        log(&node, &error);
        if begun.elapsed() > GOOD {
            pause = first;
        }
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
        pause = (pause * 2).min(last);
    }
}

fn log(node: &Node, error: &PeerError) {
    let (error, address) = (error as &dyn std::error::Error, &node.address);
    tracing::info!(error, node = %node.id, address, "another server is not heard");
}

/// If it is not heard for a while, its hosts are nowhere.
fn doubt(hub: &Hub, node: Uuid) {
    hub.shared.broke(node);
    let shared = Arc::downgrade(&hub.shared);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(DRIFT_MS)).await;
        if let Some(shared) = shared.upgrade() {
            shared.give_up(node);
        }
    });
}

async fn session(hub: &Hub, node: &Node, tls: Arc<ClientConfig>) -> PeerError {
    let link = match Link::open(node, tls).await {
        Ok(link) => link,
        Err(error) => return error,
    };
    let mut lines = match link.watch().await {
        Ok(lines) => lines,
        Err(error) => return error,
    };
    let _open = Open::new(hub, node.id, link);
    let mut heard = false;
    loop {
        match tokio::time::timeout(SILENCE, lines.next()).await {
            Ok(Ok(line)) => {
                if !heard && matches!(line, Line::At { .. }) {
                    heard = true;
                    tracing::info!(node = %node.id, address = node.address, "another server is heard");
                }
                hub.shared.said(node.id, line);
            }
            Ok(Err(error)) => return error,
            Err(_) => return PeerError::Late,
        }
    }
}

/// A link that questions may take, for as long as this is.
struct Open {
    hub: Hub,
    node: Uuid,
}

impl Open {
    fn new(hub: &Hub, node: Uuid, link: Link) -> Self {
        hub.peers.lock().links.insert(node, link);
        Self { hub: hub.clone(), node }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.hub.peers.lock().links.remove(&self.node);
    }
}
