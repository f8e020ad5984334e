//! What is not peered does not meet: packets do not arrive, and the host counts them under the reason.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use lab::api::{Client, text};
use lab::ping::udp_packet;
use lab::site::{Cabling, HOSTS, PATIENCE, Site, Streams, Workload, add_machine, peer};
use lab::{Netns, Stream, eventually, netns, ping};

const HEL: (&str, &str) = HOSTS[0];
const FRA: (&str, &str) = HOSTS[1];
const AMS: (&str, &str) = ("ams", "nl-ams1");

fn start(test: &str, hosts: &[(&str, &str)]) -> Site {
    Site::start(&format!("{}{test}", netns::prefix("kt")), hosts, Cabling::Switched).unwrap()
}

#[test]
fn networks_that_are_not_peered_are_not_reached() {
    let site = start("apart", &[HEL, FRA]);
    let admin = &site.admin;
    let (a, _) = add_machine(&site, admin, HEL, ("a", "10.0.1.0/24")).unwrap();
    let (b, _) = add_machine(&site, admin, FRA, ("b", "10.0.2.0/24")).unwrap();
    let (neighbour, _) = add_machine(&site, admin, HEL, ("neighbour", "10.0.3.0/24")).unwrap();
    nothing_arrives(&site, (&a, &b), "hel", "no-route");
    nothing_arrives(&site, (&b, &a), "fra", "no-route");
    nothing_arrives(&site, (&a, &neighbour), "hel", "no-route");
}

#[test]
fn a_peer_of_a_peer_is_not_reached() {
    let site = start("chain", &[HEL, FRA, AMS]);
    let admin = &site.admin;
    let (a, network_a) = add_machine(&site, admin, HEL, ("a", "10.0.1.0/24")).unwrap();
    let (b, network_b) = add_machine(&site, admin, FRA, ("b", "10.0.2.0/24")).unwrap();
    let (c, network_c) = add_machine(&site, admin, AMS, ("c", "10.0.3.0/24")).unwrap();
    peer(&site, admin, [&network_a, &network_b]).unwrap();
    peer(&site, admin, [&network_b, &network_c]).unwrap();
    for (from, to) in [(&a, &b), (&b, &a), (&b, &c), (&c, &b)] {
        ping(&from.end, &to.end, PATIENCE).unwrap();
    }
    nothing_arrives(&site, (&a, &c), "hel", "no-route");
    nothing_arrives(&site, (&c, &a), "ams", "no-route");
}

#[test]
fn two_accounts_meet_when_both_agree() {
    let site = start("accounts", &[HEL, FRA]);
    let (alice, bob) = two_accounts(&site);
    let (a, network_a) = add_machine(&site, &alice, HEL, ("a", "10.0.1.0/24")).unwrap();
    let (b, network_b) = add_machine(&site, &bob, FRA, ("b", "10.0.2.0/24")).unwrap();
    let half = alice.make_peering(&network_a, &network_b).unwrap();
    assert_eq!(half["state"], "pending-peer");
    // Nobody agrees in another's name.
    alice.make_peering(&network_b, &network_a).unwrap_err();
    nothing_arrives(&site, (&a, &b), "hel", "no-route");
    site.active(&bob, &bob.make_peering(&network_b, &network_a).unwrap()).unwrap();
    let streams = both_ways(&a, &b);
    streams.flow(100).unwrap();
    alice.delete_peering(&text(&half["uuid"]).unwrap()).unwrap();
    streams.silent(100).unwrap();
}

