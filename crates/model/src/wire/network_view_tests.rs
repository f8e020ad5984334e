use serde_json::{Value, json};

use super::*;
use crate::objects::{Configured, StaticRoute};
use crate::op::Wish;
use crate::play::{
    Play, attach, configure, create_network, modify_network, network_id, peer, router_id,
    router_op, subnet,
};

fn view(play: &Play, n: u128) -> Value {
    serde_json::to_value(View::new(&play.world, Seen::Own(play.network(n)))).unwrap()
}

fn dhcp_routes_of(play: &Play, n: u128) -> Vec<String> {
    let it = view(play, n);
    let routes = it["ip_networks"]["ip_network"][0]["dhcp_effective_routes"].as_array().cloned();
    let line = |r: &Value| {
        let text = |key: &str| r[key].as_str().unwrap().to_owned();
        format!("{} {} {}", text("route"), text("nexthop"), text("auto_populated"))
    };
    routes.unwrap().iter().map(line).collect()
}

/// Network 0 on a router with 2 and two static routes.
fn routed(auto: Option<AutoPopulation>) -> Play {
    let mut play = Play::new();
    let route = |route: &str, nexthop: Option<[u8; 4]>| StaticRoute {
        name: "static-route-0".to_owned(),
        route: route.parse().unwrap(),
        nexthop: nexthop.map(Into::into),
    };
    let routes = vec![route("10.9.0.0/16", Some([10, 0, 0, 9])), route("10.2.0.0/25", None)];
    let wish = crate::router::Modify { static_routes: Some(routes), ..Default::default() };
    play.must(router_op(0, Wish::Modify(wish)));
    play.must(create_network(0, &["10.0.0.0/24"], Some(0)));
    play.must(create_network(2, &["10.2.0.0/24"], Some(0)));
    let mut it = subnet("10.0.0.0/24");
    it.gateway = [10, 0, 0, 7].into();
    it.dhcp_routes = vec!["10.8.0.0/16".to_owned(), "10.7.0.0/16-nexthop=10.0.0.5".to_owned()];
    it.auto_population = auto;
    let wish = crate::network::Modify { subnets: Some(vec![it]), ..Default::default() };
    play.must(modify_network(0, wish));
    play
}

#[test]
fn a_plain_network_shows_what_recorded_answers_show() {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24"], None));
    let want = json!({
        "uuid": network_id(0), "name": "n0", "type": "private", "zone": "fi-hel1", "labels": [],
        "ip_networks": {"ip_network": [{
            "address": "10.0.0.0/24", "family": "IPv4", "dhcp": "yes", "dhcp_default_route": "no",
            "gateway": "10.0.0.1", "dhcp_effective_routes": []
        }]},
        "effective_routes": []
    });
    assert_eq!(view(&play, 0), want, "no router, no servers, no empty lists of DHCP's");
}

#[test]
fn a_router_gives_a_network_its_others_and_its_static_routes() {
    let play = routed(None);
    let it = view(&play, 0);
    assert_eq!(it["router"], json!(router_id(0)));
    let want = json!([
        {"source": "router-connected-networks", "route": "10.2.0.0/24", "nexthop": "10.0.0.7",
         "type": "user", "source_resource_id": network_id(2)},
        {"source": "static-route", "route": "10.9.0.0/16", "nexthop": "10.0.0.9",
         "type": "user", "source_resource_id": router_id(0)},
        {"source": "static-route", "route": "10.2.0.0/25", "nexthop": "no-nexthop",
         "type": "user", "source_resource_id": router_id(0)},
    ]);
    assert_eq!(it["effective_routes"], want);
    assert_eq!(
        dhcp_routes_of(&play, 0),
        ["10.8.0.0/16 10.0.0.7 no", "10.7.0.0/16 10.0.0.5 no"],
        "the user's own only"
    );
}

