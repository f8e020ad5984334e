//! Several stores on one database, each as a process of its own has it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::error::Rule;
use model::op::Op;
use tokio::task::JoinSet;

use super::*;
use crate::conformance::Database;
use crate::wishes::{delete_router, found, id, network, peering, rename_router, router};
use crate::{Commit, Store, WriteError};

/// Ends a test that would wait for ever.
const LIMIT: Duration = Duration::from_secs(30);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.expect("in time")
}

fn store(own: &Own) -> Store {
    Store::connect(&own.url).unwrap()
}

async fn write(store: &Store, op: Op) -> Arc<Commit> {
    in_time(store.write(op)).await.unwrap()
}

/// Waits until `store` has come so far by itself.
async fn follows(store: &Store, revision: Revision) -> Arc<World> {
    let mut worlds = store.shared.newest.subscribe();
    in_time(worlds.wait_for(|world| world.revision() >= revision)).await.unwrap().clone()
}

fn picture(world: &World) -> String {
    format!("{world:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_writes_the_others_follow_group_by_group() {
    let own = Own::new();
    let (a, b) = (store(&own), store(&own));
    let mut groups = b.groups();
    let before = World::clone(&b.world());
    write(&a, found()).await;
    for n in 1..=20 {
        write(&a, router(id(n))).await;
    }
    let last = write(&a, delete_router(id(3))).await;
    let seen = follows(&b, last.revision).await;
    assert_eq!(picture(&seen), picture(&last.world));
    let mut replayed = before;
    while replayed.revision() < last.revision {
        let group = in_time(groups.recv()).await.unwrap();
        for commit in &group.commits {
            replayed.commit(&commit.changes);
            assert_eq!(commit.revision, replayed.revision());
        }
        assert_eq!(picture(&group.world), picture(&replayed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_write_at_once_and_each_write_is_decided_after_all_before_it() {
    let own = Own::new();
    let stores = [store(&own), store(&own), store(&own)];
    write(&stores[0], found()).await;
    write(&stores[0], network(id(1), "10.0.0.0/24", None)).await;
    write(&stores[1], network(id(2), "10.1.0.0/24", None)).await;
    let mut tasks = JoinSet::new();
    for (s, store) in stores.iter().enumerate() {
        for client in 0..8 {
            let (store, first) = (store.clone(), (s * 8 + client) as u128 * 1000 + 1000);
            tasks.spawn(async move {
                let mut revisions = Vec::new();
                let mut won = 0;
                for n in 0..10 {
                    let commit = store.write(router(id(first + n))).await.unwrap();
                    assert!(commit.world.routers.contains_key(&id(first + n)));
                    revisions.push(commit.revision);
                    match store.write(peering(id(first + 500 + n), id(1), id(2))).await {
                        Ok(commit) => {
                            revisions.push(commit.revision);
                            won += 1;
                        }
                        Err(WriteError::Rule(Rule::PeeringExists(_))) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (revisions, won)
            });
        }
    }
    let all = in_time(tasks.join_all()).await;
    assert_eq!(all.iter().map(|(_, won)| won).sum::<i32>(), 1, "there is one between two networks");
    let revisions: Vec<Revision> = all.into_iter().flat_map(|(revisions, _)| revisions).collect();
    let unique: BTreeSet<Revision> = revisions.iter().copied().collect();
    assert_eq!(unique.len(), revisions.len(), "no revision twice");
    assert_eq!(unique, (4..=4 + 240).collect(), "and none left out");
    let first = follows(&stores[0], 244).await;
    for store in &stores[1..] {
        assert_eq!(picture(&*follows(store, 244).await), picture(&first));
    }
    let rows = own.rows();
    drop(stores);
    assert_eq!(picture(&store(&own).world()), picture(&first));
    assert_eq!(own.rows(), rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_or_told_of_nothing_by_a_world_that_is_past() {
    let own = Own::new();
    let (a, b) = (store(&own), store(&own));
    write(&a, found()).await;
    for n in 1..=50 {
        write(&a, router(id(n))).await;
        assert_eq!(write(&b, rename_router(id(n), "b")).await.world.routers[&id(n)].name, "b");
        write(&b, delete_router(id(n))).await;
        let refused = in_time(a.write(rename_router(id(n), "a"))).await;
        assert!(matches!(refused, Err(WriteError::Rule(Rule::Absent(..)))), "{refused:?}");
        assert!(write(&a, found()).await.world.routers.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_world_has_all_that_anybody_was_answered() {
    let own = Own::new();
    let (a, b) = (store(&own), store(&own));
    write(&a, found()).await;
    for n in 1..=100 {
        write(&a, router(id(n))).await;
        let read = (0..4).map(|_| {
            let b = b.clone();
            async move { b.fresh().await.unwrap().routers.contains_key(&id(n)) }
        });
        let seen = in_time(read.collect::<JoinSet<_>>().join_all()).await;
        assert_eq!(seen, [true; 4], "router {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_too_far_behind_reads_all_and_goes_on_from_there() {
    let own = Own::new();
    let (a, b) = (store(&own), store(&own));
    write(&a, found()).await;
    follows(&b, 1).await;
    let mut groups = b.groups();
    // As if it had been kept by none, by the time that `b` looks.
    own.execute(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM news; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER forget AFTER INSERT ON news
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION forget()",
    );
    write(&a, router(id(1))).await;
    follows(&b, 2).await;
    own.execute("DROP FUNCTION forget CASCADE");
    assert_eq!(picture(&b.world()), picture(&a.world()));
    let mut group = in_time(groups.recv()).await.unwrap();
    if group.world.revision() == 1 {
        group = in_time(groups.recv()).await.unwrap();
    }
    assert!(group.commits.is_empty(), "it is not known what was written");
    assert_eq!(group.world.revision(), 2);
    write(&b, delete_router(id(1))).await;
    write(&a, router(id(2))).await;
    follows(&b, 4).await;
    assert_eq!(picture(&b.world()), picture(&a.world()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_another_one_is_seen_and_nothing_is_answered_from_it() {
    let own = Own::new();
    let store = store(&own);
    write(&store, found()).await;
    write(&store, router(id(1))).await;
    // As one that was put back from a copy, and on which others have gone on.
    for (set, back) in [
        ("n = 1", "n = 2"),
        ("mark = '00000000-0000-0000-0000-000000000007'", "n = 2"),
        ("n = 3", "n = 2"),
    ] {
        let row = own.sql("SELECT n, mark FROM revision");
        let news = own.sql("SELECT last, mark FROM news ORDER BY last DESC LIMIT 1");
        own.execute(&format!(
            "UPDATE revision SET {set}; UPDATE news SET mark = '00000000-0000-0000-0000-000000000008' WHERE last = 2"
        ));
        let read = in_time(store.fresh()).await;
        let answer = in_time(store.write(router(id(2)))).await;
        assert!(matches!(&answer, Err(WriteError::Store(_))), "{set}: {answer:?}");
        if !set.contains('3') {
            assert!(read.is_err(), "{set}");
        }
        assert_eq!(store.world().revision(), 2, "{set}");
        let mark = |row: &str| row.trim().split('|').nth(1).unwrap().to_owned();
        own.execute(&format!(
            "UPDATE revision SET {back}, mark = '{}'; UPDATE news SET mark = '{}' WHERE last = 2",
            mark(&row),
            mark(&news)
        ));
        in_time(store.fresh()).await.unwrap();
    }
    assert_eq!(write(&store, router(id(2))).await.revision, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_and_another_one_does_when_it_ends() {
    let own = Own::new();
    let a = store(&own);
    in_time(a.leads().wait_for(|leads| *leads)).await.unwrap();
    let (b, c) = (store(&own), store(&own));
    write(&b, found()).await;
    assert!(!*b.leads().borrow() && !*c.leads().borrow());
    let (mut second, mut third) = (b.leads(), c.leads());
    drop(a);
    let next = in_time(async {
        tokio::select! {
            it = second.wait_for(|leads| *leads) => drop(it.unwrap()),
            it = third.wait_for(|leads| *leads) => drop(it.unwrap()),
        }
    });
    next.await;
    assert_ne!(*b.leads().borrow(), *c.leads().borrow(), "one of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_resigns_lets_another_one_lead_and_works_on() {
    let own = Own::new();
    let a = store(&own);
    in_time(a.leads().wait_for(|leads| *leads)).await.unwrap();
    let b = store(&own);
    a.resign();
    in_time(a.leads().wait_for(|leads| !*leads)).await.unwrap();
    in_time(b.leads().wait_for(|leads| *leads)).await.unwrap();
    write(&a, found()).await;
    assert_eq!(in_time(b.fresh()).await.unwrap().revision(), 1);
    drop(b);
    let c = store(&own);
    in_time(c.leads().wait_for(|leads| *leads)).await.unwrap();
    assert!(!*a.leads().borrow(), "it has resigned for good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_lost_its_connections_leads_no_more_until_it_is_back() {
    let own = Own::new();
    let a = store(&own);
    let mut leads = a.leads();
    in_time(leads.wait_for(|leads| *leads)).await.unwrap();
    own.execute(
        "UPDATE pg_database SET datallowconn = false WHERE datname = current_database();
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    in_time(leads.wait_for(|leads| !*leads)).await.unwrap();
    // By a connection that may not know yet that it was cut, so it may be sent.
    let lost = in_time(a.write(found())).await;
    assert!(matches!(lost, Err(WriteError::Store(_))), "{lost:?}");
    let refused = in_time(a.write(found())).await;
    let Err(WriteError::Store(error)) = refused else { panic!("{refused:?}") };
    assert!(error.is_away(), "{error:?}");
    let unseen = in_time(a.fresh()).await.unwrap_err();
    assert!(unseen.is_away(), "{unseen:?}");
    let name = own.url.config.get_dbname().unwrap();
    let allow = format!("UPDATE pg_database SET datallowconn = true WHERE datname = '{name}'");
    own.cluster.sql("postgres", &allow).unwrap();
    in_time(leads.wait_for(|leads| *leads)).await.unwrap();
    assert_eq!(write(&a, found()).await.revision, 1);
    assert_eq!(in_time(a.fresh()).await.unwrap().revision(), 1);
}
