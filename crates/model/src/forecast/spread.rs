//! How far a write may reach.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Sides;
use crate::admission::{Clash, Pair, admitted, clash};
use crate::change::{Change, Key, Object};
use crate::world::World;

/// May name too many, never too few.
pub(super) struct Spread {
    /// Halves whose state, or what they clash with, may be another.
    pub(super) halves: BTreeSet<Uuid>,
    /// Those that the write itself makes, changes or deletes.
    pub(super) halves_written: BTreeSet<Uuid>,
    /// Networks that may import something else.
    pub(super) networks: BTreeSet<Uuid>,
    /// Those that the write itself is about.
    pub(super) written: BTreeSet<Uuid>,
}

/// A verdict over a pair rests on the two networks, on those beside them on
/// their routers, and on the other pairs of either. So it is looked at all
/// pairs of what was written and of what is beside that; and from a pair whose
/// verdict is another, at all others of its two networks, and so on.
pub(super) fn of(sides: Sides<'_>, changes: &[Change]) -> Spread {
    let worlds = [sides.before, sides.after];
    let written = written(worlds[0], changes);
    let halves_written = changes.iter().filter_map(half).collect();
    let beside = |world: &World, uuid: &Uuid| {
        let network = world.network(*uuid);
        network.into_iter().flat_map(|n| world.neighbours(n)).map(|n| n.uuid).collect::<Vec<_>>()
    };
    let mut near = written.clone();
    near.extend(written.iter().flat_map(|uuid| worlds.map(|world| beside(world, uuid))).flatten());
    let mut networks = near.clone();
    let mut open: Vec<Uuid> = near.iter().copied().collect();
    let mut halves = BTreeSet::new();
    while let Some(network) = open.pop() {
        for (uuid, ends) in worlds.into_iter().flat_map(|world| halves_at(world, network)) {
            if !halves.insert(uuid) {
                continue;
            }
            let is_near = ends.iter().any(|end| near.contains(end));
            if is_near || admission(sides.before, uuid) != admission(sides.after, uuid) {
                open.extend(ends.into_iter().filter(|end| networks.insert(*end)));
            }
        }
    }
    Spread { halves, halves_written, networks, written }
}

fn halves_at(world: &World, network: Uuid) -> Vec<(Uuid, [Uuid; 2])> {
    let halves = world.halves_of(network).chain(world.halves_towards(network));
    halves.map(|it| (it.uuid, [it.network, it.peer_network])).collect()
}

/// Whether packets may flow, and over what they may not.
fn admission(world: &World, half: Uuid) -> Option<Option<Clash>> {
    let half = world.peerings.get(&half)?;
    let pair = Pair::of(world, half)?;
    Some(if admitted(world, half) { None } else { clash(world, pair) })
}

fn half(change: &Change) -> Option<Uuid> {
    match change.key() {
        Key::Peering(uuid) => Some(uuid),
        Key::Account(_) | Key::Authority | Key::Done { .. } | Key::Host(_) => None,
        Key::Node(_) => None,
        Key::JoinToken(_) | Key::Keys(_) | Key::Lease(_) | Key::Network(_) | Key::Port(_) => None,
        Key::PeeringGroup(_) => None,
        Key::Rotation | Key::Router(_) | Key::Seal(_) | Key::Server(_) => None,
        Key::SubAccount(_) | Key::Token(_) | Key::Told { .. } | Key::Webhook(_) => None,
        Key::Zone(_) | Key::NextVni => None,
    }
}

/// Of writes to networks, peerings and routers, which are all that is asked
/// for before it is done.
fn written(before: &World, changes: &[Change]) -> BTreeSet<Uuid> {
    let mut found = BTreeSet::new();
    for change in changes {
        let old = half(change).and_then(|uuid| before.peerings.get(&uuid));
        found.extend(old.into_iter().flat_map(|it| [it.network, it.peer_network]));
        match change {
            Change::Put(Object::Peering(it)) => found.extend([it.network, it.peer_network]),
            Change::Put(Object::Network(it)) => drop(found.insert(it.uuid)),
            Change::Delete(Key::Network(uuid)) => drop(found.insert(*uuid)),
            Change::Put(Object::Router(it)) => {
                found.extend(before.networks_on(it.uuid).map(|n| n.uuid));
            }
            Change::Put(_) | Change::Delete(_) => {}
        }
    }
    found
}
