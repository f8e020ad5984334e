//! Operations for tests: short to write, all of the account `admin`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::policy::Quota;

use model::credentials::{Reach, SubAccount, Target, Token};
use model::host::Join;
use model::interface::{self, Address, Link};
use model::label::Label;
use model::lease::Claim;
use model::network::{self, Attach};
use model::objects::{
    Account, Authority, AutoPopulation, Configured, JoinToken, Size, StaticRoute, Subnet, Told,
    Zone,
};
use model::op::{Op, Wish};
use model::peering_group::{Intent, Shape};
use model::seal::End;
use model::spec::Attachment;
use model::state::State;
use model::terms::{Once, Terms};
use model::{access, peering, peering_group, port, router, server, webhook};
use uuid::Uuid;

pub(crate) const ADMIN: &str = "admin";

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn found() -> Op {
    let admin = Account {
        name: ADMIN.to_owned(),
        password: "$argon2id$".to_owned(),
        admin: true,
        quota: Quota::default(),
    };
    let authority = Authority { certificate_pem: "cert".to_owned(), key_pem: "key".to_owned() };
    Op::Found { admin, authority }
}

pub(crate) fn account(name: &str) -> Op {
    let account = Account {
        name: name.to_owned(),
        password: "p".to_owned(),
        admin: false,
        quota: Quota::default(),
    };
    Op::CreateAccount { by: ADMIN.to_owned(), account }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    let label =
        |(key, value): &(&str, &str)| Label { key: (*key).to_owned(), value: (*value).to_owned() };
    pairs.iter().map(label).collect()
}

pub(crate) fn router_wish(uuid: Uuid, wish: Wish<router::Create, router::Modify>) -> Op {
    Op::Router { by: ADMIN.to_owned(), uuid, wish }
}

pub(crate) fn router(uuid: Uuid) -> Op {
    let route = |name: &str, route: &str, nexthop: Option<&str>| StaticRoute {
        name: name.to_owned(),
        route: route.parse().unwrap(),
        nexthop: nexthop.map(|ip| ip.parse().unwrap()),
    };
    let static_routes = vec![
        route("static-route-0", "0.0.0.0/0", Some("10.0.0.9")),
        route("none", "2001:db8::/32", None),
    ];
    let name = format!("router {uuid}");
    router_wish(uuid, Wish::Create(router::Create { name, labels: vec![], static_routes }))
}

pub(crate) fn rename_router(uuid: Uuid, name: &str) -> Op {
    let name = Some(name.to_owned());
    router_wish(uuid, Wish::Modify(router::Modify { name, ..Default::default() }))
}

pub(crate) fn delete_router(uuid: Uuid) -> Op {
    router_wish(uuid, Wish::Delete)
}

pub(crate) fn network_wish(uuid: Uuid, wish: Wish<network::Create, network::Modify>) -> Op {
    Op::Network { by: ADMIN.to_owned(), uuid, wish }
}

/// With every attribute that a network may have.
pub(crate) fn network(uuid: Uuid, address: &str, router: Option<Uuid>) -> Op {
    let net: ipnet::IpNet = address.parse().unwrap();
    let subnet = Subnet {
        address: address.to_owned(),
        prefix: model::ids::Prefix::containing(net),
        gateway: net.hosts().next().unwrap(),
        dhcp: true,
        dhcp_default_route: true,
        dhcp_dns: vec!["192.0.2.53".parse().unwrap(), "2001:db8::53".parse().unwrap()],
        dhcp_routes: vec!["172.16.0.0/12-nexthop=10.0.0.5".to_owned()],
        dhcp_bootfile_url: Some("tftp://192.0.2.1/boot".to_owned()),
        auto_population: Some(AutoPopulation {
            enabled: true,
            exclude_by_source: vec!["static-route".to_owned()],
            filter_by_destination: vec!["10.0.0.0/8".parse().unwrap()],
            filter_by_route_type: vec!["user".to_owned()],
        }),
    };
    let wish = network::Create {
        name: "network".to_owned(),
        zone: "fi-hel1".to_owned(),
        labels: labels(&[("env", "prod"), ("empty", "")]),
        router: router.map(|r| r.to_string()),
        subnets: vec![subnet],
    };
    network_wish(uuid, Wish::Create(wish))
}

pub(crate) fn detach(uuid: Uuid) -> Op {
    let router = Some(Attach::Nothing);
    network_wish(uuid, Wish::Modify(network::Modify { router, ..Default::default() }))
}

pub(crate) fn peering_wish(uuid: Uuid, wish: Wish<peering::Create, peering::Modify>) -> Op {
    Op::Peering { by: ADMIN.to_owned(), uuid, wish }
}

pub(crate) fn peering(uuid: Uuid, network: Uuid, peer_network: Uuid) -> Op {
    let wish = peering::Create {
        name: "peering".to_owned(),
        configured: Configured::Active,
        network,
        peer_network,
        labels: labels(&[("region", "eu")]),
        note: None,
    };
    peering_wish(uuid, Wish::Create(wish))
}

pub(crate) fn disable(uuid: Uuid) -> Op {
    let configured = Some(Configured::Disabled);
    peering_wish(uuid, Wish::Modify(peering::Modify { configured, ..Default::default() }))
}

pub(crate) fn group_wish(uuid: Uuid, wish: peering_group::Wish) -> Op {
    Op::PeeringGroup { by: ADMIN.to_owned(), uuid, wish, most: 64 }
}

/// Of the networks that [`network`] makes.
pub(crate) fn peering_group(uuid: Uuid) -> Op {
    let intent = Intent { labels: labels(&[("env", "prod")]), shape: Shape::Mesh };
    group_wish(uuid, peering_group::Wish::Create { name: "group".to_owned(), intent })
}

