use super::*;
use crate::access;
use crate::consent::Patience;
use crate::credentials::{SubAccount, Target};
use crate::forecast::{Now, forecast};
use crate::network::Modify as NetworkModify;
use crate::op::{Op, decide};
use crate::play::{
    Play, create_half, create_network, create_port, create_router, delete_half, half_id, host_id,
    modify_network, network_id, peer,
};
use crate::policy::{Limits, Policy};
use crate::state::{HostError, Presence, Standing, State};

const GROUP: Uuid = Uuid::from_u128(0x9000);

fn label(value: &str) -> Vec<Label> {
    vec![Label { key: "env".to_owned(), value: value.to_owned() }]
}

/// Networks of account `a` at routers of their own, all labelled `env=prod`.
fn networks(addresses: &[&str]) -> Play {
    let mut play = Play::new();
    for (n, address) in (0..).zip(addresses) {
        play.must(create_router(10 + 2 * n));
        play.must(create_network(2 * n, &[address], Some(10 + 2 * n)));
        play.must(relabel(2 * n, "prod"));
    }
    play
}

fn relabel(n: u128, value: &str) -> Op {
    let labels = Some(if value.is_empty() { vec![] } else { label(value) });
    modify_network(n, NetworkModify { labels, ..Default::default() })
}

fn op(wish: Wish) -> Op {
    Op::PeeringGroup { by: "a".to_owned(), uuid: GROUP, wish, most: STEP }
}

fn create(shape: Shape) -> Op {
    op(Wish::Create { name: "g".to_owned(), intent: Intent { labels: label("prod"), shape } })
}

fn shaped(shape: Shape) -> Op {
    op(Wish::Modify(Modify { shape: Some(shape), ..Default::default() }))
}

/// Pairs of networks by their numbers, of halves that the group has made.
fn made(play: &Play) -> Vec<(u128, u128)> {
    let number = |uuid: Uuid| uuid.as_u128() - network_id(0).as_u128();
    let all = play.world.peerings.values().filter(|it| it.group == Some(GROUP));
    let mut all: Vec<_> = all.map(|it| (number(it.network), number(it.peer_network))).collect();
    all.sort_unstable();
    all
}

fn status_of(play: &Play, presence: &Presence, policy: Policy) -> Progress {
    let now = Now { world: &play.world, presence, patience: Patience::default() };
    progress(now, policy, &play.world.peering_groups[&GROUP])
}

fn status(play: &Play) -> Progress {
    status_of(play, &Presence::default(), Policy::default())
}

fn next_of(play: &Play, presence: &Presence) -> Next {
    let now = Now { world: &play.world, presence, patience: Patience::default() };
    next(now, Policy::default(), &play.world.peering_groups[&GROUP])
}

const THREE: [&str; 3] = ["10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24"];
const MESH: [(u128, u128); 6] = [(0, 2), (0, 4), (2, 0), (2, 4), (4, 0), (4, 2)];

#[test]
fn a_mesh_is_made_in_one_write_and_follows_labels_in_theirs() {
    let mut play = networks(&THREE);
    play.must(create(Shape::Mesh));
    assert_eq!(made(&play), MESH);
    let it = status(&play);
    assert_eq!((it.status, it.states), (Status::Settled, [("active", 6)].into()));
    play.must(relabel(2, ""));
    assert_eq!(made(&play), [(0, 4), (4, 0)]);
    play.must(relabel(2, "prod"));
    assert_eq!(made(&play), MESH);
    let before = play.world.clone();
    play.must(relabel(2, "prod"));
    assert!(before.peerings.ptr_eq(&play.world.peerings), "the same again changes nothing");
    assert!(play.world.peerings.keys().all(|it| it.as_bytes()[0] == 0x0f));
}

#[test]
fn what_the_owner_made_is_taken_as_it_is_and_stays() {
    let mut play = networks(&THREE);
    play.must(create_half(0, 2));
    play.must(create(Shape::Mesh));
    assert_eq!(made(&play), MESH[1..]);
    play.must(op(Wish::Delete));
    assert_eq!(play.world.peerings.keys().copied().collect::<Vec<_>>(), [half_id(0, 2)]);
    assert!(play.world.peering_groups.is_empty());
}

