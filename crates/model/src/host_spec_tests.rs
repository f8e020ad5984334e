use super::*;
use crate::objects::Configured;
use crate::op::{Op, Wish};
use crate::play::{
    Play, attach, configure, create_network, create_port, delete_half, host_id, network_id, peer,
    port_id, port_wish, subnet,
};

/// A host's routes as text: `n0 10.0.0.3/32 h1 n2` is, for packets from
/// network 0, an address at host 1 on network 2; `p7` is the host's own port 7.
fn routes(play: &Play, host: u128) -> Vec<String> {
    let name = |vni| {
        let network = play.world.networks.values().find(|n| n.vni == vni).unwrap();
        format!("n{}", network.uuid.as_u128() - network_id(0).as_u128())
    };
    let target = |target: &Target| match target {
        Target::Local { port, vni, .. } => {
            format!("p{} {}", port.as_u128() - port_id(0).as_u128(), name(*vni))
        }
        Target::Remote { vtep, vni } => {
            let host = play.world.hosts.values().find(|h| h.underlay == *vtep).unwrap();
            format!("{} {}", host.name, name(*vni))
        }
        Target::Nobody => "nobody".to_owned(),
    };
    let spec = host_spec(&play.world, host_id(host));
    let line = |(key, to): (&RouteKey, &Target)| {
        format!("{} {} {}", name(key.vni), key.prefix, target(to))
    };
    spec.routes.iter().map(line).collect()
}

/// Networks 0 to 3 are 10.N.0.0/24 on router N. Port N is on network N: 0 and
/// 2 at host 0, 1 and 3 at host 1.
fn four() -> Play {
    let mut play = Play::new();
    for n in 0..4 {
        play.must(create_network(n, &[&format!("10.{n}.0.0/24")], Some(n)));
        play.must(create_port(n, n, n % 2));
    }
    play
}

#[test]
fn a_network_alone_reaches_itself_and_nothing_else() {
    let play = four();
    assert_eq!(
        routes(&play, 0),
        [
            "n0 10.0.0.0/24 nobody",
            "n0 10.0.0.2/32 p0 n0",
            "n2 10.2.0.0/24 nobody",
            "n2 10.2.0.2/32 p2 n2"
        ]
    );
    assert_eq!(
        routes(&play, 1),
        [
            "n1 10.1.0.0/24 nobody",
            "n1 10.1.0.2/32 p1 n1",
            "n3 10.3.0.0/24 nobody",
            "n3 10.3.0.2/32 p3 n3"
        ]
    );
    assert_eq!(
        host_spec(&play.world, host_id(2)),
        HostSpec { revision: play.world.revision(), ..HostSpec::default() }
    );
}

#[test]
fn ports_of_one_network_reach_each_other_here_and_there() {
    let mut play = four();
    play.all([create_port(4, 0, 0), create_port(5, 0, 1)]);
    let own = |host| {
        let all = routes(&play, host).into_iter();
        all.filter(|line| line.starts_with("n0")).collect::<Vec<_>>()
    };
    assert_eq!(
        own(0),
        [
            "n0 10.0.0.0/24 nobody",
            "n0 10.0.0.2/32 p0 n0",
            "n0 10.0.0.3/32 p4 n0",
            "n0 10.0.0.4/32 h1 n0"
        ]
    );
    assert_eq!(
        own(1),
        [
            "n0 10.0.0.0/24 nobody",
            "n0 10.0.0.2/32 h0 n0",
            "n0 10.0.0.3/32 h0 n0",
            "n0 10.0.0.4/32 p5 n0"
        ]
    );
}

/// The networks that packets from `network` have any route to.
fn reached(play: &Play, network: u128) -> Vec<u128> {
    let number = |n: &&Network| n.uuid.as_u128() - network_id(0).as_u128();
    reachable(&play.world, play.network(network)).iter().map(number).collect()
}

