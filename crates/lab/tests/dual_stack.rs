//! Both families inside, either outside, from the API to the packet.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::UdpSocket;

use lab::site::{Cabling, HOSTS, PATIENCE, Site, Streams, Workload, add_machine, peer};
use lab::{Endpoint, Stream, eventually, netns, ping, transfer};
use serde_json::json;

/// In chunks of 64 KiB.
const MEGABYTE: usize = 16;

/// Larger than any packet.
const LARGE: usize = 20_000;

const SUBNETS: [&str; 2] = ["10.0.1.0/24 fd00:1::/64", "10.0.2.0/24 fd00:2::/64"];

fn streams(a: &Workload, b: &Workload) -> Streams {
    let [a, b] = [a, b].map(|it| it.end_in(true).unwrap());
    Streams([Stream::start(&a, &b).unwrap(), Stream::start(&b, &a).unwrap()])
}

#[test]
fn a_peering_of_dual_stack_networks_carries_both_families_over_ipv4() {
    carries_both("dual4", Cabling::Switched, 1450);
}

#[test]
fn a_peering_of_dual_stack_networks_carries_both_families_over_ipv6() {
    carries_both("dual6", Cabling::SwitchedIpv6, 1430);
}

fn carries_both(test: &str, cabling: Cabling, mtu: u32) {
    let name = format!("{}{test}", netns::prefix("kt"));
    let site = Site::start(&name, &HOSTS, cabling).unwrap();
    let admin = &site.admin;
    let (a, near) = add_machine(&site, admin, HOSTS[0], ("a", SUBNETS[0])).unwrap();
    let (b, far) = add_machine(&site, admin, HOSTS[1], ("b", SUBNETS[1])).unwrap();
    let link = a.end.netns.ip("link show eth0").unwrap();
    assert!(link.contains(&format!("mtu {mtu} ")), "{link}");
    let streams = streams(&a, &b);
    let before = site.host("hel").unwrap().verdicts().unwrap();
    streams.silent(100).unwrap();
    let counted = site.host("hel").unwrap().verdicts_since(&before).unwrap();
    assert!(counted.get("no-route") >= Some(&100), "{counted:?}");

    let [half, _] = peer(&site, admin, [&near, &far]).unwrap();
    streams.flow(200).unwrap();
    for ipv6 in [false, true] {
        let [a, b] = [&a, &b].map(|it| it.end_in(ipv6).unwrap());
        ping(&a, &b, PATIENCE).unwrap();
        transfer::run(&a, &b, MEGABYTE).unwrap();
        transfer::run(&b, &a, MEGABYTE).unwrap();
        datagram(&a, &b);
    }

    for (status, flows) in [("disabled", false), ("active", true)] {
        let changed = admin.change_peering(&half, &json!({ "configured_status": status })).unwrap();
        if flows {
            site.active(admin, &changed).unwrap();
            streams.flow(100).unwrap();
        } else {
            streams.silent(100).unwrap();
        }
    }
    admin.delete_peering(&half).unwrap();
    streams.silent(100).unwrap();
}

/// Fragmented by the sender's kernel, it arrives whole.
fn datagram(from: &Endpoint, to: &Endpoint) {
    let bound =
        |end: &Endpoint| end.netns.run(|| UdpSocket::bind((end.address, 0))).unwrap().unwrap();
    let (sender, receiver) = (bound(from), bound(to));
    receiver.set_nonblocking(true).unwrap();
    let target = receiver.local_addr().unwrap();
    let mut buffer = [0; LARGE + 1];
    let arrived = || {
        sender.send_to(&[7; LARGE], target).unwrap();
        receiver.recv(&mut buffer).ok()
    };
    assert_eq!(eventually(PATIENCE, "a large datagram arrives", arrived).unwrap(), LARGE);
}

#[test]
fn peerings_in_ipv6_are_not_transitive_and_networks_of_ipv6_alone_work() {
    let name = format!("{}chain6", netns::prefix("kt"));
    let site = Site::start(&name, &HOSTS, Cabling::Switched).unwrap();
    let admin = &site.admin;
    let (a, first) = add_machine(&site, admin, HOSTS[0], ("a", "fd00:1::/64")).unwrap();
    let (b, middle) = add_machine(&site, admin, HOSTS[1], ("b", SUBNETS[1])).unwrap();
    let (c, last) = add_machine(&site, admin, HOSTS[0], ("c", "fd00:3::/64")).unwrap();
    peer(&site, admin, [&first, &middle]).unwrap();
    peer(&site, admin, [&middle, &last]).unwrap();
    streams(&a, &b).flow(100).unwrap();
    streams(&b, &c).flow(100).unwrap();
    let before = site.host("hel").unwrap().verdicts().unwrap();
    streams(&a, &c).silent(100).unwrap();
    let counted = site.host("hel").unwrap().verdicts_since(&before).unwrap();
    assert!(counted.get("no-route") >= Some(&200), "{counted:?}");
    // Overlap is judged in each family: the same subnet elsewhere gives way.
    let (_, twin) =
        add_machine(&site, admin, HOSTS[0], ("twin", "10.0.9.0/24 fd00:3::/64")).unwrap();
    admin.make_peering(&middle, &twin).unwrap();
    let second = admin.make_peering(&twin, &middle).unwrap();
    assert_eq!(second["state"], "conflict-subnet", "{second}");
    assert_eq!(second["reasons"][0]["code"], "subnet-overlap", "{second}");
    streams(&b, &c).flow(100).unwrap();
}
