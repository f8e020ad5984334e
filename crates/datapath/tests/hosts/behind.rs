//! Prefixes behind a port: of static routes, and of bridges with several
//! machines.

use std::net::IpAddr;
use std::sync::Arc;

use lab::ping::{Pinger, ping};
use lab::traffic::tcp_bulk;
use lab::{Endpoint, Netns, netns};
use model::ids::Prefix;
use model::spec::{Attachment, HostSpec, RouteKey, Target};

use crate::site::{DEADLINE, Site, Workload, vni};

/// Network 1 knows `prefix` to be behind `port`.
fn add_route(site: &Site, specs: &mut [HostSpec; 2], prefix: &str, port: &Workload) {
    let prefix: Prefix = prefix.parse().unwrap();
    for (host, spec) in specs.iter_mut().enumerate() {
        let key = RouteKey { vni: vni(1), prefix };
        spec.routes.insert(key, site.target(port, host));
        site.converge(host, spec);
    }
}

fn end(netns: &Arc<Netns>, address: &str) -> Endpoint {
    Endpoint { netns: netns.clone(), address: address.parse().unwrap() }
}

/// A machine behind `router`: its address is routed, not the network's.
fn behind(site: &Site, router: &Workload, name: &str, lines: &[&str]) -> Arc<Netns> {
    let machine = Arc::new(Netns::new(format!("{}{name}", site.prefix)).unwrap());
    netns::link(&machine, "eth0", &router.netns, "inner").unwrap();
    for (key, on) in [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")] {
        router.netns.sysctl(&format!("net/{key}"), on).unwrap();
    }
    for line in lines {
        let (where_, line) = line.split_once(' ').unwrap();
        let at = if where_ == "in" { &machine } else { &router.netns };
        at.ip(line).unwrap();
    }
    machine
}

#[test]
fn a_prefix_behind_a_port_is_reached_and_may_be_sent_from_by_that_port_alone() {
    let site = Site::new("static");
    let (mut router, mut b) = (site.dual(0, 1, 2), site.dual(1, 1, 3));
    let peer = site.dual(1, 2, 2);
    for it in [&mut b, &mut router] {
        it.spec.routes.insert("192.168.0.0/16".parse().unwrap());
        it.spec.routes.insert("2001:db8::/32".parse().unwrap());
    }
    router.spec.routes.remove(&"192.168.0.0/16".parse().unwrap());
    router.spec.routes.remove(&"2001:db8::/32".parse().unwrap());
    let mut specs = site.set_up(&[&router, &b, &peer], &[(1, 2), (2, 1)]);
    let inner = behind(
        &site,
        &router,
        "inner",
        &[
            "at addr add 192.168.7.1/24 dev inner",
            "at addr add 2001:db8:7::1/64 dev inner nodad",
            "in addr add 192.168.7.2/24 dev eth0",
            "in addr add 2001:db8:7::2/64 dev eth0 nodad",
            "in route add default via 192.168.7.1",
            "in -6 route add default via 2001:db8:7::1",
        ],
    );
    // Nobody has said that the prefix is there.
    let pinger = Pinger::new(&inner, b.spec.address).unwrap();
    let before = site.verdicts(0)["spoofed-source"];
    assert_eq!(pinger.once(56).unwrap(), None);
    lab::eventually(DEADLINE, "the machine's packets are refused", || {
        pinger.once(56).unwrap();
        (site.verdicts(0)["spoofed-source"] > before).then_some(())
    })
    .unwrap();

    add_route(&site, &mut specs, "192.168.7.0/24", &router);
    add_route(&site, &mut specs, "2001:db8:7::/64", &router);
    for (there, here) in [("192.168.7.2", b.end()), ("2001:db8:7::2", b.ipv6())] {
        ping(&end(&inner, there), &here, DEADLINE).unwrap();
        ping(&here, &end(&inner, there), DEADLINE).unwrap();
        let time = std::time::Duration::from_millis(50);
        assert!(tcp_bulk(&here, &end(&inner, there), time).unwrap().bytes > 100_000);
    }
    // What is on the network's other side of a peering has not agreed to it.
    for (from, to) in [("192.168.7.2", peer.end()), ("2001:db8:7::2", peer.ipv6())] {
        let before = site.verdicts(1)["no-return"];
        assert_eq!(Pinger::new(&inner, to.address).unwrap().once(56).unwrap(), None, "{from}");
        assert!(site.verdicts(1)["no-return"] > before);
    }
    // Another port of the network may not send from there.
    b.netns.ip("addr add 192.168.7.9/32 dev eth0").unwrap();
    b.netns.ip("route replace 10.0.1.2/32 via 10.0.1.1 src 192.168.7.9").unwrap();
    site.nothing_arrives((&b, &router), 1, "spoofed-source");
}

