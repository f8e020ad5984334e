//! What one host must do to encrypt.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{End, Generation};
use crate::objects::Host;
use crate::spec::{Routes, Target};
use crate::world::World;

/// Of a slice: the tunnels a host has, to whom, and who is reached through them
/// alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealing {
    /// For each generation a tunnel, with a key of the host's own making.
    pub tunnels: BTreeSet<Generation>,
    pub peers: BTreeMap<PeerKey, End>,
    /// Hosts by their VTEP, to which packets go through the tunnel of that
    /// generation, and from which they are taken only out of a tunnel.
    pub seals: BTreeMap<IpAddr, Generation>,
}

impl Sealing {
    pub fn is_none(&self) -> bool {
        self.tunnels.is_empty() && self.peers.is_empty() && self.seals.is_empty()
    }
}

/// One host as seen by the tunnel of one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PeerKey {
    pub generation: Generation,
    pub vtep: IpAddr,
}

impl std::fmt::Display for PeerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of generation {}", self.vtep, self.generation)
    }
}

/// False between hosts that are to encrypt and have no keys of one generation.
pub fn may_send(world: &World, from: Uuid, to: Uuid) -> bool {
    match sealed(world, from, to) {
        Some(mut generations) => generations.next().is_some(),
        None => true,
    }
}

/// Generations of which both have a key; None where nothing is encrypted.
fn sealed(world: &World, a: Uuid, b: Uuid) -> Option<impl Iterator<Item = Generation>> {
    // Asked for each port, mostly where nothing is.
    world.seals.pairs().next()?;
    let zone = |host| world.hosts.get(&host).map(|it| it.zone.as_str());
    world.seals.pair(zone(a)?, zone(b)?)?;
    let wanted = world.seals.rotation().map(|it| it.generations());
    let has = |host, generation: &Generation| {
        world.seals.keys(host).is_some_and(|keys| keys.ends.contains_key(generation))
    };
    Some(wanted.into_iter().flatten().filter(move |it| has(a, it) && has(b, it)))
}

/// What `host` must do for the hosts that its routes lead to.
pub fn sealing(world: &World, host: Uuid, routes: &Routes) -> Sealing {
    let vteps: BTreeSet<IpAddr> = routes.values().filter_map(Target::vtep).collect();
    let hosts = world.hosts.values().map(|it| &**it);
    sealing_for(world, host, hosts.filter(|other| vteps.contains(&other.underlay)))
}

/// What `host` must do for `others`, which its routes lead to.
pub(crate) fn sealing_for<'w>(
    world: &World,
    host: Uuid,
    others: impl Iterator<Item = &'w Host>,
) -> Sealing {
    let mut it = Sealing::default();
    let zone = world.hosts.get(&host).map(|host| host.zone.as_str());
    let Some(rotation) = world.seals.rotation() else { return it };
    if !zone.is_some_and(|zone| world.seals.concerns(zone)) {
        return it;
    }
    it.tunnels = rotation.generations().collect();
    for other in others {
        let Some(both) = sealed(world, host, other.uuid) else { continue };
        let both: BTreeSet<Generation> = both.collect();
        let vtep = other.underlay;
        let end = |generation| world.seals.keys(other.uuid)?.ends.get(generation).copied();
        for generation in &both {
            let key = PeerKey { generation: *generation, vtep };
            it.peers.extend(end(generation).map(|end| (key, end)));
        }
        let used = both.get(&rotation.used).or_else(|| both.last());
        it.seals.extend(used.map(|generation| (vtep, *generation)));
    }
    it
}
