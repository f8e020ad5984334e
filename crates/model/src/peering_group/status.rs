//! How far a group has come, and what it waits for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::steps::{Ends, Writing, broken, made_by, take};
use super::{PeeringGroup, STEP, Shape, Wanted, due};
use crate::change::{Change, Key, Object};
use crate::forecast::Now;
use crate::objects::Peering;
use crate::policy::Policy;
use crate::reasons::Reason;
use crate::state::{State, judge};
use crate::terms::Terms;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// There is what is wanted, as far as it can be.
    Settled,
    /// Steps are being taken.
    Working,
    /// Something is wanted and not done: its reasons say why.
    Stopped,
    /// It goes when all is gone that it has made.
    Leaving,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub status: Status,
    pub reasons: Vec<Reason>,
    pub networks: usize,
    pub wanted: usize,
    /// That it has made.
    pub made: usize,
    /// To be deleted or made.
    pub due: usize,
    /// Of those it has made, by name.
    pub states: BTreeMap<&'static str, usize>,
    pub clashes: Vec<(Uuid, String)>,
}

/// How `group` stands.
pub fn progress(now: Now<'_>, policy: Policy, group: &PeeringGroup) -> Progress {
    let world = now.world;
    let (wanted, due) = (Wanted::of(world, group), due(world, policy, group));
    let mut it = Progress {
        status: Status::Settled,
        reasons: Vec::new(),
        networks: wanted.members(),
        wanted: wanted.count(),
        made: 0,
        due: due.pairs.len(),
        states: BTreeMap::new(),
        clashes: Vec::new(),
    };
    let mut failed = None;
    for half in made_by(world, group) {
        let (state, reasons) = judge(world, now.presence, now.patience, half);
        it.made += 1;
        *it.states.entry(state.name()).or_default() += 1;
        let overlap = reasons.iter().find(|reason| reason.code == "subnet-overlap");
        it.clashes.extend(overlap.map(|reason| (half.uuid, reason.message.clone())));
        failed = failed.or_else(|| (state == State::Error).then_some(half));
    }
    let writing = Terms { policy, ..Terms::default() };
    let next = next_changes(world, &writing, group, &due.pairs);
    it.reasons.extend(hub_gone(world, group));
    it.reasons.extend(due.too_many.then(|| too_many(world, policy, group)));
    if !due.pairs.is_empty() {
        it.reasons.extend(failed.map(|half| has_failed(half)));
    }
    if next.is_empty() {
        it.reasons.extend(held(world, &due.pairs));
    }
    it.status = match () {
        () if group.leaving => Status::Leaving,
        () if !it.reasons.is_empty() => Status::Stopped,
        () if !due.pairs.is_empty() => Status::Working,
        () => Status::Settled,
    };
    it
}

/// What a group can do at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing is due, or nothing of it can be done.
    Nothing,
    /// For hosts, to do the step before or to mend what has failed.
    Waits,
    /// About these halves.
    Step(Vec<Ends>),
}

/// The next step of a group.
///
/// None is taken before hosts have done the one before, nor while what was
/// made has failed at one: so a mistake is made to few networks and not to all.
pub fn next(now: Now<'_>, policy: Policy, group: &PeeringGroup) -> Next {
    let world = now.world;
    let due = due(world, policy, group).pairs;
    if due.is_empty() && !group.leaving {
        return Next::Nothing;
    }
    let terms = Terms { policy, ..Terms::default() };
    let changes = next_changes(world, &terms, group, &due);
    if changes.is_empty() && !group.leaving {
        return Next::Nothing;
    }
    let unready = |half: &Peering| {
        let (state, _) = judge(world, now.presence, now.patience, half);
        matches!(state, State::Provisioning | State::Error)
    };
    if !group.leaving && made_by(world, group).any(|half| unready(half)) {
        return Next::Waits;
    }
    let about = |change: &Change| match change {
        Change::Put(Object::Peering(it)) => Some([it.network, it.peer_network]),
        Change::Delete(Key::Peering(uuid)) => {
            world.peerings.get(uuid).map(|it| [it.network, it.peer_network])
        }
        Change::Put(_) | Change::Delete(_) => None,
    };
    Next::Step(changes.iter().filter_map(about).collect())
}

fn next_changes(world: &World, terms: &Terms, group: &PeeringGroup, due: &[Ends]) -> Vec<Change> {
    let writing = Writing { terms, revision: world.next_revision() };
    take(world, writing, group, due, STEP)
}

fn hub_gone(world: &World, group: &PeeringGroup) -> Option<Reason> {
    let Shape::Hub(hub) = group.intent.shape else { return None };
    let message = || format!("The hub, network {hub}, was deleted: choose another one.");
    world.network(hub).is_none().then(|| Reason::new("hub-deleted", message()))
}

fn too_many(world: &World, policy: Policy, group: &PeeringGroup) -> Reason {
    let limit = policy.limits_of(world, &group.account).peerings;
    let message =
        format!("More peerings would be needed than the account may have, {limit}: none is made.");
    Reason::new("peering-limit", message)
}

fn has_failed(half: &Peering) -> Reason {
    let message = format!(
        "The peering {} ({}) that it has made is in error: no further step is taken before it is \
         mended.",
        half.name, half.uuid
    );
    Reason::new("peering-failed", message)
}

/// Reasons that are given.
const MOST: usize = 10;

/// What is not done as it would stop something else.
fn held(world: &World, due: &[Ends]) -> Vec<Reason> {
    let reason = |pair: &Ends| {
        let half = world.half(pair[0], pair[1])?;
        let gone = [Change::Delete(Key::Peering(half.uuid))];
        let other = broken(world, &gone)?;
        let message = format!(
            "The peering {} ({}) is kept: without it an older one would come in, and the peering \
             {} ({}), which works, would clash with that. Delete it yourself if you want that.",
            half.name, half.uuid, other.name, other.uuid
        );
        Some(Reason::new("would-break", message))
    };
    due.iter().filter_map(reason).take(MOST).collect()
}
