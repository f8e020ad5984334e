use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::consent::Patience;
use crate::forecast::Now;
use crate::network::Modify as NetworkModify;
use crate::objects::{Configured, Peering};
use crate::op::Op;
use crate::play::{
    ADDRESSES, Play, attach, configure, create_half, create_network, delete_half, half_op,
    modify_network, network_id, renumber,
};
use crate::policy::{Limits, Policy};
use crate::state::{Presence, State, judge};

/// Networks of account `a`.
const NETWORKS: u128 = 7;
const GROUPS: u128 = 3;

fn number(n: u128) -> u128 {
    2 * n
}

fn group_id(n: u128) -> Uuid {
    Uuid::from_u128(0x9000 + n)
}

#[derive(Debug, Clone)]
enum Act {
    /// By the owner, to networks and peerings.
    Owner(Vec<Op>),
    Group(u128, Wish),
}

fn labels(n: usize) -> Vec<Label> {
    let pairs = [("env", "prod"), ("env", "test"), ("team", "red"), ("team", "blue")];
    let label = |(key, value): &(&str, &str)| Label { key: (*key).into(), value: (*value).into() };
    match n {
        0..4 => vec![label(&pairs[n])],
        4 => vec![label(&pairs[0]), label(&pairs[2])],
        5 => vec![label(&pairs[0]), label(&pairs[3])],
        _ => vec![],
    }
}

fn relabel(n: u128, set: usize) -> Op {
    let labels = Some(labels(set));
    modify_network(number(n), NetworkModify { labels, ..Default::default() })
}

fn act() -> impl Strategy<Value = Act> {
    let network = || 0..NETWORKS;
    let shape = prop_oneof![
        2 => Just(Shape::Mesh),
        1 => network().prop_map(|n| Shape::Hub(network_id(number(n)))),
    ];
    let intent = (0..6_usize, shape).prop_map(|(set, shape)| Intent { labels: labels(set), shape });
    let intent = intent.boxed();
    let changed = intent.clone().prop_map(|Intent { labels, shape }| {
        Wish::Modify(Modify { name: None, labels: Some(labels), shape: Some(shape) })
    });
    let name = "[a-c]";
    let wish = prop_oneof![
        4 => (name, intent).prop_map(|(name, intent)| Wish::Create { name, intent }),
        3 => changed,
        2 => Just(Wish::Undo),
        2 => Just(Wish::Delete),
    ];
    let owner = prop_oneof![
        8 => (network(), 0..9_usize).prop_map(|(n, set)| vec![relabel(n, set)]),
        3 => (network(), network()).prop_map(|(a, b)| vec![create_half(number(a), number(b))]),
        2 => (network(), network()).prop_map(|(a, b)| vec![delete_half(number(a), number(b))]),
        1 => (network(), network()).prop_map(|(a, b)| {
            vec![configure(number(a), number(b), Configured::Disabled)]
        }),
        1 => (network(), 0..3_u128).prop_map(|(n, r)| vec![attach(number(n), Some(2 * r))]),
        1 => (network(), proptest::sample::select(&ADDRESSES[..]))
            .prop_map(|(n, a)| vec![renumber(number(n), a)]),
        1 => (network(), network()).prop_map(|(a, b)| {
            let [a, b] = [number(a), number(b)];
            let note = Some("mine".to_owned());
            let wish = crate::peering::Modify { note, ..Default::default() };
            vec![half_op(a, b, crate::op::Wish::Modify(wish))]
        }),
    ];
    prop_oneof![
        3 => owner.prop_map(Act::Owner),
        2 => (0..GROUPS, wish).prop_map(|(n, wish)| Act::Group(n, wish)),
    ]
}

/// Takes steps until nothing is left to do; what works of the owner's goes on
/// working through each.
fn settle(play: &mut Play, policy: Policy) -> Result<(), TestCaseError> {
    for _ in 0..500 {
        let groups: Vec<_> = play.world.peering_groups.values().cloned().collect();
        let mut any = false;
        for group in groups {
            let presence = Presence::default();
            let now =
                Now { world: &play.world, presence: &presence, patience: Patience::default() };
            let Next::Step(pairs) = next(now, policy, &group) else { continue };
            prop_assert!(pairs.len() <= STEP);
            let before = play.world.clone();
            let op = Op::GroupStep { group: group.uuid, pairs: pairs.clone() };
            let terms = Terms { policy, ..Terms::default() };
            let changes = play.op(&Op::Under { terms, op: Box::new(op) });
            prop_assert!(!changes.as_ref().unwrap().is_empty(), "{pairs:?} {group:?}");
            any = true;
            if !group.leaving {
                works_on(&before, &play.world)?;
            }
        }
        if !any {
            return Ok(());
        }
    }
    prop_assert!(false, "it never settles");
    Ok(())
}

