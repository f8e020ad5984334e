use super::*;
use crate::op::{Op, Wish, decide};
use crate::play::{
    Play, attach, configure, create_half, create_network, delete_half, half_id, half_op, network_id,
};

/// Networks 0 and 2 of `a`, 1 of `b`, each on a router.
fn three() -> Play {
    let mut play = Play::new();
    for n in 0..3 {
        play.must(create_network(n, &[&format!("10.{n}.0.0/24")], Some(n)));
    }
    play
}

fn wish(from: u128, to: u128) -> Create {
    let Op::Peering { wish: Wish::Create(wish), .. } = create_half(from, to) else {
        panic!("that is what it makes")
    };
    wish
}

fn strict(op: Op) -> Op {
    let policy = Policy { strict_router: true, strict_delete: true, ..Policy::default() };
    Op::Under { terms: Terms { policy, now: 7, ..Terms::default() }, op: Box::new(op) }
}

#[test]
fn of_several_faults_the_first_of_the_contracts_order_is_told() {
    let mut play = three();
    play.all([create_half(0, 1), attach(0, None)]);
    let provided = provided::all().next().unwrap().uuid;
    let (nobody, theirs) = (network_id(9), network_id(1));
    let absent = |noun, uuid: Uuid| Rule::Absent(noun, uuid.to_string());
    let mut it = Create { network: theirs, peer_network: nobody, ..wish(0, 1) };
    it.name = String::new();
    let at = |it: &Create| strict(half_op(0, 1, Wish::Create(it.clone())));
    assert_eq!(play.fault(&at(&it)), (Subject::Name, "network_peering.name".to_owned()));
    it.name = "x".repeat(256);
    assert_eq!(play.fault(&at(&it)), (Subject::Name, "network_peering.name".to_owned()));
    it.name = "x".repeat(255);
    it.labels = vec![Label { key: "_".to_owned(), value: String::new() }];
    assert_eq!(play.fault(&at(&it)).1, "network_peering.labels.0.key");
    it.labels.clear();
    it.note = Some("\u{1b}[2J".to_owned());
    assert_eq!(play.fault(&at(&it)).1, "network_peering.note");
    it.note = None;
    for (network, peer_network, want) in [
        (provided, nobody, Rule::NetworkProvided(provided)),
        (nobody, nobody, absent(Noun::Network, nobody)),
        (theirs, nobody, Rule::NetworkForbidden(theirs)),
        (network_id(0), nobody, absent(Noun::PeerNetwork, nobody)),
        (network_id(0), provided, absent(Noun::PeerNetwork, provided)),
        (network_id(0), network_id(0), Rule::PeeringWithItself),
        (network_id(0), theirs, Rule::PeeringExists(half_id(0, 1))),
        (network_id(0), network_id(2), Rule::LocalNetworkNoRouter(network_id(0))),
    ] {
        it = Create { network, peer_network, ..it };
        assert_eq!(decide(&play.world, &at(&it)), Err(want));
    }
    it.network = network_id(2);
    it.peer_network = network_id(0);
    play.must(at(&it));
}

#[test]
fn without_strictness_a_network_needs_no_router_and_no_peering_is_kept() {
    let mut play = three();
    play.all([attach(0, None), create_half(0, 1), delete_half(0, 1)]);
    assert!(play.world.peerings.is_empty());
}

#[test]
fn under_strict_deletion_only_what_is_disabled_goes() {
    let mut play = three();
    play.must(create_half(0, 1));
    let delete = strict(delete_half(0, 1));
    assert_eq!(play.op(&delete), Err(Rule::PeeringNotDisabled(half_id(0, 1))));
    play.all([configure(0, 1, Configured::Disabled), delete]);
}

#[test]
fn what_is_made_is_what_was_wished_at_the_revision_of_its_write() {
    let mut play = three();
    let label = Label { key: "region".to_owned(), value: "eu".to_owned() };
    let wish = Create {
        configured: Configured::Disabled,
        labels: vec![label.clone()],
        note: Some("Hello".to_owned()),
        ..wish(0, 1)
    };
    let revision = play.world.next_revision();
    play.must(strict(half_op(0, 1, Wish::Create(wish))));
    let want = Peering {
        uuid: half_id(0, 1),
        account: "a".to_owned(),
        name: "0-1".to_owned(),
        configured: Configured::Disabled,
        configured_since: revision,
        network: network_id(0),
        peer_network: network_id(1),
        labels: vec![label],
        note: Some("Hello".to_owned()),
        offered: 7,
        declined: false,
        group: None,
        revision,
    };
    assert_eq!(*play.half(0, 1), want);
}

#[test]
fn what_is_not_given_stays_and_faults_change_nothing() {
    let mut play = three();
    play.must(create_half(0, 1));
    let made = play.half(0, 1).clone();
    let now = made.revision + 1;
    let next = || Peering { revision: now, ..made.clone() };
    let labels = vec![Label { key: "region".to_owned(), value: "eu".to_owned() }];
    let modify = |wish: Modify| half_op(0, 1, Wish::Modify(wish));
    let disabled = Configured::Disabled;
    for (op, want) in [
        (modify(Modify::default()), next()),
        (
            modify(Modify { name: Some("n".to_owned()), ..Default::default() }),
            Peering { name: "n".to_owned(), ..next() },
        ),
        (
            modify(Modify { labels: Some(labels.clone()), ..Default::default() }),
            Peering { labels, ..next() },
        ),
        (
            modify(Modify { note: Some("n".to_owned()), ..Default::default() }),
            Peering { note: Some("n".to_owned()), ..next() },
        ),
        (
            configure(0, 1, disabled),
            Peering { configured: disabled, configured_since: now, ..next() },
        ),
        (configure(0, 1, Configured::Active), next()),
    ] {
        let mut play = play.clone();
        play.must(op);
        assert_eq!(*play.half(0, 1), want);
    }
    for (wish, at) in [
        (Modify { name: Some(String::new()), ..Default::default() }, "network_peering.name"),
        (Modify { note: Some("x".repeat(501)), ..Default::default() }, "network_peering.note"),
    ] {
        assert_eq!(play.fault(&modify(wish)).1, at);
    }
}

#[test]
fn a_peering_is_its_owners() {
    let mut play = three();
    play.must(create_half(0, 1));
    let absent = Err(Rule::Absent(Noun::Peering, half_id(0, 1).to_string()));
    for wish in [Wish::Delete, Wish::Modify(Modify::default())] {
        let op = Op::Peering { by: "b".to_owned(), uuid: half_id(0, 1), wish };
        assert_eq!(play.op(&op), absent);
    }
    assert!(own(&play.world, "a", "peering").is_err(), "not a UUID");
}
