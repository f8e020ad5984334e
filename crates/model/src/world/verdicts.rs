//! Which pairs of networks are admitted: the verdicts of [`crate::admission`],
//! kept beside what they are made of. After a write only those are judged anew
//! that it can have changed, and of the pairs that overlap one of these only
//! those behind a verdict that is another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::World;
use crate::admission::{Age, Pair, PairKey, clash, pair_key};
use crate::change::{Change, Key, Object};
use crate::ids::Prefix;
use crate::objects::{Network, Peering, Port};

/// A write under way: what it decides over, and the pairs to be judged anew.
#[derive(Debug, Default)]
pub(super) struct Open {
    keys: Vec<Key>,
    pairs: BTreeSet<PairKey>,
}

impl World {
    /// True when packets may flow between two networks because they are peered.
    pub fn admits(&self, one: Uuid, other: Uuid) -> bool {
        self.admitted.contains(&(one, other))
    }

    /// Those that `network` has an admitted peering with, by UUID.
    pub fn admitted_peers(&self, network: Uuid) -> impl Iterator<Item = Uuid> {
        crate::groups::seconds(&self.admitted, network)
    }

    /// Pairs of which one world admits what the other does not; the work is in
    /// proportion to what differs between the two. Each is named both ways.
    pub fn admitted_otherwise(&self, other: &Self) -> Vec<(Uuid, Uuid)> {
        let item = |it| match it {
            imbl::ordset::DiffItem::Add(pair) | imbl::ordset::DiffItem::Remove(pair) => *pair,
        };
        self.admitted.diff(&other.admitted).map(item).collect()
    }

    /// True when `host` has a port of `network`.
    pub fn carries(&self, network: Uuid, host: Uuid) -> bool {
        self.ports_of(network, host).next().is_some()
    }

    /// Ports of `network` at `host`, by UUID.
    pub fn ports_of(&self, network: Uuid, host: Uuid) -> impl Iterator<Item = &Arc<Port>> {
        let all = self.carriers.range((network, host, Uuid::nil())..=(network, host, Uuid::max()));
        all.filter_map(|(_, _, port)| self.ports.get(port))
    }

    /// Networks that `host` has ports of, by UUID.
    pub fn carried_by(&self, host: Uuid) -> impl Iterator<Item = &Arc<Network>> {
        let networks: BTreeSet<Uuid> = self.ports_at(host).map(|port| port.network).collect();
        networks.into_iter().filter_map(|network| self.network(network))
    }

    /// Networks that `prefix` overlaps: of those that a network, `at`, has a half
    /// towards, or that are on a router, `at`. One may be named more than once.
    pub(crate) fn overlapping(&self, at: Uuid, prefix: Prefix) -> Vec<Uuid> {
        self.around.overlapping(at, prefix)
    }

    /// The same of those that all of `prefix` lies in.
    pub(crate) fn covering(&self, at: Uuid, prefix: Prefix) -> Vec<Uuid> {
        self.around.covering(at, prefix)
    }

    /// Takes what is around others because of the object at `key` out of the
    /// index, or puts it in.
    fn surround(&mut self, key: &Key, there: bool) {
        let mut all: Vec<(Uuid, Prefix, Uuid)> = Vec::new();
        if let Key::Peering(uuid) = key
            && let Some(half) = self.peerings.get(uuid)
            && let Some(peer) = self.network(half.peer_network)
        {
            all.extend(peer.prefixes().map(|prefix| (half.network, prefix, peer.uuid)));
        } else if let Key::Network(uuid) = key
            && let Some(network) = self.network(*uuid)
        {
            let receivers = self.halves_towards(*uuid).map(|half| half.network);
            for at in receivers.chain(network.router) {
                all.extend(network.prefixes().map(|prefix| (at, prefix, *uuid)));
            }
        }
        for (at, prefix, of) in all {
            if there {
                self.around.insert(at, prefix, of);
            } else {
                self.around.remove(at, prefix, of);
            }
        }
    }

    /// True when a put leaves everything as it is that verdicts are made of.
    fn is_same(&self, new: &Object) -> bool {
        if let Object::Network(new) = new {
            let seen = |n: &Network| (n.router, n.router_since, n.subnets_since);
            let old = self.network(new.uuid);
            old.is_some_and(|old| seen(old) == seen(new) && old.prefixes().eq(new.prefixes()))
        } else if let Object::Peering(new) = new {
            let seen = |p: &Peering| (p.network, p.peer_network, p.configured, p.configured_since);
            self.peerings.get(&new.uuid).is_some_and(|old| seen(old) == seen(new))
        } else {
            true
        }
    }

