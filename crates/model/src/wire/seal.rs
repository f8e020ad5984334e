//! `/kannas/v1/encryption`: what is encrypted, and how the keys stand.

use serde::Serialize;

use crate::seal::{Generation, Seal, waited_for};
use crate::state::Presence;
use crate::world::World;

#[derive(Serialize)]
pub struct Encryption {
    /// Of keys, that packets are encrypted with; absent until something was
    /// encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Keys of the next generation are on their way.
    pub rotating: bool,
    /// Names of the hosts that have yet to do their part of it.
    pub waits_for: Vec<String>,
    pub pairs: Vec<Pair>,
}

/// Two zones, or one twice: what goes between its own hosts.
#[derive(Serialize)]
pub struct Pair {
    pub zones: [String; 2],
    pub since: String,
}

#[derive(Serialize)]
pub struct One {
    pub encryption: Encryption,
}

impl One {
    pub fn new(world: &World, presence: &Presence) -> Self {
        let rotation = world.seals.rotation();
        let name = |host| world.hosts.get(&host).map(|it| it.name.clone());
        let mut waits_for: Vec<String> =
            waited_for(world, presence).into_iter().filter_map(name).collect();
        waits_for.sort_unstable();
        let encryption = Encryption {
            generation: rotation.map(|it| it.used),
            since: rotation.map(|it| super::rfc3339(it.since)),
            rotating: rotation.is_some_and(|it| it.is_under_way()),
            waits_for,
            pairs: world.seals.pairs().map(|it| Pair::of(it)).collect(),
        };
        Self { encryption }
    }
}

impl Pair {
    pub fn of(it: &Seal) -> Self {
        let (a, b) = it.zones.clone();
        Self { zones: [a, b], since: super::rfc3339(it.since) }
    }
}
