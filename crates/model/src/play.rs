//! Small worlds for tests, made by the real rules. Things have numbers; an even
//! network, router or port belongs to account `a`, an odd one to `b`.

use proptest::prelude::*;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Noun, Rule, Subject};
use crate::host::Join;
use crate::ids::Prefix;
use crate::network::{self, Attach};
use crate::objects::{Account, Authority, Configured, JoinToken, Network, Peering, Subnet};
use crate::op::{Op, Wish, decide};
use crate::policy::Quota;
use crate::spec::Attachment;
use crate::world::World;
use crate::{peering, port, router};

pub(crate) const ZONE: &str = "fi-hel1";

#[derive(Debug, Clone)]
pub(crate) struct Play {
    pub(crate) world: World,
}

pub(crate) fn owner(n: u128) -> String {
    (if n.is_multiple_of(2) { "a" } else { "b" }).to_owned()
}

pub(crate) fn router_id(n: u128) -> Uuid {
    Uuid::from_u128(0x1000 + n)
}

pub(crate) fn network_id(n: u128) -> Uuid {
    Uuid::from_u128(0x2000 + n)
}

pub(crate) fn half_id(from: u128, to: u128) -> Uuid {
    Uuid::from_u128(0x3000 + 0x100 * from + to)
}

pub(crate) fn host_id(n: u128) -> Uuid {
    Uuid::from_u128(0x4000 + n)
}

pub(crate) fn port_id(n: u128) -> Uuid {
    Uuid::from_u128(0x5000 + n)
}

impl Play {
    /// Accounts `a` (admin) and `b`, six routers, three hosts.
    pub(crate) fn new() -> Self {
        let mut it = Self { world: World::default() };
        let authority = Authority { certificate_pem: "c".to_owned(), key_pem: "k".to_owned() };
        it.must(Op::Found { admin: account("a", true), authority });
        it.must(Op::CreateAccount { by: "a".to_owned(), account: account("b", false) });
        for n in 0..6 {
            it.must(create_router(n));
        }
        for n in 0..3 {
            it.must(allow_join(&n.to_string()));
            it.must(join(n));
        }
        it
    }

    /// Decides and, unless refused, commits. A UUID is not taken twice, as a
    /// server makes a new one each time.
    pub(crate) fn op(&mut self, op: &Op) -> Result<Vec<Change>, Rule> {
        if let Some(uuid) = self.is_there(op) {
            return Err(Rule::Exists(Noun::Network, uuid.to_string()));
        }
        let changes = decide(&self.world, op)?;
        if !changes.is_empty() {
            self.world.commit(&changes);
        }
        Ok(changes)
    }

    fn is_there(&self, op: &Op) -> Option<Uuid> {
        if let Op::Network { uuid, wish: Wish::Create(_), .. } = op {
            return self.world.networks.get(uuid).map(|n| n.uuid);
        }
        let Op::CreatePort { uuid, .. } = op else { return None };
        self.world.ports.get(uuid).map(|p| p.uuid)
    }

    pub(crate) fn must(&mut self, op: Op) -> Vec<Change> {
        self.op(&op).unwrap_or_else(|rule| panic!("{rule} at {op:?}"))
    }

    pub(crate) fn all(&mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.must(op);
        }
    }

    /// The attribute that `op` is refused for.
    pub(crate) fn fault(&self, op: &Op) -> (Subject, String) {
        match decide(&self.world, op) {
            Err(Rule::Bad { subject, at, .. }) => (subject, at),
            other => panic!("{other:?} at {op:?}"),
        }
    }

    pub(crate) fn network(&self, n: u128) -> &Network {
        self.world.network(network_id(n)).unwrap_or_else(|| panic!("no network {n}"))
    }

    pub(crate) fn half(&self, from: u128, to: u128) -> &Peering {
        self.world
            .half(network_id(from), network_id(to))
            .unwrap_or_else(|| panic!("no half {from}-{to}"))
    }
}

pub(crate) fn account(name: &str, admin: bool) -> Account {
    Account { name: name.to_owned(), password: "p".to_owned(), admin, quota: Quota::default() }
}

pub(crate) fn allow_join(digest: &str) -> Op {
    let (digest, zone) = (digest.to_owned(), ZONE.to_owned());
    Op::AllowJoin {
        by: "a".to_owned(),
        token: JoinToken { digest, zone, expires: 100, host: None },
    }
}

