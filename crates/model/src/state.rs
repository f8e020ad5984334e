//! The state of a peering: ten names, one pure function.

use std::collections::BTreeSet;

use imbl::OrdMap;
use serde::Serialize;
use uuid::Uuid;

use crate::admission::{Ends, Pair, admitted, clash};
use crate::consent::{Patience, Request};
use crate::health;
use crate::ids::Revision;
use crate::objects::{Configured, Network, Peering};
use crate::reasons::{Reason, Trouble, TroubleKind, reasons};
use crate::way::Ways;
use crate::wire::agent::Repairs;
use crate::world::World;

/// Contract section 4.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Disabled,
    DeletedPeerNetwork,
    MissingLocalRouter,
    PendingPeer,
    PeerDisabled,
    MissingPeerRouter,
    ConflictSubnet,
    Error,
    Provisioning,
    Active,
}

impl State {
    /// As the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::DeletedPeerNetwork => "deleted-peer-network",
            Self::MissingLocalRouter => "missing-local-router",
            Self::PendingPeer => "pending-peer",
            Self::PeerDisabled => "peer-disabled",
            Self::MissingPeerRouter => "missing-peer-router",
            Self::ConflictSubnet => "conflict-subnet",
            Self::Error => "error",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
        }
    }
}

/// What is known of a peering. The order of the fields is that of the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub configured: Configured,
    pub peer_network_exists: bool,
    pub local_router: bool,
    pub mirror: Option<Configured>,
    /// How the half stands for as long as it has no mirror.
    pub request: Request,
    pub peer_router: bool,
    pub subnets_overlap: bool,
    pub hosts: Hosts,
}

/// What the hosts that carry ports of either network say, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// All that are connected have applied it, and probes cross between them;
    /// or none is connected.
    Applied,
    Pending,
    Failed,
}

/// The one place that decides a peering's state. First match wins.
pub fn peering_state(f: &Facts) -> State {
    match f {
        Facts { configured: Configured::Disabled, .. } => State::Disabled,
        Facts { peer_network_exists: false, .. } => State::DeletedPeerNetwork,
        Facts { local_router: false, .. } => State::MissingLocalRouter,
        Facts { mirror: None, .. } => State::PendingPeer,
        Facts { mirror: Some(Configured::Disabled), .. } => State::PeerDisabled,
        Facts { peer_router: false, .. } => State::MissingPeerRouter,
        Facts { subnets_overlap: true, .. } => State::ConflictSubnet,
        Facts { hosts: Hosts::Failed, .. } => State::Error,
        Facts { hosts: Hosts::Pending, .. } => State::Provisioning,
        Facts { hosts: Hosts::Applied, .. } => State::Active,
    }
}

/// What connected hosts say; a host that is away has no entry. A copy costs
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    pub hosts: OrdMap<Uuid, Standing>,
    /// The newest revision that who heard the hosts has heard of.
    pub heard: Revision,
    /// On the clock of [`Standing::asked_ms`].
    pub now_ms: u64,
}

impl Default for Presence {
    fn default() -> Self {
        Self { hosts: OrdMap::new(), heard: Revision::MAX, now_ms: 0 }
    }
}

impl FromIterator<(Uuid, Standing)> for Presence {
    fn from_iter<T: IntoIterator<Item = (Uuid, Standing)>>(hosts: T) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..Self::default() }
    }
}

impl Presence {
    pub fn get(&self, host: &Uuid) -> Option<&Standing> {
        self.hosts.get(host)
    }

    /// Up to which revision the host carries everything.
    pub fn applied(&self, host: &Uuid) -> Option<Revision> {
        self.get(host).map(|it| it.applied.unwrap_or(self.heard))
    }

    /// For how long something newer has been under way to it, in milliseconds.
    pub fn waiting_ms(&self, host: &Uuid) -> u64 {
        let asked = self.get(host).and_then(|it| it.asked_ms);
        asked.map_or(0, |asked| self.now_ms.saturating_sub(asked))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The host carries everything up to this revision; None: all that was
    /// heard of.
    pub applied: Option<Revision>,
    /// Since when something newer has been under way to it.
    pub asked_ms: Option<u64>,
    pub errors: Vec<HostError>,
    pub repairs: Repairs,
    /// What it has measured by probes.
    pub ways: Ways,
}

/// Something a host could not do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct HostError {
    /// The network whose port or route it was; None concerns the whole host.
    pub network: Option<Uuid>,
    pub message: String,
    /// Packets reach a network that they must not reach.
    pub breach: bool,
}

/// After this long without an answer a connected host has failed.
pub const APPLY_LIMIT_MS: u64 = 10_000;

/// The state of `peering` and the reasons for it: none when it is what its
/// owner configured, but for what is to be told of one that is active.
pub fn judge(
    world: &World,
    presence: &Presence,
    patience: Patience,
    peering: &Peering,
) -> (State, Vec<Reason>) {
    let ends = Ends::of(world, peering);
    judge_between(world, presence, patience, (peering, ends))
}

