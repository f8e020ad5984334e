//! Hosts that are connected to other servers, as those say: bookkeeping
//! without I/O or clock.
//!
//! A server says of a host what is so when all writes up to some revision were
//! heard of. A later write that we hear of and that may concern the host is
//! held against it until that server says more. So it does not matter which of
//! us hears of a write first. Times are milliseconds of one monotonic clock.

use std::collections::{BTreeMap, BTreeSet};

use model::ids::Revision;
use model::state::HostError;
use model::way::Ways;
use model::wire::agent::Repairs;
use model::wire::peer::{Line, Told};
use uuid::Uuid;

use super::session::Unseen;

/// For how long what a server said is believed after its stream broke, and a
/// server that is new is waited for: it is there again at once, or its hosts
/// are elsewhere.
pub(crate) const DRIFT_MS: u64 = 1000;

#[derive(Debug, Default)]
pub(crate) struct Far(BTreeMap<Uuid, Node>);

#[derive(Debug)]
struct Node {
    at: Revision,
    /// Nothing is heard of it since then; None while it is heard.
    unheard_ms: Option<u64>,
    hosts: BTreeMap<Uuid, Session>,
    /// Those that something is held against.
    marked: BTreeSet<Uuid>,
    /// Those that it has not said again since its snapshot began.
    unsaid: Option<BTreeSet<Uuid>>,
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) epoch: Option<Revision>,
    pub(crate) live: bool,
    pub(crate) errors: Vec<HostError>,
    pub(crate) repairs: Repairs,
    pub(crate) ways: Ways,
    at: Revision,
    floor: Option<Revision>,
    since_ms: u64,
    unseen: Option<Unseen>,
}

impl Session {
    /// As that of a session here.
    pub(crate) fn floor(&self) -> Option<Revision> {
        self.floor.or(self.unseen.map(|it| it.first))
    }

    pub(crate) fn waiting_since(&self) -> Option<u64> {
        self.floor.map(|_| self.since_ms).or(self.unseen.map(|it| it.since_ms))
    }

    fn take(&mut self, told: Told, now_ms: u64) {
        self.at = told.at;
        self.unseen = self.unseen.and_then(|it| it.after(told.at));
        (self.epoch, self.live, self.floor) = (told.epoch, told.live, told.floor);
        self.since_ms = now_ms.saturating_sub(told.waiting_ms);
        (self.errors, self.repairs) = (told.errors, told.repairs);
        if told.anew {
            self.ways.clear();
        }
        for way in told.gone {
            self.ways.remove(&way);
        }
        self.ways.extend(told.ways);
    }
}

impl Far {
    /// These servers there are beside us. The hosts of one that is no more are
    /// not connected to it.
    pub(crate) fn expect(&mut self, nodes: &BTreeSet<Uuid>, now_ms: u64) -> BTreeSet<Uuid> {
        let gone: Vec<Uuid> = self.0.keys().filter(|id| !nodes.contains(id)).copied().collect();
        let gone = gone.iter().filter_map(|id| self.0.remove(id));
        let hosts = gone.flat_map(|node| node.hosts.into_keys()).collect();
        for id in nodes {
            self.0.entry(*id).or_insert_with(|| Node::unheard(now_ms));
        }
        hosts
    }

    /// The server says so; `newest` is the newest write that we have heard of.
    /// Hosts that may stand otherwise by it.
    pub(crate) fn take(
        &mut self,
        id: Uuid,
        line: Line,
        newest: Revision,
        now_ms: u64,
    ) -> BTreeSet<Uuid> {
        // One that we have not heard of says what it says in vain.
        let Some(node) = self.0.get_mut(&id) else { return BTreeSet::new() };
        match line {
            Line::Snapshot => {
                node.unsaid = Some(node.hosts.keys().copied().collect());
                BTreeSet::new()
            }
            Line::Host(told) => [node.host(*told, newest, now_ms)].into(),
            Line::Gone { host } => {
                node.marked.remove(&host);
                node.hosts.remove(&host).map(|_| host).into_iter().collect()
            }
            Line::At { revision } => node.at(revision),
        }
    }

    /// Its stream broke.
    pub(crate) fn broke(&mut self, id: Uuid, now_ms: u64) {
        if let Some(node) = self.0.get_mut(&id) {
            node.unheard_ms = node.unheard_ms.or(Some(now_ms));
            node.unsaid = None;
        }
    }