#[test]
fn the_same_addresses_in_two_accounts_never_meet() {
    let site = start("twins", &[HEL, FRA]);
    let (alice, bob) = two_accounts(&site);
    let mut halves = Vec::new();
    let twins = [("alice", &alice), ("bob", &bob)].map(|(name, owner)| {
        let add = |host, end, subnet| {
            add_machine(&site, owner, host, (&format!("{name}-{end}"), subnet)).unwrap()
        };
        let (near, network) = add(HEL, "near", "10.0.1.0/24");
        let (far, peer_network) = add(FRA, "far", "10.0.2.0/24");
        halves.push(peer(&site, owner, [&network, &peer_network]).unwrap());
        (name, near, far)
    });
    assert_eq!(twins[0].1.end.address, twins[1].1.end.address);
    assert_eq!(twins[0].2.end.address, twins[1].2.end.address);

    let greeters = twins.each_ref().map(|(name, _, far)| greeter(&far.end.netns, name));
    for (name, near, far) in &twins {
        assert_eq!(greeting(&near.end.netns, far.end.address), *name);
    }
    for greeter in greeters {
        greeter.join().unwrap();
    }
    let streams = twins.each_ref().map(|(_, near, far)| both_ways(near, far));
    for streams in &streams {
        streams.flow(100).unwrap();
    }
    alice.delete_peering(&halves[0][0]).unwrap();
    streams[0].silent(100).unwrap();
    streams[1].flow(100).unwrap();
}

#[test]
fn a_workload_sends_from_its_own_addresses_only() {
    let mut site = start("spoof", &[HEL, FRA]);
    let admin = &site.admin;
    let (a, network_a) = add_machine(&site, admin, HEL, ("a", "10.0.1.0/24")).unwrap();
    let (b, network_b) = add_machine(&site, admin, FRA, ("b", "10.0.2.0/24")).unwrap();
    peer(&site, admin, [&network_a, &network_b]).unwrap();
    both_ways(&a, &b).flow(100).unwrap();

    let machine = &a.end.netns;
    let gateway = machine.ip("-j neigh show 10.0.1.1 dev eth0").unwrap();
    let gateway: serde_json::Value = serde_json::from_str(&gateway).unwrap();
    let gateway = text(&gateway[0]["lladdr"]).unwrap();
    machine.ip("addr add 10.0.1.9/24 dev eth0").unwrap();
    machine.ip("route add 10.0.2.0/25 via 10.0.1.1 src 10.0.1.9").unwrap();
    nothing_arrives(&site, (&a, &b), "hel", "spoofed-source");
    machine.ip("route del 10.0.2.0/25").unwrap();
    machine.ip("addr del 10.0.1.9/24 dev eth0").unwrap();
    both_ways(&a, &b).flow(100).unwrap();

    let mac = text(&a.port["mac"]).unwrap();
    // Its agent would give the workload its own MAC again.
    site.host_mut("hel").unwrap().pause().unwrap();
    machine.ip("link set eth0 address 0a:00:00:00:00:99").unwrap();
    machine.ip(&format!("neigh replace 10.0.1.1 lladdr {gateway} nud permanent dev eth0")).unwrap();
    nothing_arrives(&site, (&a, &b), "hel", "spoofed-mac");
    site.host_mut("hel").unwrap().resume().unwrap();
    machine.ip(&format!("link set eth0 address {mac}")).unwrap();
    both_ways(&a, &b).flow(100).unwrap();
}