/// As [`judge`], for who has looked up the ends.
pub(crate) fn judge_between(
    world: &World,
    presence: &Presence,
    patience: Patience,
    (peering, ends): (&Peering, Ends<'_>),
) -> (State, Vec<Reason>) {
    let pair = ends.pair(peering);
    let clash = pair.filter(|_| !admitted(world, peering)).and_then(|p| clash(world, p));
    let (hosts, trouble) = match pair {
        Some(pair) if clash.is_none() => hosts_of(world, presence, pair, patience.now),
        Some(_) | None => (Hosts::Applied, Vec::new()),
    };
    let routed = |end: Option<&Network>| end.is_some_and(|n| n.router.is_some());
    let facts = Facts {
        configured: peering.configured,
        peer_network_exists: ends.peer.is_some(),
        local_router: routed(ends.local),
        mirror: ends.mirror.map(|q| q.configured),
        request: patience.request(peering),
        peer_router: routed(ends.peer),
        subnets_overlap: clash.is_some(),
        hosts,
    };
    (peering_state(&facts), reasons(world, peering, &facts, clash.as_ref(), &trouble))
}

fn hosts_of(world: &World, presence: &Presence, pair: Pair<'_>, now: i64) -> (Hosts, Vec<Trouble>) {
    if presence.hosts.is_empty() && world.leases.is_empty() {
        return (Hosts::Applied, Vec::new());
    }
    let networks = [pair.local.uuid, pair.peer.uuid];
    let carriers: BTreeSet<Uuid> = networks.iter().flat_map(|n| world.hosts_of(*n)).collect();
    let leases = || carriers.iter().filter_map(|host| world.leases.get(host));
    // Routes to a host that is back are made anew, on all of them.
    let since = leases().map(|lease| lease.since).fold(pair.since(), Revision::max);
    let lost = leases()
        .filter_map(|it| Some(Trouble { host: it.host, kind: TroubleKind::Lost(it.lost?) }));
    let mut failed: Vec<Trouble> = lost.collect();
    let mut pending = Vec::new();
    for host in carriers.iter().copied() {
        let Some(standing) = presence.get(&host) else { continue };
        let trouble = |kind| Trouble { host, kind };
        let about = |e: &&HostError| e.network.is_none_or(|n| networks.contains(&n));
        let errors = standing.errors.iter().filter(about);
        failed.extend(errors.map(|e| trouble(TroubleKind::Failed(e.clone()))));
        if let Some(since) = unkeyed_since(world, pair, host) {
            let new = now.saturating_sub(since) < i64::from(KEY_LIMIT);
            if new { &mut pending } else { &mut failed }.push(trouble(TroubleKind::NoKey));
        }
        if presence.applied(&host) >= Some(since) {
            continue;
        }
        if presence.waiting_ms(&host) >= APPLY_LIMIT_MS {
            failed.push(trouble(TroubleKind::Silent));
        } else {
            pending.push(trouble(TroubleKind::Pending));
        }
    }
    let ways = health::findings(world, presence, pair, now);
    failed.extend(ways.failed);
    pending.extend(ways.pending);
    let with = |mut trouble: Vec<Trouble>| {
        trouble.extend(ways.told);
        trouble
    };
    match (failed.is_empty(), pending.is_empty()) {
        (false, _) => (Hosts::Failed, with(failed)),
        (true, false) => (Hosts::Pending, with(pending)),
        (true, true) => (Hosts::Applied, with(failed)),
    }
}

/// Seconds that hosts have to make keys when encryption is wished.
const KEY_LIMIT: u8 = 10;

/// Since when the pair is to be encrypted, in seconds after 1970, if the host
/// has no key for it.
fn unkeyed_since(world: &World, pair: Pair<'_>, host: Uuid) -> Option<i64> {
    let seal = world.seals.pair(&pair.local.zone, &pair.peer.zone)?;
    let used = world.seals.rotation()?.used;
    let has_key = world.seals.keys(host).is_some_and(|keys| keys.ends.contains_key(&used));
    (!has_key).then_some(seal.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Facts = Facts {
        configured: Configured::Active,
        peer_network_exists: true,
        local_router: true,
        mirror: Some(Configured::Active),
        request: Request::Open,
        peer_router: true,
        subnets_overlap: false,
        hosts: Hosts::Applied,
    };

    #[test]
    fn each_missing_fact_has_its_state() {
        use State::{
            Active, ConflictSubnet, DeletedPeerNetwork, Disabled, Error, MissingLocalRouter,
            MissingPeerRouter, PeerDisabled, PendingPeer, Provisioning,
        };
        for (facts, want) in [
            (UP, Active),
            (Facts { configured: Configured::Disabled, ..UP }, Disabled),
            (Facts { peer_network_exists: false, ..UP }, DeletedPeerNetwork),
            (Facts { local_router: false, ..UP }, MissingLocalRouter),
            (Facts { mirror: None, ..UP }, PendingPeer),
            (Facts { mirror: Some(Configured::Disabled), ..UP }, PeerDisabled),
            (Facts { peer_router: false, ..UP }, MissingPeerRouter),
            (Facts { subnets_overlap: true, ..UP }, ConflictSubnet),
            (Facts { hosts: Hosts::Failed, ..UP }, Error),
            (Facts { hosts: Hosts::Pending, ..UP }, Provisioning),
            (
                Facts { configured: Configured::Disabled, peer_network_exists: false, ..UP },
                Disabled,
            ),
            (Facts { peer_network_exists: false, local_router: false, ..UP }, DeletedPeerNetwork),
            (Facts { mirror: None, local_router: false, ..UP }, MissingLocalRouter),
            (Facts { mirror: None, peer_router: false, ..UP }, PendingPeer),
            (Facts { mirror: Some(Configured::Disabled), peer_router: false, ..UP }, PeerDisabled),
            (Facts { peer_router: false, subnets_overlap: true, ..UP }, MissingPeerRouter),
            (Facts { subnets_overlap: true, hosts: Hosts::Failed, ..UP }, ConflictSubnet),
        ] {
            assert_eq!(peering_state(&facts), want, "{facts:?}");
        }
    }
}