pub(crate) fn delete_peering_group(uuid: Uuid) -> Op {
    group_wish(uuid, peering_group::Wish::Delete)
}

pub(crate) fn allow_join(digest: &str) -> Op {
    let zone = "fi-hel1".to_owned();
    let token = JoinToken { digest: digest.to_owned(), zone, expires: 1_800_000_000, host: None };
    Op::AllowJoin { by: ADMIN.to_owned(), token }
}

pub(crate) fn join(uuid: Uuid, digest: &str, name: &str, underlay: IpAddr) -> Op {
    let (digest, name, zone) = (digest.to_owned(), name.to_owned(), "fi-hel1".to_owned());
    Op::Join {
        uuid,
        wish: Join { digest, name, zone, underlay, now: 1_700_000_000, certificate: None },
    }
}

pub(crate) fn seal(zone: &str) -> Op {
    let zones = ("fi-hel1".to_owned(), zone.to_owned());
    Op::Seals(model::seal::Wish::Set { by: ADMIN.to_owned(), zones, on: true, now: 7 })
}

pub(crate) fn keys(host: Uuid) -> Op {
    let end = End { key: [7; 32].into(), port: 51820 };
    Op::Seals(model::seal::Wish::Keys { host, ends: Some([(1, end)].into()) })
}

pub(crate) fn node(id: Uuid) -> Op {
    Op::Node(model::node::Wish::Here { id, address: "server-1:8443".to_owned() })
}

pub(crate) fn take_lease(host: Uuid) -> Op {
    Op::TakeLease { host, claim: Claim { epoch: None, boot: "b".to_owned(), node: None } }
}

pub(crate) fn port(uuid: Uuid, network: Uuid, host: &str, attachment: Attachment) -> Op {
    let wish = port::Create {
        network: network.to_string(),
        host: host.to_owned(),
        addresses: Vec::new(),
        prefixes: Vec::new(),
        mac: None,
        attachment,
    };
    Op::CreatePort { by: ADMIN.to_owned(), uuid, wish }
}

pub(crate) fn zone(id: &str) -> Op {
    let zone = Zone { id: id.to_owned(), description: "The cellar".to_owned() };
    Op::CreateZone { by: ADMIN.to_owned(), zone }
}

pub(crate) fn access_wish(wish: access::Wish) -> Op {
    Op::Access { by: ADMIN.to_owned(), wish }
}

pub(crate) fn sub_account(name: &str) -> Op {
    access_wish(access::Wish::CreateSub(Box::new(SubAccount {
        name: name.to_owned(),
        main: ADMIN.to_owned(),
        password: "p".to_owned(),
        allow_api: true,
        allow_gui: false,
        ip_filters: vec!["192.0.2.0/24".parse().unwrap()],
        networks: vec![Target::One(id(4)), Target::All],
        servers: vec![Reach { target: Target::All, storage: true }],
        storages: vec!["*".to_owned()],
        tags: vec![Reach { target: "a tag".to_owned(), storage: false }],
        roles: vec!["technical".to_owned()],
        contact: [("city".to_owned(), "Oulu".to_owned())].into(),
    })))
}

pub(crate) fn token(id: Uuid) -> Op {
    access_wish(access::Wish::CreateToken(Token {
        id,
        user: ADMIN.to_owned(),
        name: "A token".to_owned(),
        digest: "00".to_owned(),
        created: 1,
        expires: 2,
        last_used: Some(3),
        can_create_tokens: true,
        allowed_ip_ranges: Some(vec!["::/0".parse().unwrap()]),
    }))
}

pub(crate) fn webhook_wish(wish: webhook::Wish) -> Op {
    Op::Webhook { by: ADMIN.to_owned(), wish }
}

pub(crate) fn webhook() -> Op {
    let url = "https://hooks.example.org/kannas".to_owned();
    webhook_wish(webhook::Wish::Set { url, secret: "0123456789abcdef".to_owned() })
}

pub(crate) fn told(peering: Uuid) -> Op {
    Op::Told(Told { sink: ADMIN.to_owned(), peering, state: State::PendingPeer, sequence: 1 })
}

/// `op` under an idempotency key.
pub(crate) fn once(op: Op) -> Op {
    let [account, key, request] = [ADMIN, "00", "01"].map(str::to_owned);
    let terms = Terms { once: Some(Once { account, key, request }), ..Terms::default() };
    Op::Under { terms, op: Box::new(op) }
}

/// With one interface, which is `port` on `network`.
pub(crate) fn server(uuid: Uuid, port: Uuid, network: Uuid) -> Op {
    let wish = server::Create {
        title: "A server".to_owned(),
        hostname: "web-1".to_owned(),
        zone: "fi-hel1".to_owned(),
        size: Size { plan: "custom".to_owned(), cores: 2, memory_mib: 2048 },
        labels: labels(&[("env", "prod")]),
        settings: [("timezone".to_owned(), "UTC".to_owned())].into(),
        host: Some("host-1".to_owned()),
        netns: None,
        interfaces: vec![interface::Create {
            port,
            link: Link::Private(network.to_string()),
            index: None,
            address: Address::AnyIpv4,
        }],
        now: 1_700_000_000,
        live: BTreeSet::new(),
    };
    Op::Server { by: ADMIN.to_owned(), uuid, wish: Wish::Create(wish) }
}

pub(crate) fn in_netns(name: &str) -> Attachment {
    Attachment::Netns { netns: name.parse().unwrap(), device: "eth0".parse().unwrap() }
}

pub(crate) fn on_device(name: &str) -> Attachment {
    Attachment::Device { device: name.parse().unwrap() }
}
