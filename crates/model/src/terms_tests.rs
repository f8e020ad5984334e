use super::*;
use crate::op::{Wish, decide};
use crate::router::{Create, Modify};

const NOW: i64 = 1_000_000;

fn wish(name: &str) -> Create {
    Create { name: name.to_owned(), labels: vec![], static_routes: vec![] }
}

fn create(n: u128) -> Op {
    Op::Router { by: "a".to_owned(), uuid: Uuid::from_u128(n), wish: Wish::Create(wish("r")) }
}

fn modify(by: &str, n: u128) -> Op {
    let wish = Modify { name: Some("other".to_owned()), ..Modify::default() };
    Op::Router { by: by.to_owned(), uuid: Uuid::from_u128(n), wish: Wish::Modify(wish) }
}

fn once(account: &str, key: &str, request: &str) -> Once {
    let owned = str::to_owned;
    Once { account: owned(account), key: owned(key), request: owned(request) }
}

fn under(world: &World, terms: Terms, op: Op) -> Result<Vec<Change>, Rule> {
    decide(world, &Op::Under { terms, op: Box::new(op) })
}

fn keyed(world: &mut World, now: i64, once: Once, n: u128) -> Result<(), Rule> {
    let terms = Terms { now, once: Some(once), ..Terms::default() };
    let changes = under(world, terms, create(n))?;
    world.commit(&changes);
    Ok(())
}

fn expecting(revisions: &[Revision]) -> Terms {
    Terms { expected: Some(Expected::Revisions(revisions.to_vec())), ..Terms::default() }
}

#[test]
fn a_key_makes_one_thing_for_one_request_of_one_account() {
    let mut world = World::default();
    assert_eq!(keyed(&mut world, NOW, once("a", "k", "x"), 1), Ok(()));
    let before = world.revision();
    for now in [NOW, NOW + REMEMBERED - 1] {
        let again = keyed(&mut world, now, once("a", "k", "x"), 2);
        assert_eq!(again, Err(Rule::DoneBefore));
        let other = keyed(&mut world, now, once("a", "k", "y"), 2);
        assert_eq!(other, Err(Rule::KeyReused));
    }
    assert_eq!(world.revision(), before);
    assert_eq!(keyed(&mut world, NOW, once("b", "k", "y"), 3), Ok(()));
    assert_eq!(keyed(&mut world, NOW, once("a", "l", "x"), 4), Ok(()));
    assert_eq!(world.routers.len(), 3);
    assert_eq!(world.done("a", "k").unwrap().made, Some(Uuid::from_u128(1)));
    assert_eq!(keyed(&mut world, NOW + REMEMBERED, once("a", "k", "y"), 5), Ok(()));
    assert_eq!(world.done("a", "k").unwrap().request, "y");
}

#[test]
fn what_is_refused_leaves_its_key_unused() {
    let mut world = World::default();
    let terms = Terms { once: Some(once("a", "k", "x")), ..Terms::default() };
    let refused = under(&world, terms, modify("a", 1));
    assert!(matches!(refused, Err(Rule::Absent(..))), "{refused:?}");
    assert_eq!(keyed(&mut world, NOW, once("a", "k", "y"), 1), Ok(()));
}

#[test]
fn what_is_remembered_is_bounded_by_age_and_by_number() {
    let mut world = World::default();
    let key = |n: usize| once("a", &n.to_string(), "x");
    for n in 0..=REMEMBERED_MOST {
        keyed(&mut world, NOW + i64::try_from(n).unwrap(), key(n), n as u128).unwrap();
    }
    assert_eq!(world.done_count("a"), REMEMBERED_MOST);
    assert!(world.done("a", "0").is_none() && world.done("a", "1").is_some());
    let later = NOW + 3 * REMEMBERED;
    for n in 0..REMEMBERED_MOST {
        keyed(&mut world, later, once("a", &format!("later {n}"), "x"), n as u128).unwrap();
    }
    assert_eq!(world.done_by_age("a").next().unwrap().since, later);
}

#[test]
fn an_answer_is_taken_down_once() {
    let mut world = World::default();
    keyed(&mut world, NOW, once("a", "k", "x"), 1).unwrap();
    let told = |body: &str| Outcome::Told { status: 201, body: body.to_owned() };
    for (request, body) in [("y", "0"), ("x", "1"), ("x", "2")] {
        let op = Op::Answered { once: once("a", "k", request), outcome: told(body) };
        let changes = decide(&world, &op).unwrap();
        world.commit(&changes);
    }
    assert_eq!(world.done("a", "k").unwrap().outcome, told("1"));
}

#[test]
fn a_write_is_done_only_at_a_revision_that_its_caller_has_seen() {
    let mut world = World::default();
    world.commit(&decide(&world, &create(1)).unwrap());
    let seen = world.routers[&Uuid::from_u128(1)].revision;
    for (revisions, met) in
        [(&[seen][..], true), (&[seen + 1, seen], true), (&[seen + 1], false), (&[], false)]
    {
        let found = under(&world, expecting(revisions), modify("a", 1));
        assert_eq!(found.is_ok(), met, "{revisions:?}");
        assert!(met || found == Err(Rule::PreconditionFailed));
    }
    world.commit(&under(&world, expecting(&[seen]), modify("a", 1)).unwrap());
    let late = under(&world, expecting(&[seen]), modify("a", 1));
    assert_eq!(late, Err(Rule::PreconditionFailed));
    let any = Terms { expected: Some(Expected::Any), ..Terms::default() };
    assert!(under(&world, any, modify("a", 1)).is_ok());
}

#[test]
fn nothing_is_told_of_the_revisions_of_others() {
    let mut world = World::default();
    world.commit(&decide(&world, &create(1)).unwrap());
    for revision in 0..3 {
        let found = under(&world, expecting(&[revision]), modify("b", 1));
        assert!(matches!(found, Err(Rule::Absent(..))), "{found:?}");
    }
}
