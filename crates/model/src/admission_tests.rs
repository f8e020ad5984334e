use super::*;
use crate::error::Rule;
use crate::op::Wish;
use crate::play::{
    Play, attach, configure, create_half, create_network, delete_half, half_id, half_op,
    modify_network, network_id, network_op, peer, renumber, router_id,
};

impl Play {
    fn works(&self, a: u128, b: u128) -> bool {
        let ends = [(a, b), (b, a)].map(|(from, to)| admitted(&self.world, self.half(from, to)));
        assert_eq!(ends[0], ends[1], "both ends see the same");
        ends[0]
    }

    fn clash(&self, a: u128, b: u128) -> Option<Clash> {
        clash(&self.world, Pair::of(&self.world, self.half(a, b)).unwrap())
    }

    /// Networks 0 and up with these addresses, each on a router of its own.
    fn of(addresses: &[&str]) -> Self {
        let mut play = Self::new();
        for (n, address) in (0..).zip(addresses) {
            play.must(create_network(n, &[address], Some(n)));
        }
        play
    }
}

#[test]
fn the_newcomer_gives_way_and_the_holder_goes_on() {
    let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/25"]);
    play.all(peer(0, 1));
    assert!(play.works(0, 1));
    play.all(peer(0, 2));
    assert!(play.works(0, 1));
    let clash = play.clash(2, 0).unwrap();
    assert_eq!(clash.receiver, network_id(0), "that imports both");
    assert_eq!(clash.newcomer.to_string(), "10.1.0.0/25");
    assert_eq!(clash.holder.to_string(), "10.1.0.0/24");
    assert_eq!(clash.through, Through::Peering(half_id(0, 1)));
}

#[test]
fn of_several_that_are_in_the_way_the_oldest_is_named() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/25", "10.1.0.128/25", "10.1.0.0/24"]);
        play.all([peer(0, first), peer(0, second), peer(0, 3)].concat());
        assert!(play.works(0, 1) && play.works(0, 2));
        let through = play.clash(3, 0).map(|c| c.through);
        assert_eq!(through, Some(Through::Peering(half_id(0, first))));
    }
}

#[test]
fn networks_that_overlap_and_have_no_receiver_in_common_do_not_clash() {
    let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24"]);
    play.all([peer(0, 1), peer(2, 3)].concat());
    assert!(play.works(0, 1) && play.works(2, 3));
}

#[test]
fn every_way_in_which_the_holder_can_go_heals_the_other() {
    for (what, ops) in [
        ("a half deleted", vec![delete_half(0, 1)]),
        ("the other half deleted", vec![delete_half(1, 0)]),
        ("a half disabled", vec![configure(1, 0, Configured::Disabled)]),
        ("its router detached", vec![attach(1, None)]),
        ("other prefixes", vec![renumber(1, &["10.9.0.0/24"])]),
        ("the network deleted", vec![delete_half(1, 0), network_op(1, Wish::Delete)]),
    ] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24"]);
        play.all([peer(0, 1), peer(0, 2)].concat());
        assert!(!play.works(0, 2), "before {what}");
        play.all(ops);
        assert!(play.works(0, 2), "after {what}");
    }
}

#[test]
fn who_comes_back_is_the_newcomer() {
    for (what, ops) in [
        ("deleted", [delete_half(0, 1), create_half(0, 1)]),
        ("disabled", [configure(1, 0, Configured::Disabled), configure(1, 0, Configured::Active)]),
        ("detached", [attach(1, None), attach(1, Some(1))]),
        ("renumbered", [renumber(1, &["10.9.0.0/24"]), renumber(1, &["10.1.0.0/24"])]),
    ] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24"]);
        play.all([peer(0, 1), peer(0, 2)].concat());
        play.all(ops);
        assert!(play.works(0, 2) && !play.works(0, 1), "{what}");
    }
}

#[test]
fn what_leaves_the_pair_complete_does_not_make_it_a_newcomer() {
    let label = crate::label::Label { key: "env".to_owned(), value: "prod".to_owned() };
    let renamed = crate::peering::Modify {
        name: Some("other".to_owned()),
        configured: Some(Configured::Active),
        labels: Some(vec![label]),
        note: Some("Of old".to_owned()),
    };
    let gateway = crate::objects::Subnet {
        gateway: [10, 1, 0, 9].into(),
        ..crate::play::subnet("10.1.0.0/24")
    };
    let same_prefix = crate::network::Modify { subnets: Some(vec![gateway]), ..Default::default() };
    for (what, ops) in [
        ("a peering modified", vec![half_op(0, 1, Wish::Modify(renamed))]),
        ("a gateway moved", vec![modify_network(1, same_prefix)]),
        ("the same router again", vec![attach(1, Some(1))]),
        ("from router to router", vec![attach(1, Some(5))]),
        ("the receiver from router to router", vec![attach(0, Some(4))]),
        // Both pairs are as new then, and the order between them is kept.
        ("the receiver off its router and on", vec![attach(0, None), attach(0, Some(0))]),
        ("the receiver renumbered", vec![renumber(0, &["10.9.0.0/24"])]),
    ] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24"]);
        play.all([peer(0, 1), peer(0, 2)].concat());
        play.all(ops);
        assert!(play.works(0, 1) && !play.works(0, 2), "{what}");
    }
}

