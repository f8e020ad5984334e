//! Why a peering is not active, for its owner: everything that is in the way,
//! whose turn it is, and the first of it is what makes the state.
//!
//! Of what belongs to somebody else an owner learns no more than its state
//! says, the prefixes that are offered to it, and the UUID it named. Nothing
//! at all is said of the peer network before its owner has made the half that
//! answers.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

mod ahead;
mod hosts;

use crate::admission::{Clash, Through};
use crate::consent::Request;
use crate::health::Arrives;
use crate::ids::Mtu;
use crate::objects::{Configured, Peering};
use crate::state::{Facts, HostError};
use crate::world::World;

/// For a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Stable.
    pub code: &'static str,
    pub message: String,
}

impl Reason {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

pub(crate) use ahead::{Ahead, Omen, words};
pub(crate) use hosts::capital;

/// A host that does not carry what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) host: Uuid,
    pub(crate) kind: TroubleKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// Its lease, since this many seconds after 1970.
    Lost(i64),
    Failed(HostError),
    Silent,
    Pending,
    /// Its zone is sealed with the other network's, and it has no key.
    NoKey,
    /// Probes to that host do not come back.
    NoPath {
        to: Uuid,
        arrives: Arrives,
        stopped: Option<String>,
    },
    /// None has come back yet.
    Unproved {
        to: Uuid,
    },
    /// Packets larger than `path` are lost, though its link takes `link` bytes.
    Narrow {
        to: Uuid,
        path: Mtu,
        link: Mtu,
    },
}

/// None for a peering that is disabled: that is what its owner wants.
pub(crate) fn reasons(
    world: &World,
    it: &Peering,
    facts: &Facts,
    clash: Option<&Clash>,
    trouble: &[Trouble],
) -> Vec<Reason> {
    let owner = Owner { world, it };
    if facts.configured == Configured::Disabled {
        return Vec::new();
    }
    if !facts.peer_network_exists {
        return vec![owner.peer_network_deleted()];
    }
    let mut reasons: Vec<Reason> = owner.no_local_router(facts).into_iter().collect();
    let Some(mirror) = facts.mirror else {
        reasons.push(owner.no_peer_half(facts.request));
        return reasons;
    };
    reasons.extend(owner.peer_half_disabled(mirror));
    reasons.extend(owner.no_peer_router(facts));
    reasons.extend(clash.map(|clash| Reason::new("subnet-overlap", owner.overlap(clash))));
    // Several hosts may be told of in the same words.
    let mut told = BTreeSet::new();
    let hosts = trouble.iter().map(|trouble| owner.host(trouble));
    reasons.extend(hosts.filter(|reason| told.insert(reason.message.clone())));
    reasons
}

/// Who is told, and about which of its peerings.
struct Owner<'w> {
    world: &'w World,
    it: &'w Peering,
}

