use super::*;
use crate::interface::{Address, Link};
use crate::objects::Subnet;
use crate::op::{Op, Wish, decide};
use crate::provided::Kind;
use crate::{network, spec};

const ZONE: &str = "fi-hel1";

fn host(n: u128) -> Uuid {
    Uuid::from_u128(100 + n)
}

fn network_uuid() -> Uuid {
    Uuid::from_u128(300)
}

/// Hosts 0 and 1 in one zone, 2 in another, and a network in the first.
fn world() -> World {
    let mut world = World::default();
    for (n, zone) in [(0, ZONE), (1, ZONE), (2, "de-fra1")] {
        let underlay = [192, 0, 2, u8::try_from(n).unwrap()].into();
        let it = Host {
            uuid: host(n),
            name: format!("h{n}"),
            zone: zone.to_owned(),
            underlay,
            certificates: Default::default(),
        };
        world.commit(&[Change::Put(Object::Host(it))]);
    }
    let (address, gateway) = ("10.0.0.0/16", [10, 0, 0, 1].into());
    let subnet = Subnet::plain(address.to_owned(), address.parse().unwrap(), gateway);
    let subnet = Subnet { dhcp: true, ..subnet };
    let wish = network::Create {
        name: "n".to_owned(),
        zone: ZONE.to_owned(),
        labels: vec![],
        router: None,
        subnets: vec![subnet],
    };
    let op = Op::Network { by: "a".to_owned(), uuid: network_uuid(), wish: Wish::Create(wish) };
    world.commit(&decide(&world, &op).unwrap());
    world
}

fn private(port: u128) -> interface::Create {
    interface::Create {
        port: Uuid::from_u128(port),
        link: Link::Private(network_uuid().to_string()),
        index: None,
        address: Address::AnyIpv4,
    }
}

fn public(port: u128) -> interface::Create {
    interface::Create { link: Link::Provided(Kind::Public), ..private(port) }
}

fn wish(live: &[u128], interfaces: Vec<interface::Create>) -> Create {
    Create {
        title: "t".to_owned(),
        hostname: "h".to_owned(),
        zone: ZONE.to_owned(),
        size: Size { plan: "custom".to_owned(), cores: 1, memory_mib: 1024 },
        labels: vec![],
        settings: BTreeMap::new(),
        host: None,
        netns: None,
        interfaces,
        now: 0,
        live: hosts(live),
    }
}

fn hosts(numbers: &[u128]) -> BTreeSet<Uuid> {
    numbers.iter().map(|n| host(*n)).collect()
}

fn make(world: &mut World, uuid: u128, wish: &Create) {
    let changes = create(world, "a", Uuid::from_u128(uuid), wish).unwrap();
    world.commit(&changes);
}

fn host_of(world: &World, uuid: u128) -> Option<Uuid> {
    world.servers[&Uuid::from_u128(uuid)].host
}

#[test]
fn a_server_goes_to_the_live_host_of_its_zone_with_the_fewest_ports() {
    let mut world = world();
    make(&mut world, 1, &wish(&[0, 1, 2], vec![private(51), private(52)]));
    make(&mut world, 2, &wish(&[0, 1, 2], vec![private(53)]));
    make(&mut world, 3, &wish(&[0, 1, 2], vec![]));
    assert_eq!([1, 2, 3].map(|n| host_of(&world, n)), [host(0), host(1), host(1)].map(Some));
    make(&mut world, 4, &wish(&[0], vec![]));
    assert_eq!(host_of(&world, 4), Some(host(0)), "host 1 has fewer, and is away");
    make(&mut world, 5, &wish(&[2], vec![]));
    assert_eq!(host_of(&world, 5), None, "host 2 is in another zone");
    assert_eq!(world.ports_at(host(0)).count(), 2);
}

#[test]
fn who_waits_is_placed_once_a_host_is_there_and_his_ports_with_him() {
    let mut world = world();
    for n in 0..4 {
        make(&mut world, n, &wish(&[], vec![public(50 + 2 * n), private(51 + 2 * n)]));
    }
    assert_eq!(world.unplaced().count(), 4);
    assert_eq!(place(&world, &hosts(&[])), []);
    assert_eq!(place(&world, &hosts(&[2])), []);
    let addresses: Vec<_> = world.ports_on(network_uuid()).map(|p| (p.address, p.mac)).collect();

    world.commit(&place(&world, &hosts(&[0, 1, 2])));
    assert_eq!(world.unplaced().count(), 0);
    assert_eq!([0, 1].map(|n| world.ports_at(host(n)).count()), [2, 2], "evenly");
    for port in world.ports.values() {
        let carried = provided::get(port.network).is_none();
        let server = port.nic.unwrap().server;
        let want = world.servers[&server].host.filter(|_| carried);
        assert_eq!(port.host, want, "{port:?}");
    }
    let after: Vec<_> = world.ports_on(network_uuid()).map(|p| (p.address, p.mac)).collect();
    assert_eq!(after, addresses);
    assert_eq!(place(&world, &hosts(&[0, 1])), [], "there is nobody left to place");
}

