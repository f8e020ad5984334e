//! Packets that must arrive.

use lab::ping::{Pinger, ping};
use lab::traffic::tcp_bulk;
use lab::{Endpoint, Netns};
use std::time::Duration;

use crate::site::{DEADLINE, Site};

#[test]
fn peered_networks_reach_each_other_across_hosts_both_ways() {
    let site = Site::new("cross");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    b.reaches(&a);
    let sent = tcp_bulk(&a.end(), &b.end(), Duration::from_millis(100)).unwrap();
    assert!(sent.bytes > 1_000_000, "{sent:?}");
    let (there, back) = (site.verdicts(0), site.verdicts(1));
    assert!(there["remote"] > 0 && there["delivered"] > 0, "{there:?}");
    assert!(back["remote"] > 0 && back["delivered"] > 0, "{back:?}");
}

/// Packets that came out of the tunnel by the kernel's own device.
fn by_the_kernel(site: &Site, host: usize) -> u64 {
    let text = site.hosts[host].ip("-s -j link show dev kannas").unwrap();
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    links[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn only_a_workload_that_sends_them_on_gets_large_packets_by_the_kernels_way() {
    let site = Site::new("onward");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let round = Duration::from_millis(100);
    assert!(tcp_bulk(&a.end(), &b.end(), round).unwrap().bytes > 1_000_000);
    assert_eq!(by_the_kernel(&site, 1), 0, "all of it ended in a socket of b");

    let inner = std::sync::Arc::new(Netns::new(format!("{}inner", site.prefix)).unwrap());
    lab::netns::link(&b.netns, "inner", &inner, "eth0").unwrap();
    let address = b.spec.address;
    b.netns.ip(&format!("addr del {address}/24 dev eth0")).unwrap();
    b.netns.ip(&format!("route add {address} dev inner")).unwrap();
    b.netns.ip(&format!("route add {} dev eth0", b.spec.gateway)).unwrap();
    b.netns.ip(&format!("route add 10.0.0.0/8 via {}", b.spec.gateway)).unwrap();
    for key in ["net/ipv4/ip_forward", "net/ipv4/conf/inner/proxy_arp"] {
        b.netns.sysctl(key, "1").unwrap();
    }
    inner.ip(&format!("addr add {address}/32 dev eth0")).unwrap();
    inner.ip("route add default dev eth0").unwrap();
    let behind = Endpoint { netns: inner, address };
    ping(&a.end(), &behind, DEADLINE).unwrap();
    assert!(tcp_bulk(&a.end(), &behind, round).unwrap().bytes > 1_000_000);
    assert!(by_the_kernel(&site, 1) > 0, "b sends it on, as it came from the kernel");
}

#[test]
fn ports_of_one_network_reach_each_other_on_a_host_and_across() {
    let site = Site::new("same");
    let (a, b) = (site.workload(0, 1, 2), site.workload(0, 1, 3));
    let c = site.workload(1, 1, 4);
    site.set_up(&[&a, &b, &c], &[]);
    a.reaches(&b);
    b.reaches(&c);
    c.reaches(&a);
    assert!(site.verdicts(0)["local"] > 0);
}

#[test]
fn networks_that_reach_each_other_do_so_on_one_host() {
    let site = Site::new("local");
    let (a, b) = (site.workload(0, 1, 2), site.workload(0, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    b.reaches(&a);
}

#[test]
fn the_gateway_answers_ping_and_every_hop_costs_one_of_the_ttl() {
    let site = Site::new("hop");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let gateway = Endpoint { netns: a.netns.clone(), address: a.spec.gateway };
    ping(&a.end(), &gateway, DEADLINE).unwrap();
    a.reaches(&b);
    a.netns.sysctl("net/ipv4/ip_default_ttl", "1").unwrap();
    site.nothing_arrives((&a, &b), 0, "ttl");
    a.netns.sysctl("net/ipv4/ip_default_ttl", "2").unwrap();
    a.reaches(&b);
}

#[test]
fn a_bridge_and_a_pair_of_somebody_elses_are_ports_too() {
    let site = Site::new("device");
    let (mut bridged, mut paired) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    for (it, host_end) in [(&mut bridged, "behind"), (&mut paired, "foreign")] {
        let host = &site.hosts[it.host];
        lab::netns::link(&it.netns, "eth0", host, host_end).unwrap();
        it.netns.ip(&format!("link set eth0 mtu 1450 address {}", it.spec.mac)).unwrap();
        it.netns.ip(&format!("addr add {}/24 dev eth0", it.spec.address)).unwrap();
        it.netns.ip(&format!("route add 10.0.0.0/8 via {}", it.spec.gateway)).unwrap();
        it.spec.routes.clear();
    }
    let host = &site.hosts[0];
    host.ip("link add br0 type bridge").unwrap();
    host.ip("link set behind master br0").unwrap();
    host.ip("link set br0 up").unwrap();
    let device = |name: &str| model::spec::Attachment::Device { device: name.parse().unwrap() };
    bridged.spec.attachment = device("br0");
    paired.spec.attachment = device("foreign");
    let specs = site.set_up(&[&bridged, &paired], &[(1, 2), (2, 1)]);
    bridged.reaches(&paired);
    paired.reaches(&bridged);
    // Their devices stay theirs.
    let mut without = specs[0].clone();
    without.ports.clear();
    without.routes.clear();
    site.converge(0, &without);
    host.ip("link show br0").unwrap();
    assert_eq!(Pinger::new(&paired.netns, bridged.spec.address).unwrap().once(56).unwrap(), None);
}
