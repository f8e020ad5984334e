use crate::change::{Change, Key};
use crate::host::Join;
use crate::host_spec::host_spec;
use crate::lease::{Claim, Loss};
use crate::network::{self, Attach};
use crate::objects::{Account, Authority, Configured, JoinToken, Size, StaticRoute, Subnet};
use crate::op::{Op, Wish, decide};
use crate::policy::Quota;
use crate::seal::{End, Rotation};
use crate::spec::{Attachment, HostSpec};
use crate::{interface, peering, port, router, server};
use proptest::prelude::*;

use super::*;
use crate::touch::{Touched, touched};
use crate::wire::agent::{Assembly, changes};

/// As many networks, with prefixes of which some overlap.
const NETWORKS: u128 = 7;
const ROUTERS: u128 = 4;
const HOSTS: u128 = 4;

proptest! {
    #[test]
    fn a_host_is_told_what_differs(steps in prop::collection::vec(step(), 1..60)) {
        let mut worlds = vec![(founded(), BTreeMap::new())];
        for op in steps {
            let (world, _) = worlds.last().unwrap();
            let Ok(changes) = decide(world, &op) else { continue };
            worlds.push(put(world, &changes));
            told(&worlds[worlds.len().saturating_sub(3)..])?;
        }
        told(&worlds)?;
    }

    /// As the store hands them out: no object is written twice in a group.
    #[test]
    fn it_is_when_many_writes_come_at_once(
        groups in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..12)
    ) {
        let mut worlds = vec![(founded(), BTreeMap::new())];
        for steps in groups {
            let (world, _) = worlds.last().unwrap();
            let (mut after, mut all) = (world.clone(), Vec::<Change>::new());
            for op in steps {
                let Ok(changes) = decide(&after, &op) else { continue };
                let again = |it: &Change| all.iter().any(|other| other.key() == it.key());
                if changes.iter().any(|it| it.key() != Key::NextVni && again(it)) {
                    continue;
                }
                after.commit(&changes);
                all.extend(changes);
            }
            let touched = touched(world, &after, &all);
            worlds.push((after, touched));
        }
        told(&worlds)?;
    }
}

/// What is made of what was touched is what differs, for each host, whichever
/// of the worlds it was told of last; and all is what a host begins with.
fn told(worlds: &[(World, BTreeMap<Uuid, Touched>)]) -> Result<(), TestCaseError> {
    let Some(((after, _), _)) = worlds.split_last() else { return Ok(()) };
    for host in after.hosts.keys() {
        let mut owed = Touched::default();
        let new = slice(after, *host);
        let mut whole = Assembly::default();
        lines(after, *host).for_each(|line| drop(whole.take(line).cloned()));
        prop_assert_eq!(whole.into_slice(), new.clone());
        for (n, (before, _)) in worlds.iter().enumerate().rev() {
            let old = slice(before, *host);
            let Touched::Parts(parts) = &owed else { break };
            let told = delta(before, after, *host, parts);
            let want: Vec<Line> = changes(&old, &new).collect();
            prop_assert_eq!(sorted(&told), sorted(&want), "host {} by {:?}", host, parts);
            owed.merge(worlds[n].1.get(host).cloned().unwrap_or_default());
        }
    }
    Ok(())
}

fn sorted(lines: &[Line]) -> Vec<String> {
    let mut all: Vec<String> = lines.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
    all.sort();
    all
}

/// The world after some writes at once, and what that touches.
fn put(world: &World, changes: &[Change]) -> (World, BTreeMap<Uuid, Touched>) {
    let mut after = world.clone();
    after.commit(changes);
    let touched = touched(world, &after, changes);
    (after, touched)
}

#[test]
fn a_new_name_concerns_nobody() {
    let mut world = founded();
    commit(&mut world, create_network(0, Some(0)));
    commit(&mut world, create_port(0, 0, 0));
    let name = network::Modify { name: Some("other".to_owned()), ..Default::default() };
    let op = network_op(0, Wish::Modify(name));
    assert!(commit(&mut world, op).is_empty());
}