#[test]
fn a_changed_intent_can_be_undone_and_that_again() {
    let mut play = networks(&THREE);
    play.must(create(Shape::Mesh));
    let undone = decide(&play.world, &op(Wish::Undo));
    assert_eq!(undone, Err(Rule::NothingToUndo(GROUP)));
    let kept = play.half(0, 2).uuid;
    let hub = [(0, 2), (0, 4), (2, 0), (4, 0)];
    play.must(shaped(Shape::Hub(network_id(0))));
    assert_eq!(made(&play), hub);
    play.must(op(Wish::Undo));
    assert_eq!(made(&play), MESH);
    assert_eq!(play.half(0, 2).uuid, kept, "what both want was never gone");
    play.must(op(Wish::Undo));
    assert_eq!(made(&play), hub);
    // A name is no intent.
    play.must(op(Wish::Modify(Modify { name: Some("other".to_owned()), ..Default::default() })));
    play.must(op(Wish::Undo));
    assert_eq!(made(&play), MESH);
}

#[test]
fn another_group_that_wants_it_goes_on_with_a_half() {
    let mut play = networks(&THREE);
    play.must(create(Shape::Mesh));
    let other = Uuid::from_u128(0x9001);
    let intent = Intent { labels: label("prod"), shape: Shape::Hub(network_id(0)) };
    let wish = Wish::Create { name: "h".to_owned(), intent };
    play.must(Op::PeeringGroup { by: "a".to_owned(), uuid: other, wish, most: STEP });
    assert_eq!(made(&play), MESH, "there is nothing for it to make");
    let before = play.half(0, 2).clone();
    play.must(op(Wish::Delete));
    assert_eq!(made(&play), []);
    assert_eq!(play.half(0, 2).group, Some(other));
    assert_eq!(play.half(0, 2).configured_since, before.configured_since);
    assert!(play.world.half(network_id(2), network_id(4)).is_none());
}