#[test]
fn two_of_one_namespace_are_not_placed_at_one_host() {
    let mut world = world();
    let blue = |n: u128| Create {
        netns: Some("blue".parse().unwrap()),
        ..wish(&[], vec![private(50 + n)])
    };
    make(&mut world, 1, &blue(1));
    make(&mut world, 2, &blue(2));
    world.commit(&place(&world, &hosts(&[0])));
    assert_eq!([1, 2].map(|n| host_of(&world, n)), [Some(host(0)), None]);
    assert_eq!(place(&world, &hosts(&[0])), [], "it waits on");
    world.commit(&place(&world, &hosts(&[0, 1])));
    assert_eq!(host_of(&world, 2), Some(host(1)));
}

#[test]
fn a_move_takes_the_ports_along_unless_one_of_their_devices_is_taken() {
    let mut world = world();
    let blue = Create { netns: Some("blue".parse().unwrap()), ..wish(&[0], vec![private(51)]) };
    make(&mut world, 1, &blue);
    let there = Modify { host: Some("h1".to_owned()), ..Modify::default() };
    let server = Uuid::from_u128(1);
    world.commit(&modify(&world, "a", server, &there).unwrap());
    assert_eq!((world.ports_at(host(0)).count(), world.ports_at(host(1)).count()), (0, 1));
    let same = modify(&world, "a", server, &there).unwrap();
    assert_eq!(same.len(), 1, "where it is, it does not collide with itself");

    make(&mut world, 2, &Create { interfaces: vec![private(52)], ..blue });
    let rival = modify(&world, "a", Uuid::from_u128(2), &there);
    assert!(matches!(rival, Err(Rule::AttachmentTaken(_))), "{rival:?}");
    let far = Modify { host: Some("h2".to_owned()), ..Modify::default() };
    let far = modify(&world, "a", server, &far);
    assert!(matches!(far, Err(Rule::ZoneMismatch(..))), "{far:?}");
}

#[test]
fn a_port_becomes_a_device_in_the_servers_namespace() {
    let mut world = world();
    make(&mut world, 1, &wish(&[0], vec![private(51), private(52)]));
    let netns = "kannas-00000000-0000-0000-0000-000000000001";
    let devices: Vec<String> = world.ports_at(host(0)).map(|p| p.attachment.to_string()).collect();
    assert_eq!(devices, [format!("{netns}/eth0"), format!("{netns}/eth1")]);
    let spec = crate::host_spec::host_spec(&world, host(0));
    assert_eq!(spec.ports.len(), 2);
    let vni = world.network(network_uuid()).unwrap().vni;
    let prefix = "10.0.0.3/32".parse().unwrap();
    let target = spec.routes[&spec::RouteKey { vni, prefix }];
    assert_eq!(target, spec::Target::local(Uuid::from_u128(52), vni));
}

#[test]
fn nobody_is_sent_to_a_port_without_host() {
    let mut world = world();
    make(&mut world, 1, &wish(&[0], vec![private(51)]));
    make(&mut world, 2, &wish(&[], vec![private(52)]));
    let spec = crate::host_spec::host_spec(&world, host(0));
    let vni = world.network(network_uuid()).unwrap().vni;
    let key = |prefix: &str| spec::RouteKey { vni, prefix: prefix.parse().unwrap() };
    assert!(spec.routes.contains_key(&key("10.0.0.2/32")));
    assert!(!spec.routes.contains_key(&key("10.0.0.3/32")));
    assert_eq!(spec.routes[&key("10.0.0.0/16")], spec::Target::Nobody);
}

#[test]
fn the_end_of_a_server_is_the_end_of_its_ports() {
    let mut world = world();
    make(&mut world, 1, &wish(&[0], vec![private(51), public(52)]));
    world.commit(&delete(&world, "a", Uuid::from_u128(1)).unwrap());
    assert!(world.ports.is_empty() && world.servers.is_empty());
    assert_eq!(world.ports_at(host(0)).count() + world.ports_on(network_uuid()).count(), 0);
    assert_eq!(world.nics_of(Uuid::from_u128(1)).count() + world.unplaced().count(), 0);
}
