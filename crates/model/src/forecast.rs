//! What a write would do, told before it is done: the same rules decide it, on
//! a copy of the world that nobody else sees.
//!
//! It is judged at one revision. Nothing is assumed but that hosts that are
//! connected do as they are told.

mod ahead;
mod hosts;
mod imports;
mod spread;

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::change::Change;
use crate::consent::Patience;
use crate::error::Rule;
use crate::ids::Revision;
use crate::objects::{Network, Peering};
use crate::op::{Op, decide};
use crate::reasons::Reason;
use crate::state::{Presence, Standing, State, judge};
use crate::world::World;

pub use hosts::{HostChange, Tally};
pub use imports::{Import, Imports, Through};

/// What is known when it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    pub world: &'a World,
    pub presence: &'a Presence,
    pub patience: Patience,
}

/// All that would be another, whoever owns it: who is told what of it is the
/// view's to say.
#[derive(Debug)]
pub struct Forecast {
    /// It holds for the world at this revision.
    pub revision: Revision,
    pub after: World,
    /// By UUID of the half.
    pub verdicts: Vec<Verdict>,
    /// By UUID of the network.
    pub imports: Vec<Imports>,
    /// By UUID of the host.
    pub hosts: Vec<HostChange>,
}

/// What becomes of one half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// As it will be, or as it was if it goes.
    pub half: Arc<Peering>,
    /// As it is told to its owner at the moment; None: it is new.
    pub before: Option<State>,
    /// None: it goes.
    pub after: Option<State>,
    /// Why it will not be active.
    pub reasons: Vec<Reason>,
    /// It worked, and would not for want of what others have or do: it is not
    /// the one that is written.
    pub breaks: bool,
    /// What its packets will meet, if they could not flow before.
    pub ahead: Vec<Reason>,
}

/// What `op` would do.
///
/// # Errors
/// The rule that says no to it.
pub fn forecast(now: Now<'_>, op: &Op) -> Result<Forecast, Rule> {
    Ok(of_changes(now, &decide(now.world, op)?))
}

/// What `changes`, which were decided at that world, would do.
pub(crate) fn of_changes(now: Now<'_>, changes: &[Change]) -> Forecast {
    let mut after = now.world.clone();
    if !changes.is_empty() {
        after.commit(changes);
    }
    let (verdicts, imports, hosts) = compare(now, &after, changes);
    Forecast { revision: now.world.revision(), after, verdicts, imports, hosts }
}

fn compare(
    now: Now<'_>,
    after: &World,
    changes: &[Change],
) -> (Vec<Verdict>, Vec<Imports>, Vec<HostChange>) {
    let before = now.world;
    let sides = Sides { before, after };
    let spread = spread::of(sides, changes);
    let told = obeyed(now, after, &spread);
    let judges = Judges { now, told: &told, sides };
    let verdicts = spread.halves.iter().filter_map(|half| judges.verdict(*half, &spread)).collect();
    let imports = imports::changed(sides, &spread.networks);
    let touched = imports.iter().map(|it| it.network.uuid).chain(spread.written.iter().copied());
    let hosts = hosts::changed(before, after, &touched.collect());
    (verdicts, imports, hosts)
}

/// Before and after.
#[derive(Clone, Copy)]
struct Sides<'w> {
    before: &'w World,
    after: &'w World,
}

/// What hosts that carry any of these will say once they have done it.
fn obeyed(now: Now<'_>, after: &World, spread: &spread::Spread) -> Presence {
    let half = |uuid: &Uuid| now.world.peerings.get(uuid).or_else(|| after.peerings.get(uuid));
    let halves = spread.halves.iter().filter_map(half);
    let networks: BTreeSet<Uuid> = halves.flat_map(|it| [it.network, it.peer_network]).collect();
    let carriers: BTreeSet<Uuid> = networks.iter().flat_map(|n| after.hosts_of(*n)).collect();
    let done = |host: Uuid| {
        let standing = now.presence.get(&host)?.clone();
        Some((host, Standing { applied: None, asked_ms: None, ..standing }))
    };
    carriers.into_iter().filter_map(done).collect()
}

struct Judges<'a, 'w> {
    now: Now<'w>,
    told: &'a Presence,
    sides: Sides<'w>,
}

impl Judges<'_, '_> {
    /// None when it stays what it is.
    fn verdict(&self, uuid: Uuid, spread: &spread::Spread) -> Option<Verdict> {
        let Sides { before: old, after: new } = self.sides;
        let (was, is) = (old.peerings.get(&uuid), new.peerings.get(&uuid));
        let half = is.or(was)?.clone();
        let patience = self.now.patience;
        let old_word = was.map(|it| judge(old, self.told, patience, it));
        let new_word = is.map(|it| judge(new, self.told, patience, it));
        let written = spread.halves_written.contains(&uuid);
        if old_word == new_word && !written {
            return None;
        }
        let worked = old_word.as_ref().is_some_and(|(state, _)| *state == State::Active);
        let (after, reasons) = new_word.map_or((None, Vec::new()), |(s, r)| (Some(s), r));
        let ahead = is.map(|it| ahead::of(self.now, self.sides, it)).unwrap_or_default();
        let before = was.map(|it| judge(old, self.now.presence, patience, it).0);
        let breaks = worked && !written && after != Some(State::Active);
        Some(Verdict { half, before, after, reasons, breaks, ahead })
    }
}

fn network<'w>(before: &'w World, after: &'w World, uuid: Uuid) -> Option<&'w Arc<Network>> {
    after.network(uuid).or_else(|| before.network(uuid))
}

#[cfg(test)]
#[path = "forecast/properties.rs"]
mod properties;

#[cfg(test)]
#[path = "forecast/tests.rs"]
mod tests;
