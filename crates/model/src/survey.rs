//! Judging many peerings of one picture: what of a network's surroundings is
//! contested is found out once for all of its peerings.
//!
//! Without it each of a network's peerings is compared with every other one.

use std::collections::HashMap;

use uuid::Uuid;

use crate::admission::{self, Clash, Pair};
use crate::ids::Prefix;
use crate::objects::Network;
use crate::world::World;

pub struct Survey<'w> {
    world: &'w World,
    contested: HashMap<Uuid, Vec<Uuid>>,
}

impl<'w> Survey<'w> {
    pub fn new(world: &'w World) -> Self {
        Self { world, contested: HashMap::new() }
    }

    pub fn world(&self) -> &'w World {
        self.world
    }

    /// As [`admission::clash`] has it.
    pub(crate) fn clash(&mut self, pair: Pair<'w>) -> Option<Clash> {
        let calm = self.is_calm(pair.local, pair.peer) && self.is_calm(pair.peer, pair.local);
        if calm { None } else { admission::clash(self.world, pair) }
    }

    /// True when nothing else that `receiver` has or may import overlaps
    /// `from`, so no clash over it can be there.
    fn is_calm(&mut self, receiver: &Network, from: &Network) -> bool {
        let world = self.world;
        if !world.has_company(receiver) {
            return admission::overlap(receiver, from).is_none();
        }
        let find = || contested(world, receiver);
        let contested = self.contested.entry(receiver.uuid).or_insert_with(find);
        contested.binary_search(&from.uuid).is_err()
    }
}

/// Of the networks around `receiver`, those with a prefix that overlaps
/// another one's, by UUID.
fn contested(world: &World, receiver: &Network) -> Vec<Uuid> {
    let halves = world.halves_of(receiver.uuid);
    let peers = halves.filter_map(|half| world.network(half.peer_network)).map(|n| &**n);
    let around = world.neighbours(receiver).map(|n| &**n).chain(peers).chain([receiver]);
    let mut all: Vec<(Prefix, Uuid)> =
        around.flat_map(|n| n.prefixes().map(|prefix| (prefix, n.uuid))).collect();
    // What contains another then comes before it.
    all.sort_unstable_by_key(|(prefix, of)| (prefix.address(), prefix.len(), *of));
    let mut found = Vec::new();
    let mut around: Vec<(Prefix, Uuid)> = Vec::new();
    for (prefix, of) in all {
        while around.pop_if(|(outer, _)| !outer.contains(prefix.address())).is_some() {}
        for (_, other) in around.iter().filter(|(_, other)| *other != of) {
            found.extend([of, *other]);
        }
        around.push((prefix, of));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::play::{Play, story};

    proptest! {
        #[test]
        fn many_are_judged_as_each_by_itself(steps in story()) {
            let mut play = Play::new();
            for op in steps {
                let _ = play.op(&op);
            }
            let world = &play.world;
            let mut survey = Survey::new(world);
            for half in world.peerings.values() {
                let Some(pair) = Pair::of(world, half) else { continue };
                prop_assert_eq!(survey.clash(pair), admission::clash(world, pair));
            }
        }
    }
}
