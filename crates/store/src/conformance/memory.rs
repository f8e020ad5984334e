//! What is remembered, and what is not.

use std::collections::BTreeSet;

use model::access;
use model::change::Key;
use model::error::{Noun, Rule};
use model::node;
use model::op::{Op, Wish};
use model::router;
use model::webhook;
use model::world::World;

use super::{Database, open, picture, rule, write, write_all};
use crate::wishes::{
    ADMIN, access_wish, account, allow_join, delete_peering_group, delete_router, detach, disable,
    found, id, in_netns, join, keys, labels, network, network_wish, node as node_op, on_device,
    once, peering, peering_group, peering_wish, port, rename_router, router, router_wish, seal,
    server, sub_account, take_lease, token, told, webhook as webhook_op, webhook_wish, zone,
};

/// Something of every kind there is.
fn everything() -> Vec<Op> {
    vec![
        found(),
        account("other"),
        allow_join("used"),
        allow_join("left"),
        join(id(1), "used", "host-1", [192, 0, 2, 1].into()),
        router(id(2)),
        once(router(id(3))),
        network(id(4), "10.0.0.1/24", Some(id(2))),
        network(id(5), "10.1.0.0/24", Some(id(3))),
        peering(id(6), id(4), id(5)),
        peering(id(7), id(5), id(4)),
        port(id(8), id(4), "host-1", in_netns("web")),
        port(id(9), id(5), "host-1", on_device("tap0")),
        zone("home-1"),
        server(id(10), id(11), id(4)),
        sub_account("deputy"),
        token(id(12)),
        take_lease(id(1)),
        seal("home-1"),
        keys(id(1)),
        webhook_op(),
        told(id(6)),
        node_op(id(13)),
        peering_group(id(14)),
    ]
}

pub(crate) async fn a_refusal_leaves_no_trace(database: impl Database) {
    let store = open(&database);
    write_all(&store, everything()).await;
    let (before, rows) = (store.world(), database.rows());
    let mut groups = store.groups();
    for (op, want) in [
        (peering(id(99), id(4), id(5)), Rule::PeeringExists(id(6))),
        (delete_router(id(2)), Rule::RouterAttached(id(2))),
        (delete_router(id(77)), Rule::Absent(Noun::Router, id(77).to_string())),
        (account("other"), Rule::Exists(Noun::Account, "other".to_owned())),
    ] {
        assert_eq!(rule(store.write(op).await), want);
    }
    assert_eq!(picture(&store.world()), picture(&before));
    assert_eq!(database.rows(), rows);
    assert!(groups.try_recv().is_err(), "no follower hears of it");
    let next = write(&store, rename_router(id(2), "next")).await;
    assert_eq!(next.revision, before.revision() + 1);
}

pub(crate) async fn a_wish_that_changes_nothing_leaves_no_trace(database: impl Database) {
    let store = open(&database);
    write_all(&store, everything()).await;
    let (before, rows) = (store.world(), database.rows());
    let mut groups = store.groups();
    assert_eq!(write(&store, found()).await.revision, before.revision());
    assert_eq!(picture(&store.world()), picture(&before));
    assert_eq!(database.rows(), rows);
    assert!(groups.try_recv().is_err());
}

pub(crate) async fn reopening_gives_the_identical_world(database: impl Database) {
    let store = open(&database);
    assert_eq!(store.world().revision(), 0, "it is empty at first");
    write_all(&store, everything()).await;
    let before = store.world();
    let kinds = kinds_in(&before);
    assert_eq!(kinds.len(), 22, "nothing of some kind: {kinds:?}");
    drop(store);
    let rows = database.rows();
    let again = open(&database);
    assert_eq!(picture(&again.world()), picture(&before));
    drop(again);
    assert_eq!(database.rows(), rows, "opening writes nothing");
}

