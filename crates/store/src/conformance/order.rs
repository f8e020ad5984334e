//! One order of writes, however many write at once.

use std::collections::BTreeSet;

use model::change::Change;
use model::error::Rule;
use model::ids::Revision;
use model::op::Op;
use model::world::World;
use tokio::task::JoinSet;

use super::{Database, open, picture, write, write_all};
use crate::wishes::{
    allow_join, delete_router, found, id, in_netns, join, network, peering, port, router,
};
use crate::{Commit, Store, WriteError};

const WRITERS: u128 = 32;

/// Each answer, in no order.
async fn at_once(
    store: &Store,
    ops: impl IntoIterator<Item = Op>,
) -> Vec<Result<std::sync::Arc<Commit>, WriteError>> {
    let mut tasks = JoinSet::new();
    for op in ops {
        let store = store.clone();
        tasks.spawn(async move { store.write(op).await });
    }
    tasks.join_all().await
}

/// What each of many writers does: routers made, of which some are deleted,
/// a wish that is refused and one that changes nothing.
async fn busy(store: Store, writer: u128) -> Vec<Revision> {
    let own = |n| id(1000 * (writer + 1) + n);
    let mut revisions = Vec::new();
    for n in 0..8 {
        revisions.push(write(&store, router(own(n))).await.revision);
        assert!(store.write(delete_router(own(900))).await.is_err(), "there is none");
        assert!(write(&store, found()).await.changes.is_empty(), "that was long ago");
        if n % 3 == 0 {
            revisions.push(write(&store, delete_router(own(n))).await.revision);
        }
    }
    revisions
}

async fn all_busy(store: &Store) -> Vec<Revision> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        tasks.spawn(busy(store.clone(), writer));
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

pub(crate) async fn revisions_have_no_gap_under_many_writers(database: impl Database) {
    let store = open(&database);
    write(&store, found()).await;
    let mut revisions = all_busy(&store).await;
    revisions.sort_unstable();
    let expected: Vec<Revision> = (2..2 + u64::try_from(WRITERS).unwrap() * 11).collect();
    assert_eq!(revisions, expected);
    assert_eq!(store.world().revision(), *expected.last().unwrap());
    drop(store);
    assert_eq!(open(&database).world().revision(), *expected.last().unwrap());
}

pub(crate) async fn concurrent_writers_are_decided_one_after_the_other(database: impl Database) {
    let store = open(&database);
    write_all(&store, [found(), allow_join("t"), join(id(1), "t", "h", [192, 0, 2, 1].into())])
        .await;
    // A /29 has six addresses, of which the gateway has one.
    write_all(&store, [network(id(2), "10.0.0.0/29", None), network(id(3), "10.1.0.0/24", None)])
        .await;

    let ports = |n| port(id(100 + n), id(2), "h", in_netns(&format!("w{n}")));
    let answers = at_once(&store, (0..WRITERS).map(ports)).await;
    let full = |answer: &&Result<_, WriteError>| {
        matches!(answer, Err(WriteError::Rule(Rule::NoFreeAddress(_))))
    };
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 5);
    assert_eq!(answers.iter().filter(full).count(), answers.len() - 5);
    let world = store.world();
    let addresses: BTreeSet<_> = world.ports.values().map(|p| p.address).collect();
    assert_eq!(addresses.len(), 5, "no address twice");

    let answers = at_once(&store, (0..WRITERS).map(|n| peering(id(200 + n), id(2), id(3)))).await;
    let world = store.world();
    let (winner, _) = world.peerings.get_min().unwrap();
    assert_eq!(world.peerings.len(), 1);
    for answer in answers {
        match answer {
            Ok(commit) => assert!(commit.world.peerings.contains_key(winner)),
            Err(WriteError::Rule(rule)) => assert_eq!(rule, Rule::PeeringExists(*winner)),
            Err(WriteError::Store(error)) => panic!("{error:?}"),
        }
    }
}

pub(crate) async fn groups_replayed_in_order_give_every_world_that_was_seen(
    database: impl Database,
) {
    let store = open(&database);
    write(&store, found()).await;
    let mut groups = store.groups();
    let mut replayed = World::clone(&store.world());
    all_busy(&store).await;
    let last = store.world();
    while replayed.revision() < last.revision() {
        let group = groups.recv().await.unwrap();
        for commit in &group.commits {
            replayed.commit(&commit.changes);
            assert_eq!(commit.revision, replayed.revision());
            assert_eq!(commit.world.revision(), group.world.revision());
        }
        assert_eq!(picture(&group.world), picture(&replayed));
    }
    assert_eq!(picture(&replayed), picture(&last));
    assert!(groups.try_recv().is_err(), "there are no more");
}

pub(crate) async fn an_answer_is_seen_by_every_later_reader(database: impl Database) {
    let store = open(&database);
    write(&store, found()).await;
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, reader) = (store.clone(), store.clone());
        tasks.spawn(async move {
            for n in 0..8 {
                let uuid = id(1000 * (writer + 1) + n);
                let commit = write(&store, router(uuid)).await;
                let seen = reader.world();
                assert!(seen.routers.contains_key(&uuid));
                assert!(seen.revision() >= commit.world.revision());
                assert!(commit.world.revision() >= commit.revision);
                assert!(commit.world.routers.contains_key(&uuid), "its own world has it too");
                let puts = commit.changes.iter().filter(|c| matches!(c, Change::Put(_)));
                assert_eq!(puts.count(), 1);
            }
        });
    }
    tasks.join_all().await;
}
