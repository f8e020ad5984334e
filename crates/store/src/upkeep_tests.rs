use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lab::Cluster;
use model::change::Object;

use super::*;
use crate::wishes::{allow_join, delete_router, found, id, join, router, take_lease};

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn filled(store: &Store, routers: u128) {
    store.write(found()).await.unwrap();
    for n in 1..=routers {
        store.write(router(id(n))).await.unwrap();
    }
}

fn picture(store: &Store) -> String {
    format!("{:?}", store.world())
}

fn mode(file: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&fs::metadata(file).unwrap()) & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_made_while_a_server_writes_is_as_it_was_at_one_moment() {
    let (dir, copies) = (dir(), dir());
    let store = Store::open(dir.path()).unwrap();
    filled(&store, 200).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut n = 1000;
            while !stop.load(Ordering::Relaxed) && n < 1_000_000 {
                store.write(router(id(n))).await.unwrap();
                n += 1;
            }
        }
    });
    let mut last = 0;
    for n in 0..5 {
        let file = copies.path().join(format!("copy-{n}"));
        let from = dir.path().to_owned();
        let to = file.clone();
        let revision = tokio::task::spawn_blocking(move || backup(&from, &to).unwrap()).await;
        let revision = revision.unwrap();
        assert!(revision >= last && revision >= 201, "{revision} after {last}");
        assert_eq!(mode(&file), 0o600);
        let place = copies.path().join(format!("as-a-database-{n}"));
        fs::create_dir(&place).unwrap();
        fs::copy(&file, place.join(FILE)).unwrap();
        let copy = Store::open(&place).unwrap();
        assert_eq!(copy.world().revision(), revision);
        assert_eq!(copy.world().routers.len() as u64, revision - 1, "each write whole");
        assert_eq!(copy.log().check().unwrap().last, revision);
        last = revision;
    }
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    let files = fs::read_dir(copies.path())
        .unwrap()
        .filter(|it| it.as_ref().unwrap().file_type().unwrap().is_file());
    assert_eq!(files.count(), 5, "nothing is left beside the copies");
}

