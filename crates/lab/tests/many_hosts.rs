//! Several hosts in a zone: packets go straight from host to host, and to where a port is now.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Instant;

use lab::api::{Client, text};
use lab::site::{Cabling, PATIENCE, Site, Streams, Workload, add_machine, peer};
use lab::{Endpoint, Stream, eventually, netns, ping};
use serde_json::{Value, json};

const ONE: (&str, &str) = ("one", "fi-hel1");
const TWO: (&str, &str) = ("two", "fi-hel1");
const FAR: (&str, &str) = ("far", "de-fra1");

const SUBNETS: [&str; 2] = ["10.0.1.0/24 fd00:1::/64", "10.0.2.0/24 fd00:2::/64"];

struct Three {
    /// On one network, at the hosts `one` and `two`.
    near: [Workload; 2],
    far: Workload,
    network: String,
    site: Site,
}

fn three(test: &str) -> Three {
    let name = format!("{}{test}", netns::prefix("kt"));
    let site = Site::start(&name, &[ONE, TWO, FAR], Cabling::Switched).unwrap();
    let admin = site.admin.clone();
    let (one, network) = add_machine(&site, &admin, ONE, ("w-one", SUBNETS[0])).unwrap();
    let two = site.workload(&admin, "two", &network, "w-two").unwrap();
    let (far, far_network) = add_machine(&site, &admin, FAR, ("w-far", SUBNETS[1])).unwrap();
    peer(&site, &admin, [&network, &far_network]).unwrap();
    Three { near: [one, two], far, network, site }
}

fn delivered(site: &Site, host: &str) -> u64 {
    site.host(host).unwrap().verdicts().unwrap()["delivered"]
}

/// Packets that a machine has taken, of a device that it has only one of.
fn received(machine: &Endpoint) -> u64 {
    let json = machine.netns.ip("-s -j link show eth0").unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    json[0]["stats64"]["rx"]["packets"].as_u64().unwrap()
}

#[test]
fn packets_go_straight_to_the_host_that_has_the_port() {
    let it = three("straight");
    let (one, two) = (&it.near[0], &it.near[1]);
    for ipv6 in [false, true] {
        let [one, two, far] = [one, two, &it.far].map(|w| w.end_in(ipv6).unwrap());
        for (a, b) in [(&one, &two), (&two, &far), (&far, &one)] {
            ping(a, b, PATIENCE).unwrap();
            ping(b, a, PATIENCE).unwrap();
        }
    }
    let before = ["one", "two", "far"].map(|host| delivered(&it.site, host));
    let to_one = Stream::start(&it.far.end, &one.end).unwrap();
    Streams([to_one, Stream::start(&one.end, &it.far.end).unwrap()]).flow(200).unwrap();
    let after = ["one", "two", "far"].map(|host| delivered(&it.site, host));
    assert!(after[0] >= before[0] + 200 && after[2] >= before[2] + 200, "{before:?} {after:?}");
    assert_eq!(after[1], before[1], "the third host carries nothing of it");
}

#[test]
fn a_port_that_is_deleted_and_added_elsewhere_is_reached_there_and_nowhere_else() {
    let it = three("readd");
    let admin = &it.site.admin;
    let moving = it.site.workload(admin, "one", &it.network, "moving").unwrap();
    let address = text(&moving.port["address"]).unwrap();
    let stream = Stream::start(&it.far.end, &moving.end).unwrap();
    stream.arrival_since(Instant::now(), PATIENCE).unwrap();
    let bystander = it.near[0].end.clone();
    let (others, stale) = (received(&bystander), foreign(&it.site));
    let path = format!("/kannas/v1/ports/{}", text(&moving.port["uuid"]).unwrap());
    admin.ok("DELETE", &path, None).unwrap();
    let there = add_at(&it.site, admin, &it.network, ("two", &address));
    // The stream of before asks for a socket that is gone; a new one finds the port.
    let stream_now = Stream::start(&it.far.end, &there).unwrap();
    stream_now.arrival_since(Instant::now(), PATIENCE).unwrap();
    let at_two = delivered(&it.site, "two");
    let moment = Instant::now();
    stream_now.watch_sent(moment, 200).unwrap();
    lab::eventually(PATIENCE, "they arrive at the second host", || {
        (delivered(&it.site, "two") >= at_two + 200).then_some(())
    })
    .unwrap();
    nothing_stale(&it.site, &bystander, (others, stale));
}

