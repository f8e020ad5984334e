use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::play::story_with_seals;
use super::*;
use crate::consent::Patience;
use crate::host_spec::host_spec;
use crate::op::Op;
use crate::play::{Play, ZONE, half_id, host_id, peered};
use crate::spec::Target;
use crate::state::{Presence, Standing, State, judge};

fn end(n: u8) -> End {
    End { key: [n; 32].into(), port: 51820 }
}

fn seal_op(on: bool) -> Op {
    let zones = (ZONE.to_owned(), ZONE.to_owned());
    Op::Seals(crate::seal::Wish::Set { by: "a".to_owned(), zones, on, now: 100 })
}

fn has_keys(play: &mut Play, host: u128, ends: &[(Generation, End)]) {
    let ends = Some(ends.iter().copied().collect());
    play.must(Op::Seals(crate::seal::Wish::Keys { host: host_id(host), ends }));
}

fn vtep(host: u8) -> IpAddr {
    [192, 0, 2, host + 1].into()
}

/// Whom `host` sends to.
fn remotes(play: &Play, host: u128) -> BTreeSet<IpAddr> {
    let spec = host_spec(&play.world, host_id(host));
    let vtep = |target| match target {
        Target::Remote { vtep, .. } => Some(vtep),
        Target::Local { .. } | Target::Nobody => None,
    };
    spec.routes.values().copied().filter_map(vtep).collect()
}

#[test]
fn a_public_key_is_64_digits() {
    let text = "00ff".repeat(16);
    assert_eq!(text.parse::<PublicKey>().unwrap().to_string(), text);
    for bad in ["", "00", &"0".repeat(63), &"g".repeat(64), &"ä".repeat(32), &"0".repeat(65)] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
}

#[test]
fn only_an_administrator_seals_and_only_zones_that_there_are() {
    let mut play = Play::new();
    let op = |by: &str, b: &str, on| {
        let zones = ("fi-hel1".to_owned(), b.to_owned());
        Op::Seals(crate::seal::Wish::Set { by: by.to_owned(), zones, on, now: 1 })
    };
    assert_eq!(play.op(&op("b", "de-fra1", true)), Err(Rule::AdminOnly("b".to_owned())));
    assert!(matches!(play.op(&op("a", "nowhere", true)), Err(Rule::Absent(Noun::Zone, _))));
    assert!(matches!(play.op(&op("a", "de-fra1", false)), Err(Rule::Absent(Noun::Seal, _))));
    assert_eq!(play.must(op("a", "de-fra1", true)).len(), 2, "the pair, and the first generation");
    assert_eq!(play.must(op("a", "de-fra1", true)), [], "again");
    let other_way = Op::Seals(crate::seal::Wish::Set {
        by: "a".to_owned(),
        zones: ("de-fra1".to_owned(), "fi-hel1".to_owned()),
        on: false,
        now: 2,
    });
    play.must(other_way);
    assert_eq!(play.world.seals.pairs().count(), 0);
    assert_eq!(play.world.seals.rotation().map(|it| it.used), Some(1), "numbers go on");
}

#[test]
fn a_host_is_sent_to_only_once_both_ends_have_a_key() {
    let mut play = peered();
    assert_eq!(remotes(&play, 0), [vtep(1)].into());
    assert!(host_spec(&play.world, host_id(0)).sealing.is_none());
    play.must(seal_op(true));
    for host in [0, 1] {
        assert_eq!(remotes(&play, host), [].into(), "{host}");
        let sealing = host_spec(&play.world, host_id(host)).sealing;
        assert_eq!(sealing, Sealing { tunnels: [1].into(), ..Sealing::default() });
    }
    has_keys(&mut play, 0, &[(1, end(7))]);
    assert_eq!((remotes(&play, 0), remotes(&play, 1)), ([].into(), [].into()));
    has_keys(&mut play, 1, &[(1, end(8)), (9, end(9))]);
    assert_eq!((remotes(&play, 0), remotes(&play, 1)), ([vtep(1)].into(), [vtep(0)].into()));
    let sealing = host_spec(&play.world, host_id(0)).sealing;
    let key = PeerKey { generation: 1, vtep: vtep(1) };
    assert_eq!(sealing.peers, [(key, end(8))].into(), "of what is in use only");
    assert_eq!(sealing.seals, [(vtep(1), 1)].into());
    // The third host has ports of nobody that these reach.
    has_keys(&mut play, 2, &[(1, end(3))]);
    assert_eq!(host_spec(&play.world, host_id(0)).sealing, sealing);

    // Its agent is one that knows nothing of it.
    play.must(Op::Seals(crate::seal::Wish::Keys { host: host_id(1), ends: None }));
    assert_eq!((remotes(&play, 0), remotes(&play, 1)), ([].into(), [].into()));
    play.must(seal_op(false));
    assert_eq!((remotes(&play, 0), remotes(&play, 1)), ([vtep(1)].into(), [vtep(0)].into()));
    assert!(host_spec(&play.world, host_id(0)).sealing.is_none());
}

