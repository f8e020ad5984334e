use serde_json::{Value, json};

use super::*;
use crate::play::Play;

fn create(inner: &Value) -> Result<Create, Rule> {
    Create::of_body(json!({ "network": inner }).to_string().as_bytes())
}

fn modify(now: &Network, inner: &Value) -> Result<Modify, Rule> {
    Modify::of_body(json!({ "network": inner }).to_string().as_bytes(), now)
}

fn with_subnet(subnet: &Value) -> Value {
    json!({"name": "n", "zone": "fi-hel1", "ip_networks": {"ip_network": [subnet]}})
}

fn made(subnet: &Value) -> Subnet {
    create(&with_subnet(subnet)).unwrap().subnets.remove(0)
}

/// A network whose subnet has every attribute.
fn network(subnet: &Value) -> Network {
    let mut play = Play::new();
    play.must(crate::play::create_network(0, &["10.0.0.0/24"], None));
    Network { subnets: vec![made(subnet)], ..play.network(0).clone() }
}

fn whole() -> Value {
    json!({
        "address": "10.0.0.1/24", "family": "IPv4", "dhcp": "yes", "dhcp_default_route": "yes",
        "dhcp_dns": ["10.0.0.2", "192.0.2.53"], "gateway": "10.0.0.254",
        "dhcp_routes": ["10.8.0.0/16", "10.9.0.0/16-nexthop=10.0.0.5"],
        "dhcp_bootfile_url": "tftp://192.0.2.1/boot",
        "dhcp_routes_configuration": {"effective_routes_auto_population": {
            "enabled": "yes", "exclude_by_source": ["static-route"],
            "filter_by_destination": ["10.0.0.7/8"], "filter_by_route_type": ["user", "service"]
        }}
    })
}

#[test]
fn every_attribute_of_a_subnet_is_taken_and_the_address_is_kept_as_it_was_written() {
    let want = Subnet {
        address: "10.0.0.1/24".to_owned(),
        prefix: "10.0.0.0/24".parse().unwrap(),
        gateway: [10, 0, 0, 254].into(),
        dhcp: true,
        dhcp_default_route: true,
        dhcp_dns: vec![[10, 0, 0, 2].into(), [192, 0, 2, 53].into()],
        dhcp_routes: vec!["10.8.0.0/16".to_owned(), "10.9.0.0/16-nexthop=10.0.0.5".to_owned()],
        dhcp_bootfile_url: Some("tftp://192.0.2.1/boot".to_owned()),
        auto_population: Some(AutoPopulation {
            enabled: true,
            exclude_by_source: vec!["static-route".to_owned()],
            filter_by_destination: vec!["10.0.0.0/8".parse().unwrap()],
            filter_by_route_type: vec!["user".to_owned(), "service".to_owned()],
        }),
    };
    assert_eq!(made(&whole()), want);
}

#[test]
fn what_is_not_given_has_its_default() {
    let it = made(&json!({"address": "10.0.0.0/24"}));
    assert_eq!(it.gateway.to_string(), "10.0.0.1");
    let Subnet { dhcp, dhcp_default_route, dhcp_dns, dhcp_routes, .. } = &it;
    assert!(!dhcp && !dhcp_default_route && dhcp_dns.is_empty() && dhcp_routes.is_empty());
    assert_eq!((it.dhcp_bootfile_url, it.auto_population), (None, None));
    let lone = json!({"name": "n", "zone": "z", "router": "", "type": "private",
        "ip_networks": {"ip_network": {"address": "10.0.0.0/24", "dhcp_effective_routes": []}}});
    let it = create(&lone).unwrap();
    assert_eq!((it.subnets.len(), it.router, it.labels), (1, None, vec![]));
    let routed = json!({"router": "04", "labels": [{"key": "ab", "value": ""}]});
    let mut all = with_subnet(&json!({"address": "10.0.0.0/24"}));
    all.as_object_mut().unwrap().extend(routed.as_object().unwrap().clone());
    let it = create(&all).unwrap();
    assert_eq!((it.router.as_deref(), it.labels.len()), (Some("04"), 1));
}