/// Kinds of which the world has something. A new one has to be put in here,
/// and in [`everything`].
fn kinds_in(world: &World) -> BTreeSet<&'static str> {
    let has = |key: &Key| match key {
        Key::Account(_) => !world.accounts.is_empty(),
        Key::Authority => world.authority().is_some(),
        Key::Host(_) => !world.hosts.is_empty(),
        Key::JoinToken(_) => !world.join_tokens.is_empty(),
        Key::Keys(host) => world.seals.keys(*host).is_some(),
        Key::Rotation => world.seals.rotation().is_some(),
        Key::Seal(_) => world.seals.pairs().next().is_some(),
        Key::Lease(_) => !world.leases.is_empty(),
        Key::Node(_) => !world.nodes.is_empty(),
        Key::Network(_) => !world.networks.is_empty(),
        Key::Peering(_) => !world.peerings.is_empty(),
        Key::PeeringGroup(_) => !world.peering_groups.is_empty(),
        Key::Port(_) => !world.ports.is_empty(),
        Key::Router(_) => !world.routers.is_empty(),
        Key::Server(_) => !world.servers.is_empty(),
        Key::SubAccount(_) => world.credentials().subs_of(ADMIN).next().is_some(),
        Key::Token(_) => world.credentials().tokens_of(ADMIN).next().is_some(),
        Key::Zone(_) => !world.zones.is_empty(),
        Key::Done { .. } => world.done(ADMIN, "00").is_some(),
        Key::Told { .. } => world.told(ADMIN, id(6)).is_some(),
        Key::Webhook(_) => !world.webhooks.is_empty(),
        Key::NextVni => world.next_vni() > 1,
    };
    let one_of_each = [
        Key::Account(String::new()),
        Key::Authority,
        Key::Host(id(0)),
        Key::JoinToken(String::new()),
        Key::Keys(id(1)),
        Key::Rotation,
        Key::Seal((String::new(), String::new())),
        Key::Lease(id(0)),
        Key::Node(id(0)),
        Key::Network(id(0)),
        Key::Peering(id(0)),
        Key::PeeringGroup(id(0)),
        Key::Port(id(0)),
        Key::Router(id(0)),
        Key::Server(id(0)),
        Key::SubAccount(String::new()),
        Key::Token(id(0)),
        Key::Zone(String::new()),
        Key::Done { account: String::new(), key: String::new() },
        Key::Told { sink: String::new(), peering: id(0) },
        Key::Webhook(String::new()),
        Key::NextVni,
    ];
    one_of_each.iter().filter(|key| has(key)).map(|key| key.columns().0).collect()
}

pub(crate) async fn changes_and_deletes_survive(database: impl Database) {
    let by = || ADMIN.to_owned();
    let store = open(&database);
    write_all(&store, everything()).await;
    drop(store);
    // Rows that were read, not only those that this process has written.
    let store = open(&database);
    let changes =
        [rename_router(id(2), "renamed"), detach(id(5)), disable(id(6)), delete_router(id(3))];
    write_all(&store, changes).await;
    let before = store.world();
    drop(store);
    let store = open(&database);
    assert_eq!(picture(&store.world()), picture(&before));
    assert_eq!(store.world().routers[&id(2)].name, "renamed");
    let deletes = [
        delete_peering_group(id(14)),
        peering_wish(id(6), Wish::Delete),
        peering_wish(id(7), Wish::Delete),
        Op::DeletePort { by: by(), uuid: id(8) },
        Op::DeletePort { by: by(), uuid: id(9) },
        Op::Server { by: by(), uuid: id(10), wish: Wish::Delete },
        Op::DeleteZone { by: by(), id: "home-1".to_owned(), now: 0 },
        network_wish(id(4), Wish::Delete),
        network_wish(id(5), Wish::Delete),
        delete_router(id(2)),
        Op::DeleteHost { by: by(), id: "host-1".to_owned() },
        access_wish(access::Wish::DeleteToken(id(12))),
        access_wish(access::Wish::DeleteSub("deputy".to_owned())),
        webhook_wish(webhook::Wish::Delete),
        Op::Node(node::Wish::Gone(id(13))),
    ];
    write_all(&store, deletes).await;
    let before = store.world();
    drop(store);
    let world = open(&database).world();
    assert_eq!(picture(&world), picture(&before));
    let left = kinds_in(&world);
    assert_eq!(left, ["account", "authority", "done", "join-token", "next-vni", "rotation"].into());
}

pub(crate) async fn a_name_can_be_used_again_after_its_end(database: impl Database) {
    let store = open(&database);
    write_all(&store, [found(), router(id(1)), router(id(2)), delete_router(id(2))]).await;
    write_all(&store, [router(id(2)), rename_router(id(2), "again"), delete_router(id(1))]).await;
    let before = store.world();
    drop(store);
    assert_eq!(picture(&open(&database).world()), picture(&before));
    assert_eq!(before.routers.keys().collect::<Vec<_>>(), [&id(2)]);
}

pub(crate) async fn any_text_survives(database: impl Database) {
    let store = open(&database);
    write(&store, found()).await;
    let long = "ä".repeat(255);
    let names = ["'; DROP TABLE object; --", "\"\\\u{0}\u{1f980}\n", &long];
    for (n, name) in (1..).zip(names) {
        let (name, labels) = (name.to_owned(), labels(&[("key", name)]));
        let wish = router::Create { name, labels, static_routes: vec![] };
        write(&store, router_wish(id(n), Wish::Create(wish))).await;
    }
    drop(store);
    let world = open(&database).world();
    let read: Vec<_> = world.routers.values().map(|r| (&*r.name, &*r.labels[0].value)).collect();
    assert_eq!(read, names.map(|name| (name, name)));
}