#[test]
fn a_stranger_on_the_underlay_delivers_nothing() {
    let site = start("stranger", &[HEL, FRA]);
    let admin = &site.admin;
    let (a, network_a) = add_machine(&site, admin, HEL, ("a", "10.0.1.0/24")).unwrap();
    let (b, network_b) = add_machine(&site, admin, FRA, ("b", "10.0.2.0/24")).unwrap();
    peer(&site, admin, [&network_a, &network_b]).unwrap();
    ping(&a.end, &b.end, PATIENCE).unwrap();
    let (stranger, _) = site.underlay.stranger("stranger", 66).unwrap();
    let fra = site.host("fra").unwrap();
    let vni = vni_of(&site, "fra", &b);
    let receiver = b.end.netns.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    receiver.set_nonblocking(true).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let (a_address, b_address) = (v4(a.end.address), v4(b.end.address));
    let forged = |source: Ipv4Addr, vni: u32| {
        vxlan(vni, &udp_packet((source, 7), (b_address, port), b"forged"))
    };
    let send = |from: &Netns, packet: &[u8]| {
        let socket = from.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
        for _ in 0..20 {
            socket.send_to(packet, (fra.underlay, 4789)).unwrap();
        }
    };
    let rises = |before: &BTreeMap<String, u64>, verdict: &str| {
        eventually(PATIENCE, &format!("20 packets are counted as {verdict}"), || {
            let counted = fra.verdicts_since(before).unwrap();
            (counted.get(verdict).copied().unwrap_or_default() >= 20).then_some(())
        })
        .unwrap();
    };
    for (source, vni, verdict) in [
        (a_address, vni, "wrong-vtep"),
        ([10, 99, 0, 9].into(), vni, "no-return"),
        (b_address, vni, "no-return"),
        (a_address, vni + 1000, "foreign"),
    ] {
        let before = fra.verdicts().unwrap();
        send(&stranger, &forged(source, vni));
        rises(&before, verdict);
        receiver.recv(&mut [0; 64]).unwrap_err();
    }

    // The same packet from the host that the source is at: so nothing else
    // was wrong with it.
    let before = fra.verdicts().unwrap();
    send(&site.host("hel").unwrap().netns, &forged(a_address, vni));
    rises(&before, "delivered");
    let mut data = [0; 64];
    let received = eventually(PATIENCE, "it arrives", || receiver.recv(&mut data).ok()).unwrap();
    assert_eq!(&data[..received], b"forged");
}

/// A hundred packets leave, none arrives, and the host has counted them so.
#[track_caller]
fn nothing_arrives(site: &Site, (from, to): (&Workload, &Workload), host: &str, verdict: &str) {
    let host = site.host(host).unwrap();
    let before = host.verdicts().unwrap();
    let stream = Stream::start(&from.end, &to.end).unwrap();
    let tally = stream.watch(std::time::Instant::now(), 100).unwrap();
    drop(stream);
    assert_eq!(tally.arrived, 0, "{tally:?}");
    let counted = host.verdicts_since(&before).unwrap();
    assert!(counted.get(verdict).copied().unwrap_or_default() >= 100, "{counted:?}");
}

fn both_ways(a: &Workload, b: &Workload) -> Streams {
    Streams([Stream::start(&a.end, &b.end).unwrap(), Stream::start(&b.end, &a.end).unwrap()])
}

fn two_accounts(site: &Site) -> (Client, Client) {
    (site.admin.make_account("alice").unwrap(), site.admin.make_account("bob").unwrap())
}

/// Says its name to the first who connects to port 7000.
fn greeter(netns: &Netns, name: &'static str) -> std::thread::JoinHandle<()> {
    let listener = netns.run(|| TcpListener::bind("0.0.0.0:7000")).unwrap().unwrap();
    std::thread::spawn(move || {
        listener.accept().unwrap().0.write_all(name.as_bytes()).unwrap();
    })
}

fn greeting(netns: &Netns, server: IpAddr) -> String {
    let connect = || TcpStream::connect_timeout(&(server, 7000).into(), PATIENCE);
    let mut stream = netns.run(connect).unwrap().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// What the host knows the workload's network by; the API does not tell.
fn vni_of(site: &Site, host: &str, machine: &Workload) -> u32 {
    let file = site.host(host).unwrap().slice_file();
    let vni = || {
        let text = std::fs::read_to_string(&file).ok()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let mut ports =
            lines.filter(|line: &serde_json::Value| line["uuid"] == machine.port["uuid"]);
        u32::try_from(ports.next()?["spec"]["vni"].as_u64()?).ok()
    };
    eventually(PATIENCE, "the slice on disk has the port", vni).unwrap()
}

/// RFC 7348 §5: flags, VNI, an Ethernet frame, here to the MAC that hosts send to.
fn vxlan(vni: u32, packet: &[u8]) -> Vec<u8> {
    let header = [0x0800_0000_u32, vni << 8].map(u32::to_be_bytes).concat();
    let (to, from, ip) = (b"\x0akanna", b"\x0a\0\0\0\0\x01", [8, 0]);
    [&header[..], to, from, &ip, packet].concat()
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => panic!("{address}"),
    }
}