/// Host `h{n}` at 192.0.2.{n+1}, with the token whose digest is its number.
pub(crate) fn join(n: u128) -> Op {
    let last = u8::try_from(n).unwrap() + 1;
    let wish = Join {
        digest: n.to_string(),
        name: format!("h{n}"),
        zone: ZONE.to_owned(),
        underlay: [192, 0, 2, last].into(),
        now: 99,
        certificate: None,
    };
    Op::Join { uuid: host_id(n), wish }
}

pub(crate) fn router_op(n: u128, wish: Wish<router::Create, router::Modify>) -> Op {
    Op::Router { by: owner(n), uuid: router_id(n), wish }
}

pub(crate) fn create_router(n: u128) -> Op {
    let (name, labels, static_routes) = (format!("r{n}"), vec![], vec![]);
    router_op(n, Wish::Create(router::Create { name, labels, static_routes }))
}

pub(crate) fn subnet(address: &str) -> Subnet {
    let net: ipnet::IpNet = address.parse().unwrap();
    let gateway = net.hosts().find(|a| *a != net.network()).unwrap();
    let it = Subnet::plain(address.to_owned(), Prefix::containing(net), gateway);
    Subnet { dhcp: true, ..it }
}

pub(crate) fn subnets(addresses: &[&str]) -> Vec<Subnet> {
    addresses.iter().map(|a| subnet(a)).collect()
}

pub(crate) fn network_op(n: u128, wish: Wish<network::Create, network::Modify>) -> Op {
    Op::Network { by: owner(n), uuid: network_id(n), wish }
}

pub(crate) fn create_network(n: u128, addresses: &[&str], router: Option<u128>) -> Op {
    let wish = network::Create {
        name: format!("n{n}"),
        zone: ZONE.to_owned(),
        labels: vec![],
        router: router.map(|r| router_id(r).to_string()),
        subnets: subnets(addresses),
    };
    network_op(n, Wish::Create(wish))
}

pub(crate) fn modify_network(n: u128, wish: network::Modify) -> Op {
    network_op(n, Wish::Modify(wish))
}

pub(crate) fn attach(n: u128, router: Option<u128>) -> Op {
    let to = router.map_or(Attach::Nothing, |r| Attach::To(router_id(r).to_string()));
    modify_network(n, network::Modify { router: Some(to), ..Default::default() })
}

pub(crate) fn renumber(n: u128, addresses: &[&str]) -> Op {
    let subnets = Some(subnets(addresses));
    modify_network(n, network::Modify { subnets, ..Default::default() })
}

pub(crate) fn half_op(from: u128, to: u128, wish: Wish<peering::Create, peering::Modify>) -> Op {
    Op::Peering { by: owner(from), uuid: half_id(from, to), wish }
}

pub(crate) fn create_half(from: u128, to: u128) -> Op {
    let wish = peering::Create {
        name: format!("{from}-{to}"),
        configured: Configured::Active,
        network: network_id(from),
        peer_network: network_id(to),
        labels: vec![],
        note: None,
    };
    half_op(from, to, Wish::Create(wish))
}

/// Both halves.
pub(crate) fn peer(a: u128, b: u128) -> [Op; 2] {
    [create_half(a, b), create_half(b, a)]
}

/// Network 0 with a port at host 0, network 2 with one at host 1, peered; all in
/// one zone.
pub(crate) fn peered() -> Play {
    let mut play = Play::new();
    play.all([
        create_network(0, &["10.0.0.0/24"], Some(0)),
        create_network(2, &["10.2.0.0/24"], Some(2)),
        create_port(0, 0, 0),
        create_port(2, 2, 1),
    ]);
    play.all(peer(0, 2));
    play
}

pub(crate) fn configure(from: u128, to: u128, configured: Configured) -> Op {
    let configured = Some(configured);
    half_op(from, to, Wish::Modify(peering::Modify { configured, ..Default::default() }))
}

pub(crate) fn delete_half(from: u128, to: u128) -> Op {
    half_op(from, to, Wish::Delete)
}

/// In a namespace of its own.
pub(crate) fn port_wish(n: u128, network: u128, host: u128) -> port::Create {
    port::Create {
        network: network_id(network).to_string(),
        host: format!("h{host}"),
        addresses: vec![],
        prefixes: vec![],
        mac: None,
        attachment: Attachment::Netns {
            netns: format!("w{n}").parse().unwrap(),
            device: "eth0".parse().unwrap(),
        },
    }
}

