use super::*;
use crate::op::{Op, decide};
use crate::play::{Play, ZONE, allow_join, create_network, create_port, host_id, join};

/// With a token `7` for host 7, which is refused as the wish says.
fn joining(change: impl FnOnce(&mut Join)) -> (Play, Op) {
    let mut play = Play::new();
    play.must(allow_join("7"));
    let mut op = join(7);
    if let Op::Join { wish, .. } = &mut op {
        change(wish);
    }
    (play, op)
}

#[test]
fn a_token_lets_one_machine_in_once() {
    let (mut play, op) = joining(|_| ());
    play.must(op.clone());
    let host = &play.world.hosts[&host_id(7)];
    assert_eq!((&*host.name, &*host.zone), ("h7", ZONE));
    assert_eq!(host.underlay.to_string(), "192.0.2.8");
    assert!(play.world.join_tokens.is_empty());
    assert_eq!(decide(&play.world, &op), Err(Rule::JoinTokenInvalid));
}

#[test]
fn a_token_that_is_not_good_is_all_that_is_told() {
    for (what, change) in [
        ("unknown", (|w| w.digest = "8".to_owned()) as fn(&mut Join)),
        ("of another zone", |w| w.zone = "de-fra1".to_owned()),
        ("expired this second", |w| w.now = 100),
        ("expired, and a bad name too", |w| (w.now, w.name) = (200, String::new())),
    ] {
        let (play, op) = joining(change);
        assert_eq!(decide(&play.world, &op), Err(Rule::JoinTokenInvalid), "{what}");
    }
}

#[test]
fn names_and_addresses_of_hosts_are_good_and_nobody_elses() {
    for name in ["", "a b", "a/b", "ä", &"x".repeat(64)] {
        let (play, op) = joining(|w| w.name = name.to_owned());
        assert_eq!(play.fault(&op), (Subject::Name, "host.name".to_owned()), "{name}");
    }
    for name in ["x", "a-b.C9", &"x".repeat(63)] {
        let (mut play, op) = joining(|w| w.name = name.to_owned());
        play.must(op);
    }
    for address in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "2001:db8::1"] {
        let (play, op) = joining(|w| w.underlay = address.parse().unwrap());
        assert_eq!(play.fault(&op), (Subject::IpAddress, "host.underlay".to_owned()), "{address}");
    }
    let (play, op) = joining(|w| w.name = "h1".to_owned());
    assert_eq!(decide(&play.world, &op), Err(Rule::Exists(Noun::Host, "h1".to_owned())));
    let (play, op) = joining(|w| w.underlay = [192, 0, 2, 2].into());
    let taken = Rule::Exists(Noun::Host, "at 192.0.2.2".to_owned());
    assert_eq!(decide(&play.world, &op), Err(taken));
}

#[test]
fn the_underlays_of_all_hosts_are_of_one_family() {
    let (play, op) = joining(|w| w.underlay = "2001:db8::1".parse().unwrap());
    let Err(Rule::Bad { why, .. }) = decide(&play.world, &op) else { panic!("it may join") };
    assert_eq!(why, "must be IPv4, as that of the other hosts: packets go from host to host");
    let mut play = Play::new();
    play.all([0, 1, 2].map(|n| Op::DeleteHost { by: "a".to_owned(), id: format!("h{n}") }));
    let underlay = |n: u128, address: &str| {
        let mut op = join(n);
        if let Op::Join { wish, .. } = &mut op {
            wish.underlay = address.parse().unwrap();
        }
        op
    };
    play.all([allow_join("7"), allow_join("8")]);
    for bad in ["fe80::1", "ff02::1", "::", "::ffff:192.0.2.1"] {
        assert_eq!(play.fault(&underlay(7, bad)).1, "host.underlay", "{bad}");
    }
    play.must(underlay(7, "2001:db8::1"));
    assert_eq!(play.fault(&join(8)).1, "host.underlay", "IPv4 after IPv6");
    play.must(underlay(8, "2001:db8::2"));
}

#[test]
fn a_token_is_for_a_zone_that_there_is() {
    let token =
        JoinToken { digest: "x".to_owned(), zone: "atlantis".to_owned(), expires: 1, host: None };
    let op = Op::AllowJoin { by: "a".to_owned(), token };
    let absent = Rule::Absent(Noun::Zone, "atlantis".to_owned());
    assert_eq!(decide(&Play::new().world, &op), Err(absent));
}

#[test]
fn a_host_is_deleted_by_name_or_uuid_once_it_carries_nothing() {
    let delete = |id: &str| Op::DeleteHost { by: "a".to_owned(), id: id.to_owned() };
    let mut play = Play::new();
    play.all([create_network(0, &["10.0.0.0/24"], None), create_port(0, 0, 1)]);
    let held = Err(Rule::HostNotEmpty("h1".to_owned()));
    for id in ["h1", &host_id(1).to_string()] {
        assert_eq!(decide(&play.world, &delete(id)), held);
    }
    for id in ["h9", &host_id(9).to_string()] {
        let absent = Err(Rule::Absent(Noun::Host, id.to_owned()));
        assert_eq!(decide(&play.world, &delete(id)), absent);
    }
    play.all([delete("h0"), delete(&host_id(2).to_string())]);
    assert_eq!(play.world.hosts.keys().collect::<Vec<_>>(), [&host_id(1)]);
}

#[test]
fn a_token_for_a_host_lets_it_in_again_as_who_it_was_and_nobody_else() {
    let mut play = Play::new();
    play.all([create_network(0, &["10.0.0.0/24"], None), create_port(0, 0, 1)]);
    let token = |host| JoinToken {
        digest: "back".to_owned(),
        zone: ZONE.to_owned(),
        expires: 100,
        host: Some(host),
    };
    let allow = |host| Op::AllowJoin { by: "a".to_owned(), token: token(host) };
    let absent = Err(Rule::Absent(Noun::Host, host_id(9).to_string()));
    assert_eq!(decide(&play.world, &allow(host_id(9))), absent);
    play.must(allow(host_id(1)));
    let back = |name: &str, last: u8| {
        let mut op = join(7);
        if let Op::Join { wish, .. } = &mut op {
            (wish.digest, wish.name) = ("back".to_owned(), name.to_owned());
            wish.underlay = [192, 0, 2, last].into();
        }
        op
    };
    for other in ["h0", "h7"] {
        assert_eq!(play.fault(&back(other, 2)), (Subject::Name, "host.name".to_owned()));
    }
    let taken = Err(Rule::Exists(Noun::Host, "at 192.0.2.1".to_owned()));
    assert_eq!(decide(&play.world, &back("h1", 1)), taken, "another host's address");
    let revoke =
        crate::certificate::Wish::Revoke { by: "a".to_owned(), id: "h1".to_owned(), now: 5 };
    play.must(Op::Certificate(revoke));
    play.must(back("h1", 77));
    let host = &play.world.hosts[&host_id(1)];
    assert_eq!((host.certificates.revoked(), &*host.underlay.to_string()), (None, "192.0.2.77"));
    assert_eq!(play.world.ports_at(host_id(1)).count(), 1);
    assert!(!play.world.hosts.contains_key(&host_id(7)));
}
