//! What is written down of the writes.

use std::time::Duration;

use model::audit::{Entry, Origin};
use model::change::Key;
use model::world::World;

use super::{Database, open, picture, rule, write, write_all};
use crate::engine::Error;
use crate::wishes::{ADMIN, delete_router, found, id, rename_router, router};
use crate::{Checked, From, Store};

const ALL: usize = 1000;

fn by(name: &str) -> Origin {
    Origin { who: name.to_owned(), from: Some([192, 0, 2, 7].into()), cause: "a test".to_owned() }
}

fn all(store: &Store) -> Vec<Entry> {
    store.log().read(From::After(0), ALL, None).unwrap()
}

fn revisions(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.revision).collect()
}

/// An admin, and routers 1 to `n`.
async fn filled(database: &impl Database, n: u128) -> Store {
    let store = open(database);
    write(&store, found()).await;
    write_all(&store, (1..=n).map(|n| router(id(n)))).await;
    store
}

pub(crate) async fn every_write_is_written_down_with_its_origin_and_a_refusal_is_not(
    database: impl Database,
) {
    let store = open(&database);
    write(&store, found()).await;
    write(&store, router(id(1)).from(by(ADMIN))).await;
    rule(store.write(delete_router(id(9)).from(by("nobody"))).await);
    write(&store, found().from(by("nobody"))).await;
    write(&store, delete_router(id(1)).from(by("another"))).await;
    drop(store);
    let store = open(&database);
    let entries = all(&store);
    assert_eq!(revisions(&entries), [1, 2, 3]);
    let origins: Vec<_> = entries.iter().map(|entry| &entry.record.origin).collect();
    assert_eq!(origins, [&Origin::kannas(""), &by(ADMIN), &by("another")]);
    let [_, made, deleted] = &entries[..] else { panic!("{entries:?}") };
    let (made, deleted) = (&made.record.edits[0], &deleted.record.edits[0]);
    assert_eq!((&made.key, made.stays), (&Key::Router(id(1)), true));
    assert_eq!((&deleted.key, deleted.stays), (&Key::Router(id(1)), false));
    assert_eq!(made.before, None);
    assert_eq!(made.after, deleted.before);
    assert_eq!(store.log().check().unwrap(), Checked { entries: 3, first: 1, last: 3 });
}

pub(crate) async fn the_log_is_read_from_either_end_and_by_what_it_says(database: impl Database) {
    let store = filled(&database, 8).await;
    write(&store, rename_router(id(3), "a new name")).await;
    let log = store.log();
    let read = |from, limit, text| revisions(&log.read(from, limit, text).unwrap());
    assert_eq!(read(From::After(0), 3, None), [1, 2, 3]);
    assert_eq!(read(From::After(7), ALL, None), [8, 9, 10]);
    assert_eq!(read(From::After(10), ALL, None), [0; 0]);
    assert_eq!(read(From::Before(u64::MAX), 2, None), [10, 9]);
    assert_eq!(read(From::Before(3), ALL, None), [2, 1]);
    let three = id(3).to_string();
    assert_eq!(read(From::Before(u64::MAX), ALL, Some(&three)), [10, 4]);
    assert_eq!(read(From::Before(u64::MAX), 1, Some(&three)), [10]);
    assert_eq!(read(From::After(0), ALL, Some("%")), [0; 0], "it is text, not a pattern");
}

pub(crate) async fn what_was_written_down_gives_back_every_world(database: impl Database) {
    let store = open(&database);
    let mut worlds = vec![store.world()];
    let later = [rename_router(id(2), "other"), delete_router(id(1)), router(id(1))];
    for op in [found(), router(id(1)), router(id(2))].into_iter().chain(later) {
        worlds.push(write(&store, op).await.world.clone());
    }
    let (newest, entries) = (store.world(), all(&store));
    for world in worlds {
        let later = entries.iter().rev().take_while(|entry| entry.revision > world.revision());
        let back = newest.rewound(world.revision(), later);
        let routers = |world: &World| format!("{} {:?}", world.revision(), world.routers);
        assert_eq!(routers(&back), routers(&world));
    }
    assert_eq!(picture(&newest.rewound(newest.revision(), [])), picture(&newest));
}

pub(crate) async fn a_time_has_its_revision(database: impl Database) {
    let store = filled(&database, 20).await;
    let (log, entries) = (store.log(), all(&store));
    assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
    for entry in &entries {
        let newest = entries.iter().rfind(|it| it.at_ms <= entry.at_ms).map(|it| it.revision);
        assert_eq!(log.revision_at(entry.at_ms).unwrap(), newest);
    }
    let (first, last) = (&entries[0], &entries[entries.len() - 1]);
    assert_eq!(log.revision_at(first.at_ms - 1).unwrap(), None);
    assert_eq!(log.revision_at(i64::MAX).unwrap(), Some(last.revision));
}

pub(crate) async fn what_is_too_old_is_forgotten_and_the_rest_still_holds_together(
    database: impl Database,
) {
    let store = filled(&database, 20).await;
    // Of a millisecond, nothing is older for sure before that has passed.
    store.keep_log(Duration::ZERO);
    let newest = all(&store).pop().unwrap().at_ms;
    let mut n = 21;
    while all(&store)[0].revision < 10 {
        write(&store, router(id(n))).await;
        assert!(n < 10_000, "nothing was forgotten");
        n += 1;
    }
    let checked = store.log().check().unwrap();
    assert_eq!(checked.last, store.world().revision());
    assert_eq!(checked.entries, checked.last - checked.first + 1);
    assert!(store.log().revision_at(newest - 1000).unwrap().is_none());
    drop(store);
    assert_eq!(open(&database).log().check().unwrap(), checked);
}

pub(crate) async fn a_record_that_was_changed_or_taken_out_is_found(database: impl Database) {
    let store = filled(&database, 8).await;
    database.unguard();
    for (sql, first) in [
        ("UPDATE log SET at_ms = at_ms + 1 WHERE revision = 7", 7),
        ("UPDATE log SET body = replace(body, 'admin', 'other') WHERE revision = 5", 5),
        ("DELETE FROM log WHERE revision = 3", 4),
    ] {
        database.execute(sql);
        let error = store.log().check().unwrap_err();
        assert!(matches!(error, Error::Broken(revision) if revision == first), "{error:?}");
    }
}

pub(crate) async fn a_log_that_does_not_end_with_the_newest_write_stops_the_start(
    database: impl Database,
) {
    drop(filled(&database, 8).await);
    database.unguard();
    for sql in ["DELETE FROM log WHERE revision = 9", "DELETE FROM log"] {
        database.execute(sql);
        let error = database.open().and_then(Store::start).err();
        assert!(matches!(error, Some(Error::Broken(9))), "{error:?}");
    }
}
