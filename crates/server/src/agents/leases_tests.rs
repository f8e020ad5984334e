use super::*;

const LIMIT: u64 = 1000;

/// `count` hosts whose agents are here, and were heard of at 0.
fn leases(count: u128) -> Leases {
    let mut it = Leases::new(LeaseArgs::default(), None);
    for n in 0..count {
        it.begin(Uuid::from_u128(n), 1, 10, 0);
    }
    it
}

fn lost(look: &Look) -> Vec<u128> {
    match look {
        Look::Lost(silent) => silent.iter().map(|it| it.host.as_u128()).collect(),
        Look::Braked(count) => panic!("braked: {count}"),
    }
}

/// Looks often, as the server does, while the hosts `renewing` renew.
fn run(it: &mut Leases, times: std::ops::Range<u64>, renewing: &[u128], all: usize) -> Vec<Look> {
    let mut looks = Vec::new();
    for now in times.step_by(100) {
        for n in renewing {
            assert!(it.renew(Uuid::from_u128(*n), 1, now));
        }
        looks.push(it.look(all, now));
    }
    looks
}

#[test]
fn a_host_is_lost_when_it_was_silent_for_the_limit_and_not_before() {
    let mut it = leases(3);
    let looks = run(&mut it, 0..LIMIT + 1, &[0, 1], 3);
    assert!(looks.iter().all(|look| lost(look).is_empty()), "{looks:?}");
    let Look::Lost(silent) = it.look(3, LIMIT + 50) else { panic!("braked") };
    assert_eq!(silent, [Silent { host: Uuid::from_u128(2), epoch: 1, ms: LIMIT + 50 }]);
}

#[test]
fn half_of_the_hosts_are_lost_and_more_at_once_are_not() {
    let mut it = leases(2);
    assert_eq!(lost(run(&mut it, 0..LIMIT + 200, &[0], 2).last().unwrap()), [1]);
    let mut it = leases(5);
    let looks = run(&mut it, 0..LIMIT * 9, &[0, 1], 5);
    assert_eq!(looks.last(), Some(&Look::Braked(3)), "for as long as it lasts");
    // One comes back, so two are lost.
    it.renew(Uuid::from_u128(2), 1, LIMIT * 9);
    it.renew(Uuid::from_u128(1), 1, LIMIT * 9);
    it.renew(Uuid::from_u128(0), 1, LIMIT * 9);
    assert_eq!(lost(&it.look(5, LIMIT * 9)), [3, 4]);
}

#[test]
fn the_first_of_all_to_be_late_is_not_lost_before_the_others_are_late() {
    let mut it = leases(4);
    // Each was heard of at another time when the network broke.
    for n in 0..4 {
        it.renew(Uuid::from_u128(n), 1, 80 * u64::try_from(n).unwrap());
    }
    let looks = run(&mut it, 300..LIMIT * 3, &[], 4);
    assert!(looks.iter().all(|look| !matches!(look, Look::Lost(lost) if !lost.is_empty())));
    assert_eq!(looks.last(), Some(&Look::Braked(4)));
}

#[test]
fn hosts_that_died_one_after_the_other_are_all_lost() {
    let mut it = leases(3);
    let mut alive = vec![0, 1, 2];
    for (turn, dies) in [2, 1, 0].into_iter().enumerate() {
        alive.retain(|n| *n != dies);
        let begin = 2 * LIMIT * u64::try_from(turn).unwrap();
        let looks = run(&mut it, begin..begin + 2 * LIMIT, &alive, 3);
        assert_eq!(lost(looks.last().unwrap()), [dies]);
        it.remove(Uuid::from_u128(dies));
    }
}

