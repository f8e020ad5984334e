//! The rule of decision 0006 once more, for tests: by brute force, over all
//! pairs of networks at once, and with a memory of its own for what came when.
//!
//! It looks at what objects are, never at their `…since` fields, nor at any
//! function of `admission`.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use uuid::Uuid;

use crate::objects::Configured;
use crate::world::World;

/// Two networks, the lower UUID first.
pub(crate) type Pair = (Uuid, Uuid);

/// Something that a pair needs: a half from one network to another, a router
/// at a network, a network's prefixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Half(Uuid, Uuid),
    Router(Uuid),
    Prefixes(Uuid, Vec<IpNet>),
}

/// At which step each part that is there came to be there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    steps: usize,
    since: BTreeMap<Part, usize>,
}

impl Oracle {
    /// To be shown every world there was, in order.
    pub(crate) fn see(&mut self, world: &World) {
        self.steps += 1;
        let now = parts(world);
        self.since.retain(|part, _| now.contains(part));
        for part in now {
            self.since.entry(part).or_insert(self.steps);
        }
    }

    /// Pairs that may carry traffic: each in its turn, oldest first, unless it
    /// overlaps what is there.
    pub(crate) fn admitted(&self, world: &World) -> BTreeSet<Pair> {
        let mut complete = self.complete(world);
        complete.sort();
        let mut admitted = BTreeSet::new();
        for (_, pair) in complete {
            if !clashes(world, &admitted, pair.0, pair.1)
                && !clashes(world, &admitted, pair.1, pair.0)
            {
                admitted.insert(pair);
            }
        }
        admitted
    }

    /// Pairs with both halves active and both networks routed, with the steps
    /// at which their parts came, latest first.
    fn complete(&self, world: &World) -> Vec<(Vec<usize>, Pair)> {
        let mut complete = Vec::new();
        for a in world.networks.keys().copied() {
            for b in world.networks.keys().copied().filter(|b| a < *b) {
                let [pa, pb] = [a, b].map(|n| Part::Prefixes(n, prefixes(world, n)));
                let halves = [Part::Half(a, b), Part::Half(b, a)];
                let parts = [pa, pb, Part::Router(a), Part::Router(b)].into_iter().chain(halves);
                let steps: Option<Vec<usize>> =
                    parts.map(|part| self.since.get(&part).copied()).collect();
                if let Some(mut steps) = steps {
                    steps.sort_by_key(|step| std::cmp::Reverse(*step));
                    complete.push((steps, (a, b)));
                }
            }
        }
        complete
    }
}

fn parts(world: &World) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    for (uuid, network) in &world.networks {
        parts.insert(Part::Prefixes(*uuid, prefixes(world, *uuid)));
        parts.extend(network.router.map(|_| Part::Router(*uuid)));
    }
    let active = world.peerings.values().filter(|p| p.configured == Configured::Active);
    parts.extend(active.map(|p| Part::Half(p.network, p.peer_network)));
    parts
}

fn prefixes(world: &World, network: Uuid) -> Vec<IpNet> {
    world.networks[&network].subnets.iter().map(|s| s.prefix.net()).collect()
}

/// True when `receiver` has something already that `peer` overlaps.
fn clashes(world: &World, admitted: &BTreeSet<Pair>, receiver: Uuid, peer: Uuid) -> bool {
    let new = prefixes(world, peer);
    let is_imported = |n: &Uuid| {
        *n == receiver || on_one_router(world, *n, receiver) || are_in(admitted, *n, receiver)
    };
    let imported = world.networks.keys().copied().filter(|n| *n != peer && is_imported(n));
    let mut held = imported.flat_map(|n| prefixes(world, n));
    held.any(|held| new.iter().any(|new| have_common(held, *new)))
}

pub(crate) fn on_one_router(world: &World, a: Uuid, b: Uuid) -> bool {
    let router = world.networks[&a].router;
    router.is_some() && router == world.networks[&b].router
}

pub(crate) fn are_in(pairs: &BTreeSet<Pair>, a: Uuid, b: Uuid) -> bool {
    pairs.contains(&(a.min(b), a.max(b)))
}

/// True when an address lies in both.
pub(crate) fn have_common(a: IpNet, b: IpNet) -> bool {
    match (a, b) {
        (IpNet::V4(a), IpNet::V4(b)) => {
            a.network() <= b.broadcast() && b.network() <= a.broadcast()
        }
        (IpNet::V6(a), IpNet::V6(b)) => {
            a.network() <= b.broadcast() && b.network() <= a.broadcast()
        }
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
    }
}
