use super::*;
use crate::objects::Subnet;
use crate::op::{Op, Wish, decide};
use crate::policy::Policy;
use crate::reasons::Reason;
use crate::state::{Presence, State, judge};

const START: i64 = 1_000_000;
const WEEK: i64 = 7 * DAY;

/// Network 1 is alice's, 2 and 3 are bob's.
struct Two {
    world: World,
    now: i64,
    days: u32,
}

fn network(n: u128) -> Uuid {
    Uuid::from_u128(0x0300 + n)
}

fn half(n: u128) -> Uuid {
    Uuid::from_u128(0x0f00 + n)
}

impl Two {
    fn new() -> Self {
        let mut it = Self { world: World::default(), now: START, days: 7 };
        for (n, account) in [(1, "alice"), (2, "bob"), (3, "bob")] {
            let address = format!("10.0.{n}.0/24");
            let (prefix, gateway) =
                (address.parse().unwrap(), [10, 0, u8::try_from(n).unwrap(), 1]);
            let subnet = Subnet::plain(address, prefix, gateway.into());
            let router = Uuid::from_u128(0x0400 + n);
            let wish = crate::router::Create {
                name: "r".to_owned(),
                labels: vec![],
                static_routes: vec![],
            };
            let by = account.to_owned();
            it.does(Op::Router { by, uuid: router, wish: Wish::Create(wish) }).unwrap();
            let wish = crate::network::Create {
                name: "n".to_owned(),
                zone: "fi-hel1".to_owned(),
                labels: vec![],
                router: Some(router.to_string()),
                subnets: vec![subnet],
            };
            let by = account.to_owned();
            it.does(Op::Network { by, uuid: network(n), wish: Wish::Create(wish) }).unwrap();
        }
        it
    }

    fn does(&mut self, op: Op) -> Result<(), Rule> {
        let policy = Policy { request_days: self.days, ..Policy::default() };
        let terms = Terms { policy, now: self.now, ..Terms::default() };
        let changes = decide(&self.world, &Op::Under { terms, op: Box::new(op) })?;
        self.world.commit(&changes);
        Ok(())
    }

    fn asks(&mut self, by: &str, uuid: Uuid, from: u128, to: u128) {
        let wish = Create {
            name: "secret name".to_owned(),
            configured: Configured::Active,
            network: network(from),
            peer_network: network(to),
            labels: vec![],
            note: Some("please".to_owned()),
        };
        self.does(Op::Peering { by: by.to_owned(), uuid, wish: Wish::Create(wish) }).unwrap();
    }

    fn sets(&mut self, configured: Configured) {
        let wish = peering::Modify { configured: Some(configured), ..peering::Modify::default() };
        let by = "alice".to_owned();
        self.does(Op::Peering { by, uuid: half(1), wish: Wish::Modify(wish) }).unwrap();
    }

    fn declines(&mut self, by: &str) -> Result<(), Rule> {
        self.does(Op::Decline { by: by.to_owned(), request: half(1) })
    }

    fn accepts(&mut self, by: &str) -> Result<(), Rule> {
        let (by, wish) = (by.to_owned(), Accept::default());
        self.does(Op::Accept { by, uuid: half(2), request: half(1), wish })
    }

    fn patience(&self) -> Patience {
        Patience { now: self.now, days: self.days }
    }

    fn asked_of(&self, account: &str) -> Vec<Uuid> {
        requests(&self.world, account, self.patience()).map(|it| it.uuid).collect()
    }

    fn judged(&self) -> (State, Vec<&'static str>) {
        let it = &self.world.peerings[&half(1)];
        let (state, reasons) = judge(&self.world, &Presence::default(), self.patience(), it);
        (state, reasons.iter().map(|r: &Reason| r.code).collect())
    }
}

#[test]
fn a_request_is_the_business_of_the_one_who_is_asked() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    assert_eq!(it.asked_of("bob"), [half(1)]);
    assert!(it.asked_of("alice").is_empty());
    for stranger in ["alice", "carol"] {
        assert!(matches!(it.accepts(stranger), Err(Rule::Absent(Noun::PeeringRequest, _))));
        assert!(matches!(it.declines(stranger), Err(Rule::Absent(Noun::PeeringRequest, _))));
    }
    it.accepts("bob").unwrap();
    assert_eq!(it.judged(), (State::Active, vec![]));
    assert_eq!(it.world.peerings[&half(2)].account, "bob");
    assert!(it.asked_of("bob").is_empty());
    assert!(matches!(it.accepts("bob"), Err(Rule::Absent(Noun::PeeringRequest, _))));
}

