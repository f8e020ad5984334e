use model::objects::Router;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::*;
use crate::Store;
use crate::conformance::{Database, conformance};
use crate::wishes::{delete_router, found, id, router};

struct File(TempDir);

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("kannas.db")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn query<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.connection().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

impl Database for File {
    type Engine = Sqlite;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Result<Sqlite, Error> {
        Sqlite::open(&self.path())
    }

    fn execute(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }

    fn rows(&self) -> Vec<String> {
        let connection = self.connection();
        let read = |sql: &str| {
            let mut statement = connection.prepare(sql).unwrap();
            let columns = statement.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                let values: Result<Vec<Value>, _> = (0..columns).map(|i| row.get(i)).collect();
                values.map(|values| format!("{values:?}"))
            };
            statement.query_map([], row).unwrap().collect::<Result<Vec<_>, _>>().unwrap()
        };
        let tables = ["revision", "object ORDER BY number", "log ORDER BY revision"];
        tables.iter().flat_map(|table| read(&format!("SELECT * FROM {table}"))).collect()
    }

    fn unguard(&self) {
        self.execute("DROP TRIGGER log_is_not_changed; DROP TRIGGER log_goes_oldest_first;");
    }

    fn become_newer(&self) {
        let version: i64 = self.query("PRAGMA user_version");
        self.execute(&format!("PRAGMA user_version = {}", version + 1));
    }
}

conformance!(File);

fn open(file: &File) -> Store {
    Store::open(file.0.path()).unwrap()
}

#[test]
fn a_commit_is_in_the_log_and_on_the_disk_before_it_returns() {
    let file = File::new();
    let engine = file.open().unwrap();
    let pragma = |name: &str| {
        let sql = format!("PRAGMA {name}");
        engine.connection.query_row(&sql, [], |row| row.get::<_, Value>(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), Value::Text("wal".to_owned()));
    assert_eq!(pragma("synchronous"), Value::Integer(2), "FULL: every commit is synced");
    assert_eq!(pragma("wal_autocheckpoint"), Value::Integer(0), "no commit waits for one");
}

#[tokio::test]
async fn a_writer_that_is_not_alone_is_told_and_changes_nothing() {
    let file = File::new();
    let store = open(&file);
    store.write(found()).await.unwrap();
    store.write(router(id(1))).await.unwrap();
    let before = store.world();
    file.execute("UPDATE revision SET n = 7");
    let rows = file.rows();
    let answer = store.write(router(id(2))).await;
    let Err(crate::WriteError::Store(Error::Group(cause))) = answer else { panic!("{answer:?}") };
    assert!(matches!(*cause, Error::NotAlone { found: 7, ours: 2 }), "{cause:?}");
    assert_eq!(format!("{:?}", store.world()), format!("{before:?}"));
    assert_eq!(file.rows(), rows);
    drop(store);
    file.execute("UPDATE revision SET n = 2");
    assert_eq!(open(&file).write(router(id(2))).await.unwrap().revision, 3);
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let file = File::new();
    let store = open(&file);
    for _ in 0..2 {
        let second = Store::open(file.0.path()).err();
        assert!(matches!(second, Some(Error::InUse(_))), "{second:?}");
    }
    store.write(found()).await.unwrap();
    drop(store);
    assert_eq!(open(&file).world().revision(), 1);
}

#[tokio::test]
async fn others_may_read_while_it_is_open() {
    let file = File::new();
    let store = open(&file);
    for (n, op) in (1..).zip([found(), router(id(1)), delete_router(id(1))]) {
        store.write(op).await.unwrap();
        assert_eq!(file.query::<i64>("SELECT n FROM revision"), n);
    }
}

#[test]
fn migrations_go_on_from_where_the_database_is() {
    let step = |up, down| Migration { up, down };
    let first = step("CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (1);", "DROP TABLE a;");
    let second = step(
        "ALTER TABLE a ADD COLUMN m BIGINT; UPDATE a SET m = n + 1;",
        "ALTER TABLE a DROP COLUMN m;",
    );
    let third = step("INSERT INTO a VALUES (m, 3);", "");
    let file = File::new();
    let mut connection = file.connection();
    migrate(&mut connection, &[first], None).unwrap();
    let version = || file.query::<i64>("PRAGMA user_version");
    assert_eq!(version(), 1);
    migrate(&mut connection, &[first], None).unwrap();
    assert_eq!(file.query::<i64>("SELECT count(*) FROM a"), 1, "none is done twice");

    let broken = migrate(&mut connection, &[first, second, third], None);
    assert!(matches!(broken, Err(Error::Sqlite(_))), "{broken:?}");
    assert_eq!(version(), 1, "all or none");
    let columns = || file.query::<i64>("SELECT count(*) FROM pragma_table_info('a')");
    assert_eq!(columns(), 1);

    let migrated = migrate(&mut connection, &[first, second], None).unwrap();
    assert_eq!(migrated, Migrated { from: 1, to: 2 });
    assert_eq!(version(), 2);
    assert_eq!(file.query::<i64>("SELECT m FROM a"), 2, "what was there is carried over");
    let older = migrate(&mut connection, &[first], None);
    assert!(matches!(older, Err(Error::TooNew { found: 2, known: 1 })), "{older:?}");
    migrate(&mut connection, &[first, second], Some(1)).unwrap();
    assert_eq!((version(), columns()), (1, 1), "and back");
}

#[tokio::test]
async fn a_full_disk_refuses_and_what_was_there_stays() {
    let file = File::new();
    let engine = file.open().unwrap();
    let pages: i64 = engine.connection.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    engine.connection.pragma_update(None, "max_page_count", pages + 8).unwrap();
    let store = Store::start(engine).unwrap();
    store.write(found()).await.unwrap();
    let mut made = 0;
    let error = loop {
        match store.write(router(id(made))).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1000, "eight pages hold no more than that");
    };
    assert!(matches!(error, crate::WriteError::Store(Error::Group(_))), "{error:?}");
    assert!(made > 0);
    let full = store.world();
    assert_eq!(full.routers.len() as u128, made);
    drop(store);
    let store = open(&file);
    assert_eq!(format!("{:?}", store.world()), format!("{full:?}"));
    let deleted = store.write(delete_router(id(0))).await.unwrap();
    assert_eq!(deleted.revision, full.revision() + 1, "now there is room");
    assert_eq!(store.log().check().unwrap().last, deleted.revision);
}

