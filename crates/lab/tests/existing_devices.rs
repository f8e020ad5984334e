//! Devices that somebody else made as ports: a bridge, one end of a veth, a tap. They stay theirs.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use lab::api::{NewNetwork, text};
use lab::netns::{self, link};
use lab::site::{Cabling, HOSTS, PATIENCE, Site, Streams, Workload, add_machine, peer};
use lab::tap::Cable;
use lab::{Endpoint, Netns, Stream, ping, transfer};
use serde_json::{Value, json};

/// Of each machine behind such a device.
const MAC: &str = "0a:00:00:00:00:77";

/// In chunks of 64 KiB.
const MEGABYTE: usize = 16;

#[test]
fn a_veth_of_others_carries_and_stays_when_its_port_goes() {
    carries_and_stays("veth", "vm0", |host, machine| link(machine, "eth0", host, "vm0").unwrap());
}

#[test]
fn a_bridge_of_others_carries_and_stays_when_its_port_goes() {
    carries_and_stays("bridge", "br-vm", |host, machine| {
        host.ip("link add br-vm type bridge stp_state 0 forward_delay 0").unwrap();
        host.ip("link set br-vm up").unwrap();
        link(machine, "eth0", host, "vm0").unwrap();
        host.ip("link set vm0 master br-vm").unwrap();
    });
}

#[test]
fn a_tap_of_others_carries_and_stays_when_its_port_goes() {
    carries_and_stays("tap", "tap0", |host, machine| {
        let cable = Cable::new(host, "tap0", machine, "eth0").unwrap();
        host.ip("link set tap0 up").unwrap();
        machine.ip("link set eth0 up").unwrap();
        cable
    });
}

/// `plug` joins the machine's eth0 to `device` on the host.
fn carries_and_stays<T>(test: &str, device: &str, plug: impl FnOnce(&Netns, &Netns) -> T) {
    let name = format!("{}dev-{test}", netns::prefix("kt"));
    let site = Site::start(&name, &HOSTS, Cabling::Direct).unwrap();
    let admin = &site.admin;
    let host = site.host("hel").unwrap();
    let (far, far_network) = add_machine(&site, admin, HOSTS[1], ("far", "10.0.2.0/24")).unwrap();
    let router = admin.make_router("near").unwrap();
    let (zone, subnet) = (HOSTS[0].1, "10.0.1.0/24");
    let wish = NewNetwork { name: "near", zone, subnet, router: Some(&router) };
    let network = admin.make_network(wish).unwrap();
    let machine = site.netns("near").unwrap();
    let plugged = plug(&host.netns, &machine);
    machine.ip(&format!("link set eth0 address {MAC}")).unwrap();
    let wish = json!({"network": network, "host": "hel", "device": device, "mac": MAC});
    let near = furnish(machine, admin.make_port(&wish).unwrap());
    peer(&site, admin, [&network, &far_network]).unwrap();

    ping(&near.end, &far.end, PATIENCE).unwrap();
    let streams = [(&near, &far), (&far, &near)];
    let streams = Streams(streams.map(|(a, b)| Stream::start(&a.end, &b.end).unwrap()));
    streams.flow(100).unwrap();
    // Its MTU is not ours to set: TCP is told what fits by its MSS.
    assert!(near.end.netns.ip("link show eth0").unwrap().contains("mtu 1500"));
    transfer::run(&near.end, &far.end, MEGABYTE).unwrap();
    transfer::run(&far.end, &near.end, MEGABYTE).unwrap();

    let before = host.netns.ip(&format!("-j link show {device}")).unwrap();
    let port = format!("/kannas/v1/ports/{}", text(&near.port["uuid"]).unwrap());
    admin.ok("DELETE", &port, None).unwrap();
    streams.silent(100).unwrap();
    let after = host.netns.ip(&format!("-j link show {device}")).unwrap();
    let flags =
        |text: &str| -> Value { serde_json::from_str::<Value>(text).unwrap()[0]["flags"].take() };
    assert_eq!(flags(&after), flags(&before));
    drop(plugged);
}

/// What DHCP or an image would do: Kannas sets up only what it has made.
fn furnish(machine: Arc<Netns>, port: Value) -> Workload {
    let address = text(&port["address"]).unwrap();
    machine.ip(&format!("addr add {address}/24 dev eth0")).unwrap();
    machine.ip("route add default via 10.0.1.1").unwrap();
    Workload { end: Endpoint { netns: machine, address: address.parse().unwrap() }, port }
}
