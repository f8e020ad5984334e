//! Which leases are renewed and which are lost: bookkeeping without I/O or
//! clock. Times are milliseconds of one monotonic clock.
//!
//! A host whose agent has left, as its kernel said by closing the connection,
//! is alive and carries packets; it gets more time than one that is silent.
//!
//! Among several servers each watches over the leases that were taken at it.
//! Those of a server of which nothing is heard are the leader's to watch, and
//! have that longer time from the last sign of the server on.

use std::collections::BTreeMap;
use std::time::Duration;

use model::ids::Revision;
use model::lease::Lease;
use uuid::Uuid;

/// How long hosts may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct LeaseArgs {
    /// Milliseconds after which a host that is not heard of is lost, and what
    /// is sent to it is withdrawn; agents renew three times as often
    #[arg(
        id = "lease_ms",
        long = "lease-ms",
        env = "KANNAS_LEASE_MS",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(100..=600_000)
    )]
    pub limit_ms: u64,

    /// Seconds that a host may be without an agent, as while that is upgraded,
    /// and that hosts have to come back after a start of the server
    #[arg(
        id = "host_grace",
        long = "host-grace",
        env = "KANNAS_HOST_GRACE",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(0..=86_400)
    )]
    pub grace_seconds: u64,
}

impl Default for LeaseArgs {
    fn default() -> Self {
        Self { limit_ms: 1000, grace_seconds: 60 }
    }
}

impl LeaseArgs {
    /// How often to look for lost leases: a part of the limit, so that little
    /// is added to it.
    pub(crate) fn tick(self) -> Duration {
        Duration::from_millis((self.limit_ms / 20).clamp(10, 1000))
    }
}

#[derive(Debug)]
pub(crate) struct Leases {
    settings: LeaseArgs,
    /// This server's name among several.
    own: Option<Uuid>,
    held: BTreeMap<Uuid, Held>,
    /// When other servers were heard of last.
    signs: BTreeMap<Uuid, u64>,
    /// Since when this server leads.
    leads_ms: Option<u64>,
    looked_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    epoch: Revision,
    heard_ms: u64,
    /// That renews it; None while the host has no agent.
    session: Option<u64>,
    /// The server that it was taken at.
    node: Option<Uuid>,
}

/// A lease that was not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) host: Uuid,
    pub(crate) epoch: Revision,
    pub(crate) ms: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// These are lost; often none.
    Lost(Vec<Silent>),
    /// More than half of all hosts are late at once: it is us who do not hear,
    /// rather than they who are dead. So many would be lost.
    Braked(usize),
}

impl Leases {
    pub(crate) fn new(settings: LeaseArgs, own: Option<Uuid>) -> Self {
        let (held, signs) = (BTreeMap::new(), BTreeMap::new());
        Self { settings, own, held, signs, leads_ms: None, looked_ms: None }
    }

    pub(crate) fn own(&self) -> Option<Uuid> {
        self.own
    }

    pub(crate) fn settings(&self) -> LeaseArgs {
        self.settings
    }

    /// A lease is remembered to be so. One whose host is not here may have its
    /// host come back.
    pub(crate) fn put(&mut self, lease: &Lease, now_ms: u64) {
        let held = self.held.get(&lease.host).map_or(0, |held| held.epoch);
        if lease.lost.is_some() && held <= lease.epoch {
            self.held.remove(&lease.host);
        } else if held < lease.epoch {
            let (epoch, node) = (lease.epoch, lease.node);
            let held = Held { epoch, heard_ms: now_ms, session: None, node };
            self.held.insert(lease.host, held);
        }
    }

    /// Another server gives a sign of life.
    pub(crate) fn sign(&mut self, node: Uuid, now_ms: u64) {
        self.signs.insert(node, now_ms);
    }

    /// Another server is no more: its hosts' time runs from now on.
    pub(crate) fn forget(&mut self, node: Uuid, now_ms: u64) {
        self.signs.remove(&node);
        let held = self.held.values_mut().filter(|held| held.node == Some(node));
        held.for_each(|held| held.heard_ms = now_ms);
    }

    pub(crate) fn remove(&mut self, host: Uuid) {
        self.held.remove(&host);
    }

