//! Packets that must not arrive, and the reason that is counted.

use lab::paths::UNDERLAY;
use model::ids::Prefix;
use model::spec::{RouteKey, Target};

use crate::site::{Site, vni};

#[test]
fn a_network_that_is_not_peered_is_not_reached() {
    let site = Site::new("apart");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[]);
    site.nothing_arrives((&a, &b), 0, "no-route");
    site.nothing_arrives((&b, &a), 1, "no-route");
}

#[test]
fn peering_is_not_transitive() {
    let site = Site::new("chain");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let c = site.workload(0, 3, 2);
    site.set_up(&[&a, &b, &c], &[(1, 2), (2, 1), (2, 3), (3, 2)]);
    a.reaches(&b);
    b.reaches(&c);
    site.nothing_arrives((&a, &c), 0, "no-route");
    site.nothing_arrives((&c, &a), 0, "no-route");
}

#[test]
fn an_address_that_nobody_has_is_told_from_a_network_that_is_not_reached() {
    let site = Site::new("nobody");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let mut nobody = site.workload(1, 2, 77);
    nobody.spec.address = [10, 0, 2, 77].into();
    site.nothing_arrives((&a, &nobody), 0, "no-port");
}

#[test]
fn what_one_side_withdraws_stops_both_ways() {
    let site = Site::new("withdraw");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    // Only the second host has heard that the peering is gone.
    let mut alone = specs[1].clone();
    let stays = |key: &RouteKey, target: &Target| match target {
        Target::Remote { .. } => false,
        Target::Local { .. } | Target::Nobody => key.vni == vni(2),
    };
    alone.routes = alone.routes.into_iter().filter(|(key, to)| stays(key, to)).collect();
    alone.routes.remove(&RouteKey { vni: vni(2), prefix: "10.0.1.0/24".parse().unwrap() });
    site.converge(1, &alone);
    site.nothing_arrives((&a, &b), 1, "no-return");
    site.nothing_arrives((&b, &a), 1, "no-route");
}

#[test]
fn a_workload_sends_from_its_own_addresses_only() {
    let site = Site::new("spoof");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    a.netns.ip("addr add 10.0.1.9/24 dev eth0").unwrap();
    a.netns.ip("route replace 10.0.2.0/24 via 10.0.1.1 src 10.0.1.9").unwrap();
    site.nothing_arrives((&a, &b), 0, "spoofed-source");
    a.netns.ip("route del 10.0.2.0/24").unwrap();
    a.netns.ip("addr del 10.0.1.9/24 dev eth0").unwrap();
    a.reaches(&b);
    a.netns.ip("link set eth0 address 0a:00:00:00:00:99").unwrap();
    site.nothing_arrives((&a, &b), 0, "spoofed-mac");
}

#[test]
fn a_tunnel_packet_is_delivered_only_from_the_host_of_its_source() {
    let site = Site::new("vtep");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let mut elsewhere = specs[1].clone();
    let key = RouteKey { vni: vni(2), prefix: Prefix::host(a.spec.address) };
    let other = Target::Remote { vtep: [198, 18, 0, 77].into(), vni: vni(1) };
    elsewhere.routes.insert(key, other);
    site.converge(1, &elsewhere);
    site.nothing_arrives((&a, &b), 1, "wrong-vtep");
}

#[test]
fn a_tunnel_packet_reaches_no_port_of_another_network() {
    let site = Site::new("foreign");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let c = site.workload(1, 3, 2);
    let specs = site.set_up(&[&a, &b, &c], &[(1, 2), (2, 1), (2, 3), (3, 2)]);
    // The first host lies: it sends what is for network 3 with the VNI of
    // network 2, whose table on the second host does know that address.
    let mut lying = specs[0].clone();
    let key = RouteKey { vni: vni(1), prefix: Prefix::host(c.spec.address) };
    lying.routes.insert(key, Target::Remote { vtep: UNDERLAY[1].into(), vni: vni(2) });
    site.converge(0, &lying);
    site.nothing_arrives((&a, &c), 1, "foreign");
}
