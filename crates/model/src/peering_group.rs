//! Peering groups: an account's intent that its networks with certain labels
//! are peered, all with each other or all with one.
//!
//! Who belongs is computed from labels. What a group has made carries its
//! mark, and it deletes nothing else: a half that its owner made is as good as
//! one of the group's, and stays. It makes and deletes halves, and changes
//! none. What is to be done follows from what is and what is wanted, so
//! nothing is remembered of how far it has come.

mod status;
mod steps;
mod wanted;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::Revision;
use crate::label::{self, Label};
use crate::network;
use crate::objects::Network;
use crate::scope::Scope;
use crate::terms::Terms;
use crate::world::World;

pub use status::{Next, Progress, Status, next, progress};
use steps::Writing;
pub(crate) use steps::follow;
pub use steps::{Due, Ends, due, step};
pub use wanted::Wanted;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringGroup {
    pub uuid: Uuid,
    pub account: String,
    /// The account has no other one of this name.
    pub name: String,
    pub intent: Intent,
    /// What it was before it was changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Intent>,
    /// It goes as soon as all that it has made is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    pub revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// A network that has all of them belongs.
    pub labels: Vec<Label>,
    pub shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Each with each other one.
    Mesh,
    /// Each with this network, whatever labels that has.
    Hub(Uuid),
}

impl Intent {
    pub fn has(&self, network: &Network) -> bool {
        self.labels.iter().all(|label| network.labels.contains(label))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    Create {
        name: String,
        intent: Intent,
    },
    Modify(Modify),
    /// Back to the intent before the last change of it; again is forth.
    Undo,
    Delete,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub name: Option<String>,
    pub labels: Option<Vec<Label>>,
    pub shape: Option<Shape>,
}

/// Halves that one write makes or deletes for groups at most.
pub const STEP: usize = 64;

/// Groups that one account may have.
const MOST_GROUPS: usize = 100;

/// `most` bounds what of it is done in the same write.
///
/// # Errors
/// The first faulty attribute; a name that is taken; a hub that is not the
/// account's; more peerings than the account may have, before any is made.
pub(crate) fn decide(
    world: &World,
    terms: &Terms,
    (account, uuid): (&str, Uuid),
    wish: &Wish,
    most: usize,
) -> Result<Vec<Change>, Rule> {
    let revision = world.next_revision();
    let it = match wish {
        Wish::Create { name, intent } => {
            if world.peering_groups_of(account).count() >= MOST_GROUPS {
                return Err(Rule::PeeringGroupLimit(MOST_GROUPS));
            }
            let (name, account, intent) = (name.clone(), account.to_owned(), intent.clone());
            PeeringGroup { uuid, account, name, intent, before: None, leaving: false, revision }
        }
        Wish::Modify(wish) => modified(staying(world, account, uuid)?, wish, revision),
        Wish::Undo => {
            let old = staying(world, account, uuid)?;
            let intent = old.before.clone().ok_or(Rule::NothingToUndo(uuid))?;
            let before = Some(old.intent.clone());
            PeeringGroup { intent, before, revision, ..old.clone() }
        }
        Wish::Delete => {
            let old = own(world, account, &uuid.to_string())?;
            return Ok(leave(world, terms, old, most));
        }
    };
    checked(world, &it)?;
    let due = due(world, terms.policy, &it);
    if due.too_many {
        let limits = terms.policy.limits_of(world, account);
        return Err(Rule::PeeringLimit(limits.peerings));
    }
    let mut changes = vec![Change::Put(Object::PeeringGroup(it.clone()))];
    let writing = Writing { terms, revision };
    changes.extend(steps::take(world, writing, &it, &due.pairs, most));
    Ok(changes)
}

fn modified(old: &PeeringGroup, wish: &Modify, revision: Revision) -> PeeringGroup {
    let mut it = PeeringGroup { revision, ..old.clone() };
    it.name = wish.name.clone().unwrap_or(it.name);
    it.intent.labels = wish.labels.clone().unwrap_or(it.intent.labels);
    it.intent.shape = wish.shape.unwrap_or(it.intent.shape);
    if it.intent != old.intent {
        it.before = Some(old.intent.clone());
    }
    it
}

/// With the last of its halves it goes itself.
fn leave(world: &World, terms: &Terms, old: &PeeringGroup, most: usize) -> Vec<Change> {
    let revision = world.next_revision();
    let it = PeeringGroup { leaving: true, revision, ..old.clone() };
    let due = due(world, terms.policy, &it).pairs;
    let mut changes = steps::take(world, Writing { terms, revision }, &it, &due, most);
    changes.push(if due.len() <= most {
        Change::Delete(Key::PeeringGroup(it.uuid))
    } else {
        Change::Put(Object::PeeringGroup(it))
    });
    changes
}

/// The account's group of that UUID, given as the path had it.
///
/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is not theirs.
pub fn own<'w>(world: &'w World, account: &str, id: &str) -> Result<&'w PeeringGroup, Rule> {
    let found = Uuid::try_parse(id).ok().and_then(|uuid| world.peering_groups.get(&uuid));
    let own = found.filter(|it| it.account == account);
    own.map(|it| &**it).ok_or_else(|| Rule::Absent(Noun::PeeringGroup, id.to_owned()))
}

fn staying<'w>(world: &'w World, account: &str, uuid: Uuid) -> Result<&'w PeeringGroup, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    if it.leaving { Err(Rule::PeeringGroupLeaving(uuid)) } else { Ok(it) }
}

fn checked(world: &World, it: &PeeringGroup) -> Result<(), Rule> {
    if !(1..=255).contains(&it.name.chars().count()) {
        return Err(Rule::bad(Subject::Name, "peering_group.name", "must be 1 to 255 characters"));
    }
    label::check(&it.intent.labels, "peering_group.labels")?;
    if it.intent.labels.is_empty() {
        let why = "must have an entry: all networks of an account are never meant";
        return Err(Rule::bad(Subject::Request, "peering_group.labels", why));
    }
    let twin = world.peering_groups_of(&it.account).find(|other| other.name == it.name);
    if twin.is_some_and(|other| other.uuid != it.uuid) {
        return Err(Rule::Exists(Noun::PeeringGroup, it.name.clone()));
    }
    if let Shape::Hub(hub) = it.intent.shape {
        network::own(world, &it.account, &hub.to_string())?;
    }
    Ok(())
}

/// A sub-account that may not use all networks cannot bring one into a group,
/// or out of it, by its labels: that peers or parts networks it has no part in.
///
/// # Errors
/// [`Rule::GroupLabels`].
pub(crate) fn check_sub(world: &World, scope: Scope<'_>, changes: &[Change]) -> Result<(), Rule> {
    if scope.every_network() {
        return Ok(());
    }
    let networks = changes.iter().filter_map(|change| match change {
        Change::Put(Object::Network(it)) => Some(it),
        Change::Put(_) | Change::Delete(_) => None,
    });
    match networks.into_iter().find(|it| steps::comes_or_goes(world, it)) {
        Some(it) => Err(Rule::GroupLabels(it.uuid)),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "peering_group/properties.rs"]
mod properties;

#[cfg(test)]
#[path = "peering_group/tests.rs"]
mod tests;