#[test]
fn dhcp_takes_over_what_its_filters_let_through() {
    let enabled = AutoPopulation { enabled: true, ..AutoPopulation::default() };
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let destination = |prefix: &str| AutoPopulation {
        filter_by_destination: vec![prefix.parse().unwrap()],
        ..enabled.clone()
    };
    let excluded =
        |sources: &[&str]| AutoPopulation { exclude_by_source: words(sources), ..enabled.clone() };
    let of_type = |t: &str| AutoPopulation { filter_by_route_type: words(&[t]), ..enabled.clone() };
    let (network, fixed, inner) = ("10.2.0.0/24", "10.9.0.0/16", "10.2.0.0/25");
    for (auto, want) in [
        (AutoPopulation::default(), vec![]),
        (enabled.clone(), vec![network, fixed, inner]),
        (excluded(&["static-route"]), vec![network]),
        (excluded(&["router-connected-networks"]), vec![fixed, inner]),
        (excluded(&["static-route", "router-connected-networks"]), vec![]),
        (destination("10.2.0.0/24"), vec![network, inner]),
        (destination("10.2.0.0/25"), vec![inner]),
        (destination("10.0.0.0/8"), vec![network, fixed, inner]),
        (of_type("user"), vec![network, fixed, inner]),
        (of_type("service"), vec![]),
    ] {
        let got = dhcp_routes_of(&routed(Some(auto.clone())), 0);
        let want: Vec<String> = want.iter().map(|r| format!("{r} 10.0.0.7 yes")).collect();
        assert_eq!(got[..got.len() - 2], want, "{auto:?}");
    }
}

#[test]
fn peers_prefixes_are_handed_out_while_the_peering_works_whatever_the_filters_say() {
    let mut play = routed(None);
    play.must(create_network(1, &["10.1.0.0/24"], Some(1)));
    let peered =
        |play: &Play| dhcp_routes_of(play, 0).contains(&"10.1.0.0/24 10.0.0.7 yes".to_owned());
    play.must(peer(0, 1)[0].clone());
    assert!(!peered(&play), "it takes two halves");
    play.must(peer(0, 1)[1].clone());
    assert!(peered(&play));
    assert!(
        !dhcp_routes_of(&play, 2).iter().any(|r| r.starts_with("10.1")),
        "0's neighbour has none"
    );
    play.must(configure(1, 0, Configured::Disabled));
    assert!(!peered(&play));
    play.all([configure(1, 0, Configured::Active), attach(1, None)]);
    assert!(!peered(&play));
}

#[test]
fn all_of_a_subnet_is_shown_that_is_there() {
    let auto = AutoPopulation {
        enabled: true,
        exclude_by_source: vec!["static-route".to_owned()],
        filter_by_destination: vec!["10.0.0.0/8".parse().unwrap()],
        filter_by_route_type: vec![],
    };
    let mut play = routed(Some(auto));
    let mut it = play.network(0).subnets[0].clone();
    it.dhcp_dns = vec![[192, 0, 2, 53].into()];
    it.dhcp_bootfile_url = Some("tftp://192.0.2.1/boot".to_owned());
    it.dhcp_default_route = true;
    it.dhcp = false;
    let wish = crate::network::Modify { subnets: Some(vec![it]), ..Default::default() };
    play.must(modify_network(0, wish));
    let mut shown = view(&play, 0)["ip_networks"]["ip_network"][0].clone();
    shown.as_object_mut().unwrap().remove("dhcp_effective_routes");
    let want = json!({
        "address": "10.0.0.0/24", "family": "IPv4", "dhcp": "no", "dhcp_default_route": "yes",
        "dhcp_dns": ["192.0.2.53"], "gateway": "10.0.0.7",
        "dhcp_routes": ["10.8.0.0/16", "10.7.0.0/16-nexthop=10.0.0.5"],
        "dhcp_bootfile_url": "tftp://192.0.2.1/boot",
        "dhcp_routes_configuration": {"effective_routes_auto_population": {
            "enabled": "yes", "exclude_by_source": ["static-route"],
            "filter_by_destination": ["10.0.0.0/8"]
        }}
    });
    assert_eq!(shown, want);
}