#[test]
fn a_peering_of_hosts_without_keys_says_so() {
    let mut play = peered();
    play.must(seal_op(true));
    let revision = play.world.revision();
    let at = || Standing { applied: Some(revision), ..Standing::default() };
    let presence: Presence = [(host_id(0), at()), (host_id(1), at())].into_iter().collect();
    let judged = |play: &Play, now| {
        let half = &play.world.peerings[&half_id(0, 2)];
        let patience = Patience { now, ..Patience::default() };
        let (state, reasons) = judge(&play.world, &presence, patience, half);
        (state, reasons.into_iter().map(|it| it.code).collect::<Vec<_>>())
    };
    let both = vec!["not-encrypted"; 2];
    assert_eq!(judged(&play, 101), (State::Provisioning, both.clone()));
    assert_eq!(judged(&play, 110), (State::Error, both));
    has_keys(&mut play, 0, &[(1, end(7))]);
    assert_eq!(judged(&play, 110), (State::Error, vec!["not-encrypted"]));
}

/// Who has done what up to which revision.
fn applied(at: [Revision; 2]) -> Presence {
    let standing = |applied| Standing { applied: Some(applied), ..Standing::default() };
    [(host_id(0), standing(at[0])), (host_id(1), standing(at[1]))].into_iter().collect()
}

#[test]
fn keys_take_over_in_steps_that_each_host_has_to_follow() {
    let mut play = peered();
    play.must(seal_op(true));
    has_keys(&mut play, 0, &[(1, end(1))]);
    has_keys(&mut play, 1, &[(1, end(2))]);
    let all = |play: &Play| applied([play.world.revision(); 2]);
    let used = |play: &Play| host_spec(&play.world, host_id(0)).sealing.seals[&vtep(1)];
    assert_eq!(next(&play.world, &all(&play), 50, 149), None, "not old enough");

    // Made: both have tunnels of both, and send by the old one.
    let made = next(&play.world, &all(&play), 50, 150).unwrap();
    play.must(Op::Seals(crate::seal::Wish::Rotate(made)));
    assert_eq!(host_spec(&play.world, host_id(0)).sealing.tunnels, [1, 2].into());
    assert_eq!(used(&play), 1);
    assert_eq!(next(&play.world, &all(&play), 50, 151), None, "nobody has a key");
    has_keys(&mut play, 0, &[(1, end(1)), (2, end(3))]);
    assert_eq!(waited_for(&play.world, &all(&play)), [host_id(1)]);
    has_keys(&mut play, 1, &[(1, end(2)), (2, end(4))]);
    let newest = play.world.revision();
    assert_eq!(waited_for(&play.world, &applied([newest, newest - 1])), [host_id(1)]);
    assert_eq!(waited_for(&play.world, &Presence::default()), [host_id(0), host_id(1)]);
    assert_eq!(host_spec(&play.world, host_id(0)).sealing.peers.len(), 2, "taken from both");

    // Used.
    let to = next(&play.world, &all(&play), 50, 152).unwrap();
    play.must(Op::Seals(crate::seal::Wish::Rotate(to)));
    assert_eq!(play.must(Op::Seals(crate::seal::Wish::Rotate(to))), [], "once");
    assert_eq!(used(&play), 2);
    let newest = play.world.revision();
    assert_eq!(next(&play.world, &applied([newest - 1, newest]), 50, 160), None);
    assert_eq!(next(&play.world, &all(&play), 50, 153), None, "some are on their way");

    // Kept.
    let last = next(&play.world, &all(&play), 50, 154).unwrap();
    play.must(Op::Seals(crate::seal::Wish::Rotate(last)));
    let sealing = host_spec(&play.world, host_id(0)).sealing;
    let key = PeerKey { generation: 2, vtep: vtep(1) };
    assert_eq!((sealing.tunnels, sealing.peers), ([2].into(), [(key, end(4))].into()));
    assert_eq!(next(&play.world, &all(&play), 50, 201), None);
    assert!(next(&play.world, &all(&play), 50, 202).is_some(), "an age after they came to use");
}

