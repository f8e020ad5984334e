//! Which peerings may carry traffic: overlap, judged at each receiver.
//!
//! A network imports its router's other networks and the peer networks of its
//! admitted peerings. No two of these may overlap. A router's networks are
//! kept apart when they are attached, so here a peering gives way to them; and
//! among peerings the one that has been complete for longer wins. So the
//! newcomer conflicts, what works keeps working, and the verdict is the same
//! whichever half was made first.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::ids::{Prefix, Revision};
use crate::objects::{Configured, Network, Peering};
use crate::world::World;

/// Two halves that answer each other, both active, both networks routed.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'w> {
    pub local: &'w Network,
    pub peer: &'w Network,
    half: &'w Peering,
    mirror: &'w Peering,
}

/// What two prefixes clash over, seen from the network that would import both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    pub receiver: Uuid,
    pub newcomer: Prefix,
    pub holder: Prefix,
    pub through: Through,
}

/// How the receiver came by the prefix that was there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    Own,
    Router(Uuid),
    /// Named by the receiver's own half.
    Peering(Uuid),
}

/// What a half stands between, looked up once.
#[derive(Debug, Clone, Copy)]
pub struct Ends<'w> {
    pub local: Option<&'w Network>,
    pub peer: Option<&'w Network>,
    pub mirror: Option<&'w Peering>,
}

impl<'w> Ends<'w> {
    pub fn of(world: &'w World, half: &Peering) -> Self {
        let network = |uuid| world.network(uuid).map(|n| &**n);
        Self {
            local: network(half.network),
            peer: network(half.peer_network),
            mirror: world.mirror(half).map(|m| &**m),
        }
    }

    /// The pair that `half` belongs to, when nothing but overlap or a host
    /// can keep it from carrying traffic.
    pub fn pair(self, half: &'w Peering) -> Option<Pair<'w>> {
        let Self { local: Some(local), peer: Some(peer), mirror: Some(mirror) } = self else {
            return None;
        };
        let active = [half, mirror].iter().all(|h| h.configured == Configured::Active);
        let routed = local.router.is_some() && peer.router.is_some();
        (active && routed).then_some(Pair { local, peer, half, mirror })
    }
}

/// Two networks, the lower UUID first.
pub(crate) type PairKey = (Uuid, Uuid);

pub(crate) fn pair_key(a: Uuid, b: Uuid) -> PairKey {
    (a.min(b), a.max(b))
}

/// The lower it is, the longer a pair has been complete.
pub(crate) type Age = ([Revision; 6], PairKey);

impl<'w> Pair<'w> {
    pub fn of(world: &'w World, half: &'w Peering) -> Option<Self> {
        Ends::of(world, half).pair(half)
    }

    pub(crate) fn between(world: &'w World, (a, b): PairKey) -> Option<Self> {
        Self::of(world, world.half(a, b)?)
    }

    /// The revision of the write that made the pair complete.
    pub fn since(&self) -> Revision {
        self.steps()[0]
    }

    /// The writes that made it complete, the last first.
    fn steps(&self) -> [Revision; 6] {
        let mut steps = [
            self.half.configured_since,
            self.mirror.configured_since,
            self.local.router_since,
            self.local.subnets_since,
            self.peer.router_since,
            self.peer.subnets_since,
        ];
        steps.sort_unstable_by_key(|step| std::cmp::Reverse(*step));
        steps
    }

    fn key(&self) -> PairKey {
        pair_key(self.local.uuid, self.peer.uuid)
    }

    /// Total. One write may complete several pairs, a router attached to a
    /// network with several peerings; then those go first that waited only for
    /// it for longer, and of equals the names decide.
    pub(crate) fn age(&self) -> Age {
        (self.steps(), self.key())
    }

    fn turned(self) -> Self {
        Self { local: self.peer, peer: self.local, half: self.mirror, mirror: self.half }
    }
}

/// True when packets may flow between the two networks of `half`.
pub fn admitted(world: &World, half: &Peering) -> bool {
    world.admits(half.network, half.peer_network)
}

/// Why `pair` may not carry traffic, if so: by what is there for good, or by
/// the oldest of the pairs before it that overlap it and are admitted.
pub fn clash(world: &World, pair: Pair<'_>) -> Option<Clash> {
    let fixed = fixed_clash(world, pair).or_else(|| fixed_clash(world, pair.turned()));
    fixed.or_else(|| {
        let both = [pair, pair.turned()].into_iter().flat_map(|side| rivals(world, side));
        let admitted = both.filter(|(it, _)| world.admits(it.local.uuid, it.peer.uuid));
        admitted.min_by_key(|(rival, _)| rival.age()).map(|(_, found)| found)
    })
}

/// A clash of the peer's prefixes with what the local network has for good.
fn fixed_clash(world: &World, pair: Pair<'_>) -> Option<Clash> {
    let own = overlap(pair.peer, pair.local).map(|(new, held)| (new, held, Through::Own));
    let routed = || {
        let router = pair.local.router?;
        let beside = |prefix| world.overlapping(router, prefix);
        let others: BTreeSet<Uuid> = pair.peer.prefixes().flat_map(beside).collect();
        let ends = [pair.local.uuid, pair.peer.uuid];
        let mut others = others.into_iter().filter(|other| !ends.contains(other));
        let (new, held) = others.find_map(|other| overlap(pair.peer, world.network(other)?))?;
        Some((new, held, Through::Router(router)))
    };
    let (newcomer, holder, through) = own.or_else(routed)?;
    Some(Clash { receiver: pair.local.uuid, newcomer, holder, through })
}

/// Older pairs of the local network that overlap this one there.
fn rivals<'w>(world: &'w World, pair: Pair<'w>) -> Vec<(Pair<'w>, Clash)> {
    let beside = |prefix| world.overlapping(pair.local.uuid, prefix);
    let others: BTreeSet<Uuid> = pair.peer.prefixes().flat_map(beside).collect();
    let halves = others.into_iter().filter_map(|other| world.half(pair.local.uuid, other));
    let halves = halves.filter(|half| half.uuid != pair.half.uuid);
    let older = halves.filter_map(|half| {
        let other = Pair::of(world, half).filter(|o| o.age() < pair.age())?;
        let (newcomer, holder) = overlap(pair.peer, other.peer)?;
        let through = Through::Peering(half.uuid);
        Some((other, Clash { receiver: pair.local.uuid, newcomer, holder, through }))
    });
    older.collect()
}

/// A prefix of `new` and one of `held` that share addresses.
pub fn overlap(new: &Network, held: &Network) -> Option<(Prefix, Prefix)> {
    new.prefixes().find_map(|n| held.prefixes().find(|h| n.overlaps(*h)).map(|h| (n, h)))
}

#[cfg(test)]
#[path = "admission_properties.rs"]
mod properties;

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