/// Port `n` at the lowest free address.
pub(crate) fn create_port(n: u128, network: u128, host: u128) -> Op {
    let wish = port_wish(n, network, host);
    Op::CreatePort { by: owner(network), uuid: port_id(n), wish }
}

pub(crate) fn delete_port(n: u128, network: u128) -> Op {
    Op::DeletePort { by: owner(network), uuid: port_id(n) }
}

/// As many networks as random stories have, with as many routers each may use.
pub(crate) const NETWORKS: u128 = 6;
const ROUTERS: u128 = 3;

/// Of which some are in others, some the same, and some have nothing in common.
pub(crate) const ADDRESSES: [&[&str]; 8] = [
    &["10.0.0.0/24"],
    &["10.0.0.0/25"],
    &["10.0.0.0/16", "2001:db8::/64"],
    &["10.1.0.0/24"],
    &["10.1.0.0/24", "2001:db8::/64"],
    &["10.2.0.0/24"],
    &["10.3.0.0/24"],
    &["10.4.0.0/24", "2001:db8:4::/64"],
];

/// Networks, and then changes of all kinds to them and between them, of which
/// some are refused.
pub(crate) fn story() -> impl Strategy<Value = Vec<Op>> {
    told(proptest::collection::vec(step(), 0..40))
}

/// A [`story`] with ports.
pub(crate) fn story_with_ports() -> impl Strategy<Value = Vec<Op>> {
    let port = || (0..24u128, 0..NETWORKS, 0..3u128);
    let ports = prop_oneof![
        5 => port().prop_map(|(n, network, host)| vec![create_port(n, network, host)]),
        1 => port().prop_map(|(n, network, _)| vec![delete_port(n, network)]),
    ];
    told(proptest::collection::vec(prop_oneof![3 => step(), 2 => ports], 0..60))
}

pub(crate) fn told(steps: impl Strategy<Value = Vec<Vec<Op>>>) -> impl Strategy<Value = Vec<Op>> {
    let one = (proptest::sample::select(&ADDRESSES[..]), some_router());
    let start = proptest::collection::vec(one, usize::try_from(NETWORKS).unwrap());
    (start, steps).prop_map(|(start, steps)| {
        let made = (0..).zip(start).map(|(n, (a, r))| create_network(n, a, router_of(n, r)));
        made.chain(steps.into_iter().flatten()).collect()
    })
}

fn some_router() -> impl Strategy<Value = Option<u128>> {
    proptest::option::weighted(0.9, 0..ROUTERS)
}

/// Of the network's account.
fn router_of(network: u128, router: Option<u128>) -> Option<u128> {
    router.map(|r| 2 * r + network % 2)
}

pub(crate) fn step() -> impl Strategy<Value = Vec<Op>> {
    let network = || 0..NETWORKS;
    let addresses = || proptest::sample::select(&ADDRESSES[..]);
    let on = prop_oneof![Just(Configured::Active), Just(Configured::Disabled)];
    prop_oneof![
        8 => (network(), network()).prop_map(|(a, b)| peer(a, b).to_vec()),
        2 => (network(), network()).prop_map(|(a, b)| vec![create_half(a, b)]),
        3 => (network(), network(), on).prop_map(|(a, b, on)| vec![configure(a, b, on)]),
        2 => (network(), network()).prop_map(|(a, b)| vec![delete_half(a, b)]),
        2 => (network(), some_router()).prop_map(|(n, r)| vec![attach(n, router_of(n, r))]),
        2 => (network(), addresses()).prop_map(|(n, a)| vec![renumber(n, a)]),
        1 => (network(), addresses(), 0..ROUTERS).prop_map(|(n, a, r)| {
            let to = Attach::To(router_id(2 * r + n % 2).to_string());
            let subnets = Some(subnets(a));
            let wish = network::Modify { router: Some(to), subnets, ..Default::default() };
            vec![modify_network(n, wish)]
        }),
        1 => (network(), addresses(), some_router()).prop_map(|(n, a, r)| {
            vec![network_op(n, Wish::Delete), create_network(n, a, router_of(n, r))]
        }),
    ]
}