#[test]
fn a_host_that_is_lost_is_not_waited_for() {
    let mut play = peered();
    play.must(seal_op(true));
    for host in [0, 1] {
        has_keys(&mut play, host, &[(1, end(1))]);
    }
    let claim = crate::lease::Claim { epoch: None, boot: "b".to_owned(), node: None };
    play.must(Op::TakeLease { host: host_id(1), claim });
    let made = next(&play.world, &Presence::default(), 0, 100).unwrap();
    play.must(Op::Seals(crate::seal::Wish::Rotate(made)));
    has_keys(&mut play, 0, &[(1, end(1)), (2, end(3))]);
    let presence = applied([play.world.revision(); 2]);
    assert_eq!(waited_for(&play.world, &presence), [host_id(1)]);
    let epoch = play.world.leases[&host_id(1)].epoch;
    let loss = crate::lease::Loss { host: host_id(1), epoch, since: 100 };
    play.must(Op::LoseLeases(vec![loss]));
    assert!(waited_for(&play.world, &presence).is_empty());
    // What is not a next step is none.
    for (made, used, kept) in [(2, 1, 1), (3, 1, 1), (2, 2, 2), (1, 1, 1), (3, 3, 3)] {
        let to = Rotation { made, used, kept, at: 0, since: 0 };
        assert_eq!(play.must(Op::Seals(crate::seal::Wish::Rotate(to))), [], "{to:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_between_sealed_zones_has_a_tunnel_whose_other_end_knows_it(
        steps in story_with_seals(),
    ) {
        let mut play = Play::new();
        for op in steps {
            let _ = play.op(&op);
            let sealed = play.world.seals.pair(ZONE, ZONE).is_some();
            let specs = [0, 1, 2].map(|n| host_spec(&play.world, host_id(n)).sealing);
            for (host, n) in (0..3u8).zip(0..) {
                let sealing = &specs[usize::from(host)];
                let far = remotes(&play, n);
                let by: BTreeSet<IpAddr> = sealing.seals.keys().copied().collect();
                prop_assert_eq!(by, if sealed { far } else { BTreeSet::new() });
                for (to, generation) in &sealing.seals {
                    let key = PeerKey { generation: *generation, vtep: *to };
                    let back = PeerKey { generation: *generation, vtep: vtep(host) };
                    let other = specs.iter().zip(0..).find(|(_, n)| vtep(*n) == *to);
                    prop_assert!(sealing.tunnels.contains(generation));
                    prop_assert!(sealing.peers.contains_key(&key));
                    prop_assert!(other.is_some_and(|(it, _)| it.peers.contains_key(&back)));
                }
            }
        }
    }
}

#[test]
fn a_zone_and_a_host_take_along_what_they_had() {
    let mut play = Play::new();
    let zone = crate::objects::Zone { id: "home".to_owned(), description: "d".to_owned() };
    play.must(Op::CreateZone { by: "a".to_owned(), zone });
    let zones = ("home".to_owned(), ZONE.to_owned());
    play.must(Op::Seals(crate::seal::Wish::Set { by: "a".to_owned(), zones, on: true, now: 1 }));
    has_keys(&mut play, 0, &[(1, end(1))]);
    play.must(Op::DeleteHost { by: "a".to_owned(), id: "h0".to_owned() });
    assert_eq!(play.world.seals.keys(host_id(0)), None);
    play.must(Op::DeleteZone { by: "a".to_owned(), id: "home".to_owned(), now: 1 });
    assert_eq!(play.world.seals.pairs().count(), 0);
}
