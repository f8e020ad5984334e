//! How all hosts go from one generation of keys to the next.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Generation;
use crate::change::{Change, Object};
use crate::ids::Revision;
use crate::state::Presence;
use crate::world::World;

/// Which generations there are. `kept` ≤ `used` ≤ `made`; all are the same but
/// while one takes over from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The newest that hosts make keys of.
    pub made: Generation,
    /// That packets are sent under.
    pub used: Generation,
    /// The oldest under which packets are taken.
    pub kept: Generation,
    /// It is so since this revision.
    pub at: Revision,
    /// `used` is what it is since so many seconds after 1970.
    pub since: i64,
}

/// Seconds for which the generation before is taken after all send under the
/// newer: for what is on its way.
const DRAIN: i64 = 2;

impl Rotation {
    pub(super) fn first(at: Revision, now: i64) -> Self {
        Self { made: 1, used: 1, kept: 1, at, since: now }
    }

    /// Those that a host has a tunnel of each for.
    pub fn generations(&self) -> RangeInclusive<Generation> {
        self.kept..=self.made
    }

    pub fn is_under_way(&self) -> bool {
        self.kept != self.made
    }
}

/// The step that is due, `now` in seconds since 1970; `life` is how long keys
/// are used. No step is taken before every host that is not lost has done its
/// part of the one before, so no packet finds its tunnel missing.
pub fn next(world: &World, presence: &Presence, life: i64, now: i64) -> Option<Rotation> {
    let it = world.seals.rotation()?;
    let at = world.next_revision();
    if !it.is_under_way() {
        let due = now.saturating_sub(it.since) >= life && world.seals.pairs().next().is_some();
        return due.then_some(Rotation { made: it.made + 1, at, ..it });
    }
    if !waited_for(world, presence).is_empty() {
        return None;
    }
    if it.used < it.made {
        return Some(Rotation { used: it.made, since: now, at, ..it });
    }
    let drained = now.saturating_sub(it.since) >= DRAIN;
    drained.then_some(Rotation { kept: it.used, at, ..it })
}

/// Hosts that have to do something before the rotation goes on: those that
/// encrypt and are not lost, and have no key of the newest generation, or have
/// not heard of all that there are.
pub fn waited_for(world: &World, presence: &Presence) -> Vec<Uuid> {
    let Some(it) = world.seals.rotation().filter(Rotation::is_under_way) else {
        return Vec::new();
    };
    let encrypts = |host: &Uuid| {
        let zone = world.hosts.get(host).map(|host| host.zone.as_str());
        let old = world.seals.keys(*host).is_some_and(|keys| keys.ends.contains_key(&it.kept));
        old && zone.is_some_and(|zone| world.seals.concerns(zone)) && !world.is_lost(*host)
    };
    let hosts: Vec<Uuid> = world.hosts.keys().copied().filter(encrypts).collect();
    let keys = hosts.iter().filter_map(|host| world.seals.keys(*host));
    let newest = keys.map(|keys| keys.since).fold(it.at, Revision::max);
    let ready = |host: &Uuid| {
        let keys = world.seals.keys(*host);
        keys.is_some_and(|keys| keys.ends.contains_key(&it.made))
            && presence.applied(host) >= Some(newest)
    };
    hosts.into_iter().filter(|host| !ready(host)).collect()
}

/// To what is next, unless that was done already.
pub fn rotate(world: &World, to: &Rotation) -> Vec<Change> {
    let at = world.next_revision();
    let step = |it: Rotation| match (to.made == it.made, to.used == it.used, to.kept == it.kept) {
        (false, true, true) => !it.is_under_way() && to.made == it.made + 1,
        (true, false, true) => it.used < it.made && to.used == it.made,
        (true, true, false) => it.used == it.made && to.kept == it.used,
        _ => false,
    };
    let due = world.seals.rotation().is_some_and(step);
    due.then_some(Change::Put(Object::Rotation(Rotation { at, ..*to }))).into_iter().collect()
}
