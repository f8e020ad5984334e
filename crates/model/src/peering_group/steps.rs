//! From the halves there are to those that a group wants, in steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{PeeringGroup, STEP, Wanted};
use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule};
use crate::ids::Revision;
use crate::objects::{Configured, Network, Peering};
use crate::policy::Policy;
use crate::terms::Terms;
use crate::webhook;
use crate::world::World;

/// From and to, of a half.
pub type Ends = [Uuid; 2];

/// What is between a group and its intent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Of halves to be deleted, and then of those to be made.
    pub pairs: Vec<Ends>,
    /// More are wanted than the account may have: none of them is to be made.
    pub too_many: bool,
}

/// Everything that is due for `group`, in its order.
pub fn due(world: &World, policy: Policy, group: &PeeringGroup) -> Due {
    let wanted = Wanted::of(world, group);
    let made = made_by(world, group).map(|it| ends(it));
    let pairs = paired(made.filter(|it| !wanted.has(*it)));
    let most = most_of(world, policy, group);
    // So many cannot be there, and are not counted one by one.
    if wanted.count() > most {
        return Due { pairs, too_many: true };
    }
    let heirs = Heirs::of(world, group);
    let freed = pairs.iter().filter(|it| heirs.of_half(**it).is_none()).count();
    let room = (most + freed).saturating_sub(has(world, group));
    let missing = wanted.pairs().filter(|pair| may_be_made(world, policy, *pair));
    let missing: Vec<Ends> = missing.take(room.saturating_add(1)).collect();
    if missing.len() > room {
        return Due { pairs, too_many: true };
    }
    Due { pairs: pairs.into_iter().chain(missing).collect(), too_many: false }
}

/// The halves that carry the group's mark.
pub(super) fn made_by<'w>(
    world: &'w World,
    group: &PeeringGroup,
) -> impl Iterator<Item = &'w Arc<Peering>> + use<'w> {
    let uuid = group.uuid;
    world.peerings_of_account(&group.account).filter(move |it| it.group == Some(uuid))
}

fn ends(it: &Peering) -> Ends {
    [it.network, it.peer_network]
}

/// Both halves of a pair beside each other.
fn paired(all: impl Iterator<Item = Ends>) -> Vec<Ends> {
    let mut all: Vec<Ends> = all.collect();
    all.sort_by_key(|it| (it.iter().min().copied(), it.iter().max().copied(), it[0]));
    all
}

/// How many peerings its account has.
fn has(world: &World, group: &PeeringGroup) -> usize {
    world.owned(&group.account).map_or(0, |owned| owned.peerings.len())
}

/// How many it may have.
fn most_of(world: &World, policy: Policy, group: &PeeringGroup) -> usize {
    let limit = policy.limits_of(world, &group.account).peerings;
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn may_be_made(world: &World, policy: Policy, [from, to]: Ends) -> bool {
    let routed = || world.network(from).is_some_and(|it| it.router.is_some());
    world.half(from, to).is_none() && (!policy.strict_router || routed())
}

/// Groups that may go on with what another one does not want any more.
struct Heirs(Vec<(Uuid, Wanted)>);

impl Heirs {
    fn of(world: &World, group: &PeeringGroup) -> Self {
        let others = world.peering_groups_of(&group.account).filter(|it| it.uuid != group.uuid);
        Self(others.map(|it| (it.uuid, Wanted::of(world, it))).collect())
    }

    fn of_half(&self, half: Ends) -> Option<Uuid> {
        self.0.iter().find(|(_, wanted)| wanted.has(half)).map(|(uuid, _)| *uuid)
    }
}

/// A write under way that groups take part in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing<'a> {
    pub(super) terms: &'a Terms,
    pub(super) revision: Revision,
}