#[test]
fn each_fault_of_a_body_names_its_attribute() {
    let subnet = json!({"address": "10.0.0.0/24"});
    let with = |key: &str, value: Value| {
        let mut it = with_subnet(&subnet);
        it[key] = value;
        it
    };
    for (body, subject, at) in [
        (with("name", Value::Null), Subject::NetworkNameMissing, "network.name"),
        (with("zone", Value::Null), Subject::ZoneMissing, "network.zone"),
        (with("type", json!("public")), Subject::NetworkType, "network.type"),
        (with("router", json!(4)), Subject::Router, "network.router"),
        (with("ip_networks", Value::Null), Subject::IpAddress, "network.ip_networks"),
        (with("ip_networks", json!({})), Subject::IpAddress, "network.ip_networks.ip_network"),
        (
            with("ip_networks", json!({"ip_network": []})),
            Subject::IpAddress,
            "network.ip_networks.ip_network",
        ),
        (
            with("ip_networks", json!({"ip_network": [subnet, subnet]})),
            Subject::IpAddress,
            "network.ip_networks.ip_network",
        ),
        (with("labels", json!([{"key": "ab"}])), Subject::Request, "network.labels.0.value"),
        (with("labels", json!([{"value": "x"}])), Subject::Request, "network.labels.0.key"),
    ] {
        match create(&body) {
            Err(Rule::Bad { subject: s, at: a, .. }) => assert_eq!((s, &*a), (subject, at)),
            other => panic!("{other:?} for {body}"),
        }
    }
    for (body, at) in [
        (with("vni", json!(7)), "network.vni"),
        (with("labels", json!([{"key": "ab", "value": "", "more": 1}])), "network.labels.0.more"),
        (
            with("ip_networks", json!({"ip_network": [subnet], "more": 1})),
            "network.ip_networks.more",
        ),
    ] {
        assert_eq!(create(&body), Err(Rule::UnknownAttribute(at.to_owned())));
    }
}

#[test]
fn each_fault_of_a_subnet_names_its_attribute() {
    let with = |key: &str, value: Value| {
        let mut it = whole();
        it[key] = value;
        it
    };
    let auto = |key: &str, value: Value| {
        let mut it = whole();
        it["dhcp_routes_configuration"]["effective_routes_auto_population"][key] = value;
        it
    };
    for (subnet, at) in [
        (with("address", Value::Null), "address"),
        (with("address", json!("10.0.0.0")), "address"),
        (with("address", json!("10.0.0.0/7")), "address"),
        (with("address", json!("10.0.0.0/30")), "address"),
        (with("address", json!("127.0.0.0/24")), "address"),
        (with("address", json!("224.0.0.0/24")), "address"),
        (with("address", json!("0.0.0.0/8")), "address"),
        (with("address", json!("2001:db8::/47")), "address"),
        (with("address", json!("2001:db8::/121")), "address"),
        (with("address", json!("2001:db8::/64")), "family"),
        (with("family", json!("IPv6")), "family"),
        (with("family", json!("IPv5")), "family"),
        (with("family", json!("ipv4")), "family"),
        (with("dhcp", json!(true)), "dhcp"),
        (with("dhcp_default_route", json!("maybe")), "dhcp_default_route"),
        (with("dhcp_dns", json!(["x"])), "dhcp_dns.0"),
        (with("gateway", json!("x")), "gateway"),
        (with("gateway", json!("10.0.1.1")), "gateway"),
        (with("gateway", json!("10.0.0.0")), "gateway"),
        (with("gateway", json!("10.0.0.255")), "gateway"),
        (with("dhcp_routes", json!(["10.8.0.0/16", "x"])), "dhcp_routes.1"),
        (with("dhcp_routes", json!(["10.8.0.0/16-nexthop=x"])), "dhcp_routes.0"),
        (with("dhcp_bootfile_url", json!(7)), "dhcp_bootfile_url"),
        (
            auto("enabled", json!(true)),
            "dhcp_routes_configuration.effective_routes_auto_population.enabled",
        ),
        (
            auto("exclude_by_source", json!(["x"])),
            "dhcp_routes_configuration.effective_routes_auto_population.exclude_by_source.0",
        ),
        (
            auto("filter_by_route_type", json!(["user", "x"])),
            "dhcp_routes_configuration.effective_routes_auto_population.filter_by_route_type.1",
        ),
        (
            auto("filter_by_destination", json!(["x"])),
            "dhcp_routes_configuration.effective_routes_auto_population.filter_by_destination.0",
        ),
    ] {
        let want = format!("network.ip_networks.ip_network.0.{at}");
        match create(&with_subnet(&subnet)) {
            Err(Rule::Bad { at, .. }) => assert_eq!(at, want),
            other => panic!("{other:?} for {subnet}"),
        }
    }
}

#[test]
fn subnets_are_of_a_size_to_be_used_and_have_no_more_attributes_than_we_know() {
    for good in ["10.0.0.0/8", "10.0.0.0/29"] {
        made(&json!({ "address": good }));
    }
    let mut more = whole();
    more["dhcp_routes_configuration"]["effective_routes_auto_population"]["more"] = json!(1);
    assert!(matches!(create(&with_subnet(&more)), Err(Rule::UnknownAttribute(_))));
}