#[test]
fn what_is_disabled_or_ones_own_asks_for_nothing() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    it.asks("bob", half(3), 2, 3);
    it.sets(Configured::Disabled);
    assert!(it.asked_of("bob").is_empty());
    assert!(it.accepts("bob").is_err());
    it.sets(Configured::Active);
    assert_eq!(it.asked_of("bob"), [half(1)]);
}

#[test]
fn what_is_declined_waits_and_can_be_offered_anew() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    let revision = it.world.peerings[&half(1)].revision;
    it.declines("bob").unwrap();
    it.declines("bob").unwrap();
    assert_eq!(it.judged(), (State::PendingPeer, vec!["declined"]));
    assert!(it.asked_of("bob").is_empty());
    assert!(it.accepts("bob").is_err());
    // Its owner has written nothing since.
    assert_eq!(it.world.peerings[&half(1)].revision, revision);
    it.sets(Configured::Active);
    assert_eq!(it.judged(), (State::PendingPeer, vec!["no-peer-half"]));
    assert_eq!(it.asked_of("bob"), [half(1)]);
}

#[test]
fn a_half_made_after_all_takes_back_that_the_other_was_declined() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    it.declines("bob").unwrap();
    it.asks("bob", half(2), 2, 1);
    assert_eq!(it.judged(), (State::Active, vec![]));
    it.does(Op::Peering { by: "bob".to_owned(), uuid: half(2), wish: Wish::Delete }).unwrap();
    assert_eq!(it.judged(), (State::PendingPeer, vec!["no-peer-half"]));
}

#[test]
fn what_nobody_answers_expires_at_its_second_and_never_without_a_limit() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    it.now = START + WEEK - 1;
    assert_eq!(it.asked_of("bob"), [half(1)]);
    assert_eq!(it.judged(), (State::PendingPeer, vec!["no-peer-half"]));
    it.now = START + WEEK;
    assert!(it.asked_of("bob").is_empty());
    assert_eq!(it.judged(), (State::PendingPeer, vec!["expired"]));
    assert!(it.accepts("bob").is_err());
    it.days = 0;
    assert_eq!(it.judged(), (State::PendingPeer, vec!["no-peer-half"]));
    assert_eq!(it.asked_of("bob"), [half(1)]);
    it.days = 7;
    it.sets(Configured::Active);
    assert_eq!(it.asked_of("bob"), [half(1)]);
    it.now += WEEK - 1;
    it.accepts("bob").unwrap();
    it.now += 2 * WEEK;
    assert_eq!(it.judged(), (State::Active, vec![]));
}

#[test]
fn an_expired_half_still_meets_the_one_that_answers_it() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    it.now += 2 * WEEK;
    it.asks("bob", half(2), 2, 1);
    assert_eq!(it.judged(), (State::Active, vec![]));
}

#[test]
fn both_halves_go_at_once_only_when_one_account_owns_them() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    it.accepts("bob").unwrap();
    let before = it.world.revision();
    let refused = it.does(Op::DeleteBoth { by: "alice".to_owned(), uuid: half(1) });
    assert_eq!(refused, Err(Rule::PeerHalfForbidden(half(2))));
    assert_eq!(it.world.revision(), before);
    it.asks("bob", half(3), 2, 3);
    it.asks("bob", half(4), 3, 2);
    it.does(Op::DeleteBoth { by: "bob".to_owned(), uuid: half(3) }).unwrap();
    assert!(!it.world.peerings.contains_key(&half(3)) && !it.world.peerings.contains_key(&half(4)));
    assert_eq!(it.world.peerings.len(), 2);
}

#[test]
fn a_note_is_short_and_plain() {
    let mut it = Two::new();
    it.asks("alice", half(1), 1, 2);
    let long = "x".repeat(501);
    for (note, fits) in [("", true), ("two\nlines", true), ("\u{1b}[2J", false), (&long, false)] {
        let wish = peering::Modify { note: Some(note.to_owned()), ..peering::Modify::default() };
        let by = "alice".to_owned();
        let done = it.does(Op::Peering { by, uuid: half(1), wish: Wish::Modify(wish) });
        assert_eq!(done.is_ok(), fits, "{note:?}");
    }
}
