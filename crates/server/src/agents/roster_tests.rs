use super::super::session::MARKS;
use super::*;

const HOST: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

#[test]
fn a_host_is_live_from_its_first_answer_on() {
    let mut roster = Roster::new(7);
    roster.begin(HOST, start(1, None));
    assert!(roster.looked(HOST, 1, 7, true));
    assert!(roster.presence(0).hosts.is_empty());
    assert_eq!(roster.reported(HOST, 1, report(7)), Heard::Taken);
    assert_eq!(applied(&roster), Some(7));
}

#[test]
fn nobody_is_waited_for_before_its_first_answer() {
    let mut roster = Roster::new(7);
    roster.begin(HOST, start(1, None));
    assert!(roster.settled(7, 0));
    assert!(!roster.settled(8, 0), "revision 8 was not seen");
}

#[test]
fn a_write_that_does_not_concern_a_host_is_applied_by_it_at_once() {
    let mut roster = live(7);
    roster.committed(8, &BTreeSet::new(), 0);
    assert_eq!(applied(&roster), Some(8));
    assert!(roster.settled(8, 0));
}

#[test]
fn a_host_carries_what_was_before_the_first_write_it_has_not_answered_for() {
    let mut roster = live(7);
    roster.committed(8, &BTreeSet::new(), 0);
    roster.committed(9, &[HOST].into(), 0);
    assert_eq!(applied(&roster), Some(8), "not looked at");
    roster.committed(10, &[HOST].into(), 0);
    assert!(roster.looked(HOST, 1, 10, true));
    assert_eq!(applied(&roster), Some(8), "told, not answered");
    assert!(!roster.settled(9, 0) && !roster.settled(10, 0) && roster.settled(8, 0));
    roster.committed(11, &BTreeSet::new(), 0);
    assert_eq!(applied(&roster), Some(8));
    assert_eq!(roster.reported(HOST, 1, report(10)), Heard::Taken);
    assert_eq!(applied(&roster), Some(11), "11 does not concern it");
    assert!(roster.settled(11, 0));
}

#[test]
fn a_write_that_turned_out_to_change_nothing_is_applied_once_looked_at() {
    let mut roster = live(7);
    roster.committed(8, &[HOST].into(), 0);
    assert!(!roster.settled(8, 0));
    assert!(roster.looked(HOST, 1, 8, false));
    assert!(roster.settled(8, 0));
    assert_eq!(applied(&roster), Some(8));
}

#[test]
fn an_answer_covers_what_was_sent_before_it_and_nothing_after() {
    let mut roster = live(7);
    for revision in 8..=10 {
        roster.committed(revision, &[HOST].into(), 0);
        roster.looked(HOST, 1, revision, true);
    }
    roster.reported(HOST, 1, report(9));
    assert_eq!(applied(&roster), Some(9));
}

#[test]
fn a_write_while_the_session_looks_is_not_lost() {
    let mut roster = live(7);
    roster.committed(8, &[HOST].into(), 0);
    roster.committed(10, &[HOST].into(), 0);
    roster.looked(HOST, 1, 9, true);
    roster.reported(HOST, 1, report(9));
    assert_eq!(applied(&roster), Some(9));
    assert!(!roster.settled(10, 0));
}

#[test]
fn the_end_of_an_older_session_leaves_the_newer_one() {
    let mut roster = live(7);
    roster.begin(HOST, start(2, Some(7)));
    assert!(!roster.looked(HOST, 1, 7, false), "the older is over");
    roster.looked(HOST, 2, 7, true);
    roster.reported(HOST, 2, report(7));
    roster.end(HOST, 1);
    assert_eq!(applied(&roster), Some(7));
    roster.end(HOST, 2);
    assert_eq!(applied(&roster), None);
}

#[test]
fn a_host_that_is_gone_is_not_waited_for() {
    let mut roster = live(7);
    roster.committed(8, &[HOST].into(), 0);
    assert!(!roster.settled(8, 0));
    roster.end(HOST, 1);
    assert!(roster.settled(8, 0));
}

#[test]
fn a_report_over_another_connection_is_not_the_sessions() {
    let mut roster = Roster::new(7);
    roster.begin(HOST, start(1, None));
    roster.looked(HOST, 1, 7, true);
    assert_eq!(roster.reported(HOST, 9, report(7)), Heard::NoSession);
    assert_eq!(roster.reported(OTHER, 1, report(7)), Heard::NoSession);
    assert_eq!(roster.reported(HOST, 1, report(8)), Heard::Unasked);
    assert_eq!(applied(&roster), None);
}

#[test]
fn a_host_that_never_answers_costs_no_memory_and_is_credited_nothing() {
    let mut roster = live(7);
    for revision in 8..1000 {
        roster.committed(revision, &[HOST].into(), 0);
        roster.looked(HOST, 1, revision, true);
    }
    assert_eq!(roster.sessions[&HOST].unanswered.len(), MARKS);
    roster.reported(HOST, 1, report(500));
    assert!(applied(&roster).unwrap() <= 500);
    roster.reported(HOST, 1, report(999));
    assert_eq!(applied(&roster), Some(999));
}

#[test]
fn waiting_is_counted_from_the_oldest_write_without_an_answer() {
    let mut roster = live(7);
    roster.committed(8, &[HOST].into(), 1_000);
    roster.looked(HOST, 1, 8, true);
    roster.committed(9, &[HOST].into(), 5_000);
    assert_eq!(roster.presence(6_000).waiting_ms(&HOST), 5_000);
    assert_eq!(roster.presence(7_000).waiting_ms(&HOST), 6_000);
    roster.reported(HOST, 1, report(8));
    assert_eq!(roster.presence(7_000).waiting_ms(&HOST), 2_000);
    roster.looked(HOST, 1, 9, false);
    assert_eq!(roster.presence(7_000).waiting_ms(&HOST), 0);
}

#[test]
fn errors_are_those_of_the_last_report() {
    let mut roster = live(7);
    let failed = HostError { network: None, message: "no".to_owned(), breach: false };
    roster.reported(HOST, 1, Word { errors: vec![failed.clone()], ..report(7) });
    assert_eq!(roster.presence(0).hosts[&HOST].errors, [failed]);
    roster.reported(HOST, 1, report(7));
    assert!(roster.presence(0).hosts[&HOST].errors.is_empty());
}

fn start(id: u64, resume: Option<Revision>) -> Start {
    Start { id, connection: id, resume, epoch: None, now_ms: 0 }
}

fn report(revision: Revision) -> Word {
    Word { revision, ..Word::default() }
}

/// One host, live in session 1, that carries `revision`.
fn live(revision: Revision) -> Roster {
    let mut roster = Roster::new(revision);
    roster.begin(HOST, start(1, None));
    roster.looked(HOST, 1, revision, true);
    roster.reported(HOST, 1, report(revision));
    roster
}

fn applied(roster: &Roster) -> Option<Revision> {
    roster.presence(0).applied(&HOST)
}

#[test]
fn each_of_the_writes_that_came_at_once_may_be_what_concerns_a_host() {
    let mut roster = live(7);
    roster.committed(10, &[HOST].into(), 0);
    assert_eq!(applied(&roster), Some(7));
    assert!(roster.settled(7, 0) && !roster.settled(8, 0));
}
