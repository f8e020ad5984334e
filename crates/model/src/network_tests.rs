use super::*;
use crate::op::{Op, Wish, decide};
use crate::play::{
    Play, attach, create_half, create_network, create_port, delete_half, delete_port, half_id,
    modify_network, network_id, network_op, owner, port_id, renumber, router_id, subnets,
};
use crate::policy::Limits;
use crate::terms::Terms;

fn plain() -> Create {
    Create {
        name: "n".to_owned(),
        zone: crate::play::ZONE.to_owned(),
        labels: vec![],
        router: None,
        subnets: subnets(&["10.0.0.0/24"]),
    }
}

#[test]
fn each_fault_of_a_network_is_told_where_it_is_when_it_is_made_and_later() {
    let mut play = Play::new();
    play.must(create_network(2, &["10.0.0.0/24"], None));
    let label = Label { key: "x".to_owned(), value: String::new() };
    for (name, labels, subject, at) in [
        (String::new(), vec![], Subject::NetworkName, "network.name"),
        ("x".repeat(256), vec![], Subject::NetworkName, "network.name"),
        ("n".to_owned(), vec![label], Subject::LabelKey, "network.labels.0.key"),
    ] {
        let create = Create { name: name.clone(), labels: labels.clone(), ..plain() };
        let modify = Modify { name: Some(name), labels: Some(labels), ..Default::default() };
        let want = (subject, at.to_owned());
        assert_eq!(play.fault(&network_op(0, Wish::Create(create))), want);
        assert_eq!(play.fault(&modify_network(2, modify)), want);
    }
    play.must(network_op(0, Wish::Create(Create { name: "ä".repeat(255), ..plain() })));
}

#[test]
fn a_networks_zone_and_router_are_there_and_the_zone_stays() {
    let mut play = Play::new();
    let zone = Create { zone: "atlantis".to_owned(), ..plain() };
    let absent = Err(Rule::Absent(Noun::Zone, "atlantis".to_owned()));
    assert_eq!(play.op(&network_op(0, Wish::Create(zone))), absent);
    for id in [router_id(1).to_string(), router_id(99).to_string(), "router".to_owned()] {
        let routed = Create { router: Some(id.clone()), ..plain() };
        let absent = Err(Rule::Absent(Noun::Router, id));
        assert_eq!(play.op(&network_op(0, Wish::Create(routed))), absent);
    }
    play.must(network_op(0, Wish::Create(plain())));
    let to = |zone: &str| {
        modify_network(0, Modify { zone: Some(zone.to_owned()), ..Default::default() })
    };
    assert_eq!(play.fault(&to("de-fra1")), (Subject::Zone, "network.zone".to_owned()));
    play.must(to(crate::play::ZONE));
}

#[test]
fn each_network_has_a_number_that_none_had_before() {
    let mut play = Play::new();
    for n in [0, 2, 4] {
        play.must(create_network(n, &["10.0.0.0/24"], None));
    }
    play.must(network_op(4, Wish::Delete));
    play.must(create_network(6, &["10.0.0.0/24"], None));
    assert_eq!([0, 2, 6].map(|n| u32::from(play.network(n).vni)), [1, 2, 4]);
    let last = Object::NextVni { vni: Vni::MAX };
    play.world.commit(&[Change::Put(last)]);
    play.must(create_network(8, &["10.0.0.0/24"], None));
    assert_eq!(u32::from(play.network(8).vni), Vni::MAX);
    assert_eq!(play.op(&create_network(10, &["10.0.0.0/24"], None)), Err(Rule::NoVniLeft));
}

#[test]
fn what_is_not_given_stays_and_the_revision_counts() {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24"], Some(0)));
    let made = play.network(0).clone();
    assert_eq!((made.router_since, made.subnets_since), (made.revision, made.revision));
    let next = || Network { revision: made.revision + 1, ..made.clone() };
    let labels = vec![Label { key: "env".to_owned(), value: "prod".to_owned() }];
    let named = Modify { name: Some("other".to_owned()), ..Default::default() };
    let labelled = Modify { labels: Some(labels.clone()), ..Default::default() };
    for (op, want) in [
        (modify_network(0, Modify::default()), next()),
        (modify_network(0, named), Network { name: "other".to_owned(), ..next() }),
        (modify_network(0, labelled), Network { labels, ..next() }),
        (attach(0, Some(2)), Network { router: Some(router_id(2)), ..next() }),
        (attach(0, None), Network { router: None, router_since: made.revision + 1, ..next() }),
        (
            renumber(0, &["10.1.0.0/24"]),
            Network {
                subnets: subnets(&["10.1.0.0/24"]),
                subnets_since: made.revision + 1,
                ..next()
            },
        ),
        // The same prefix, written otherwise.
        (renumber(0, &["10.0.0.7/24"]), Network { subnets: subnets(&["10.0.0.7/24"]), ..next() }),
    ] {
        let mut play = play.clone();
        play.must(op);
        assert_eq!(*play.network(0), want);
    }
}

