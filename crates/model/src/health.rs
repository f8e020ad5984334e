//! What the ways that hosts measure say of a peering.

use std::collections::BTreeSet;
use std::net::IpAddr;

use uuid::Uuid;

use crate::admission::Pair;
use crate::ids::Mtu;
use crate::reasons::{Trouble, TroubleKind};
use crate::state::{APPLY_LIMIT_MS, Presence};
use crate::way::{Measure, Measured, Passage, Way, between};
use crate::world::World;

/// A way between hosts that carry the two networks, as one of them measured it.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'p> {
    /// Who measured it, and where it leads.
    pub host: Uuid,
    pub other: Uuid,
    pub measured: &'p Measured,
    /// The same way as the other host measured it, if it has.
    pub back: Option<&'p Measure>,
}

/// All that connected hosts have measured between the networks of `pair`, both
/// ways. A host measures ways to a part of the others only when they are many.
pub fn sights<'p>(world: &World, presence: &'p Presence, pair: Pair<'_>) -> Vec<Sight<'p>> {
    let mut found = Vec::new();
    if presence.hosts.is_empty() {
        return found;
    }
    for (from, to) in [(pair.local, pair.peer), (pair.peer, pair.local)] {
        let others = Carriers::of(world, to.uuid);
        for host in world.hosts_of(from.uuid) {
            let Some(standing) = presence.get(&host) else { continue };
            let own = world.hosts.get(&host).map(|h| h.underlay);
            for (way, measured) in between(&standing.ways, from.vni, to.vni) {
                let Some(other) = others.at(way.vtep, host) else { continue };
                let reverse = Way { from: to.vni, to: from.vni, vtep: way.vtep.and(own) };
                let back = presence.get(&other).and_then(|s| s.ways.get(&reverse));
                found.push(Sight { host, other, measured, back: back.map(|m| &m.measure) });
            }
        }
    }
    found
}

/// Hosts that carry a network.
struct Carriers<'w> {
    world: &'w World,
    hosts: BTreeSet<Uuid>,
}

impl<'w> Carriers<'w> {
    fn of(world: &'w World, network: Uuid) -> Self {
        Self { world, hosts: world.hosts_of(network) }
    }

    fn at(&self, vtep: Option<IpAddr>, here: Uuid) -> Option<Uuid> {
        let Some(vtep) = vtep else { return self.hosts.get(&here).copied() };
        let is_there = |h: &&Uuid| self.world.hosts.get(*h).is_some_and(|h| h.underlay == vtep);
        self.hosts.iter().find(is_there).copied()
    }
}

/// What ways make of a peering's hosts.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) failed: Vec<Trouble>,
    pub(crate) pending: Vec<Trouble>,
    /// Packets cross; something is to be told all the same.
    pub(crate) told: Vec<Trouble>,
}

/// `now` in seconds since 1970. A host that is away, or of a version without
/// probes, and was never reached is not there to be measured; one that was
/// reached once is missed.
pub(crate) fn findings(world: &World, presence: &Presence, pair: Pair<'_>, now: i64) -> Findings {
    let mut it = Findings::default();
    for sight in sights(world, presence, pair) {
        let Sight { host, other, measured, .. } = sight;
        let trouble = |kind| Trouble { host, kind };
        let waited = now.saturating_sub(measured.since).saturating_mul(1000);
        let too_long = u64::try_from(waited).is_ok_and(|ms| ms >= APPLY_LIMIT_MS);
        let measures = presence.get(&other).is_some_and(|it| !it.ways.is_empty());
        match measured.measure.passage {
            Passage::Lost => it.failed.push(trouble(sight.no_path())),
            Passage::Untried | Passage::Never if !measures => {}
            Passage::Untried if !too_long => {
                it.pending.push(trouble(TroubleKind::Unproved { to: other }));
            }
            Passage::Untried | Passage::Never => it.failed.push(trouble(sight.no_path())),
            Passage::Open => {}
        }
        if let Some((path, link)) = measured.measure.narrow() {
            it.told.push(trouble(TroubleKind::Narrow { to: other, path, link }));
        }
    }
    it
}

impl Sight<'_> {
    fn no_path(&self) -> TroubleKind {
        let here = self.measured.measure.heard;
        let there = self.back.is_some_and(|back| back.heard);
        let arrives = match (here, there) {
            (true, false) => Arrives::FromThere,
            (false, true) => Arrives::FromHere,
            (true, true) | (false, false) => Arrives::Nothing,
        };
        let stopped = self.measured.measure.stopped.clone();
        TroubleKind::NoPath { to: self.other, arrives, stopped }
    }
}

/// What crosses of a way whose probes do not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrives {
    Nothing,
    FromHere,
    FromThere,
}

/// Ways taken together: the worst of each figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Something was measured: a way is open, or is known not to be.
    pub measured: bool,
    pub reachable: bool,
    /// Thousandths.
    pub loss: u16,
    pub rtt_us: Option<u32>,
    pub path_mtu: Option<Mtu>,
    /// Seconds since 1970.
    pub at: Option<i64>,
    pub first_ms: Option<u32>,
}

impl Health {
    pub fn of<'p>(ways: impl IntoIterator<Item = &'p Measured>) -> Self {
        let mut it = Self { reachable: true, ..Self::default() };
        for Measured { measure, at, .. } in ways {
            if measure.passage == Passage::Untried {
                continue;
            }
            it.measured = true;
            it.reachable &= measure.passage == Passage::Open;
            it.loss = it.loss.max(measure.loss);
            it.rtt_us = it.rtt_us.max(measure.rtt_us);
            it.path_mtu = [it.path_mtu, measure.path_mtu].into_iter().flatten().min();
            it.at = it.at.max(Some(*at));
            it.first_ms = it.first_ms.max(measure.first_ms);
        }
        it
    }
}
