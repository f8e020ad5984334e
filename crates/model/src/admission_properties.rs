use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::host_spec::reachable;
use crate::oracle::{self, Oracle, have_common};
use crate::play::{ADDRESSES, NETWORKS, Play, create_network, peer, story};

impl Play {
    fn admitted(&self) -> BTreeSet<oracle::Pair> {
        let halves = self.world.peerings.values().filter(|half| admitted(&self.world, half));
        halves.map(|h| (h.network.min(h.peer_network), h.network.max(h.peer_network))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_the_verdicts_are_those_of_brute_force(
        steps in story(),
    ) {
        let (mut play, mut oracle) = (Play::new(), Oracle::default());
        for op in steps {
            if play.op(&op).is_ok() {
                oracle.see(&play.world);
                prop_assert_eq!(play.admitted(), oracle.admitted(&play.world), "after {:?}", op);
            }
        }
    }

    #[test]
    fn no_network_ever_imports_two_prefixes_that_overlap(
        steps in story(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let _ = play.op(&op);
            for network in play.world.networks.values() {
                let imported = reachable(&play.world, network).into_iter().chain([&**network]);
                let mut seen: Vec<(Uuid, Prefix)> = Vec::new();
                for (from, prefix) in imported.flat_map(|n| n.prefixes().map(|p| (n.uuid, p))) {
                    for (other, held) in &seen {
                        let common = have_common(prefix.net(), held.net());
                        prop_assert!(!common, "{}: {from} {prefix}, {other} {held}", network.uuid);
                    }
                    seen.push((from, prefix));
                }
            }
        }
    }

    #[test]
    fn a_clash_names_two_prefixes_that_its_receiver_would_import_through_different_ways(
        steps in story(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let _ = play.op(&op);
        }
        let world = &play.world;
        for half in world.peerings.values() {
            let Some(pair) = Pair::of(world, half) else { continue };
            let Some(found) = clash(world, pair) else { continue };
            let turned = clash(world, Pair::of(world, world.mirror(half).unwrap()).unwrap());
            prop_assert!(turned.is_some(), "both ends are in conflict");
            let sides = [(pair.local, pair.peer), (pair.peer, pair.local)];
            let (receiver, peer) =
                sides.into_iter().find(|(receiver, _)| receiver.uuid == found.receiver).unwrap();
            prop_assert!(peer.prefixes().any(|p| p == found.newcomer));
            prop_assert!(have_common(found.newcomer.net(), found.holder.net()));
            let holder = match found.through {
                Through::Own => vec![receiver],
                Through::Router(router) => {
                    prop_assert_eq!(receiver.router, Some(router));
                    world.neighbours(receiver).map(|n| &**n).collect()
                }
                Through::Peering(uuid) => {
                    let other = &world.peerings[&uuid];
                    prop_assert_eq!(other.network, receiver.uuid);
                    prop_assert!(admitted(world, other), "what holds it works");
                    vec![&**world.network(other.peer_network).unwrap()]
                }
            };
            prop_assert!(holder.iter().any(|n| n.prefixes().any(|p| p == found.holder)));
        }
    }

    #[test]
    fn which_half_was_made_first_changes_nothing(
        networks in prop::collection::vec((0..ADDRESSES.len(), 0..2u128), 6),
        pairs in prop::collection::vec((0..NETWORKS, 0..NETWORKS, any::<bool>()), 1..12),
    ) {
        let world = |turned: bool| {
            let mut play = Play::new();
            for (n, (addresses, router)) in (0..).zip(&networks) {
                let router = 2 * router + n % 2;
                let _ = play.op(&create_network(n, ADDRESSES[*addresses], Some(router)));
            }
            for (a, b, turn) in &pairs {
                let mut halves = peer(*a, *b);
                if turned && *turn {
                    halves.reverse();
                }
                for half in halves {
                    let _ = play.op(&half);
                }
            }
            play
        };
        prop_assert_eq!(world(false).admitted(), world(true).admitted());
    }

    #[test]
    fn what_is_added_takes_nothing_away_from_what_works(
        steps in story(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let before = play.clone();
            if play.op(&op).is_ok() && adds(&before.world, &play.world) {
                let (had, has) = (before.admitted(), play.admitted());
                prop_assert!(had.is_subset(&has), "{had:?} {has:?} after {op:?}");
            }
        }
    }
}

/// True when no network, prefix, router of a network or active half is gone:
/// what goes may let an older peering in, and that may be in another's way.
fn adds(before: &World, after: &World) -> bool {
    let networks = before.networks.values().all(|old| {
        after.network(old.uuid).is_some_and(|new| {
            new.prefixes().eq(old.prefixes()) && (new.router == old.router || old.router.is_none())
        })
    });
    let mut active = before.peerings.values().filter(|p| p.configured == Configured::Active);
    let halves = active.all(|old| {
        after.peerings.get(&old.uuid).is_some_and(|new| new.configured == Configured::Active)
    });
    networks && halves
}
