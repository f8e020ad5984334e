use std::net::IpAddr;

use super::*;
use crate::error::Noun;
use crate::op::{Op, Wish, decide};
use crate::play::{
    Play, create_network, create_port, delete_port, host_id, network_id, network_op, port_id,
    port_wish, subnet,
};

/// Network 0 is 10.0.0.0/29: six addresses, of which the first is the gateway's.
fn small() -> Play {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/29"], None));
    play
}

fn at(n: u128, address: &str) -> Op {
    let address = Some(address.parse().unwrap());
    let wish = Create { address, ..port_wish(n, 0, 0) };
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
        let want = (Subject::IpAddress, "port.address".to_owned());
        assert_eq!(play.fault(&at(1, bad)), want, "{bad}");
    }
    let taken: IpAddr = [10, 0, 0, 6].into();
    assert_eq!(play.op(&at(1, "10.0.0.6")), Err(Rule::AddressTaken(taken)));
    play.must(create_network(2, &["10.0.0.0/29"], None));
    play.must(Op::CreatePort {
        by: "a".to_owned(),
        uuid: port_id(1),
        wish: Create { address: Some(taken), ..port_wish(1, 2, 0) },
    });
}

#[test]
fn an_ipv6_subnets_first_address_is_its_routers_and_it_has_no_broadcast() {
    let mut play = Play::new();
    play.must(create_network(0, &["2001:db8::/125"], None));
    assert_eq!(play.network(0).subnets[0].gateway.to_string(), "2001:db8::", "so made in play");
    play.all((0..7).map(|n| create_port(n, 0, 0)));
    assert_eq!(address(&play, 0), "2001:db8::1");
    assert_eq!(address(&play, 6), "2001:db8::7");
    assert_eq!(play.op(&create_port(7, 0, 0)), Err(Rule::NoFreeAddress(network_id(0))));
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