    /// Of `changes` the keys of what verdicts may be others for.
    fn of_weight(&self, changes: &[Change]) -> Vec<Key> {
        let weighs = |change: &&Change| match change {
            Change::Put(object) => !self.is_same(object),
            Change::Delete(key) => matches!(key, Key::Network(_) | Key::Peering(_)),
        };
        changes.iter().filter(weighs).map(Change::key).collect()
    }
}

impl Open {
    /// Judges all there is.
    pub(super) fn all(world: &mut World) {
        let keys: Vec<Key> = world.networks.keys().copied().map(Key::Network).collect();
        keys.iter().for_each(|key| world.surround(key, true));
        let halves = world.peerings.values();
        let pairs = halves.map(|half| pair_key(half.network, half.peer_network)).collect();
        Self { keys, pairs }.settle(world);
    }

    /// To be called before `changes` are in `world`; then [`Self::after`].
    pub(super) fn before(world: &mut World, changes: &[Change]) -> Self {
        let mut it = Self { keys: world.of_weight(changes), ..Self::default() };
        it.note(world);
        it.keys.iter().for_each(|key| world.surround(key, false));
        it
    }

    pub(super) fn after(mut self, world: &mut World) {
        self.keys.iter().for_each(|key| world.surround(key, true));
        self.note(world);
        self.settle(world);
    }

    fn note(&mut self, world: &World) {
        let mut touched: BTreeSet<PairKey> = BTreeSet::new();
        for key in &self.keys {
            if let Key::Peering(uuid) = key {
                let half = world.peerings.get(uuid);
                touched.extend(half.map(|half| pair_key(half.network, half.peer_network)));
            } else if let Key::Network(uuid) = key {
                let halves = world.halves_of(*uuid);
                touched.extend(halves.map(|half| pair_key(*uuid, half.peer_network)));
                touched.extend(world.network(*uuid).into_iter().flat_map(|it| beside(world, it)));
            }
        }
        for pair in touched {
            self.pairs.extend(rivals(world, pair));
            self.pairs.insert(pair);
        }
    }

    /// Judges from the oldest on: who decides over a pair is older. So all that
    /// a pair depends on is settled when its turn comes, and each has one turn.
    fn settle(self, world: &mut World) {
        let mut turns: BTreeMap<Age, PairKey> = BTreeMap::new();
        for key in self.pairs {
            match Pair::between(world, key) {
                Some(pair) => drop(turns.insert(pair.age(), key)),
                None => set(world, key, false),
            }
        }
        while let Some((age, key)) = turns.pop_first() {
            let admits = Pair::between(world, key).is_some_and(|it| clash(world, it).is_none());
            if admits == world.admits(key.0, key.1) {
                continue;
            }
            set(world, key, admits);
            let rivals = rivals(world, key).into_iter();
            let ages = rivals.filter_map(|it| Some((Pair::between(world, it)?.age(), it)));
            turns.extend(ages.filter(|(of, _)| *of > age));
        }
    }
}

fn set(world: &mut World, (a, b): PairKey, admits: bool) {
    for it in [(a, b), (b, a)] {
        if admits {
            world.admitted.insert(it);
        } else {
            world.admitted.remove(&it);
        }
    }
}

/// Pairs that bring a network on the router of `it` what overlaps `it`.
fn beside(world: &World, it: &Network) -> Vec<PairKey> {
    let mut found = Vec::new();
    for other in world.neighbours(it) {
        for peer in it.prefixes().flat_map(|prefix| world.around.overlapping(other.uuid, prefix)) {
            found.push(pair_key(other.uuid, peer));
        }
    }
    found
}

/// Pairs that share a network with that one, and bring it what overlaps.
fn rivals(world: &World, (a, b): PairKey) -> Vec<PairKey> {
    let mut found = Vec::new();
    for (at, peer) in [(a, b), (b, a)] {
        let prefixes = world.network(peer).into_iter().flat_map(|it| it.prefixes());
        let others = prefixes.flat_map(|prefix| world.around.overlapping(at, prefix));
        found.extend(others.filter(|other| *other != peer).map(|other| pair_key(at, other)));
    }
    found
}