#[tokio::test]
async fn a_copy_replaces_no_file() {
    let dir = dir();
    filled(&Store::open(dir.path()).unwrap(), 1).await;
    let file = dir.path().join("precious");
    fs::write(&file, "mine").unwrap();
    let refused = backup(dir.path(), &file);
    assert!(matches!(refused, Err(Error::Exists(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let none = backup(&dir.path().join("nowhere"), &dir.path().join("copy"));
    assert!(none.is_err() && !dir.path().join("copy").exists(), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_put_back_and_what_was_there_is_kept_beside_it() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    filled(&store, 20).await;
    store.write(allow_join("t")).await.unwrap();
    store.write(join(id(99), "t", "h", [192, 0, 2, 1].into())).await.unwrap();
    store.write(take_lease(id(99))).await.unwrap();
    let file = dir.path().join("copy");
    let revision = backup(dir.path(), &file).unwrap();
    store.write(delete_router(id(1))).await.unwrap();
    let later = picture(&store);

    let refused = restore(dir.path(), &file);
    assert!(matches!(refused, Err(Error::InUse(_))), "a server works on it: {refused:?}");
    assert_eq!(picture(&store), later);
    drop(store);

    let from = (dir.path().to_owned(), file.clone());
    let restored = tokio::task::spawn_blocking(move || restore(&from.0, &from.1)).await.unwrap();
    let restored = restored.unwrap();
    assert_eq!(restored.revision, revision + 1, "the lease has ended with a write of its own");
    let old = restored.old.unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.world().routers.contains_key(&id(1)), "as it was");
    assert!(store.world().leases.is_empty());
    assert_eq!(store.log().check().unwrap().last, revision + 1);
    drop(store);
    let there = dir.path().join("old");
    fs::create_dir(&there).unwrap();
    fs::rename(&old, there.join(FILE)).unwrap();
    assert_eq!(picture(&Store::open(&there).unwrap()), later, "with its last write");
    assert!(!dir.path().join("restoring").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_copy_is_refused_and_nothing_changes() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    filled(&store, 300).await;
    let file = dir.path().join("copy");
    backup(dir.path(), &file).unwrap();
    let before = picture(&store);
    drop(store);
    let whole = fs::read(&file).unwrap();
    let sql = |sql: &str| {
        fs::write(&file, &whole).unwrap();
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        fs::read(&file).unwrap()
    };
    let zeroed = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..from + 4096].fill(0);
        bytes
    };
    let log = "DROP TRIGGER log_is_not_changed; DROP TRIGGER log_goes_oldest_first;";
    let newer = sql("PRAGMA user_version = 999");
    for (what, bytes) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("no database", b"hello".to_vec()),
        ("empty", Vec::new()),
        ("a page of zeros", zeroed(4096)),
        ("another page of zeros", zeroed(4096 * 9)),
        ("an object that cannot be read", sql("UPDATE object SET body = '{' WHERE number = 7")),
        (
            "a record changed",
            sql(&format!("{log} UPDATE log SET body = '{{}}' WHERE revision = 7")),
        ),
        ("the newest record gone", sql(&format!("{log} DELETE FROM log WHERE revision = 301"))),
        ("newer", newer),
    ] {
        fs::write(&file, bytes).unwrap();
        let from = (dir.path().to_owned(), file.clone());
        let restored = tokio::task::spawn_blocking(move || restore(&from.0, &from.1)).await;
        assert!(restored.unwrap().is_err(), "{what}");
        assert_eq!(picture(&Store::open(dir.path()).unwrap()), before, "{what}");
        assert!(!dir.path().join("kannas-old-1.db").exists(), "{what}");
    }
}

/// Tables, columns and triggers.
fn schema(dir: &Path) -> Vec<String> {
    let connection = Connection::open(dir.join(FILE)).unwrap();
    let mut all = connection
        .prepare(
            "SELECT m.type || ' ' || m.name || ' ' || coalesce(c.name || ' ' || c.type, '')
            FROM sqlite_master AS m LEFT JOIN pragma_table_info(m.name) AS c ORDER BY 1",
        )
        .unwrap();
    all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_file_goes_a_version_back_with_its_data_and_forth_again() {
    let dir = dir();
    let store = Store::open(dir.path()).unwrap();
    filled(&store, 20).await;
    let (before, newest) = (picture(&store), schema(dir.path()));
    let place = Place::Directory(dir.path().to_owned());
    let refused = migrate(&place, Some(1));
    assert!(matches!(refused, Err(Error::InUse(_))), "a server works on it: {refused:?}");
    drop(store);
    assert_eq!(migrate(&place, Some(1)).unwrap(), Migrated { from: 3, to: 1 });

    // What the program of that version reads and writes is all there.
    let connection = Connection::open(dir.path().join(FILE)).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let first = Connection::open(fresh.path().join(FILE)).unwrap();
    first.execute_batch(include_str!("../migrations/0001_init.sql")).unwrap();
    assert_eq!(schema(dir.path()), schema(fresh.path()));
    let update = "UPDATE revision SET n = n + 1";
    assert_eq!(connection.execute(update, []).unwrap(), 1);
    let bodies: Vec<String> = connection
        .prepare("SELECT body FROM object")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(bodies.len(), 22);
    assert!(bodies.iter().all(|body| serde_json::from_str::<Object>(body).is_ok()));
    connection.execute("UPDATE revision SET n = n - 1", []).unwrap();
    drop(connection);

    assert_eq!(migrate(&place, None).unwrap(), Migrated { from: 1, to: 3 });
    assert_eq!(migrate(&place, None).unwrap(), Migrated { from: 3, to: 3 });
    assert_eq!(schema(dir.path()), newest);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(picture(&store), before);
    store.write(delete_router(id(1))).await.unwrap();
    assert_eq!(store.log().check().unwrap().entries, 1, "what was written down before is gone");
}

#[tokio::test]
async fn postgresql_goes_a_version_back_with_its_data_and_forth_again() {
    let cluster = Cluster::start().unwrap();
    let (url, other) = (cluster.database().unwrap(), cluster.database().unwrap());
    let place = |url: &str| Place::Postgres(Box::new(url.parse().unwrap()));
    let connect = || Store::connect(&url.parse().unwrap()).unwrap();
    let schema = |database| {
        let columns = "SELECT table_name, column_name, data_type, column_default \
            FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2";
        let rest = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION \
            SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";
        let all = [columns, rest].map(|sql| cluster.sql(database, sql).unwrap());
        all.concat()
    };
    let store = connect();
    filled(&store, 20).await;
    let (before, newest) = (picture(&store), schema("test0"));
    drop(store);
    assert_eq!(migrate(&place(&url), Some(1)).unwrap(), Migrated { from: 2, to: 1 });
    assert_eq!(migrate(&place(&other), Some(1)).unwrap(), Migrated { from: 0, to: 1 });
    assert_eq!(schema("test0"), schema("test1"));
    assert_eq!(migrate(&place(&url), None).unwrap(), Migrated { from: 1, to: 2 });
    assert_eq!(schema("test0"), newest);
    let none = migrate(&place(&url), Some(3));
    assert!(matches!(none, Err(Error::NoVersion { to: 3, known: 2 })), "{none:?}");
    let store = connect();
    assert_eq!(picture(&store), before);
    store.write(delete_router(id(1))).await.unwrap();
    assert_eq!(store.log().check().unwrap().entries, 1);
}