    /// Those that are not in `hosts` are gone.
    pub(crate) fn retain(&mut self, mut is_held: impl FnMut(Uuid) -> bool) {
        self.held.retain(|host, _| is_held(*host));
    }

    /// The host's agent is here, in a session under that epoch.
    pub(crate) fn begin(&mut self, host: Uuid, epoch: Revision, session: u64, now_ms: u64) {
        let held = Held { epoch, heard_ms: now_ms, session: Some(session), node: self.own };
        self.held.insert(host, held);
    }

    /// False for a lease that is not held.
    pub(crate) fn renew(&mut self, host: Uuid, epoch: Revision, now_ms: u64) -> bool {
        let held = self.held.get_mut(&host).filter(|held| held.epoch == epoch);
        held.map(|held| held.heard_ms = now_ms).is_some()
    }

    /// The session is over. Of a host that was silent by then nobody knows
    /// that it is alive.
    pub(crate) fn left(&mut self, host: Uuid, session: u64, now_ms: u64) {
        let limit = self.settings.limit_ms;
        let held = self.held.get_mut(&host).filter(|held| held.session == Some(session));
        if let Some(held) = held.filter(|held| now_ms.saturating_sub(held.heard_ms) <= limit) {
            (held.session, held.heard_ms) = (None, now_ms);
        }
    }

    /// True for leases of that server that are this one's to watch over.
    pub(crate) fn watches(&self, node: Option<Uuid>, now_ms: u64) -> bool {
        let is_silent = |node| self.is_silent(node, self.settings.limit_ms, now_ms);
        node == self.own || (self.leads_ms.is_some() && node.is_none_or(is_silent))
    }

    /// Another server has given no sign of life for so long.
    pub(crate) fn is_silent(&self, node: Uuid, limit_ms: u64, now_ms: u64) -> bool {
        let sign = self.signs.get(&node).copied();
        sign.is_none_or(|sign| now_ms.saturating_sub(sign) > limit_ms)
    }

    /// Whether this server is the one of several that leads.
    pub(crate) fn lead(&mut self, leads: bool, now_ms: u64) {
        self.leads_ms = leads.then(|| self.leads_ms.unwrap_or(now_ms));
    }

    /// Which leases are lost now, of `all` that are this server's to watch
    /// over, lost ones included.
    pub(crate) fn look(&mut self, all: usize, now_ms: u64) -> Look {
        self.forgive(now_ms);
        let (limit, grace) = (self.settings.limit_ms, self.settings.grace_seconds * 1000);
        let (mut late, mut lost) = (0, Vec::new());
        for (host, held) in &self.held {
            let Some(heard_ms) = self.heard(held) else { continue };
            let ms = now_ms.saturating_sub(heard_ms);
            let is_lost = ms > if held.session.is_some() { limit } else { grace };
            // Those whose time is not over yet, but who should have been heard
            // of: when nobody can reach us the first is lost a while before
            // the last.
            if is_lost || (held.session.is_some() && ms > limit / 2) {
                late += 1;
            }
            if is_lost {
                lost.push(Silent { host: *host, epoch: held.epoch, ms });
            }
        }
        if lost.is_empty() || late * 2 <= all { Look::Lost(lost) } else { Look::Braked(lost.len()) }
    }

    /// None of a lease that another server watches over. Who leads has known
    /// of the others' for no longer than that.
    fn heard(&self, held: &Held) -> Option<u64> {
        if held.node == self.own {
            return Some(held.heard_ms);
        }
        let sign = held.node.and_then(|node| self.signs.get(&node).copied());
        Some(held.heard_ms.max(self.leads_ms?).max(sign.unwrap_or_default()))
    }

    /// While we did not run, nobody could be heard.
    fn forgive(&mut self, now_ms: u64) {
        let last = self.looked_ms.replace(now_ms).unwrap_or(now_ms);
        let gap = now_ms.saturating_sub(last);
        if gap > self.settings.limit_ms / 2 {
            for held in self.held.values_mut() {
                held.heard_ms = held.heard_ms.saturating_add(gap).min(now_ms);
            }
            for sign in self.signs.values_mut() {
                *sign = sign.saturating_add(gap).min(now_ms);
            }
        }
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
