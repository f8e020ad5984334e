//! A database that is not as we left it.

use super::{Database, open, picture, write, write_all};
use crate::Store;
use crate::WriteError;
use crate::engine::Error;
use crate::wishes::{found, id, router};

/// An admin and a router, at revision 2.
async fn filled(database: &impl Database) -> Store {
    let store = open(database);
    write_all(&store, [found(), router(id(1))]).await;
    store
}

pub(crate) async fn a_writer_that_is_not_alone_is_told_and_changes_nothing(
    database: impl Database,
) {
    let store = filled(&database).await;
    let before = store.world();
    database.execute("UPDATE revision SET n = 7");
    let rows = database.rows();
    let answer = store.write(router(id(2))).await;
    let Err(WriteError::Store(Error::Group(cause))) = answer else { panic!("{answer:?}") };
    assert!(matches!(*cause, Error::NotAlone { found: 7, ours: 2 }), "{cause:?}");
    assert_eq!(picture(&store.world()), picture(&before));
    assert_eq!(database.rows(), rows);
    drop(store);
    database.execute("UPDATE revision SET n = 2");
    let store = open(&database);
    assert_eq!(write(&store, router(id(2))).await.revision, 3);
}

pub(crate) async fn a_database_of_a_newer_program_is_refused_untouched(database: impl Database) {
    drop(filled(&database).await);
    database.become_newer();
    let rows = database.rows();
    for _ in 0..2 {
        let error = database.open().err();
        let Some(Error::TooNew { found, known }) = error else { panic!("{error:?}") };
        assert_eq!(found, known + 1);
    }
    assert_eq!(database.rows(), rows);
}

/// What starting a store on the database ends with.
fn failure(database: &impl Database) -> Error {
    match database.open().and_then(Store::start) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

pub(crate) async fn an_object_that_cannot_be_read_is_named(database: impl Database) {
    drop(filled(&database).await);
    for body in ["", "{", r#"{"kind":"router"}"#, r#"{"kind":"unheard-of"}"#] {
        database.execute(&format!("UPDATE object SET body = '{body}' WHERE kind = 'router'"));
        let error = failure(&database);
        let Error::Damaged { kind, id: name, .. } = &error else { panic!("{error:?}") };
        assert_eq!((kind.as_str(), name), ("router", &id(1).to_string()), "{body}");
    }
}

pub(crate) async fn an_object_under_a_wrong_name_is_named(database: impl Database) {
    drop(filled(&database).await);
    // Each on top of the other.
    for (set, want) in [("id = 'other'", ("router", "other")), ("kind = 'port'", ("port", "other"))]
    {
        database.execute(&format!("UPDATE object SET {set} WHERE kind = 'router'"));
        let error = failure(&database);
        let Error::Mislabelled { kind, id } = &error else { panic!("{error:?}") };
        assert_eq!((kind.as_str(), id.as_str()), want, "{set}");
    }
}

pub(crate) async fn an_object_that_is_there_twice_is_named(database: impl Database) {
    drop(filled(&database).await);
    database.execute(
        "INSERT INTO object (kind, id, revision, body) SELECT kind, id, revision, body FROM object WHERE kind = 'router'",
    );
    let error = failure(&database);
    let Error::Mislabelled { kind, id: name } = &error else { panic!("{error:?}") };
    assert_eq!((kind.as_str(), name), ("router", &id(1).to_string()));
}