impl Owner<'_> {
    fn owns(&self, network: Uuid) -> bool {
        self.world.network(network).is_some_and(|n| n.account == self.it.account)
    }

    /// Whose turn it is at the peer's end, to begin a sentence.
    fn peers_owner(&self) -> String {
        if self.owns(self.it.peer_network) {
            "You have".to_owned()
        } else {
            format!("The owner of network {} has", self.it.peer_network)
        }
    }

    fn peer_network_deleted(&self) -> Reason {
        let peer = self.it.peer_network;
        let message = format!(
            "The peer network {peer} was deleted and does not come back: delete this peering."
        );
        Reason::new("peer-network-deleted", message)
    }

    fn no_local_router(&self, facts: &Facts) -> Option<Reason> {
        let message = || format!("Attach a router to your network {}.", self.it.network);
        (!facts.local_router).then(|| Reason::new("no-local-router", message()))
    }

    fn no_peer_half(&self, request: Request) -> Reason {
        let (local, peer) = (self.it.network, self.it.peer_network);
        let owner = self.peers_owner();
        let again = "set it to active to ask again";
        let (code, message) = match request {
            Request::Open => (
                "no-peer-half",
                format!("{owner} yet to create the peering from {peer} to {local}."),
            ),
            Request::Declined => ("declined", format!("{owner} declined it: {again}.")),
            // Who owns both ends asks nobody, and nothing has run out.
            Request::Expired(_) if self.owns(peer) => return self.no_peer_half(Request::Open),
            Request::Expired(_) => ("expired", format!("{owner} not answered in time: {again}.")),
        };
        Reason::new(code, message)
    }

    fn peer_half_disabled(&self, mirror: Configured) -> Option<Reason> {
        let (local, peer) = (self.it.network, self.it.peer_network);
        let message =
            || format!("{} disabled the peering from {peer} to {local}.", self.peers_owner());
        (mirror == Configured::Disabled).then(|| Reason::new("peer-half-disabled", message()))
    }

    fn no_peer_router(&self, facts: &Facts) -> Option<Reason> {
        let peer = self.it.peer_network;
        let message =
            || format!("{} yet to attach a router to network {peer}.", self.peers_owner());
        (!facts.peer_router).then(|| Reason::new("no-peer-router", message()))
    }

    fn overlap(&self, clash: &Clash) -> String {
        let Clash { receiver, newcomer, holder, through } = clash;
        let whose = if self.owns(*receiver) { "your network" } else { "network" };
        let how = match through {
            // Prefixes of a network are offered to the other, so both know these.
            Through::Own => "has itself".to_owned(),
            Through::Router(_) | Through::Peering(_) if !self.owns(*receiver) => {
                return format!(
                    "Your {newcomer} overlaps something else that network {receiver} reaches; \
                     its owner is told what."
                );
            }
            Through::Router(router) => format!("reaches through its router {router}"),
            Through::Peering(uuid) => format!("reaches through its peering {uuid}"),
        };
        format!("{newcomer} overlaps {holder}, which {whose} {receiver} {how}.")
    }

    fn host(&self, trouble: &Trouble) -> Reason {
        let host = trouble.host;
        let (code, end) = match &trouble.kind {
            TroubleKind::Failed(error) if error.breach => ("isolation-breach", self.breach(error)),
            TroubleKind::Failed(error) if self.may_see(trouble) => {
                ("host-failed", format!("has failed: {}", error.message))
            }
            TroubleKind::Failed(_) => ("host-failed", "has failed; its owner is told why.".into()),
            TroubleKind::Lost(since) => {
                let since = crate::wire::rfc3339(*since);
                (
                    "host-lost",
                    format!("has not renewed its lease since {since}: nothing is sent to it."),
                )
            }
            TroubleKind::Silent => ("host-silent", "does not answer.".to_owned()),
            TroubleKind::Pending => ("host-pending", "has yet to apply it.".to_owned()),
            TroubleKind::NoKey => (
                "not-encrypted",
                "has no key, and its zone is to be reached encrypted only: nothing is sent to it."
                    .to_owned(),
            ),
            TroubleKind::NoPath { to, arrives, stopped } => {
                let message = self.no_path([host, *to], *arrives, stopped.as_deref());
                return Reason::new("no-path", message);
            }
            TroubleKind::Unproved { to } => {
                let [here, there] = self.pair([host, *to]);
                let message = format!("No probe has crossed yet between {here} and {there}.");
                return Reason::new("path-unproved", message);
            }
            TroubleKind::Narrow { to, path, link } => {
                let [here, there] = self.pair([host, *to]);
                let message = format!(
                    "Packets of more than {path} bytes are lost between {here} and {there}, \
                     whose links take {link}; ports are told to send no larger ones."
                );
                return Reason::new("mtu-black-hole", message);
            }
        };
        if !self.may_see(trouble) {
            let peer = self.it.peer_network;
            return Reason::new(code, format!("A host that carries network {peer} {end}"));
        }
        Reason::new(code, format!("{} {end}", capital(&self.name(host))))
    }

    /// A host's errors are told to the owner of the network that they are
    /// about, and those about all of it to who has a port there.
    fn may_see(&self, trouble: &Trouble) -> bool {
        let about = match &trouble.kind {
            TroubleKind::Failed(error) => error.network,
            TroubleKind::Lost(_) | TroubleKind::Silent | TroubleKind::Pending => None,
            TroubleKind::NoKey => None,
            TroubleKind::NoPath { .. } | TroubleKind::Unproved { .. } => None,
            TroubleKind::Narrow { .. } => None,
        };
        if let Some(network) = about {
            return self.owns(network);
        }
        self.has_ports_at(trouble.host)
    }
}

#[cfg(test)]
#[path = "reasons_tests.rs"]
mod tests;