#[test]
fn subnets_that_clash_are_told_of_and_nothing_is_forced() {
    let mut play = networks(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/25"]);
    play.all(peer(0, 2));
    play.must(create(Shape::Hub(network_id(0))));
    let it = status(&play);
    assert_eq!(it.status, Status::Settled);
    assert_eq!(it.states, [("conflict-subnet", 2)].into());
    let told: Vec<&str> = it.clashes.iter().map(|(_, message)| &**message).collect();
    let want = format!(
        "10.1.0.0/25 overlaps 10.1.0.0/24, which your network {} reaches through its peering {}.",
        network_id(0),
        half_id(0, 2)
    );
    assert_eq!(told, [&want, &want]);
}

/// 0 and 2 are peered by the group; 0 and 4 are in conflict with that; 4 and 6
/// work, and would be in conflict with those.
fn chain() -> Play {
    let mut play = networks(&["10.0.0.0/24", "10.1.0.0/24", "10.1.0.0/24", "10.0.0.0/24"]);
    play.all([relabel(4, "test"), relabel(6, "test"), create(Shape::Mesh)]);
    play.all(peer(0, 4));
    play.all(peer(4, 6));
    play
}

#[test]
fn a_step_that_would_stop_what_works_is_not_taken_and_says_why() {
    let mut play = chain();
    play.must(relabel(2, ""));
    assert_eq!(made(&play), [(0, 2), (2, 0)], "the label is gone, and they are kept");
    let it = status(&play);
    assert_eq!((it.status, it.due, it.reasons[0].code), (Status::Stopped, 2, "would-break"));
    let half = play.half(0, 2);
    let why = &it.reasons[0].message;
    assert!(why.starts_with(&format!("The peering g: n0 to n2 ({}) is kept", half.uuid)), "{why}");
    assert!(why.contains(&half_id(4, 6).to_string()), "{why}");
    assert_eq!(next_of(&play, &Presence::default()), Next::Nothing);
    // The obstacle goes, and nobody has to say so.
    play.must(delete_half(4, 6));
    let [one, other] = [[0, 2], [2, 0]].map(|ends| ends.map(network_id));
    assert_eq!(next_of(&play, &Presence::default()), Next::Step(vec![one, other]));
    play.must(Op::GroupStep { group: GROUP, pairs: vec![one, other] });
    assert_eq!((made(&play), status(&play).status), (vec![], Status::Settled));
}

#[test]
fn to_delete_a_group_is_to_mean_it() {
    let mut play = chain();
    play.must(op(Wish::Delete));
    assert_eq!(made(&play), []);
}

#[test]
fn what_is_more_than_one_step_is_done_in_many_and_a_plan_shows_it_all() {
    let addresses: Vec<String> = (0..12).map(|n| format!("10.{n}.0.0/24")).collect();
    let addresses: Vec<&str> = addresses.iter().map(|it| &**it).collect();
    let mut play = networks(&addresses);
    let Op::PeeringGroup { by, uuid, wish, .. } = create(Shape::Mesh) else { unreachable!() };
    let whole = Op::PeeringGroup { by, uuid, wish, most: usize::MAX };
    let presence = Presence::default();
    let now = Now { world: &play.world, presence: &presence, patience: Patience::default() };
    assert_eq!(forecast(now, &whole).unwrap().verdicts.len(), 12 * 11);
    play.must(create(Shape::Mesh));
    assert_eq!((made(&play).len(), status(&play).status), (STEP, Status::Working));
    let mut steps = 0;
    while let Next::Step(pairs) = next_of(&play, &presence) {
        play.must(Op::GroupStep { group: GROUP, pairs });
        steps += 1;
    }
    assert_eq!((made(&play).len(), steps), (12 * 11, 2));
    play.must(op(Wish::Delete));
    assert_eq!(status(&play).status, Status::Leaving);
    let again = op(Wish::Modify(Modify::default()));
    assert_eq!(decide(&play.world, &again), Err(Rule::PeeringGroupLeaving(GROUP)));
    while let Some(group) = play.world.peering_groups.get(&GROUP).cloned() {
        let now = Now { world: &play.world, presence: &presence, patience: Patience::default() };
        let Next::Step(pairs) = next(now, Policy::default(), &group) else { panic!("it stays") };
        play.must(Op::GroupStep { group: GROUP, pairs });
    }
    assert!(play.world.peerings.is_empty());
}

#[test]
fn no_step_is_taken_while_what_was_made_has_failed_at_a_host() {
    let mut play = networks(&THREE);
    play.all([create_port(0, 0, 0), create_port(2, 2, 1)]);
    let first = Op::PeeringGroup {
        by: "a".to_owned(),
        uuid: GROUP,
        wish: Wish::Create {
            name: "g".to_owned(),
            intent: Intent { labels: label("prod"), shape: Shape::Mesh },
        },
        most: 2,
    };
    play.must(first);
    let says = |standing| std::iter::once((host_id(1), standing)).collect::<Presence>();
    let yet_to = says(Standing { applied: Some(0), ..Standing::default() });
    assert_eq!(next_of(&play, &yet_to), Next::Waits, "the host has yet to act");
    let error = HostError { message: "no room".to_owned(), ..Default::default() };
    let done = Standing { applied: None, ..Standing::default() };
    let failed = says(Standing { errors: vec![error], ..done.clone() });
    assert_eq!(next_of(&play, &failed), Next::Waits);
    let it = status_of(&play, &failed, Policy::default());
    assert_eq!((it.status, it.reasons[0].code), (Status::Stopped, "peering-failed"));
    assert!(matches!(next_of(&play, &says(done)), Next::Step(pairs) if pairs.len() == 4));
}

#[test]
fn more_than_the_account_may_have_is_refused_before_anything_is_made() {
    let mut play = networks(&THREE);
    let policy =
        Policy { limits: Limits { peerings: 5, ..Limits::default() }, ..Policy::default() };
    let under = |op| Op::Under { terms: Terms { policy, ..Terms::default() }, op: Box::new(op) };
    assert_eq!(decide(&play.world, &under(create(Shape::Mesh))), Err(Rule::PeeringLimit(5)));
    play.must(under(create(Shape::Hub(network_id(0)))));
    assert_eq!(made(&play).len(), 4);
    // A label is its owner's to set, and the group says that it cannot follow.
    play.must(create_network(6, &["10.3.0.0/24"], Some(10)));
    play.must(under(relabel(6, "prod")));
    assert_eq!(made(&play).len(), 4);
    let it = status_of(&play, &Presence::default(), policy);
    assert_eq!((it.status, it.reasons[0].code), (Status::Stopped, "peering-limit"));
}

#[test]
fn each_fault_of_a_group_has_its_rule() {
    let mut play = networks(&THREE);
    play.must(create(Shape::Mesh));
    let twin = |name: &str, labels, shape| Op::PeeringGroup {
        by: "a".to_owned(),
        uuid: Uuid::from_u128(0x9002),
        wish: Wish::Create { name: name.to_owned(), intent: Intent { labels, shape } },
        most: STEP,
    };
    let exists = Rule::Exists(Noun::PeeringGroup, "g".to_owned());
    assert_eq!(decide(&play.world, &twin("g", label("x"), Shape::Mesh)), Err(exists));
    play.must(create_network(1, &["10.9.0.0/24"], None));
    let foreign = Shape::Hub(network_id(1));
    let absent = Rule::Absent(Noun::Network, network_id(1).to_string());
    assert_eq!(decide(&play.world, &twin("h", label("x"), foreign)), Err(absent));
    for (name, labels, at) in [("", label("x"), "name"), ("h", vec![], "labels")] {
        let (_, named) = play.fault(&twin(name, labels, Shape::Mesh));
        assert_eq!(named, format!("peering_group.{at}"));
    }
    let others = Op::PeeringGroup { by: "b".to_owned(), uuid: GROUP, wish: Wish::Delete, most: 1 };
    let absent = Rule::Absent(Noun::PeeringGroup, GROUP.to_string());
    assert_eq!(decide(&play.world, &others), Err(absent));
}

#[test]
fn networks_of_other_accounts_never_belong() {
    let mut play = networks(&THREE);
    play.must(create_network(1, &["10.9.0.0/24"], Some(1)));
    play.must(relabel(1, "prod"));
    play.must(create(Shape::Mesh));
    assert_eq!(made(&play), MESH);
}

#[test]
fn a_sub_account_brings_no_network_into_a_group_or_out_of_it() {
    let mut play = networks(&THREE);
    play.must(relabel(4, "test"));
    play.must(create(Shape::Mesh));
    let body = br#"{"sub_account": {"username": "s", "password": "p"}}"#;
    let (sub, _) = SubAccount::of_body(body, "a").unwrap();
    let with = |networks| {
        let sub = Box::new(SubAccount { networks, ..sub.clone() });
        Op::Access { by: "a".to_owned(), wish: access::Wish::CreateSub(sub) }
    };
    play.must(with([2, 4].map(|n| Target::One(network_id(n))).to_vec()));
    let by_sub = |op| Op::AsSub { name: "s".to_owned(), op: Box::new(op) };
    for (n, value) in [(2, "test"), (2, ""), (4, "prod")] {
        let refused = decide(&play.world, &by_sub(relabel(n, value)));
        assert_eq!(refused, Err(Rule::GroupLabels(network_id(n))), "{n} {value}");
    }
    play.must(by_sub(relabel(4, "other")));
    let refused = decide(&play.world, &by_sub(op(Wish::Delete)));
    assert_eq!(refused, Err(Rule::MainOnly("s".to_owned())));
}

#[test]
fn a_plan_of_a_label_tells_of_the_halves_that_follow() {
    let mut play = networks(&THREE);
    play.must(create(Shape::Mesh));
    let presence = Presence::default();
    let now = Now { world: &play.world, presence: &presence, patience: Patience::default() };
    let told = forecast(now, &relabel(2, "")).unwrap();
    let gone = told.verdicts.iter().filter(|it| it.after.is_none());
    assert_eq!(gone.count(), 4);
    assert!(told.verdicts.iter().all(|it| it.before == Some(State::Active)));
    let lost: Vec<_> = told.imports.iter().map(|it| (it.network.uuid, it.loses.len())).collect();
    assert_eq!(lost, [(network_id(0), 1), (network_id(2), 2), (network_id(4), 1)]);
}

#[test]
fn a_label_is_what_it_is_whatever_its_key_is_made_of() {
    let mut play = networks(&THREE);
    let odd = |key: &str, value: &str| vec![Label { key: key.into(), value: value.into() }];
    let relabel =
        |n, labels| modify_network(n, NetworkModify { labels: Some(labels), ..Default::default() });
    play.all([
        relabel(0, odd("a=b", "c")),
        relabel(2, odd("a=b", "c")),
        relabel(4, odd("a1", "b=c")),
    ]);
    let intent = Intent { labels: odd("a=b", "c"), shape: Shape::Mesh };
    play.must(op(Wish::Create { name: "g".to_owned(), intent }));
    assert_eq!(made(&play), [(0, 2), (2, 0)]);
}