#[test]
fn a_port_concerns_the_hosts_that_reach_it_and_no_others() {
    let mut world = founded();
    for (n, router) in [(0, Some(0)), (2, Some(0)), (4, None)] {
        commit(&mut world, create_network(n, router));
    }
    commit(&mut world, create_port(2, 1, 0));
    commit(&mut world, create_port(4, 2, 1));
    let concerned = commit(&mut world, create_port(0, 0, 2));
    assert_eq!(concerned, [host(0), host(1)].into());
}

#[test]
fn the_end_of_a_peering_concerns_hosts_along_a_chain_of_clashes() {
    let mut world = founded();
    for n in 0..4 {
        commit(&mut world, create_network(n, Some(n)));
        commit(&mut world, create_port(n, n, n));
    }
    // 0 and 1 overlap, 2 and 3 overlap. So 0-2 keeps 1-2 out, which lets 1-3 be.
    for (a, b) in [(0, 2), (1, 2), (1, 3)] {
        commit(&mut world, create_peering(a, b));
        commit(&mut world, create_peering(b, a));
    }
    let before = slice(&world, host(3));
    let concerned = commit(&mut world, peering_op(0, 2, Wish::Delete));
    assert_ne!(slice(&world, host(3)), before, "1-2 is admitted, 1-3 is not");
    assert!(concerned.contains(&host(3)));
}

fn commit(world: &mut World, op: Op) -> BTreeSet<Uuid> {
    let changes = decide(world, &op).unwrap();
    let before = world.clone();
    world.commit(&changes);
    touched(&before, world, &changes).into_keys().collect()
}

fn slice(world: &World, host: Uuid) -> HostSpec {
    HostSpec { revision: 0, ..host_spec(world, host) }
}

fn host(n: u128) -> Uuid {
    Uuid::from_u128(100 + n)
}

fn founded() -> World {
    let mut world = World::default();
    let admin = Account {
        name: "a".to_owned(),
        password: String::new(),
        admin: true,
        quota: Quota::default(),
    };
    let authority = Authority { certificate_pem: String::new(), key_pem: String::new() };
    commit(&mut world, Op::Found { admin, authority });
    for n in 0..HOSTS {
        let digest = n.to_string();
        let zone = "fi-hel1".to_owned();
        let token =
            JoinToken { digest: digest.clone(), zone: zone.clone(), expires: 1, host: None };
        commit(&mut world, Op::AllowJoin { by: "a".to_owned(), token });
        let underlay = std::net::Ipv4Addr::from(0xc000_0200 + u32::try_from(n).unwrap()).into();
        let wish =
            Join { digest, name: format!("h{n}"), zone, underlay, now: 0, certificate: None };
        commit(&mut world, Op::Join { uuid: host(n), wish });
    }
    for n in 0..ROUTERS {
        let wish = router::Create { name: "r".to_owned(), labels: vec![], static_routes: vec![] };
        let uuid = Uuid::from_u128(200 + n);
        commit(&mut world, Op::Router { by: "a".to_owned(), uuid, wish: Wish::Create(wish) });
    }
    world
}