#[test]
fn what_its_own_port_would_get_back_is_dropped_at_once() {
    let site = Site::new("loop");
    let router = site.workload(0, 1, 2);
    let mut specs = site.set_up(&[&router], &[]);
    add_route(&site, &mut specs, "192.168.7.0/24", &router);
    router.netns.ip("route add 192.168.7.0/24 via 10.0.1.1").unwrap();
    let pinger = Pinger::new(&router.netns, [192, 168, 7, 2].into()).unwrap();
    let before = site.verdicts(0);
    lab::eventually(DEADLINE, "it is counted", || {
        assert_eq!(pinger.once(56).unwrap(), None);
        (site.verdicts(0)["no-port"] > before["no-port"]).then_some(())
    })
    .unwrap();
    assert_eq!(site.verdicts(0)["ttl"], before["ttl"]);
}

/// A bridge on the first host with machines behind it, and a port far away.
struct Segment {
    site: Site,
    port: Workload,
    far: Workload,
    machines: Vec<Arc<Netns>>,
}

/// 10.0.1.128/25 and fd00:1:0:0:1::/80 are behind `br0`, machine `n` at .13n.
fn segment(test: &str) -> Segment {
    let site = Site::new(test);
    let (mut port, far) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    port.spec.attachment = Attachment::Device { device: "br0".parse().unwrap() };
    port.spec.segment = true;
    port.spec.routes.clear();
    port.spec.address = [10, 0, 1, 128].into();
    port.spec.further[0].address = "fd00:1:0:0:1::".parse().unwrap();
    let host = &site.hosts[0];
    host.ip("link add br0 type bridge").unwrap();
    host.ip("link set br0 up").unwrap();
    let machines: Vec<Arc<Netns>> = (0..2)
        .map(|n| {
            let it = Netns::new(format!("{}m{n}", site.prefix)).unwrap();
            netns::link(&it, "eth0", host, &format!("veth{n}")).unwrap();
            host.ip(&format!("link set veth{n} master br0")).unwrap();
            it.ip(&format!("addr add 10.0.1.13{n}/24 dev eth0")).unwrap();
            it.ip(&format!("addr add fd00:1:0:0:1::13{n}/64 dev eth0 nodad")).unwrap();
            it.ip("route add default via 10.0.1.1").unwrap();
            it.ip("-6 route add default via fd00:1::1").unwrap();
            it.ip("link set eth0 mtu 1450").unwrap();
            Arc::new(it)
        })
        .collect();
    let mut specs = site.set_up(&[&port, &far], &[(1, 2), (2, 1)]);
    for (host, spec) in specs.iter_mut().enumerate() {
        for table in [1, 2] {
            for prefix in ["10.0.1.128/25", "fd00:1:0:0:1::/80"] {
                let key = RouteKey { vni: vni(table), prefix: prefix.parse().unwrap() };
                spec.routes.insert(key, site.target(&port, host));
            }
        }
        site.converge(host, spec);
    }
    Segment { site, port, far, machines }
}

