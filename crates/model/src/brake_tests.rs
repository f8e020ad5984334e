use super::*;

const HOME: [u8; 4] = [192, 0, 2, 1];
const AWAY: [u8; 4] = [192, 0, 2, 2];

fn fail(brake: &mut Brake, user: &str, address: impl Into<IpAddr>, times: u32) {
    let address = address.into();
    (0..times).for_each(|_| brake.failed(user, address, 0));
}

#[test]
fn delays_double_from_a_second_to_a_minute() {
    let delays: Vec<u64> = (0..14).map(|n| delay_ms(n, 5)).collect();
    let want = [0, 0, 0, 0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
    assert_eq!(delays, want);
    assert_eq!(delay_ms(u32::MAX, 5), LONGEST_MS);
}

#[test]
fn a_user_that_failed_waits_and_others_do_not() {
    let mut brake = Brake::default();
    fail(&mut brake, "alice", HOME, 5);
    assert_eq!(brake.wait("alice", HOME.into(), 0), 0);
    fail(&mut brake, "alice", HOME, 1);
    assert_eq!(brake.wait("alice", HOME.into(), 0), 1000);
    assert_eq!(brake.wait("alice", HOME.into(), 999), 1);
    assert_eq!(brake.wait("alice", HOME.into(), 1000), 0);
    assert_eq!(brake.wait("alice", AWAY.into(), 0), 0);
    assert_eq!(brake.wait("bob", HOME.into(), 0), 0);
}

#[test]
fn success_and_a_long_pause_wipe_failures_out() {
    let mut brake = Brake::default();
    fail(&mut brake, "alice", HOME, 40);
    assert_eq!(brake.wait("alice", HOME.into(), 0), 60_000);
    assert_eq!(brake.wait("alice", HOME.into(), MEMORY_MS), 0);
    brake.failed("alice", HOME.into(), MEMORY_MS);
    assert_eq!(brake.wait("alice", HOME.into(), MEMORY_MS), 0, "one failure, not 41");
    fail(&mut brake, "bob", HOME, 9);
    brake.succeeded("bob", HOME.into(), 0);
    assert_eq!(brake.wait("bob", HOME.into(), 0), 0);
}

#[test]
fn an_address_that_tries_many_users_waits_with_each() {
    let mut brake = Brake::default();
    (0..51).for_each(|n| fail(&mut brake, &n.to_string(), HOME, 1));
    assert_eq!(brake.wait("new", HOME.into(), 0), 1000);
    assert_eq!(brake.wait("new", AWAY.into(), 0), 0);
    // Its own success does not buy it new guesses.
    brake.succeeded("attacker", HOME.into(), 0);
    assert_eq!(brake.wait("new", HOME.into(), 0), 1000);
}

#[test]
fn a_user_that_many_addresses_try_is_shut_to_all_but_its_own() {
    let mut brake = Brake::default();
    brake.succeeded("alice", HOME.into(), 0);
    (0..110).for_each(|n| fail(&mut brake, "alice", [198, 51, 100, n], 1));
    assert_eq!(brake.wait("alice", AWAY.into(), 0), 60_000);
    assert_eq!(brake.wait("alice", HOME.into(), 0), 0);
    fail(&mut brake, "alice", HOME, 6);
    assert_eq!(brake.wait("alice", HOME.into(), 0), 1000, "a guess from there counts as any");
}

#[test]
fn all_of_one_ipv6_subnet_are_one() {
    let mut brake = Brake::default();
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    fail(&mut brake, "alice", address("2001:db8::1"), 6);
    assert_eq!(brake.wait("alice", address("2001:db8::ffff:0:2"), 0), 1000);
    assert_eq!(brake.wait("alice", address("2001:db8:0:1::1"), 0), 0);
    fail(&mut brake, "bob", address("::ffff:192.0.2.1"), 6);
    assert_eq!(brake.wait("bob", HOME.into(), 0), 1000);
}

#[test]
fn memory_is_bounded_and_the_newest_stay() {
    let mut brake = Brake::default();
    let kept = u64::try_from(KEPT).unwrap();
    for n in 0..kept + 100 {
        brake.failed(&n.to_string(), HOME.into(), n);
        brake.succeeded(&format!("u{n}"), HOME.into(), n);
    }
    assert_eq!((brake.pairs.by_key.len(), brake.pairs.by_age.len()), (KEPT, KEPT));
    assert_eq!((brake.users.by_key.len(), brake.trusted.by_key.len()), (KEPT, KEPT));
    assert!(!brake.users.by_key.contains_key("99") && brake.users.by_key.contains_key("100"));
}

#[test]
fn no_more_is_kept_of_a_name_than_a_name_can_have() {
    let mut brake = Brake::default();
    let long = "å".repeat(100_000);
    fail(&mut brake, &long, HOME, 6);
    assert_eq!(brake.wait(&long, HOME.into(), 0), 1000);
    assert!(brake.pairs.by_key.keys().all(|(name, _)| name.chars().count() == 64));
    assert!(brake.users.by_key.keys().all(|name| name.chars().count() == 64));
}