#[test]
fn new_subnets_go_on_holding_the_addresses_of_ports() {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24"], None));
    let wish = crate::port::Create {
        addresses: vec![[10, 0, 0, 127].into()],
        ..crate::play::port_wish(0, 0, 0)
    };
    play.must(Op::CreatePort { by: "a".to_owned(), uuid: port_id(0), wish });
    let fault = (Subject::IpAddress, "network.ip_networks".to_owned());
    for (what, bad) in
        [("outside", "10.0.0.128/25"), ("broadcast", "10.0.0.0/25"), ("another", "10.1.0.0/24")]
    {
        assert_eq!(play.fault(&renumber(0, &[bad])), fault, "{what}");
    }
    let mut gateway = crate::play::subnet("10.0.0.0/24");
    gateway.gateway = [10, 0, 0, 127].into();
    let moved = Modify { subnets: Some(vec![gateway]), ..Default::default() };
    assert_eq!(play.fault(&modify_network(0, moved)), fault, "the gateway's");
    play.must(renumber(0, &["10.0.0.0/16"]));
    play.all([delete_port(0, 0), renumber(0, &["10.1.0.0/24"])]);
}

#[test]
fn what_hangs_on_a_network_keeps_it_and_what_points_to_it_does_not() {
    let mut play = Play::new();
    for n in [0, 1] {
        play.must(create_network(n, &["10.0.0.0/24"], None));
    }
    let delete = network_op(0, Wish::Delete);
    play.all([create_half(0, 1), create_half(1, 0), create_port(0, 0, 0)]);
    assert_eq!(play.op(&delete), Err(Rule::NetworkHasPeerings(network_id(0))));
    play.must(delete_half(0, 1));
    assert_eq!(play.op(&delete), Err(Rule::NetworkHasPorts(network_id(0))));
    play.must(delete_port(0, 0));
    play.must(delete.clone());
    assert!(play.world.peerings.contains_key(&half_id(1, 0)));
    let absent = Err(Rule::Absent(Noun::Network, network_id(0).to_string()));
    assert_eq!(decide(&play.world, &delete), absent);
}

#[test]
fn others_networks_are_not_there_and_the_providers_are_to_look_at() {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24"], None));
    let provided = provided::all().next().unwrap();
    for (uuid, want) in [
        (network_id(0), Rule::Absent(Noun::Network, network_id(0).to_string())),
        (provided.uuid, Rule::NetworkProvided(provided.uuid)),
    ] {
        for wish in [Wish::Delete, Wish::Modify(Modify::default())] {
            let op = Op::Network { by: owner(1), uuid, wish };
            assert_eq!(play.op(&op), Err(want.clone()));
        }
    }
    let all = |account: &str, filters: &[Filter]| {
        all_seen(&play.world, account, filters).iter().map(Seen::uuid).collect::<Vec<_>>()
    };
    let theirs = provided::all().count();
    assert_eq!(all("a", &[]).len(), theirs + 1);
    assert!(all("a", &[]).is_sorted());
    assert_eq!(all("b", &[]).len(), theirs);
    assert!(all("a", &[Filter::new("env")]).is_empty(), "these have no labels");
    let seen = |account: &str, id: &str| seen(&play.world, account, id).map(|s| s.uuid());
    assert_eq!(seen("b", &provided.uuid.to_string()), Ok(provided.uuid));
    assert_eq!(seen("a", &network_id(0).to_string()), Ok(network_id(0)));
    let no = "network".to_owned();
    assert_eq!(seen("a", &no), Err(Rule::Absent(Noun::Network, no)));
}

#[test]
fn limits_are_each_accounts_own_and_count_what_is_there() {
    let mut play = Play::new();
    let limits = Limits { networks: 2, peerings: 1, routers: 4 };
    let policy = Policy { limits, ..Policy::default() };
    let limited = |op: Op| {
        let terms = Terms { policy, ..Terms::default() };
        Op::Under { terms, op: Box::new(op) }
    };
    let network = |n| limited(create_network(n, &["10.0.0.0/24"], None));
    play.all([network(0), network(2), network(1)]);
    assert_eq!(play.op(&network(4)), Err(Rule::NetworkLimit(2)));
    play.all([network_op(2, Wish::Delete), network(4)]);
    play.must(limited(create_half(0, 1)));
    assert_eq!(play.op(&limited(create_half(4, 1))), Err(Rule::PeeringLimit(1)));
    play.must(limited(create_half(1, 0)));
    // Three of six are there.
    play.must(limited(crate::play::create_router(6)));
    assert_eq!(play.op(&limited(crate::play::create_router(8))), Err(Rule::RouterLimit(4)));
}