#[test]
fn routers_and_admitted_peerings_connect_and_only_what_is_next_to_each_other() {
    for (what, ops, want) in [
        ("nothing", vec![], [vec![], vec![], vec![], vec![]]),
        ("a peering", peer(0, 1).to_vec(), [vec![1], vec![0], vec![], vec![]]),
        ("half a peering", vec![peer(0, 1)[0].clone()], [vec![], vec![], vec![], vec![]]),
        ("a router", vec![attach(2, Some(0))], [vec![2], vec![], vec![0], vec![]]),
        (
            "a chain of peerings",
            [peer(0, 1), peer(1, 2), peer(2, 3)].concat(),
            [vec![1], vec![0, 2], vec![1, 3], vec![2]],
        ),
        (
            "a peering behind a router",
            [vec![attach(2, Some(0))], peer(0, 1).to_vec()].concat(),
            [vec![1, 2], vec![0], vec![0], vec![]],
        ),
        (
            "routers at both ends of a peering",
            [vec![attach(2, Some(0)), attach(3, Some(1))], peer(0, 1).to_vec()].concat(),
            [vec![1, 2], vec![0, 3], vec![0], vec![1]],
        ),
        (
            "a peering between neighbours that is disabled",
            [
                vec![attach(2, Some(0))],
                peer(0, 2).to_vec(),
                vec![configure(0, 2, Configured::Disabled)],
            ]
            .concat(),
            [vec![2], vec![], vec![0], vec![]],
        ),
        (
            "a peering disabled at one end",
            [peer(0, 1).to_vec(), vec![configure(1, 0, Configured::Disabled)]].concat(),
            [vec![], vec![], vec![], vec![]],
        ),
        (
            "a peering whose mirror is gone",
            [peer(0, 1).to_vec(), vec![delete_half(1, 0)]].concat(),
            [vec![], vec![], vec![], vec![]],
        ),
        (
            "a peering without a router at one end",
            [peer(0, 1).to_vec(), vec![attach(1, None)]].concat(),
            [vec![], vec![], vec![], vec![]],
        ),
    ] {
        let mut play = four();
        play.all(ops);
        let got = [0, 1, 2, 3].map(|n| reached(&play, n));
        assert_eq!(got, want, "{what}");
    }
}

#[test]
fn a_peering_puts_the_peers_addresses_at_both_ends_and_nowhere_else() {
    let mut play = four();
    play.all(peer(0, 1));
    assert_eq!(
        routes(&play, 0),
        [
            "n0 10.0.0.0/24 nobody",
            "n0 10.0.0.2/32 p0 n0",
            "n0 10.1.0.0/24 nobody",
            "n0 10.1.0.2/32 h1 n1",
            "n2 10.2.0.0/24 nobody",
            "n2 10.2.0.2/32 p2 n2",
        ]
    );
    assert_eq!(
        routes(&play, 1)[..4],
        [
            "n1 10.0.0.0/24 nobody",
            "n1 10.0.0.2/32 h0 n0",
            "n1 10.1.0.0/24 nobody",
            "n1 10.1.0.2/32 p1 n1",
        ]
    );
    play.must(create_port(6, 1, 0));
    assert!(
        routes(&play, 0).contains(&"n0 10.1.0.3/32 p6 n1".to_owned()),
        "of another network, and here"
    );
}

#[test]
fn a_clash_reaches_no_host() {
    let mut play = four();
    play.must(create_network(4, &["10.1.0.0/25"], Some(4)));
    play.must(create_port(4, 4, 2));
    play.all([peer(0, 1), peer(0, 4)].concat());
    assert!(!routes(&play, 0).iter().any(|line| line.contains("/25") || line.contains("h2")));
    assert_eq!(routes(&play, 2), ["n4 10.1.0.0/25 nobody", "n4 10.1.0.2/32 p4 n4"]);
}

#[test]
fn a_port_whose_server_waits_for_a_host_is_nowhere_yet() {
    let mut play = four();
    let it = Port {
        uuid: port_id(9),
        host: None,
        address: [10, 0, 0, 9].into(),
        ..Port::clone(&play.world.ports[&port_id(0)])
    };
    play.world.commit(&[crate::change::Change::Put(crate::change::Object::Port(it))]);
    assert!(!routes(&play, 0).iter().any(|line| line.contains("10.0.0.9")), "nobody has it");
}

