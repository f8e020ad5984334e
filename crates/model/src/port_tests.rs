use std::net::IpAddr;

use super::*;
use crate::error::{Noun, Subject};
use crate::op::{Op, Wish, decide};
use crate::play::{
    Play, create_network, create_port, delete_port, host_id, network_id, network_op, port_id,
    port_wish, subnet,
};
use crate::spec::Attachment;

/// Network 0 is 10.0.0.0/29: six addresses, of which the first is the gateway's.
fn small() -> Play {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/29"], None));
    play
}

fn at(n: u128, address: &str) -> Op {
    let addresses = vec![address.parse().unwrap()];
    let wish = Create { addresses, ..port_wish(n, 0, 0) };
    Op::CreatePort { by: "a".to_owned(), uuid: port_id(n), wish }
}

fn address(play: &Play, n: u128) -> String {
    play.world.ports[&port_id(n)].address.to_string()
}

#[test]
fn the_lowest_free_address_is_taken_and_given_back() {
    let mut play = small();
    play.must(at(0, "10.0.0.4"));
    play.all((1..5).map(|n| create_port(n, 0, 0)));
    let got: Vec<String> = (1..5).map(|n| address(&play, n)).collect();
    assert_eq!(got, ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"]);
    assert_eq!(play.op(&create_port(5, 0, 0)), Err(Rule::NoFreeAddress(network_id(0))));
    play.all([delete_port(2, 0), create_port(5, 0, 0)]);
    assert_eq!(address(&play, 5), "10.0.0.3");
}

#[test]
fn a_gateway_in_the_middle_is_left_out() {
    let mut play = Play::new();
    let mut it = subnet("10.0.0.0/29");
    it.gateway = [10, 0, 0, 2].into();
    let wish = crate::network::Create {
        name: "n".to_owned(),
        zone: crate::play::ZONE.to_owned(),
        labels: vec![],
        router: None,
        subnets: vec![it],
    };
    play.must(network_op(0, Wish::Create(wish)));
    play.all([create_port(0, 0, 0), create_port(1, 0, 0)]);
    assert_eq!([address(&play, 0), address(&play, 1)], ["10.0.0.1", "10.0.0.3"]);
}

#[test]
fn only_an_address_of_a_host_may_be_given() {
    let mut play = small();
    play.must(at(0, "10.0.0.6"));
    for bad in ["10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.0.8", "10.1.0.2", "2001:db8::2"] {
        let want = (Subject::IpAddress, "port.addresses.0".to_owned());
        assert_eq!(play.fault(&at(1, bad)), want, "{bad}");
    }
    let taken: IpAddr = [10, 0, 0, 6].into();
    assert_eq!(play.op(&at(1, "10.0.0.6")), Err(Rule::AddressTaken(taken)));
    play.must(create_network(2, &["10.0.0.0/29"], None));
    play.must(Op::CreatePort {
        by: "a".to_owned(),
        uuid: port_id(1),
        wish: Create { addresses: vec![taken], ..port_wish(1, 2, 0) },
    });
}

/// Networks 0, 10.0.0.0/24 and fd00::/64, and 1, fd01::/64 alone.
fn dual() -> Play {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24", "fd00::/64"], None));
    play.must(create_network(1, &["fd01::/64"], None));
    play
}

fn device(n: u128, addresses: &[&str], prefixes: &[&str]) -> Op {
    let attachment = Attachment::Device { device: format!("br{n}").parse().unwrap() };
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    let prefixes = prefixes.iter().map(|p| p.parse().unwrap()).collect();
    let wish = Create { addresses, prefixes, attachment, ..port_wish(n, 0, 0) };
    Op::CreatePort { by: "a".to_owned(), uuid: port_id(n), wish }
}

fn addresses(play: &Play, n: u128) -> Vec<String> {
    play.world.ports[&port_id(n)].addresses().map(|a| a.to_string()).collect()
}

#[test]
fn a_port_has_an_address_of_each_family_of_its_network_ipv4_first() {
    let mut play = dual();
    play.all([create_port(0, 0, 0), create_port(1, 1, 0)]);
    assert_eq!(addresses(&play, 0), ["10.0.0.2", "fd00::2"]);
    assert_eq!(addresses(&play, 1), ["fd01::2"]);
    play.must(device(2, &["fd00::9", "10.0.0.7", "fd00::8"], &[]));
    assert_eq!(addresses(&play, 2), ["10.0.0.7", "fd00::9", "fd00::8"]);
    play.must(device(3, &["10.0.0.3"], &[]));
    assert_eq!(addresses(&play, 3), ["10.0.0.3", "fd00::3"]);
    assert_eq!(play.world.ports_on(network_id(0)).count(), 3, "each once");
    for taken in ["fd00::8", "10.0.0.7", "fd00::2"] {
        let taken = taken.parse().unwrap();
        assert_eq!(
            play.op(&device(4, &[&format!("{taken}")], &[])),
            Err(Rule::AddressTaken(taken))
        );
    }
    play.must(delete_port(2, 0));
    play.must(device(4, &["fd00::8"], &[]));
}

#[test]
fn a_port_has_one_ipv4_and_a_few_ipv6_addresses_each_once() {
    let play = dual();
    let at = |it: &str| (Subject::IpAddress, it.to_owned());
    assert_eq!(play.fault(&device(0, &["10.0.0.3", "10.0.0.4"], &[])), at("port.addresses"));
    let five = ["fd00::3", "fd00::4", "fd00::5", "fd00::6", "fd00::7"];
    assert_eq!(play.fault(&device(0, &five, &[])), at("port.addresses"));
    assert_eq!(play.fault(&device(0, &["10.0.0.3", "fd00::1"], &[])), at("port.addresses.1"));
    let twice = decide(&play.world, &device(0, &["fd00::3", "fd00::3"], &[]));
    assert_eq!(twice, Err(Rule::AddressTaken("fd00::3".parse().unwrap())));
}

#[test]
fn what_is_behind_a_port_is_given_to_nobody_else() {
    let mut play = dual();
    play.must(device(0, &[], &["10.0.0.0/25", "fd00::8000:0:0:0/65"]));
    assert_eq!(addresses(&play, 0), ["10.0.0.2", "fd00::8000:0:0:0"]);
    play.must(create_port(1, 0, 0));
    assert_eq!(addresses(&play, 1), ["10.0.0.128", "fd00::2"]);
    let inside = "10.0.0.77".parse().unwrap();
    assert_eq!(play.op(&device(2, &["10.0.0.77"], &[])), Err(Rule::AddressTaken(inside)));
    for (prefix, why) in [
        ("10.0.1.0/24", "not of the network"),
        ("10.0.0.64/26", "behind another port"),
        ("10.0.0.0/24", "around another port's"),
    ] {
        let want = (Subject::IpAddress, "port.prefixes.0".to_owned());
        assert_eq!(play.fault(&device(2, &[], &[prefix])), want, "{why}");
    }
    let holding = "10.0.0.128".parse().unwrap();
    assert_eq!(play.op(&device(2, &[], &["10.0.0.128/26"])), Err(Rule::AddressTaken(holding)));
    // A namespace of ours has one machine.
    let wish = Create { prefixes: vec!["10.0.0.192/26".parse().unwrap()], ..port_wish(2, 0, 0) };
    let op = Op::CreatePort { by: "a".to_owned(), uuid: port_id(2), wish };
    assert_eq!(play.fault(&op), (Subject::IpAddress, "port.prefixes.0".to_owned()));
    // Nor does the network leave it behind.
    let away = crate::play::renumber(0, &["10.0.0.128/25", "fd00::/64"]);
    assert_eq!(play.fault(&away), (Subject::IpAddress, "network.ip_networks".to_owned()));
}

#[test]
fn an_ipv6_subnets_first_address_is_its_routers_and_it_has_no_broadcast() {
    let mut play = Play::new();
    play.must(create_network(0, &["2001:db8::/125"], None));
    assert_eq!(play.network(0).subnets[0].gateway.to_string(), "2001:db8::1", "so made in play");
    play.all((0..6).map(|n| create_port(n, 0, 0)));
    assert_eq!(address(&play, 0), "2001:db8::2");
    assert_eq!(address(&play, 5), "2001:db8::7");
    assert_eq!(play.op(&create_port(6, 0, 0)), Err(Rule::NoFreeAddress(network_id(0))));
}

#[test]
fn a_device_of_a_host_carries_one_port() {
    let mut play = small();
    play.must(create_port(0, 0, 0));
    let same = |host: &str| {
        let wish = Create { host: host.to_owned(), ..port_wish(0, 0, 0) };
        Op::CreatePort { by: "a".to_owned(), uuid: port_id(1), wish }
    };
    assert_eq!(play.op(&same("h0")), Err(Rule::AttachmentTaken("w0/eth0".to_owned())));
    play.must(same("h1"));
}

#[test]
fn a_port_is_on_an_own_network_at_a_host_of_its_zone() {
    let mut play = small();
    let port = |by: &str, change: fn(&mut Create)| {
        let mut wish = port_wish(0, 0, 0);
        change(&mut wish);
        Op::CreatePort { by: by.to_owned(), uuid: port_id(0), wish }
    };
    let no_network = Err(Rule::Absent(Noun::Network, network_id(0).to_string()));
    assert_eq!(play.op(&port("b", |_| ())), no_network, "somebody else's");
    let no_host = Err(Rule::Absent(Noun::Host, "h9".to_owned()));
    assert_eq!(play.op(&port("a", |w| w.host = "h9".to_owned())), no_host);
    let wish = crate::network::Create {
        name: "n".to_owned(),
        zone: "de-fra1".to_owned(),
        labels: vec![],
        router: None,
        subnets: vec![subnet("10.0.0.0/24")],
    };
    play.must(network_op(2, Wish::Create(wish)));
    let away = port("a", |w| w.network = network_id(2).to_string());
    let (theirs, ours) = ("de-fra1".to_owned(), crate::play::ZONE.to_owned());
    assert_eq!(play.op(&away), Err(Rule::ZoneMismatch(Noun::Network, theirs, Noun::Host, ours)));
    play.must(port("a", |w| w.host = host_id(1).to_string()));
    assert_eq!(play.world.ports[&port_id(0)].host, Some(host_id(1)), "by UUID as well");
}

#[test]
fn a_mac_address_is_the_wishes_or_made_of_the_uuid() {
    let mut play = small();
    let mac = "0a:00:00:00:00:07".parse().unwrap();
    let wish = Create { mac: Some(mac), ..port_wish(1, 0, 0) };
    play.must(create_port(0, 0, 0));
    play.must(Op::CreatePort { by: "a".to_owned(), uuid: port_id(1), wish });
    assert_eq!(play.world.ports[&port_id(0)].mac.to_string(), "0a:00:00:00:50:00");
    assert_eq!(play.world.ports[&port_id(1)].mac, mac);
}

#[test]
fn a_port_is_deleted_by_its_owner() {
    let mut play = small();
    play.must(create_port(0, 0, 0));
    let absent = Err(Rule::Absent(Noun::Port, port_id(0).to_string()));
    let by = |by: &str| Op::DeletePort { by: by.to_owned(), uuid: port_id(0) };
    assert_eq!(play.op(&by("b")), absent);
    play.must(by("a"));
    assert_eq!(decide(&play.world, &by("a")), absent);
}
