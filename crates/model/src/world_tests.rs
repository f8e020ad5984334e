use proptest::prelude::*;

use super::*;
use crate::play::{Play, story_with_ports};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The indexes are those of the objects, whatever was done to get there.
    #[test]
    fn a_world_is_the_same_after_a_restart(
        steps in story_with_ports(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let _ = play.op(&op);
        }
        for network in play.world.networks.keys() {
            let hosts: BTreeSet<Uuid> =
                play.world.ports_on(*network).filter_map(|port| port.host).collect();
            prop_assert_eq!(play.world.hosts_of(*network), hosts);
        }
        let again = World::restore(play.world.revision(), objects(&play.world));
        prop_assert_eq!(format!("{again:#?}"), format!("{:#?}", play.world));
    }

    #[test]
    fn a_write_is_numbered_and_a_picture_of_before_stays(
        steps in story_with_ports(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let before = play.world.clone();
            let picture = format!("{before:?}");
            if play.op(&op).is_ok() {
                prop_assert_eq!(play.world.revision(), before.next_revision());
            } else {
                prop_assert_eq!(format!("{:?}", play.world), picture.clone());
            }
            prop_assert_eq!(format!("{before:?}"), picture);
        }
    }
}

/// What a store would have kept of the things that [`Play`] makes.
fn objects(world: &World) -> Vec<Object> {
    let mut all = vec![Object::NextVni { vni: world.next_vni }];
    all.extend(world.authority.iter().map(|it| Object::Authority(Authority::clone(it))));
    all.extend(world.accounts.values().map(|it| Object::Account(Account::clone(it))));
    all.extend(world.hosts.values().map(|it| Object::Host(Host::clone(it))));
    all.extend(world.join_tokens.values().map(|it| Object::JoinToken(JoinToken::clone(it))));
    // As a store has them: not in the order in which they need each other.
    all.extend(world.ports.values().map(|it| Object::Port(Port::clone(it))));
    all.extend(world.peerings.values().map(|it| Object::Peering(Peering::clone(it))));
    all.extend(world.networks.values().map(|it| Object::Network(Network::clone(it))));
    all.extend(world.routers.values().map(|it| Object::Router(Router::clone(it))));
    all
}