#[test]
fn a_port_is_told_its_gateway_and_what_is_behind_it() {
    let mut play = four();
    let mut wide = subnet("10.8.0.1/16");
    wide.gateway = [10, 8, 0, 200].into();
    let wish = crate::network::Modify { subnets: Some(vec![wide]), ..Default::default() };
    play.must(Op::DeletePort { by: "a".to_owned(), uuid: port_id(0) });
    play.must(crate::play::modify_network(0, wish));
    let mac = "0a:00:00:00:00:07".parse().unwrap();
    let addresses = vec![[10, 8, 1, 7].into()];
    let wish = crate::port::Create { addresses, mac: Some(mac), ..port_wish(7, 0, 0) };
    play.must(Op::CreatePort { by: "a".to_owned(), uuid: port_id(7), wish: wish.clone() });
    play.all([vec![attach(2, Some(0))], peer(0, 1).to_vec()].concat());
    let spec = host_spec(&play.world, host_id(0));
    let want = PortSpec {
        vni: play.network(0).vni,
        address: [10, 8, 1, 7].into(),
        subnet: "10.8.0.0/16".parse().unwrap(),
        gateway: [10, 8, 0, 200].into(),
        mac,
        attachment: wish.attachment,
        routes: ["10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap()].into(),
        further: Vec::new(),
        segment: false,
        dhcp: spec.ports[&port_id(7)].dhcp.clone(),
    };
    assert_eq!(spec.ports[&port_id(7)], want);
    assert_eq!(spec.ports.keys().collect::<Vec<_>>(), [&port_id(2), &port_id(7)]);
    assert_eq!(spec.revision, play.world.revision());
}

#[test]
fn a_port_has_addresses_and_routes_of_the_families_of_its_network() {
    let mut play = Play::new();
    let mut v4 = subnet("10.0.0.0/24");
    v4.dhcp_default_route = true;
    let wish = crate::network::Create {
        name: "n".to_owned(),
        zone: crate::play::ZONE.to_owned(),
        labels: vec![],
        router: Some(crate::play::router_id(0).to_string()),
        subnets: vec![v4, subnet("2001:db8::/64")],
    };
    play.must(crate::play::network_op(0, Wish::Create(wish)));
    play.must(create_network(2, &["10.2.0.0/24", "2001:db8:2::/64"], Some(0)));
    play.must(create_network(4, &["2001:db8:4::/64"], Some(0)));
    play.all([create_port(0, 0, 0), create_port(4, 4, 0)]);
    let spec = host_spec(&play.world, host_id(0));
    let routes_of = |n| {
        let routes = spec.ports[&port_id(n)].routes.iter();
        routes.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(routes_of(0), ["0.0.0.0/0", "10.2.0.0/24", "2001:db8:2::/64", "2001:db8:4::/64"]);
    assert_eq!(routes_of(4), ["2001:db8::/64", "2001:db8:2::/64"]);
    let text = |n| {
        let inets = spec.ports[&port_id(n)].inets();
        inets.map(|i| format!("{} in {} by {}", i.address, i.subnet, i.gateway)).collect::<Vec<_>>()
    };
    let ipv6 = "2001:db8::2 in 2001:db8::/64 by 2001:db8::1";
    assert_eq!(text(0), ["10.0.0.2 in 10.0.0.0/24 by 10.0.0.1", ipv6]);
    let prefixes: Vec<String> =
        routes(&play, 0).into_iter().filter(|r| r.starts_with("n0")).collect();
    assert_eq!(
        prefixes,
        [
            "n0 10.0.0.0/24 nobody",
            "n0 10.0.0.2/32 p0 n0",
            "n0 10.2.0.0/24 nobody",
            "n0 2001:db8::/64 nobody",
            "n0 2001:db8::2/128 p0 n0",
            "n0 2001:db8:2::/64 nobody",
            "n0 2001:db8:4::/64 nobody",
            "n0 2001:db8:4::2/128 p4 n4",
        ]
    );
}
