//! The state of a peering: ten names, one pure function.

use std::fmt;

use imbl::OrdMap;
use serde::Serialize;
use uuid::Uuid;

use crate::admission::{self, Clash, Pair};
use crate::ids::Revision;
use crate::objects::{Configured, Peering};
use crate::world::World;

/// Contract section 4.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// What is known of a peering. The order of the fields is that of the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub configured: Configured,
    pub peer_network_exists: bool,
    pub local_router: bool,
    pub mirror: Option<Configured>,
    pub peer_router: bool,
    pub subnets_overlap: bool,
    pub hosts: Hosts,
}

/// What the hosts that carry ports of either network say, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// All that are connected have applied it; or none is connected.
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

/// What connected hosts say; a host that is away has no entry.
pub type Presence = OrdMap<Uuid, Standing>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The host carries everything up to this revision.
    pub applied: Revision,
    /// For how long something newer has been under way to it.
    pub waiting_ms: u64,
    pub errors: Vec<HostError>,
}

/// Something a host could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct HostError {
    /// The network whose port or route it was; None concerns the whole host.
    pub network: Option<Uuid>,
    pub message: String,
}

/// After this long without an answer a connected host has failed.
pub const APPLY_LIMIT_MS: u64 = 10_000;

/// Why a peering is not active, for a person: a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub message: String,
}

impl Reason {
    fn new(code: &'static str, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

/// The state of `peering` and the reasons for it: none when it is what its
/// owner configured.
pub fn judge(world: &World, presence: &Presence, peering: &Peering) -> (State, Vec<Reason>) {
    let pair = Pair::of(world, peering);
    let clash = pair.and_then(|p| admission::clash(world, p));
    let (hosts, trouble) = match pair {
        Some(pair) if clash.is_none() => hosts_of(world, presence, pair),
        Some(_) | None => (Hosts::Applied, Vec::new()),
    };
    let router = |uuid| world.network(uuid).is_some_and(|n| n.router.is_some());
    let facts = Facts {
        configured: peering.configured,
        peer_network_exists: world.network(peering.peer_network).is_some(),
        local_router: router(peering.network),
        mirror: world.mirror(peering).map(|q| q.configured),
        peer_router: router(peering.peer_network),
        subnets_overlap: clash.is_some(),
        hosts,
    };
    let state = peering_state(&facts);
    (state, reasons(state, peering, clash.as_ref(), trouble))
}

fn reasons(state: State, it: &Peering, clash: Option<&Clash>, trouble: Vec<Reason>) -> Vec<Reason> {
    let (local, peer) = (it.network, it.peer_network);
    let one = |code, message: String| vec![Reason::new(code, message)];
    match state {
        State::Disabled | State::Active => Vec::new(),
        State::DeletedPeerNetwork => {
            one("peer-network-deleted", format!("The peer network {peer} was deleted."))
        }
        State::MissingLocalRouter => {
            one("no-local-router", format!("Attach a router to your network {local}."))
        }
        State::PendingPeer => one(
            "no-peer-half",
            format!(
                "The owner of network {peer} has yet to create the peering from {peer} to {local}."
            ),
        ),
        State::PeerDisabled => one(
            "peer-half-disabled",
            format!("The owner of network {peer} has disabled the peering."),
        ),
        State::MissingPeerRouter => one(
            "no-peer-router",
            format!("The owner of network {peer} has yet to attach a router to it."),
        ),
        State::ConflictSubnet => {
            clash.map(|c| Reason::new("subnet-overlap", format!("{c}."))).into_iter().collect()
        }
        State::Error | State::Provisioning => trouble,
    }
}

fn hosts_of(world: &World, presence: &Presence, pair: Pair<'_>) -> (Hosts, Vec<Reason>) {
    let networks = [pair.local.uuid, pair.peer.uuid];
    let mut verdict = Hosts::Applied;
    let mut reasons = Vec::new();
    let carriers = networks.iter().flat_map(|n| world.hosts_of(*n));
    for uuid in carriers.collect::<std::collections::BTreeSet<_>>() {
        let Some(standing) = presence.get(&uuid) else { continue };
        let name = world.hosts.get(&uuid).map_or_else(|| uuid.to_string(), |h| h.name.clone());
        let about = |e: &&HostError| e.network.is_none_or(|n| networks.contains(&n));
        for error in standing.errors.iter().filter(about) {
            verdict = Hosts::Failed;
            reasons.push(Reason::new("host-failed", format!("Host {name}: {}", error.message)));
        }
        if standing.applied >= pair.since() {
            continue;
        }
        if standing.waiting_ms >= APPLY_LIMIT_MS {
            verdict = Hosts::Failed;
            reasons.push(Reason::new("host-silent", format!("Host {name} does not answer.")));
        } else {
            verdict = if verdict == Hosts::Failed { verdict } else { Hosts::Pending };
            reasons.push(Reason::new("host-pending", format!("Host {name} has yet to apply it.")));
        }
    }
    (verdict, reasons)
}

/// True when a connected host carries ports of both networks' sides: only
/// then is there something to measure.
pub fn carried_by_live_hosts(world: &World, presence: &Presence, peering: &Peering) -> bool {
    let live = |network| world.hosts_of(network).iter().any(|h| presence.contains_key(h));
    live(peering.network) && live(peering.peer_network)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Facts = Facts {
        configured: Configured::Active,
        peer_network_exists: true,
        local_router: true,
        mirror: Some(Configured::Active),
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