fn step() -> impl Strategy<Value = Op> {
    let network = 0..NETWORKS;
    let router = proptest::option::of(0..ROUTERS);
    prop_oneof![
        3 => (network.clone(), router.clone()).prop_map(|(n, r)| create_network(n, r)),
        2 => (network.clone(), router).prop_map(|(n, r)| {
            let router = r.map_or(Attach::Nothing, |r| Attach::To(router_uuid(r)));
            let wish = network::Modify { router: Some(router), ..Default::default() };
            network_op(n, Wish::Modify(wish))
        }),
        1 => network.clone().prop_map(|n| network_op(n, Wish::Delete)),
        4 => (network.clone(), 0..HOSTS, 0..12u128).prop_map(|(n, h, p)| create_port(n, h, p)),
        1 => (0..12u128).prop_map(|p| {
            Op::DeletePort { by: "a".to_owned(), uuid: Uuid::from_u128(500 + p) }
        }),
        6 => (network.clone(), network.clone()).prop_map(|(a, b)| create_peering(a, b)),
        3 => (network.clone(), network.clone(), any::<bool>()).prop_map(|(a, b, on)| {
            let configured = Some(if on { Configured::Active } else { Configured::Disabled });
            peering_op(a, b, Wish::Modify(peering::Modify { configured, ..Default::default() }))
        }),
        1 => (network.clone(), network.clone()).prop_map(|(a, b)| peering_op(a, b, Wish::Delete)),
        2 => (network.clone(), 0..HOSTS, 0..12u128).prop_map(|(n, h, p)| create_segment(n, h, p)),
        2 => (network.clone(), network.clone()).prop_map(|(n, as_of)| {
            let subnets = Some(vec![subnet(as_of)]);
            network_op(n, Wish::Modify(network::Modify { subnets, ..Default::default() }))
        }),
        4 => server_step(network.clone()),
        3 => (0..ROUTERS, proptest::option::of(network)).prop_map(|(r, n)| static_route(r, n)),
        3 => (0..HOSTS, any::<bool>()).prop_map(|(n, taken)| lease_step(host(n), taken)),
        4 => seal_step(),
    ]
}

fn seal_step() -> impl Strategy<Value = Op> {
    let zones = ("fi-hel1".to_owned(), "fi-hel1".to_owned());
    let rotation = |(made, used, kept)| Rotation { made, used, kept, at: 0, since: 0 };
    let ends = |of: BTreeSet<u64>| {
        let end = |n: u8| End { key: [n; 32].into(), port: 1 };
        Some(of.into_iter().map(|it| (it, end(7))).collect())
    };
    let some = proptest::collection::btree_set(1..4u64, 0..3);
    prop_oneof![
        2 => any::<bool>().prop_map(move |on| {
            Op::Seals(crate::seal::Wish::Set { by: "a".to_owned(), zones: zones.clone(), on, now: 0 })
        }),
        4 => (0..HOSTS, some).prop_map(move |(n, of)| {
            Op::Seals(crate::seal::Wish::Keys { host: host(n), ends: ends(of) })
        }),
        2 => (1..4u64, 1..4u64, 1..4u64).prop_map(move |it| Op::Seals(crate::seal::Wish::Rotate(rotation(it)))),
    ]
}

/// Behind the second address of that network, or no static route.
fn static_route(router: u128, network: Option<u128>) -> Op {
    let route = |n: u128| StaticRoute {
        name: "s".to_owned(),
        route: "192.168.0.0/16".parse().unwrap(),
        nexthop: format!("10.0.{}.2", n / 2).parse().ok(),
    };
    let static_routes = Some(network.into_iter().map(route).collect());
    let wish = Wish::Modify(router::Modify { static_routes, ..Default::default() });
    Op::Router { by: "a".to_owned(), uuid: Uuid::from_u128(200 + router), wish }
}

/// Each boot is another, so each lease is a new one.
fn lease_step(host: Uuid, taken: bool) -> Op {
    let claim = Claim { epoch: None, boot: String::new(), node: None };
    let loss = |epoch| Loss { host, epoch, since: 0 };
    match taken {
        true => Op::TakeLease { host, claim },
        false => Op::LoseLeases((1..200).map(loss).collect()),
    }
}

fn server_step(network: std::ops::Range<u128>) -> impl Strategy<Value = Op> {
    let (servers, ports, at) = (0..4u128, 0..12u128, proptest::option::of(0..HOSTS));
    prop_oneof![
        (servers.clone(), at.clone()).prop_map(|(s, at)| create_server(s, at)),
        (servers.clone(), network, ports).prop_map(|(s, n, p)| create_interface(s, n, p)),
        (servers.clone(), 1..4u8).prop_map(|(s, index)| {
            let wish = interface::Wish::Delete(index);
            Op::Interface { by: "a".to_owned(), server: server_uuid(s), wish }
        }),
        (servers.clone(), at).prop_map(|(s, at)| {
            let host = at.map(|h| host(h).to_string());
            server_op(s, Wish::Modify(server::Modify { host, ..Default::default() }))
        }),
        servers.prop_map(|s| server_op(s, Wish::Delete)),
        (0..HOSTS).prop_map(|h| Op::PlaceServers { live: [host(h)].into() }),
    ]
}