/// One step of a group, by nobody: of `pairs` what is still due is done.
///
/// # Errors
/// [`Rule::Absent`], [`Rule::PeeringLimit`].
pub fn step(
    world: &World,
    terms: &Terms,
    group: Uuid,
    pairs: &[Ends],
) -> Result<Vec<Change>, Rule> {
    let absent = || Rule::Absent(Noun::PeeringGroup, group.to_string());
    let it = world.peering_groups.get(&group).ok_or_else(absent)?;
    let writing = Writing { terms, revision: world.next_revision() };
    let mut changes = take(world, writing, it, pairs, STEP);
    let limit = terms.policy.limits_of(world, &it.account).peerings;
    let made = changes.iter().filter(|it| is_new(world, it)).count();
    if made > 0 && u32::try_from(has(world, it) + made).is_ok_and(|all| all > limit) {
        return Err(Rule::PeeringLimit(limit));
    }
    let gone: BTreeSet<Key> = changes.iter().map(Change::key).collect();
    if it.leaving && made_by(world, it).all(|half| gone.contains(&Key::Peering(half.uuid))) {
        changes.push(Change::Delete(Key::PeeringGroup(it.uuid)));
    }
    Ok(changes)
}

fn is_new(world: &World, change: &Change) -> bool {
    match change {
        Change::Put(Object::Peering(it)) => !world.peerings.contains_key(&it.uuid),
        Change::Put(_) | Change::Delete(_) => false,
    }
}

/// Of `pairs` what is due, at most so many halves. What would stop what works
/// is left out.
///
/// That is looked at where halves go. What is added takes nothing from what
/// works: the newcomer gives way (docs/decisions/0006).
pub(super) fn take(
    world: &World,
    writing: Writing<'_>,
    group: &PeeringGroup,
    pairs: &[Ends],
    most: usize,
) -> Vec<Change> {
    let (wanted, heirs) = (Wanted::of(world, group), Heirs::of(world, group));
    let mut sketch = Sketch { world: world.clone(), changes: Vec::new() };
    let mut left = most;
    for pair in pairs {
        if left == 0 {
            break;
        }
        let is_wanted = wanted.has(*pair);
        match sketch.world.half(pair[0], pair[1]).cloned() {
            Some(half) if half.group == Some(group.uuid) && !is_wanted => {
                let changes = unmade(world, &half, &heirs);
                if !group.leaving && broken(&sketch.world, &changes).is_some() {
                    continue;
                }
                sketch.add(changes);
            }
            None if is_wanted && may_be_made(&sketch.world, writing.terms.policy, *pair) => {
                sketch.add(made(world, writing, group, *pair));
            }
            Some(_) | None => continue,
        }
        left -= 1;
    }
    sketch.changes
}

/// The world as it would be after the changes so far.
struct Sketch {
    world: World,
    changes: Vec<Change>,
}

impl Sketch {
    fn add(&mut self, changes: Vec<Change>) {
        self.world.commit(&changes);
        self.changes.extend(changes);
    }
}

/// A half whose packets flow, and would not for a clash after `changes`, which
/// are not about it. A pair that is parted may let an older one in, and that
/// one may be in the way of a younger one.
pub(super) fn broken(world: &World, changes: &[Change]) -> Option<Arc<Peering>> {
    let mut after = world.clone();
    after.commit(changes);
    world.admitted_otherwise(&after).into_iter().find_map(|(one, other)| {
        let parted = after.half(other, one).is_none();
        let half = after.half(one, other)?;
        (world.admits(one, other) && !parted).then(|| half.clone())
    })
}

/// Another group that wants it goes on with it, so that no packet is lost.
fn unmade(world: &World, half: &Peering, heirs: &Heirs) -> Vec<Change> {
    if let Some(heir) = heirs.of_half(ends(half)) {
        let half = Peering { group: Some(heir), ..half.clone() };
        return vec![Change::Put(Object::Peering(half))];
    }
    webhook::forget(world, half).chain([Change::Delete(Key::Peering(half.uuid))]).collect()
}