fn state(world: &World, half: &Peering) -> State {
    judge(world, &Presence::default(), Patience::default(), half).0
}

fn works_on(before: &World, after: &World) -> Result<(), TestCaseError> {
    for half in before.peerings.values().filter(|it| state(before, it) == State::Active) {
        let (Some(is), Some(_)) = (after.peerings.get(&half.uuid), after.mirror(half)) else {
            continue;
        };
        prop_assert_eq!(state(after, is), State::Active, "{:?}", half);
    }
    Ok(())
}

/// Those that their owner made.
fn own_halves(world: &World) -> BTreeMap<Uuid, Peering> {
    let own = world.peerings.values().filter(|it| it.group.is_none());
    own.map(|it| (it.uuid, it.as_ref().clone())).collect()
}

fn check(world: &World, policy: Policy) -> Result<(), TestCaseError> {
    for half in world.peerings.values() {
        let Some(group) = half.group else { continue };
        prop_assert!(world.peering_groups.contains_key(&group), "{half:?} is of nobody");
    }
    let (presence, patience) = (Presence::default(), Patience::default());
    for group in world.peering_groups.values() {
        prop_assert!(!group.leaving);
        let wanted = Wanted::of(world, group);
        let pairs: BTreeSet<Ends> = wanted.pairs().collect();
        prop_assert_eq!(pairs.len(), wanted.count());
        let progress = progress(Now { world, presence: &presence, patience }, policy, group);
        let code = |code| progress.reasons.iter().any(|it| it.code == code);
        let mine = world.peerings.values().filter(|it| it.group == Some(group.uuid));
        for half in mine {
            let is_wanted = pairs.contains(&[half.network, half.peer_network]);
            prop_assert!(is_wanted || code("would-break"), "{half:?} {progress:?}");
        }
        for [from, to] in pairs {
            let there = world.half(from, to).is_some();
            prop_assert!(there || code("peering-limit"), "{from} {to} {progress:?}");
        }
        prop_assert_eq!(progress.status == Status::Settled, progress.reasons.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn groups_come_to_have_exactly_the_halves_that_they_want(
        networks in proptest::collection::vec(
            (proptest::sample::select(&ADDRESSES[..]), 0..3_u128, 0..9_usize), 7
        ),
        acts in proptest::collection::vec((act(), 1..9_usize), 0..25),
        limit in prop_oneof![3 => Just(100_000), 1 => 10..40_u32],
    ) {
        let policy = Policy {
            limits: Limits { peerings: limit, ..Limits::default() },
            ..Policy::default()
        };
        let mut play = Play::new();
        for (n, (addresses, router, set)) in (0..).zip(networks) {
            if play.op(&create_network(number(n), addresses, Some(2 * router))).is_err() {
                play.must(create_network(number(n), addresses, None));
            }
            play.must(relabel(n, set));
        }
        for (act, most) in acts {
            let before = own_halves(&play.world);
            let under = |op| Op::Under {
                terms: Terms { policy, ..Terms::default() },
                op: Box::new(op),
            };
            match act {
                Act::Owner(ops) => {
                    for op in ops {
                        let _ = play.op(&under(op));
                    }
                }
                Act::Group(n, wish) => {
                    let is_new = matches!(wish, Wish::Create { .. });
                    let uuid = group_id(n);
                    if is_new == play.world.peering_groups.contains_key(&uuid) {
                        continue;
                    }
                    let op = Op::PeeringGroup { by: "a".to_owned(), uuid, wish, most };
                    let _ = play.op(&under(op));
                    prop_assert_eq!(&own_halves(&play.world), &before, "a group leaves them alone");
                }
            }
            let before = own_halves(&play.world);
            settle(&mut play, policy)?;
            prop_assert_eq!(&own_halves(&play.world), &before);
            check(&play.world, policy)?;
        }
        // To go is to leave nothing behind.
        let own = own_halves(&play.world);
        let groups: Vec<Uuid> = play.world.peering_groups.keys().copied().collect();
        for uuid in groups {
            let op = Op::PeeringGroup { by: "a".to_owned(), uuid, wish: Wish::Delete, most: 2 };
            let terms = Terms { policy, ..Terms::default() };
            play.must(Op::Under { terms, op: Box::new(op) });
            settle(&mut play, policy)?;
        }
        prop_assert!(play.world.peering_groups.is_empty());
        prop_assert_eq!(own_halves(&play.world), own);
        prop_assert!(play.world.peerings.values().all(|it| it.group.is_none()));
    }
}
