use super::*;
use crate::access;
use crate::consent::Patience;
use crate::credentials::{SubAccount, Target};
use crate::forecast::{Now, forecast};
use crate::op::Op;
use crate::play::{
    Play, attach, create_half, create_network, create_port, create_router, network_id, peer,
};
use crate::state::Presence;

/// Networks 0 and 2 are a's, 1 and 3 b's; all have a port but 2, each at
/// another host.
fn play() -> Play {
    let mut play = Play::new();
    for n in 0..4 {
        play.must(create_network(n, &[&format!("10.{n}.0.0/24")], Some(n)));
    }
    play.all([create_port(0, 0, 0), create_port(1, 1, 1), create_port(3, 3, 2)]);
    play
}

fn view_of(play: &Play, op: &Op, account: &str, sub: Option<&str>) -> View {
    let world = &play.world;
    let now = Now { world, presence: &Presence::default(), patience: Patience::default() };
    let viewer = Viewer {
        world,
        account,
        scope: Scope::of(world, sub).unwrap(),
        main: sub.is_none(),
        limits: Limits { peerings: 4, ..Limits::default() },
    };
    View::new(&forecast(now, op).unwrap(), viewer)
}

fn hosts(view: &View) -> Vec<(&str, usize)> {
    view.hosts.iter().map(|it| (&*it.name, it.routes_added)).collect()
}

#[test]
fn each_account_is_told_of_its_own_half_and_hosts_and_the_operator_of_all_hosts() {
    let mut play = play();
    play.must(create_half(1, 0));
    let op = create_half(0, 1);
    let mine = view_of(&play, &op, "b", None);
    assert_eq!(mine.peerings.len(), 1);
    assert_eq!(
        (mine.peerings[0].name.as_str(), mine.peerings[0].after),
        ("1-0", Some(State::Active))
    );
    assert_eq!(mine.networks.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["n1"]);
    assert_eq!(hosts(&mine), [("h1", 2)], "h0 is the other account's");
    // Account `a` is the administrator's.
    let theirs = view_of(&play, &op, "a", None);
    assert_eq!((theirs.peerings.len(), theirs.peerings[0].uuid), (1, None));
    assert_eq!(theirs.networks[0].gains[0].uuid, None, "through what is not there yet");
    assert_eq!(hosts(&theirs), [("h0", 2), ("h1", 2)]);
}

#[test]
fn a_stranger_whose_peering_waits_is_told_nothing_of_the_other_network() {
    let play = play();
    let it = view_of(&play, &create_half(1, 0), "b", None);
    assert_eq!(it.peerings[0].after, Some(State::PendingPeer));
    assert!(it.networks.is_empty() && it.hosts.is_empty() && it.warnings.is_empty());
    let text = serde_json::to_string(&it).unwrap();
    assert!(!text.contains("10.0.0.") && !text.contains("h0"), "{text}");
}

#[test]
fn a_sub_account_is_told_of_what_it_has_access_to() {
    let mut play = play();
    let body = br#"{"sub_account": {"username": "s", "password": "p"}}"#;
    let (sub, _) = SubAccount::of_body(body, "a").unwrap();
    let networks = vec![Target::One(network_id(0))];
    let sub = Box::new(SubAccount { networks, ..sub });
    play.must(Op::Access { by: "a".to_owned(), wish: access::Wish::CreateSub(sub) });
    play.must(create_half(2, 0));
    let op = create_half(0, 2);
    let it = view_of(&play, &op, "a", Some("s"));
    assert_eq!(it.peerings.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["0-2"]);
    assert_eq!(it.networks.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["n0"]);
    assert_eq!(hosts(&it), [("h0", 1)], "and it is no operator");
    assert_eq!(view_of(&play, &op, "a", None).peerings.len(), 2);
}

#[test]
fn limits_are_told_of_when_they_come_near() {
    let mut play = play();
    play.must(create_half(0, 2));
    assert!(view_of(&play, &create_half(2, 0), "a", None).limits.is_empty());
    play.must(create_half(2, 0));
    play.must(create_half(0, 1));
    let want = LimitView { limit: "network_peerings".to_owned(), used: 4, most: 4 };
    assert_eq!(view_of(&play, &create_half(0, 3), "a", None).limits, [want]);
    assert!(view_of(&play, &create_router(7), "a", None).limits.is_empty());
}

#[test]
fn a_network_that_leaves_its_router_is_told_what_it_reaches_no_more() {
    let mut play = play();
    play.must(attach(2, Some(0)));
    play.all(peer(2, 1));
    let it = view_of(&play, &attach(2, None), "a", None);
    let lost: Vec<_> = it
        .networks
        .iter()
        .flat_map(|n| n.loses.iter().map(|i| (&*n.name, i.prefix.to_string(), i.through, &*i.name)))
        .collect();
    let want = [
        ("n0", "10.2.0.0/24".to_owned(), Way::Router, "r0"),
        ("n2", "10.0.0.0/24".to_owned(), Way::Router, "r0"),
        ("n2", "10.1.0.0/24".to_owned(), Way::Peering, "2-1"),
    ];
    assert_eq!(lost, want);
    assert_eq!(it.peerings[0].after, Some(State::MissingLocalRouter));
    assert!(it.peerings[0].breaks);
}