#[test]
fn machines_behind_a_bridge_reach_and_are_reached_each_with_its_own_mac() {
    let it = segment("bridge");
    for (n, machine) in it.machines.iter().enumerate() {
        let ends = [
            (end(machine, &format!("10.0.1.13{n}")), it.far.end()),
            (end(machine, &format!("fd00:1:0:0:1::13{n}")), it.far.ipv6()),
        ];
        for (here, there) in ends {
            ping(&here, &there, DEADLINE).unwrap();
            ping(&there, &here, DEADLINE).unwrap();
            let time = std::time::Duration::from_millis(50);
            assert!(tcp_bulk(&there, &here, time).unwrap().bytes > 100_000);
        }
    }
    // The first word may be the far side's: the kernel asks who has the address.
    for machine in &it.machines {
        machine.ip("neigh flush dev eth0").unwrap();
    }
    let host = &it.site.hosts[0];
    host.ip("neigh flush dev br0").unwrap();
    host.ip("-6 neigh flush dev br0").unwrap();
    ping(&it.far.end(), &end(&it.machines[0], "10.0.1.130"), DEADLINE).unwrap();
    ping(&it.far.ipv6(), &end(&it.machines[1], "fd00:1:0:0:1::131"), DEADLINE).unwrap();
    // Between themselves they need nobody.
    let before = it.site.verdicts(0);
    for (from, to) in [("10.0.1.130", "10.0.1.131"), ("fd00:1:0:0:1::130", "fd00:1:0:0:1::131")] {
        ping(&end(&it.machines[0], from), &end(&it.machines[1], to), DEADLINE).unwrap();
    }
    let after = it.site.verdicts(0);
    assert_eq!((after["local"], after["remote"]), (before["local"], before["remote"]));
}

#[test]
fn a_machine_behind_a_bridge_sends_from_its_prefix_only() {
    let it = segment("spoof-br");
    let machine = &it.machines[0];
    // The gateway's MAC is known then; nobody tells it to an address that is not the segment's.
    ping(&end(machine, "10.0.1.130"), &it.far.end(), DEADLINE).unwrap();
    ping(&end(machine, "fd00:1:0:0:1::130"), &it.far.ipv6(), DEADLINE).unwrap();
    for (address, route) in [
        ("10.0.1.77/24", "-4 route replace 10.0.2.2/32 via 10.0.1.1 src 10.0.1.77"),
        ("fd00:1::77/64", "-6 route replace fd00:2::2/128 via fd00:1::1 src fd00:1::77"),
    ] {
        // The host would say that the address is taken: it is not the segment's.
        machine.ip(&format!("addr add {address} dev eth0 nodad")).unwrap();
        machine.ip(route).unwrap();
        let to: IpAddr =
            if route.starts_with("-6") { it.far.ipv6().address } else { it.far.spec.address };
        let before = it.site.verdicts(0)["spoofed-source"];
        let pinger = Pinger::new(machine, to).unwrap();
        lab::eventually(DEADLINE, "it is counted", || {
            assert_eq!(pinger.once(56).unwrap(), None);
            (it.site.verdicts(0)["spoofed-source"] > before).then_some(())
        })
        .unwrap();
    }
}

#[test]
fn a_router_behind_a_bridge_is_the_next_hop_of_a_prefix() {
    let it = segment("hop-br");
    let router = Workload { netns: it.machines[0].clone(), ..it.port };
    let inner = behind(
        &it.site,
        &router,
        "inner",
        &[
            "at addr add 192.168.7.1/24 dev inner",
            "in addr add 192.168.7.2/24 dev eth0",
            "in route add default via 192.168.7.1",
        ],
    );
    let near = it.site.workload(1, 1, 3);
    let mut specs = it.site.specs(&[&router, &it.far, &near], &[]);
    specs[1].ports.get_mut(&near.uuid).unwrap().routes.insert("192.168.0.0/16".parse().unwrap());
    let key = |prefix: &str| RouteKey { vni: vni(1), prefix: prefix.parse().unwrap() };
    for (host, spec) in specs.iter_mut().enumerate() {
        let target = it.site.target(&router, host);
        spec.routes.insert(key("10.0.1.128/25"), target);
        let behind = match target {
            Target::Local { port, vni, .. } => {
                Target::Local { port, vni, via: Some([10, 0, 1, 130].into()) }
            }
            Target::Remote { .. } | Target::Nobody => target,
        };
        spec.routes.insert(key("192.168.7.0/24"), behind);
        it.site.converge(host, spec);
    }
    ping(&near.end(), &end(&inner, "192.168.7.2"), DEADLINE).unwrap();
    ping(&end(&inner, "192.168.7.2"), &near.end(), DEADLINE).unwrap();
}
