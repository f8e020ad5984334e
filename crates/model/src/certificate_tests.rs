use super::*;
use crate::lease::Claim;
use crate::op::{Op, decide as decide_op};
use crate::play::{Play, host_id};

const DAY: i64 = 86_400;

fn certificate(n: u8, since: i64) -> Certificate {
    Certificate { serial: Serial::of(&[0, n]), since, until: since + 90 * DAY }
}

fn issue_op(shown: &Certificate, new: &Certificate) -> Op {
    let (shown, new) = (shown.clone(), new.clone());
    Op::Certificate(Wish::Issue { host: host_id(1), shown, new })
}

fn used_op(shown: &Certificate) -> Op {
    Op::Certificate(Wish::Used { host: host_id(1), shown: shown.clone() })
}

fn revoke_op(now: i64) -> Op {
    Op::Certificate(Wish::Revoke { by: "a".to_owned(), id: "h1".to_owned(), now })
}

fn renew_op() -> Op {
    Op::Certificate(Wish::Renew { by: "a".to_owned(), id: "h1".to_owned() })
}

fn of(play: &Play) -> &Certificates {
    &play.world.hosts[&host_id(1)].certificates
}

#[test]
fn a_serial_is_its_number_and_not_how_it_is_written() {
    assert_eq!(Serial::of(&[0, 0, 7, 0]), Serial::of(&[7, 0]));
    assert_ne!(Serial::of(&[7, 0]), Serial::of(&[7]));
}

#[test]
fn the_one_before_is_good_until_the_newest_was_used() {
    let mut play = Play::new();
    let [first, second, third] = [certificate(1, 10), certificate(2, 20), certificate(3, 30)];
    assert_eq!(of(&play).judge(&first, 11), Ok(()), "it joined before serials were kept");
    play.must(issue_op(&first, &second));
    for it in [&first, &second] {
        assert_eq!(of(&play).judge(it, 21), Ok(()));
    }
    // The answer was lost, so the host asks again with what it has.
    assert!(!of(&play).is_first_use(&first));
    play.must(issue_op(&first, &third));
    assert_eq!(of(&play).judge(&second, 31), Err(Fault::Replaced));
    assert!(of(&play).is_first_use(&third));
    play.must(used_op(&third));
    assert_eq!(of(&play).judge(&third, 31), Ok(()));
    assert!(!of(&play).is_first_use(&third));
    for it in [&first, &second] {
        assert_eq!(of(&play).judge(it, 31), Err(Fault::Replaced));
        let refused = Err(Rule::CertificateReplaced("h1".to_owned()));
        assert_eq!(decide_op(&play.world, &issue_op(it, &certificate(4, 40))), refused);
    }
}

#[test]
fn a_certificate_ends_and_another_is_due_when_a_third_of_its_time_is_left() {
    let mut play = Play::new();
    assert!(of(&play).is_due(0), "one without an end is to be replaced at once");
    let [first, second] = [certificate(1, 10), certificate(2, 20)];
    play.must(issue_op(&first, &second));
    play.must(used_op(&second));
    assert!(!of(&play).is_due(20 + 60 * DAY - 1));
    assert!(of(&play).is_due(20 + 60 * DAY));
    assert_eq!(of(&play).judge(&second, second.until - 1), Ok(()));
    assert_eq!(of(&play).judge(&second, second.until), Err(Fault::Expired));
    assert_eq!(of(&play).until(), Some(second.until));
    play.must(renew_op());
    assert!(of(&play).is_due(21));
    play.must(issue_op(&second, &certificate(3, 30)));
    assert!(!of(&play).is_due(31));
}

#[test]
fn a_clock_that_jumps_back_makes_no_certificate_older_than_those_before_it() {
    let mut play = Play::new();
    play.must(issue_op(&certificate(1, 10), &certificate(2, 1000)));
    assert_eq!(of(&play).next_since(5), 1001);
    assert_eq!(of(&play).next_since(5000), 5000);
}

#[test]
fn a_server_that_was_restored_takes_a_newer_certificate_and_then_none_before_it() {
    let mut play = Play::new();
    let [first, second, newer] = [certificate(1, 10), certificate(2, 20), certificate(3, 30)];
    play.must(issue_op(&first, &second));
    assert_eq!(of(&play).judge(&newer, 31), Ok(()));
    assert!(of(&play).is_first_use(&newer));
    play.must(used_op(&newer));
    for it in [&first, &second] {
        assert_eq!(of(&play).judge(it, 31), Err(Fault::Replaced));
    }
}

#[test]
fn a_revoked_host_has_no_good_certificate_no_lease_and_gets_none() {
    let mut play = Play::new();
    let [first, second] = [certificate(1, 10), certificate(2, 20)];
    let claim = Claim { epoch: None, boot: "b".to_owned(), node: None };
    let take = Op::TakeLease { host: host_id(1), claim };
    play.must(take.clone());
    play.must(issue_op(&first, &second));
    play.must(revoke_op(77));
    assert_eq!(play.world.leases[&host_id(1)].lost, Some(77));
    for it in [&first, &second, &certificate(3, 30)] {
        assert_eq!(of(&play).judge(it, 31), Err(Fault::Revoked));
    }
    let revoked = || Err(Rule::HostRevoked("h1".to_owned()));
    for op in [take, issue_op(&second, &certificate(3, 30)), renew_op()] {
        assert_eq!(decide_op(&play.world, &op), revoked());
    }
    assert_eq!(decide_op(&play.world, &revoke_op(78)), Ok(Vec::new()), "once is enough");
    // One whose agent never had a lease is sent nothing, too.
    let id = "h2".to_owned();
    play.must(Op::Certificate(Wish::Revoke { by: "a".to_owned(), id, now: 5 }));
    assert!(play.world.is_lost(host_id(2)));
}

#[test]
fn only_administrators_renew_and_revoke() {
    let play = Play::new();
    let (by, id) = ("b".to_owned(), "h1".to_owned());
    let revoke = Wish::Revoke { by: by.clone(), id: id.clone(), now: 5 };
    for wish in [Wish::Renew { by, id }, revoke] {
        let refused = decide_op(&play.world, &Op::Certificate(wish));
        assert_eq!(refused, Err(Rule::AdminOnly("b".to_owned())));
    }
}