fn server_uuid(n: u128) -> Uuid {
    Uuid::from_u128(600 + n)
}

fn server_op(n: u128, wish: Wish<server::Create, server::Modify>) -> Op {
    Op::Server { by: "a".to_owned(), uuid: server_uuid(n), wish }
}

fn create_server(n: u128, at: Option<u128>) -> Op {
    let wish = server::Create {
        title: "s".to_owned(),
        hostname: "s".to_owned(),
        zone: "fi-hel1".to_owned(),
        size: Size { plan: "custom".to_owned(), cores: 1, memory_mib: 1 },
        labels: vec![],
        settings: Default::default(),
        host: None,
        netns: None,
        interfaces: vec![],
        now: 0,
        live: at.map(host).into_iter().collect(),
    };
    server_op(n, Wish::Create(wish))
}

fn create_interface(server: u128, network: u128, port: u128) -> Op {
    let wish = interface::Wish::Create(interface::Create {
        port: Uuid::from_u128(500 + port),
        link: interface::Link::Private(Uuid::from_u128(300 + network).to_string()),
        index: None,
        address: interface::Address::AnyIpv4,
    });
    Op::Interface { by: "a".to_owned(), server: server_uuid(server), wish }
}

fn router_uuid(n: u128) -> String {
    Uuid::from_u128(200 + n).to_string()
}

fn network_op(n: u128, wish: Wish<network::Create, network::Modify>) -> Op {
    Op::Network { by: "a".to_owned(), uuid: Uuid::from_u128(300 + n), wish }
}

fn peering_op(a: u128, b: u128, wish: Wish<peering::Create, peering::Modify>) -> Op {
    Op::Peering { by: "a".to_owned(), uuid: Uuid::from_u128(400 + a * NETWORKS + b), wish }
}

fn create_peering(a: u128, b: u128) -> Op {
    let wish = peering::Create {
        name: "p".to_owned(),
        configured: Configured::Active,
        network: Uuid::from_u128(300 + a),
        peer_network: Uuid::from_u128(300 + b),
        note: None,
        labels: vec![],
    };
    peering_op(a, b, Wish::Create(wish))
}

fn create_network(n: u128, router: Option<u128>) -> Op {
    let wish = network::Create {
        name: "n".to_owned(),
        zone: "fi-hel1".to_owned(),
        labels: vec![],
        router: router.map(router_uuid),
        subnets: vec![subnet(n)],
    };
    network_op(n, Wish::Create(wish))
}

/// Two networks each share a prefix, so that some peerings clash.
fn subnet(n: u128) -> Subnet {
    let address = format!("10.0.{}.0/24", n / 2);
    let prefix = address.parse().unwrap();
    let gateway = format!("10.0.{}.1", n / 2).parse().unwrap();
    Subnet { dhcp: true, ..Subnet::plain(address, prefix, gateway) }
}

/// A port with several machines behind it.
fn create_segment(network: u128, at: u128, n: u128) -> Op {
    let Op::CreatePort { by, uuid, mut wish } = create_port(network, at, n) else { unreachable!() };
    wish.addresses = vec![format!("10.0.{}.2", network / 2).parse().unwrap()];
    wish.prefixes = vec![format!("10.0.{}.0/28", network / 2).parse().unwrap()];
    wish.attachment = Attachment::Device { device: format!("d{n}").parse().unwrap() };
    Op::CreatePort { by, uuid, wish }
}

fn create_port(network: u128, at: u128, n: u128) -> Op {
    let wish = port::Create {
        network: Uuid::from_u128(300 + network).to_string(),
        host: host(at).to_string(),
        addresses: Vec::new(),
        prefixes: Vec::new(),
        mac: None,
        attachment: Attachment::Netns {
            netns: format!("w{n}").try_into().unwrap(),
            device: "eth0".to_owned().try_into().unwrap(),
        },
    };
    Op::CreatePort { by: "a".to_owned(), uuid: Uuid::from_u128(500 + n), wish }
}