#[test]
fn a_server_that_moves_keeps_its_address_and_is_reached_at_its_new_host_only() {
    let it = three("live");
    let admin = &it.site.admin;
    let machine = it.site.netns("machine").unwrap();
    let wish = json!({"server": {
        "title": "web", "hostname": "web", "zone": ONE.1,
        "kannas": {"host": "one", "netns": machine.name()},
        "networking": {"interfaces": {"interface": [{
            "type": "private", "network": it.network,
            "ip_addresses": {"ip_address": [{"family": "IPv4"}]}
        }]}}
    }});
    let made = admin.ok("POST", "/1.3/server", Some(&wish)).unwrap();
    let path = format!("/1.3/server/{}", text(&made["server"]["uuid"]).unwrap());
    let interface = &made["server"]["networking"]["interfaces"]["interface"][0];
    let address = text(&interface["ip_addresses"]["ip_address"][0]["address"]).unwrap();
    let end = Endpoint { netns: Arc::clone(&machine), address: address.parse().unwrap() };
    eventually(PATIENCE, "the server is reached", || ping(&it.far.end, &end, PATIENCE).ok())
        .unwrap();
    let stream = Stream::start(&it.far.end, &end).unwrap();
    stream.arrival_since(Instant::now(), PATIENCE).unwrap();
    let bystander = it.near[0].end.clone();
    for host in ["two", "one", "two"] {
        let (others, stale) = (received(&bystander), foreign(&it.site));
        let moved = json!({"server": {"kannas": {"host": host}}});
        admin.ok("PUT", &path, Some(&moved)).unwrap();
        // The very socket of before: to the machine nothing but its cable has changed.
        let before = delivered(&it.site, host);
        eventually(PATIENCE, &format!("the stream arrives at {host}"), || {
            (delivered(&it.site, host) >= before + 100).then_some(())
        })
        .unwrap();
        stream.arrival_since(Instant::now(), PATIENCE).unwrap();
        nothing_stale(&it.site, &bystander, (others, stale));
    }
}

/// What has come to `one` for nobody there.
fn foreign(site: &Site) -> u64 {
    site.host("one").unwrap().verdicts().unwrap()["foreign"]
}

/// Nobody at the old host got what was for the port, and once all is settled nothing comes there any more.
fn nothing_stale(site: &Site, bystander: &Endpoint, (others, stale): (u64, u64)) {
    let now = foreign(site);
    assert!(now >= stale, "counters go up");
    let settled = || {
        let before = foreign(site);
        std::thread::park_timeout(std::time::Duration::from_millis(200));
        (foreign(site) == before).then_some(())
    };
    eventually(PATIENCE, "nothing comes to the old host any more", settled).unwrap();
    // A few packets are neighbour discovery's, of its own kernel.
    assert!(received(bystander) <= others + 10, "a machine at the old host got the stream");
}

/// A port with that address at that host, in a namespace of its own.
fn add_at(site: &Site, owner: &Client, network: &str, (host, address): (&str, &str)) -> Endpoint {
    let netns = site.netns(&format!("again-{host}")).unwrap();
    let wish = json!({"network": network, "host": host, "netns": netns.name(), "address": address});
    owner.make_port(&wish).unwrap();
    let end = Endpoint { netns, address: address.parse().unwrap() };
    let there = || end.netns.ip(&format!("-o addr show dev eth0 to {address}")).ok();
    eventually(PATIENCE, "the port is there", || there().filter(|a| !a.is_empty())).unwrap();
    end
}