#[test]
fn a_host_whose_agent_has_left_has_the_grace_and_one_that_was_silent_before_has_not() {
    let grace = LeaseArgs::default().grace_seconds * 1000;
    let mut it = leases(4);
    let [left, silent] = [2, 3].map(Uuid::from_u128);
    it.left(left, 9, 500);
    assert!(run(&mut it, 0..LIMIT, &[0, 1, 2], 4).iter().all(|look| lost(look).is_empty()));
    it.left(left, 10, LIMIT);
    it.left(silent, 10, LIMIT + 100);
    let looks = run(&mut it, LIMIT..LIMIT + grace + 1, &[0, 1], 4);
    assert_eq!(lost(looks.last().unwrap()), [3]);
    it.remove(silent);
    assert_eq!(lost(&it.look(4, LIMIT + grace + 100)), [2]);
}

#[test]
fn nobody_is_lost_for_the_time_that_the_server_stood_still() {
    let mut it = leases(3);
    run(&mut it, 0..200, &[0, 1, 2], 3);
    assert_eq!(lost(&it.look(3, 50 * LIMIT)), [0; 0]);
    let looks = run(&mut it, 50 * LIMIT..52 * LIMIT, &[0, 1], 3);
    assert_eq!(lost(looks.last().unwrap()), [2], "after that its time runs on");
}

#[test]
fn what_is_renewed_and_remembered_under_an_old_epoch_changes_nothing() {
    let host = Uuid::from_u128(7);
    let lease =
        |epoch, lost| Lease { host, epoch, boot: String::new(), since: 0, node: None, lost };
    let mut it = leases(0);
    it.put(&lease(5, None), 0);
    it.begin(host, 9, 11, 0);
    assert!(!it.renew(host, 5, 10) && it.renew(host, 9, 10));
    it.put(&lease(5, Some(77)), 20);
    it.put(&lease(9, None), 20);
    assert!(it.renew(host, 9, 30), "that it lost an older one is no news");
    it.put(&lease(9, Some(78)), 40);
    assert!(!it.renew(host, 9, 50));
}

/// Held at `node`, under epoch 1.
fn lease_at(host: u128, node: Option<u128>) -> Lease {
    let (host, node) = (Uuid::from_u128(host), node.map(Uuid::from_u128));
    Lease { host, epoch: 1, boot: String::new(), since: 0, node, lost: None }
}

#[test]
fn each_server_watches_over_its_own_hosts_and_who_leads_over_those_of_the_dead() {
    let grace = LeaseArgs::default().grace_seconds * 1000;
    let [us, well, dead] = [1, 2, 3].map(Uuid::from_u128);
    let mut it = Leases::new(LeaseArgs::default(), Some(us));
    for (host, node) in [(10, 1), (11, 2), (12, 3)] {
        it.put(&lease_at(host, Some(node)), 0);
    }
    it.begin(Uuid::from_u128(10), 1, 5, 0);
    it.sign(dead, 500);
    let mut now = 0;
    let mut until = |it: &mut Leases, end: u64| {
        let mut all = Vec::new();
        while now <= end {
            it.sign(well, now);
            it.renew(Uuid::from_u128(10), 1, now);
            all.extend(lost(&it.look(6, now)));
            now += 100;
        }
        all
    };
    assert_eq!(until(&mut it, 2 * grace), [0; 0], "it does not lead");
    assert!(!it.watches(Some(dead), 2 * grace));
    it.lead(true, 2 * grace + 50);
    assert!(it.watches(Some(dead), 2 * grace) && !it.watches(Some(well), 2 * grace));
    assert!(it.watches(Some(us), 2 * grace) && it.watches(None, 2 * grace));
    assert_eq!(until(&mut it, 3 * grace), [0; 0], "it has known for less than the grace");
    assert_eq!(until(&mut it, 3 * grace + 100), [12]);
    it.remove(Uuid::from_u128(12));
    it.sign(dead, 4 * grace);
    it.put(&lease_at(12, Some(3)), 4 * grace);
    it.forget(dead, 4 * grace + 500);
    assert_eq!(until(&mut it, 5 * grace + 500), [0; 0]);
    assert_eq!(until(&mut it, 5 * grace + 600), [12]);
    it.lead(false, now);
    assert!(!it.watches(Some(dead), now));
}
