use crate::host_spec::host_spec;
use crate::ids::Mac;
use crate::objects::StaticRoute;
use crate::op::{Op, Wish};
use crate::play::{
    Play, create_network, create_port, delete_port, host_id, peer, port_id, port_wish, router_op,
};
use crate::spec::Attachment;

/// Networks 0 and 2 on router 0, network 1 on router 1, a port on each at the
/// host of its number: 10.0.0.2, 10.1.0.2, 10.2.0.2.
fn three() -> Play {
    let mut play = Play::new();
    play.all([
        create_network(0, &["10.0.0.0/24", "fd00::/64"], Some(0)),
        create_network(1, &["10.1.0.0/24"], Some(1)),
        create_network(2, &["10.2.0.0/24"], Some(0)),
        create_port(0, 0, 0),
        create_port(1, 1, 1),
        create_port(2, 2, 2),
    ]);
    play
}

fn routed(play: &mut Play, routes: &[(&str, &str)]) {
    let route = |(route, hop): &(&str, &str)| StaticRoute {
        name: String::new(),
        route: route.parse().unwrap(),
        nexthop: hop.parse().ok(),
    };
    let static_routes = Some(routes.iter().map(route).collect());
    let wish = crate::router::Modify { static_routes, ..Default::default() };
    play.must(router_op(0, Wish::Modify(wish)));
}

/// What the host of that number does with `prefix` in network `n`.
fn way(play: &Play, host: u128, n: u128, prefix: &str) -> Option<String> {
    let spec = host_spec(&play.world, host_id(host));
    let vni = play.network(n).vni;
    let found = spec.routes.iter().find(|(k, _)| k.vni == vni && k.prefix.to_string() == prefix);
    let port = port_id(0).to_string();
    found.map(|(_, target)| target.to_string().replace(&port, "p0"))
}

fn inside(play: &Play, n: u128) -> Vec<String> {
    let spec = host_spec(&play.world, host_id(n));
    spec.ports[&port_id(n)].routes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_prefix_is_behind_an_address_for_all_networks_of_its_router() {
    let mut play = three();
    routed(&mut play, &[("192.168.0.0/16", "10.0.0.2"), ("2001:db8::/32", "fd00::2")]);
    let vni = play.network(0).vni;
    for prefix in ["192.168.0.0/16", "2001:db8::/32"] {
        assert_eq!(way(&play, 0, 0, prefix), Some(format!("port p0 vni {vni}")));
        assert_eq!(way(&play, 2, 2, prefix), Some(format!("vtep 192.0.2.1 vni {vni}")));
    }
    assert_eq!(inside(&play, 0), ["10.2.0.0/24"], "it comes back to nobody");
    assert_eq!(inside(&play, 2), ["10.0.0.0/24", "192.168.0.0/16"]);
    routed(&mut play, &[]);
    assert_eq!(way(&play, 2, 2, "192.168.0.0/16"), None);
}

#[test]
fn a_peered_network_does_not_import_it() {
    let mut play = three();
    routed(&mut play, &[("192.168.0.0/16", "10.0.0.2")]);
    play.all(peer(0, 1));
    assert!(way(&play, 1, 1, "10.0.0.2/32").is_some(), "they are peered");
    assert_eq!(way(&play, 1, 1, "192.168.0.0/16"), None);
    assert_eq!(inside(&play, 1), ["10.0.0.0/24"]);
}

#[test]
fn what_is_connected_goes_before_and_a_hop_that_nobody_has_is_nobody() {
    let mut play = three();
    routed(
        &mut play,
        &[
            ("10.2.0.0/24", "10.0.0.2"),
            ("10.2.0.2/32", "10.0.0.2"),
            ("172.16.0.0/12", "10.0.0.99"),
            ("172.16.1.0/24", "no-nexthop"),
            ("172.16.2.0/24", "203.0.113.1"),
        ],
    );
    assert_eq!(way(&play, 2, 2, "10.2.0.0/24").as_deref(), Some("nobody"));
    assert!(way(&play, 2, 2, "10.2.0.2/32").unwrap().starts_with("port"));
    for prefix in ["172.16.0.0/12", "172.16.1.0/24", "172.16.2.0/24"] {
        assert_eq!(way(&play, 2, 2, prefix).as_deref(), Some("nobody"), "{prefix}");
    }
    routed(&mut play, &[("192.168.0.0/16", "10.0.0.2")]);
    play.must(delete_port(0, 0));
    assert_eq!(way(&play, 2, 2, "192.168.0.0/16").as_deref(), Some("nobody"));
}

#[test]
fn of_several_machines_behind_a_port_the_host_is_told_which_one() {
    let mut play = three();
    play.must(delete_port(0, 0));
    let wish = crate::port::Create {
        prefixes: vec!["10.0.0.128/25".parse().unwrap()],
        attachment: Attachment::Device { device: "br0".parse().unwrap() },
        mac: Some(Mac::local([1; 5])),
        ..port_wish(0, 0, 0)
    };
    play.must(Op::CreatePort { by: "a".to_owned(), uuid: port_id(9), wish });
    routed(&mut play, &[("192.168.0.0/16", "10.0.0.200")]);
    let vni = play.network(0).vni;
    let here = way(&play, 0, 0, "192.168.0.0/16").unwrap();
    assert!(here.ends_with(&format!("vni {vni} via 10.0.0.200")), "{here}");
    assert_eq!(way(&play, 2, 2, "192.168.0.0/16"), Some(format!("vtep 192.0.2.1 vni {vni}")));
    assert_eq!(way(&play, 2, 2, "10.0.0.128/25"), Some(format!("vtep 192.0.2.1 vni {vni}")));
}
