//! What a caller and the installation make a write depend on, judged in the
//! write order, so that nothing comes between the judgement and the write.

use uuid::Uuid;

use crate::change::{Change, Object};
use crate::error::Rule;
use crate::ids::Revision;
use crate::objects::{Done, Outcome};
use crate::op::Op;
use crate::policy::Policy;
use crate::world::World;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub policy: Policy,
    /// Seconds since 1970.
    pub now: i64,
    pub expected: Option<Expected>,
    pub once: Option<Once>,
}

/// `If-Match`: what the object must be at for the write to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// `*`: it is there.
    Any,
    /// One of these; none is what cannot be met.
    Revisions(Vec<Revision>),
}

/// `Idempotency-Key`: the write is done at most once under this key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Once {
    pub account: String,
    /// SHA-256 of the key, in hex.
    pub key: String,
    /// SHA-256 of the whole request, in hex.
    pub request: String,
}

/// Seconds for which it is remembered what was done under a key.
pub const REMEMBERED: i64 = 24 * 60 * 60;

/// What is remembered for one account; the oldest gives way.
pub const REMEMBERED_MOST: usize = 10_000;

/// Of what has expired, the most that one write forgets: bounds the write. It
/// is more than one, so what has expired goes faster than new comes.
const FORGET: usize = 4;

impl Terms {
    /// The outcome of `decide` under these terms.
    ///
    /// A key comes first: what was done already is not judged again. A
    /// mismatch comes last, as RFC 9110 §13.2.1 has it: who would be refused
    /// anyway is told that, and nothing about somebody else's revision.
    ///
    /// # Errors
    /// As `decide`; [`Rule::DoneBefore`], [`Rule::KeyReused`],
    /// [`Rule::PreconditionFailed`].
    pub(crate) fn apply(
        &self,
        world: &World,
        op: &Op,
        decide: impl FnOnce() -> Result<Vec<Change>, Rule>,
    ) -> Result<Vec<Change>, Rule> {
        if let Some(once) = &self.once {
            check_new(world, once, self.now)?;
        }
        let mut changes = decide()?;
        if let Some(expected) = &self.expected {
            check_expected(world, op, expected)?;
        }
        if let Some(once) = &self.once {
            changes.extend(remember(world, once, self.now, made_by(op)));
        }
        Ok(changes)
    }
}

fn check_new(world: &World, once: &Once, now: i64) -> Result<(), Rule> {
    match world.done(&once.account, &once.key).filter(|it| !it.expired(now)) {
        None => Ok(()),
        Some(it) if it.request == once.request => Err(Rule::DoneBefore),
        Some(_) => Err(Rule::KeyReused),
    }
}

fn check_expected(world: &World, op: &Op, expected: &Expected) -> Result<(), Rule> {
    let revision = revision_of(world, op);
    let met = match expected {
        Expected::Any => true,
        Expected::Revisions(all) => revision.is_some_and(|r| all.contains(&r)),
    };
    if met { Ok(()) } else { Err(Rule::PreconditionFailed) }
}

/// Of the object that `op` is about, before it; None where there is none
/// that entity tags are given for.
fn revision_of(world: &World, op: &Op) -> Option<Revision> {
    match op {
        Op::Peering { uuid, .. } | Op::DeleteBoth { uuid, .. } => {
            world.peerings.get(uuid).map(|it| it.revision)
        }
        Op::Network { uuid, .. } => world.network(*uuid).map(|it| it.revision),
        Op::Router { uuid, .. } => world.routers.get(uuid).map(|it| it.revision),
        Op::PeeringGroup { uuid, .. } => world.peering_groups.get(uuid).map(|it| it.revision),
        Op::Server { uuid, .. } => world.servers.get(uuid).map(|it| it.revision),
        Op::Under { op, .. } | Op::AsSub { op, .. } | Op::From { op, .. } => revision_of(world, op),
        Op::Interface { .. } | Op::PlaceServers { .. } | Op::GroupStep { .. } => None,
        Op::CreatePort { .. } | Op::DeletePort { .. } => None,
        Op::AllowJoin { .. } | Op::Join { .. } | Op::DeleteHost { .. } => None,
        Op::TakeLease { .. } | Op::DropLease { .. } | Op::LoseLeases(_) => None,
        Op::Seals(_) | Op::Node(_) | Op::Certificate(_) => None,
        Op::CreateAccount { .. } | Op::CreateZone { .. } | Op::DeleteZone { .. } => None,
        Op::Accept { .. } | Op::Decline { .. } | Op::Access { .. } => None,
        Op::Webhook { .. } | Op::Told(_) | Op::Answered { .. } | Op::Found { .. } => None,
    }
}

/// The UUID of what `op` makes, if it can be asked for by that.
fn made_by(op: &Op) -> Option<Uuid> {
    match op {
        Op::Peering { uuid, .. } | Op::Network { uuid, .. } | Op::Router { uuid, .. } => {
            Some(*uuid)
        }
        Op::Server { uuid, .. } | Op::CreatePort { uuid, .. } => Some(*uuid),
        Op::PeeringGroup { uuid, .. } => Some(*uuid),
        Op::Accept { uuid, .. } => Some(*uuid),
        Op::Under { op, .. } | Op::AsSub { op, .. } | Op::From { op, .. } => made_by(op),
        Op::Interface { .. } | Op::PlaceServers { .. } | Op::DeletePort { .. } => None,
        Op::GroupStep { .. } => None,
        Op::AllowJoin { .. } | Op::Join { .. } | Op::DeleteHost { .. } => None,
        Op::TakeLease { .. } | Op::DropLease { .. } | Op::LoseLeases(_) => None,
        Op::Seals(_) | Op::Node(_) | Op::Certificate(_) => None,
        Op::CreateAccount { .. } | Op::CreateZone { .. } | Op::DeleteZone { .. } => None,
        Op::DeleteBoth { .. } | Op::Decline { .. } | Op::Access { .. } => None,
        Op::Webhook { .. } | Op::Told(_) | Op::Answered { .. } | Op::Found { .. } => None,
    }
}

fn remember<'w>(
    world: &'w World,
    once: &Once,
    now: i64,
    made: Option<Uuid>,
) -> impl Iterator<Item = Change> + use<'w> {
    let Once { account, key, request } = once.clone();
    let full = world.done_count(&account) >= REMEMBERED_MOST;
    let oldest = world.done_by_age(&account).take(FORGET);
    let forgotten = oldest.enumerate().filter(move |(i, it)| it.expired(now) || (full && *i == 0));
    // The key may be one of them; so it is put after they are deleted.
    let deleted: Vec<Change> = forgotten.map(|(_, it)| Change::Delete(it.key())).collect();
    let done = Done { account, key, request, since: now, made, outcome: Outcome::Unknown };
    deleted.into_iter().chain([Change::Put(Object::Done(done))])
}

/// Takes down what was answered. Only once: what is remembered is what the
/// first caller was told.
pub(crate) fn answered(world: &World, once: &Once, outcome: &Outcome) -> Vec<Change> {
    let it = world.done(&once.account, &once.key);
    let open = it.filter(|it| it.outcome == Outcome::Unknown && it.request == once.request);
    let answered = open.map(|it| Done { outcome: outcome.clone(), ..Done::clone(it) });
    answered.map(|it| Change::Put(Object::Done(it))).into_iter().collect()
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