fn made(
    world: &World,
    writing: Writing<'_>,
    group: &PeeringGroup,
    [from, to]: Ends,
) -> Vec<Change> {
    let Writing { terms, revision } = writing;
    vec![Change::Put(Object::Peering(Peering {
        uuid: new_uuid(world, revision, [group.uuid, from, to]),
        account: group.account.clone(),
        name: name_of(world, group, [from, to]),
        configured: Configured::Active,
        configured_since: revision,
        network: from,
        peer_network: to,
        labels: Vec::new(),
        note: None,
        offered: terms.now,
        declined: false,
        group: Some(group.uuid),
        revision,
    }))]
}

/// As many characters as a name may have.
const NAME: usize = 255;

fn name_of(world: &World, group: &PeeringGroup, ends: Ends) -> String {
    let name = |uuid| world.network(uuid).map_or("", |it| it.name.as_str());
    let text = format!("{}: {} to {}", group.name, name(ends[0]), name(ends[1]));
    text.chars().take(NAME).collect()
}

/// That nothing has yet. What is decided must be the same wherever it is
/// decided, so it is made of what makes the half.
fn new_uuid(world: &World, revision: Revision, of: [Uuid; 3]) -> Uuid {
    let mut mixed = revision;
    loop {
        let mut lane = || {
            for (high, low) in of.map(|part| part.as_u64_pair()) {
                mixed = mix(mix(mixed ^ high) ^ low);
            }
            mixed
        };
        let lanes = Uuid::from_u64_pair(lane(), lane());
        let mut bytes =
            uuid::Builder::from_custom_bytes(lanes.into_bytes()).into_uuid().into_bytes();
        // The digits that peerings' UUIDs begin with (contract section 1.4).
        bytes[0] = 0x0f;
        let uuid = Uuid::from_bytes(bytes);
        if !world.peerings.contains_key(&uuid) {
            return uuid;
        }
    }
}

/// The finaliser of splitmix64.
fn mix(it: u64) -> u64 {
    let it = it.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
}

/// What groups have to do after `changes` to networks, added to them if it is
/// little; else it is left to steps of nobody.
pub(crate) fn follow(world: &World, terms: &Terms, mut changes: Vec<Change>) -> Vec<Change> {
    let networks = changes.iter().filter_map(|change| match change {
        Change::Put(Object::Network(it)) => Some(it).filter(|it| comes_or_goes(world, it)),
        Change::Put(_) | Change::Delete(_) => None,
    });
    let networks: Vec<Network> = networks.cloned().collect();
    let writing = Writing { terms, revision: world.next_revision() };
    for network in networks {
        let mut after = Sketch { world: world.clone(), changes: Vec::new() };
        after.world.commit(&changes);
        let groups: Vec<_> = after.world.peering_groups_of(&network.account).cloned().collect();
        for group in groups {
            let pairs = due_at(&after.world, terms.policy, &group, network.uuid);
            if pairs.len() <= STEP {
                let more = take(&after.world, writing, &group, &pairs, STEP);
                after.add(more);
            }
        }
        changes.extend(after.changes);
    }
    changes
}

/// Whether it comes to belong to a group by its labels, or belongs no more.
pub(super) fn comes_or_goes(world: &World, new: &Network) -> bool {
    let old = world.network(new.uuid);
    let belonged = |group: &PeeringGroup| old.is_some_and(|old| group.intent.has(old));
    world.peering_groups_of(&new.account).any(|it| belonged(it) != it.intent.has(new))
}

/// As [`due`], of one network.
fn due_at(world: &World, policy: Policy, group: &PeeringGroup, network: Uuid) -> Vec<Ends> {
    let wanted = Wanted::of(world, group);
    let halves = world.halves_of(network).chain(world.halves_towards(network));
    let made = halves.filter(|it| it.group == Some(group.uuid)).map(|it| ends(it));
    let mut pairs = paired(made.filter(|it| !wanted.has(*it)));
    let missing = wanted.pairs_of(network).filter(|it| may_be_made(world, policy, *it));
    let missing: Vec<Ends> = missing.take(STEP + 1).collect();
    let most = most_of(world, policy, group);
    if has(world, group) + missing.len() <= most {
        pairs.extend(missing);
    }
    pairs
}