#[test]
fn after_a_group_that_failed_in_the_middle_each_object_has_the_row_it_had() {
    let file = File::new();
    let mut engine = file.open().unwrap();
    let pages: i64 = engine.connection.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
    engine.connection.pragma_update(None, "max_page_count", pages + 4).unwrap();
    let put = |n, length| {
        Change::Put(Object::Router(Router {
            uuid: id(n),
            account: "a".to_owned(),
            name: "n".repeat(length),
            labels: vec![],
            static_routes: vec![],
            revision: 1,
        }))
    };
    let gone = |n| Change::Delete(Key::Router(id(n)));
    let commit = |engine: &mut Sqlite, first, writes: &[&[Change]]| {
        let write =
            |changes: &&[Change]| Write { changes: changes.to_vec(), record: "{}".to_owned() };
        let writes: Vec<Write> = writes.iter().map(write).collect();
        engine.commit(&Batch { first, at_ms: 0, forget_ms: 0, writes: &writes })
    };
    commit(&mut engine, 1, &[&[put(1, 1), put(2, 1)]]).unwrap();
    let rows = file.rows();
    let failed =
        commit(&mut engine, 2, &[&[gone(1)], &[put(1, 1), put(2, 2), put(3, 1), put(4, 1 << 16)]]);
    assert!(matches!(failed, Err(Error::Sqlite(_))), "{failed:?}");
    assert_eq!(file.rows(), rows);

    commit(&mut engine, 2, &[&[put(1, 3), put(3, 1)], &[gone(2)]]).unwrap();
    let names = engine.load().unwrap();
    let names: Vec<_> = names.routers.values().map(|it| (it.uuid, it.name.len())).collect();
    assert_eq!(names, [(id(1), 3), (id(3), 1)]);
    assert_eq!(file.rows().len(), 6, "the revision, two objects and three records");
}
