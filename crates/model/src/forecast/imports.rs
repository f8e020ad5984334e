//! What networks will reach that they do not, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::{Sides, network};
use crate::admission::{Pair, admitted};
use crate::ids::Prefix;
use crate::objects::Network;
use crate::world::World;

/// Of one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imports {
    /// As it will be, or as it was if it goes.
    pub network: Arc<Network>,
    pub gains: Vec<Import>,
    pub loses: Vec<Import>,
}

/// A prefix of another network, and how it comes or came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    pub prefix: Prefix,
    pub from: Uuid,
    pub through: Through,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    Router(Uuid),
    /// The network's own half.
    Peering(Uuid),
}

pub(super) fn changed(sides: Sides<'_>, networks: &BTreeSet<Uuid>) -> Vec<Imports> {
    networks.iter().filter_map(|uuid| of(sides, *uuid)).collect()
}

fn of(sides: Sides<'_>, uuid: Uuid) -> Option<Imports> {
    let old = all(sides.before, uuid);
    let new = all(sides.after, uuid);
    let only = |these: &All, those: &All| {
        let only = these.iter().filter(|(key, _)| !those.contains_key(*key));
        only.map(|((prefix, from), through)| Import {
            prefix: *prefix,
            from: *from,
            through: *through,
        })
        .collect::<Vec<_>>()
    };
    let (gains, loses) = (only(&new, &old), only(&old, &new));
    if gains.is_empty() && loses.is_empty() {
        return None;
    }
    let network = network(sides.before, sides.after, uuid)?.clone();
    Some(Imports { network, gains, loses })
}

type All = BTreeMap<(Prefix, Uuid), Through>;

/// As `host_spec::reachable` has it.
fn all(world: &World, uuid: Uuid) -> All {
    let mut all = All::new();
    let Some(network) = world.network(uuid) else { return all };
    for other in world.neighbours(network) {
        let through = network.router.map(Through::Router);
        let keys = other.prefixes().map(|prefix| (prefix, other.uuid));
        all.extend(keys.filter_map(|key| Some((key, through?))));
    }
    for half in world.halves_of(uuid) {
        let Some(pair) = Pair::of(world, half) else { continue };
        if admitted(world, half) {
            for prefix in pair.peer.prefixes() {
                all.entry((prefix, pair.peer.uuid)).or_insert(Through::Peering(half.uuid));
            }
        }
    }
    all
}
