//! What is behind a port, from the API to the packet: machines on a bridge, a static route, a client of DHCP.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use lab::api::{NewNetwork, text};
use lab::netns::{self, link};
use lab::site::{Cabling, HOSTS, PATIENCE, Site, Workload, add_machine, peer};
use lab::{Endpoint, Netns, dhcp, ping, transfer};
use serde_json::json;

/// In chunks of 64 KiB.
const QUARTER_MEGABYTE: usize = 4;

struct Behind {
    /// On the other network of the router, at the other host.
    far: Workload,
    near_network: String,
    router: String,
    site: Site,
}

fn two_networks(test: &str) -> Behind {
    let site = Site::start(&format!("{}{test}", netns::prefix("kt")), &HOSTS, Cabling::Switched);
    let site = site.unwrap();
    let admin = site.admin.clone();
    let router = admin.make_router("both").unwrap();
    let network = |name, zone, subnet| {
        admin.make_network(NewNetwork { name, zone, subnet, router: Some(&router) }).unwrap()
    };
    let near_network = network("near", HOSTS[0].1, "10.0.1.0/24 fd00:1::/64");
    let far_network = network("far", HOSTS[1].1, "10.0.2.0/24 fd00:2::/64");
    let far = site.workload(&admin, "fra", &far_network, "w-far").unwrap();
    Behind { far, near_network, router, site }
}

fn end(netns: &Arc<Netns>, address: &str) -> Endpoint {
    Endpoint { netns: Arc::clone(netns), address: address.parse().unwrap() }
}

#[test]
fn a_bridge_is_the_gateway_of_its_machines_and_one_of_them_of_a_static_route() {
    let it = two_networks("bridge");
    let admin = &it.site.admin;
    let host = &it.site.host("hel").unwrap().netns;
    host.ip("link add br0 type bridge stp_state 0 forward_delay 0").unwrap();
    host.ip("link set br0 up").unwrap();
    let machines = [0, 1].map(|n| {
        let machine = it.site.netns(&format!("m{n}")).unwrap();
        link(&machine, "eth0", host, &format!("veth{n}")).unwrap();
        host.ip(&format!("link set veth{n} master br0")).unwrap();
        machine.ip(&format!("addr add 10.0.1.13{n}/24 dev eth0")).unwrap();
        machine.ip(&format!("addr add fd00:1:0:0:1::13{n}/64 dev eth0 nodad")).unwrap();
        machine.ip("route add default via 10.0.1.1").unwrap();
        machine.ip("-6 route add default via fd00:1::1").unwrap();
        machine
    });
    let wish = json!({
        "network": it.near_network, "host": "hel", "device": "br0",
        "prefixes": ["10.0.1.128/25", "fd00:1:0:0:1::/80"]
    });
    admin.make_port(&wish).unwrap();
    for (n, machine) in machines.iter().enumerate() {
        for (here, ipv6) in [("10.0.1.13", false), ("fd00:1:0:0:1::13", true)] {
            let (here, far) = (end(machine, &format!("{here}{n}")), it.far.end_in(ipv6).unwrap());
            ping(&here, &far, PATIENCE).unwrap();
            ping(&far, &here, PATIENCE).unwrap();
            transfer::run(&far, &here, QUARTER_MEGABYTE).unwrap();
        }
    }

    machines[0].ip("addr add 192.168.7.2/32 dev lo").unwrap();
    let behind = end(&machines[0], "192.168.7.2");
    let routes = json!([{"route": "192.168.7.0/24", "nexthop": "10.0.1.130"}]);
    let change = |routes| {
        let path = format!("/1.3/router/{}", it.router);
        admin.ok("PATCH", &path, Some(&json!({"router": {"static_routes": routes}}))).unwrap();
    };
    change(routes);
    ping(&it.far.end, &behind, PATIENCE).unwrap();
    ping(&behind, &it.far.end, PATIENCE).unwrap();
    // A peered network agreed to the network, not to what is behind one of its machines.
    let (peered, peer_network) =
        add_machine(&it.site, admin, HOSTS[1], ("peered", "10.0.3.0/24")).unwrap();
    peer(&it.site, admin, [&it.near_network, &peer_network]).unwrap();
    ping(&peered.end, &end(&machines[0], "10.0.1.130"), PATIENCE).unwrap();
    let pinger = lab::ping::Pinger::new(&peered.end.netns, behind.address).unwrap();
    let before = it.site.host("fra").unwrap().verdicts().unwrap();
    for _ in 0..3 {
        assert_eq!(pinger.once(56).unwrap(), None);
    }
    let counted = it.site.host("fra").unwrap().verdicts_since(&before).unwrap();
    assert!(counted.get("no-route") >= Some(&3), "{counted:?}");
    change(json!([]));
    let pinger = lab::ping::Pinger::new(&it.far.end.netns, behind.address).unwrap();
    lab::eventually(PATIENCE, "the route is gone", || {
        pinger.once(56).unwrap().is_none().then_some(())
    })
    .unwrap();
}

#[test]
fn a_client_of_dhcp_is_told_where_its_network_reaches_to() {
    let it = two_networks("dhcp");
    let admin = &it.site.admin;
    let host = &it.site.host("hel").unwrap().netns;
    let machine = it.site.netns("vm").unwrap();
    link(&machine, "eth0", host, "vm0").unwrap();
    let mac = "0a:00:00:00:00:77";
    machine.ip(&format!("link set eth0 address {mac}")).unwrap();
    let wish = json!({"network": it.near_network, "host": "hel", "device": "vm0", "mac": mac});
    let port = admin.make_port(&wish).unwrap();
    let (_peered, peer_network) =
        add_machine(&it.site, admin, HOSTS[1], ("peered", "10.0.3.0/24")).unwrap();
    peer(&it.site, admin, [&it.near_network, &peer_network]).unwrap();
    let shown = admin.get(&format!("/1.3/network/{}", it.near_network)).unwrap();
    let routes = &shown["network"]["ip_networks"]["ip_network"][0]["dhcp_effective_routes"];
    assert_eq!(routes[0]["route"], "10.0.3.0/24", "{routes}");

    // Not the site's, in which no program runs.
    let folder = tempfile::tempdir().unwrap();
    let (output, told) = dhcp::ask(&machine, folder.path(), &["-t", "10"]).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told["ip"], text(&port["address"]).unwrap());
    // The router's other network is reached through the default route.
    assert_eq!(told["staticroutes"], "0.0.0.0/0 10.0.1.1 10.0.3.0/24 10.0.1.1");
    assert_eq!((&*told["router"], &*told["mtu"]), ("10.0.1.1", "1450"));
    let here = end(&machine, &told["ip"]);
    ping(&here, &it.far.end, PATIENCE).unwrap();
    ping(&it.far.end, &here, PATIENCE).unwrap();
}