#[test]
fn a_change_is_merged_with_what_is_there() {
    let now = network(&whole());
    let old = &now.subnets[0];
    let merged = |inner: Value| {
        let body = json!({"ip_networks": {"ip_network": [inner]}});
        modify(&now, &body).unwrap().subnets.unwrap().remove(0)
    };
    assert_eq!(merged(json!({})), *old);
    assert_eq!(merged(json!({"family": "IPv4"})), *old, "as upctl sends it");
    assert_eq!(merged(json!({"dhcp_dns": null})), *old);
    assert!(merged(json!({"dhcp_dns": []})).dhcp_dns.is_empty());
    assert!(merged(json!({"dhcp_routes": []})).dhcp_routes.is_empty());
    assert!(!merged(json!({"dhcp": "no"})).dhcp);
    let same = merged(json!({"address": "10.0.0.9/24"}));
    assert_eq!((&*same.address, same.gateway), ("10.0.0.9/24", old.gateway), "the gateway stays");
    let other = merged(json!({"address": "10.1.0.0/24"}));
    assert_eq!(other.gateway.to_string(), "10.1.0.1", "the old one is not in there");
    assert_eq!(other.dhcp_dns, old.dhcp_dns);
    let config = |auto: Value| {
        let config = json!({"effective_routes_auto_population": auto});
        merged(json!({"dhcp_routes_configuration": config})).auto_population.unwrap()
    };
    let was = old.auto_population.clone().unwrap();
    let cleared = config(json!({"filter_by_destination": []}));
    assert_eq!(cleared, AutoPopulation { filter_by_destination: vec![], ..was.clone() });
    let off = config(json!({"enabled": "no"}));
    assert_eq!(off, AutoPopulation { enabled: false, ..was.clone() });
    assert_eq!(merged(json!({"dhcp_routes_configuration": {}})).auto_population, Some(was));
}

#[test]
fn a_network_has_a_subnet_of_either_family_or_of_both() {
    let of = |entries: Value| {
        let body = json!({"name": "n", "zone": "z", "ip_networks": {"ip_network": entries}});
        create(&body).map(|it| it.subnets)
    };
    let ipv4 = json!({"address": "10.0.0.0/24", "family": "IPv4"});
    let ipv6 = json!({"address": "fd00:1::7/64", "family": "IPv6"});
    let one = of(json!([ipv6])).unwrap();
    assert_eq!(
        (&*one[0].address, one[0].gateway.to_string()),
        ("fd00:1::7/64", "fd00:1::1".into())
    );
    let both = of(json!([ipv6, ipv4])).unwrap();
    assert_eq!(
        both.iter().map(|s| &*s.address).collect::<Vec<_>>(),
        ["10.0.0.0/24", "fd00:1::7/64"]
    );
    for (bad, why) in [
        (json!([]), "none"),
        (json!([ipv4, ipv4]), "a family twice"),
        (json!([ipv4, ipv6, ipv6]), "more than two"),
        (json!([{"address": "fe80::/64"}]), "link-local"),
        (json!([{"address": "::ffff:10.0.0.0/120"}]), "IPv4-mapped"),
        (json!([{"address": "fd00::/64", "gateway": "fd00::"}]), "the routers' anycast address"),
    ] {
        assert!(of(bad).is_err(), "{why}");
    }
}

#[test]
fn a_change_of_one_family_leaves_the_other() {
    let mut now = network(&whole());
    let merged = |now: &Network, inner: &Value| {
        let body = json!({"ip_networks": {"ip_network": [inner]}});
        modify(now, &body).unwrap().subnets.unwrap()
    };
    let added = merged(&now, &json!({"address": "fd00::/64"}));
    assert_eq!((added.len(), &added[0]), (2, &now.subnets[0]));
    now.subnets = added;
    let changed = merged(&now, &json!({"family": "IPv6", "dhcp": "yes"}));
    assert!(changed[1].dhcp && changed[1].address == "fd00::/64");
    assert_eq!(changed[0], now.subnets[0]);
    let first = merged(&now, &json!({"dhcp": "no"}));
    assert!(!first[0].dhcp, "who names no family is about the first");
}

#[test]
fn a_router_is_attached_detached_or_left() {
    let now = network(&whole());
    for (body, want) in [
        (json!({}), None),
        (json!({"router": "04"}), Some(Attach::To("04".to_owned()))),
        (json!({"router": null}), Some(Attach::Nothing)),
        (json!({"router": ""}), Some(Attach::Nothing)),
    ] {
        assert_eq!(modify(&now, &body).unwrap().router, want, "{body}");
    }
    let nothing = modify(&now, &json!({})).unwrap();
    assert_eq!(nothing, Modify::default());
    let labels = modify(&now, &json!({"labels": null, "name": "n", "zone": "z"})).unwrap();
    assert_eq!(labels.labels, Some(vec![]), "null clears");
    assert_eq!((labels.name.as_deref(), labels.zone.as_deref()), (Some("n"), Some("z")));
    assert!(matches!(modify(&now, &json!({"type": "private"})), Err(Rule::UnknownAttribute(_))));
}
