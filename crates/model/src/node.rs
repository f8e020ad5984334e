//! Servers that share one memory, and how each finds the others.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::world::World;

/// One of several servers. A server that is alone is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Another one with each start.
    pub id: Uuid,
    /// Where others reach it: host and port.
    pub address: String,
    /// Grows when it says that it is there, which it does here only while
    /// another does not hear it.
    pub beats: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// It is there; what was at that address before it is not.
    Here {
        id: Uuid,
        address: String,
    },
    Gone(Uuid),
}

/// What `wish` does to `world`.
pub fn decide(world: &World, wish: &Wish) -> Vec<Change> {
    match wish {
        Wish::Here { id, address } => {
            let beats = world.nodes.get(id).map_or(0, |it| it.beats + 1);
            let before = world.nodes.values().filter(|it| it.id != *id && it.address == *address);
            let gone = before.map(|it| Change::Delete(Key::Node(it.id)));
            let here = Node { id: *id, address: address.clone(), beats };
            gone.chain([Change::Put(Object::Node(here))]).collect()
        }
        Wish::Gone(id) => {
            let there = world.nodes.get(id);
            there.map(|it| Change::Delete(Key::Node(it.id))).into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(id: u128, address: &str) -> Wish {
        Wish::Here { id: Uuid::from_u128(id), address: address.to_owned() }
    }

    #[test]
    fn a_server_that_starts_again_at_its_address_takes_the_place_of_the_one_before() {
        let mut world = World::default();
        let say = |world: &mut World, wish| world.commit(&decide(world, &wish));
        say(&mut world, here(1, "a:1"));
        say(&mut world, here(2, "b:1"));
        say(&mut world, here(2, "b:1"));
        assert_eq!(world.nodes[&Uuid::from_u128(2)].beats, 1);
        say(&mut world, here(3, "a:1"));
        let ids: Vec<u128> = world.nodes.keys().map(Uuid::as_u128).collect();
        assert_eq!(ids, [2, 3]);
        say(&mut world, Wish::Gone(Uuid::from_u128(2)));
        assert_eq!(decide(&world, &Wish::Gone(Uuid::from_u128(2))), []);
        assert_eq!(world.nodes.len(), 1);
    }
}