    /// What it said is not believed any more if it is not heard yet. Its hosts,
    /// which are nowhere now.
    pub(crate) fn give_up(&mut self, id: Uuid) -> BTreeSet<Uuid> {
        let node = self.0.get_mut(&id).filter(|node| node.unheard_ms.is_some());
        let Some(node) = node else { return BTreeSet::new() };
        node.marked.clear();
        std::mem::take(&mut node.hosts).into_keys().collect()
    }

    /// True while a server may have hosts that we do not know of.
    pub(crate) fn is_unsure(&self, now_ms: u64) -> bool {
        let new = |since| now_ms.saturating_sub(since) < DRIFT_MS;
        self.0.values().any(|node| node.unheard_ms.is_some_and(new))
    }

    /// True when its stream is read and was understood.
    pub(crate) fn hears(&self, id: Uuid) -> bool {
        self.0.get(&id).is_some_and(|node| node.unheard_ms.is_none())
    }

    /// The newest write that a server which is heard has heard of.
    pub(crate) fn newest(&self) -> Revision {
        let heard = self.0.values().filter(|node| node.unheard_ms.is_none());
        heard.map(|node| node.at).max().unwrap_or_default()
    }

    /// Writes were committed; the hosts against which they are held.
    pub(crate) fn committed(
        &mut self,
        fresh: Unseen,
        concerned: &BTreeSet<Uuid>,
    ) -> BTreeSet<Uuid> {
        let mut marked = BTreeSet::new();
        let behind = |node: &&mut Node| node.at < fresh.last && !node.hosts.is_empty();
        for node in self.0.values_mut().filter(behind) {
            marked.extend(concerned.iter().filter(|host| node.mark(**host, fresh)));
        }
        marked
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = Uuid> {
        self.0.values().flat_map(|node| node.hosts.keys().copied())
    }

    /// Where the host is by what is said under its newest lease.
    pub(crate) fn find(&self, host: Uuid) -> Option<(Uuid, &Session)> {
        let said = self.0.iter().filter_map(|(id, node)| Some((*id, node, node.hosts.get(&host)?)));
        let best = said.max_by_key(|(_, node, it)| (it.epoch, node.unheard_ms.is_none()));
        best.map(|(id, _, session)| (id, session))
    }
}

impl Node {
    fn unheard(now_ms: u64) -> Self {
        let (hosts, marked) = (BTreeMap::new(), BTreeSet::new());
        Self { at: 0, unheard_ms: Some(now_ms), hosts, marked, unsaid: None }
    }

    fn host(&mut self, told: Told, newest: Revision, now_ms: u64) -> Uuid {
        let (host, at) = (told.host, told.at);
        // Writes that we have heard of before we knew of the host may concern it.
        let since = |()| Unseen { first: at + 1, last: newest, since_ms: now_ms };
        let fresh =
            || Session { unseen: (at < newest).then_some(()).map(since), ..Session::default() };
        let session = self.hosts.entry(host).or_insert_with(fresh);
        session.take(told, now_ms);
        let marked = session.unseen.is_some();
        if marked {
            self.marked.insert(host);
        } else {
            self.marked.remove(&host);
        }
        if let Some(unsaid) = &mut self.unsaid {
            unsaid.remove(&host);
        }
        host
    }

    fn at(&mut self, revision: Revision) -> BTreeSet<Uuid> {
        self.at = revision;
        self.unheard_ms = None;
        let mut changed = self.unsaid.take().unwrap_or_default();
        for host in &changed {
            self.hosts.remove(host);
            self.marked.remove(host);
        }
        self.marked.retain(|host| {
            let Some(session) = self.hosts.get_mut(host) else { return false };
            session.unseen = session.unseen.and_then(|it| it.after(revision));
            changed.insert(*host);
            session.unseen.is_some()
        });
        changed
    }

    fn mark(&mut self, host: Uuid, fresh: Unseen) -> bool {
        let heard = self.at;
        let Some(session) = self.hosts.get_mut(&host) else { return false };
        let Some(fresh) = fresh.after(session.at.max(heard)) else { return false };
        session.unseen = Some(Unseen { last: fresh.last, ..session.unseen.unwrap_or(fresh) });
        self.marked.insert(host)
    }
}

#[cfg(test)]
#[path = "far_tests.rs"]
mod tests;