#[test]
fn of_pairs_that_one_router_completes_the_one_agreed_on_first_wins() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24"]);
        play.must(attach(0, None));
        play.all([peer(0, first), peer(0, second)].concat());
        play.must(attach(0, Some(0)));
        assert!(play.works(0, first) && !play.works(0, second), "{first} was first");
    }
}

#[test]
fn what_a_network_has_itself_or_by_its_router_comes_before_any_peering() {
    let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.0.0.0/25"]);
    play.must(create_network(4, &["10.1.0.128/25"], Some(0)));
    play.all([peer(0, 1), peer(0, 2)].concat());
    let through = |a, b| play.clash(a, b).map(|c| (c.receiver, c.through));
    assert_eq!(through(1, 0), Some((network_id(0), Through::Router(router_id(0)))));
    assert!(matches!(through(0, 2), Some((_, Through::Own))));
}

#[test]
fn the_router_of_the_other_end_counts_as_well() {
    let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24"]);
    play.must(create_network(3, &["10.0.0.0/16"], Some(1)));
    play.all(peer(0, 1));
    let clash = play.clash(0, 1).unwrap();
    assert_eq!((clash.receiver, clash.newcomer.to_string()), (network_id(1), "10.0.0.0/24".into()));
    assert_eq!(clash.through, Through::Router(router_id(1)));
}

#[test]
fn networks_of_one_router_may_have_a_peering_too() {
    let mut play = Play::of(&["10.0.0.0/24"]);
    play.must(create_network(2, &["10.1.0.0/24"], Some(0)));
    play.all(peer(0, 2));
    assert!(play.works(0, 2), "the peer is not in its own way");
}

#[test]
fn a_pair_that_is_not_complete_neither_works_nor_stands_in_the_way() {
    for (what, op) in [
        ("half", delete_half(1, 0)),
        ("own half disabled", configure(0, 1, Configured::Disabled)),
        ("mirror disabled", configure(1, 0, Configured::Disabled)),
        ("no local router", attach(0, None)),
        ("no peer router", attach(1, None)),
    ] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24"]);
        play.all(peer(0, 1));
        play.must(op);
        let half = play.half(0, 1);
        assert!(Pair::of(&play.world, half).is_none(), "{what}");
        assert!(!admitted(&play.world, half), "{what}");
    }
}

#[test]
fn a_clash_that_is_out_of_the_way_itself_blocks_nobody() {
    // 0-2 keeps 1-2 out at 2, so that 1-3 is free at 1 although 2 and 3 overlap.
    let mut play = Play::of(&["10.0.0.0/24", "10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24"]);
    play.all([peer(0, 2), peer(1, 2), peer(1, 3)].concat());
    assert!(play.works(0, 2) && !play.works(1, 2) && play.works(1, 3));
    // By age, all along the chain: the next oldest takes its place.
    play.must(delete_half(0, 2));
    assert!(play.works(1, 2) && !play.works(1, 3));
}

#[test]
fn a_network_that_overlaps_what_its_router_reaches_is_refused_there() {
    // 0 is on router 0 and peered with 1.
    for (what, addresses, mine, theirs) in [
        ("a neighbour", "10.0.0.128/25", "10.0.0.128/25", "10.0.0.0/24"),
        ("a neighbour's peer", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24"),
        ("a neighbour's peer alone", "10.1.0.0/25", "10.1.0.0/25", "10.1.0.0/24"),
    ] {
        let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24"]);
        play.all(peer(0, 1));
        let refused = Err(Rule::OverlapsOnRouter {
            mine: mine.to_owned(),
            theirs: theirs.to_owned(),
            network: network_id(0),
        });
        assert_eq!(play.op(&create_network(2, &[addresses], Some(0))), refused, "{what}");
        play.must(create_network(2, &[addresses], None));
        assert_eq!(play.op(&attach(2, Some(0))), refused, "{what}, attached later");
        play.must(renumber(2, &["10.7.0.0/24"]));
        play.must(attach(2, Some(0)));
        assert_eq!(play.op(&renumber(2, &[addresses])), refused, "{what}, renumbered later");
        assert!(play.works(0, 1), "{what}");
    }
}

#[test]
fn a_network_whose_peer_overlaps_the_new_routers_networks_is_refused_there() {
    let mut play = Play::of(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/25"]);
    play.all(peer(0, 1));
    let refused = play.op(&attach(0, Some(2)));
    let Err(Rule::OverlapsOnRouter { mine, theirs, network }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((&*mine, &*theirs, network), ("10.1.0.0/24", "10.1.0.0/25", network_id(2)));
    play.must(configure(1, 0, Configured::Disabled));
    play.must(attach(0, Some(2)));
    play.must(configure(1, 0, Configured::Active));
    assert_eq!(play.clash(0, 1).unwrap().through, Through::Router(router_id(2)));
}

#[test]
fn a_peer_on_the_same_router_is_not_in_the_way_of_joining_it() {
    let mut play = Play::of(&["10.0.0.0/24"]);
    play.must(create_network(2, &["10.1.0.0/24"], Some(2)));
    play.all(peer(0, 2));
    play.must(attach(2, Some(0)));
    assert!(play.works(0, 2));
}
