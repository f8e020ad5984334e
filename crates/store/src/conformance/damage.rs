//! A database that is not as we left it.

use super::{Database, open, write_all};
use crate::Store;
use crate::engine::Error;
use crate::wishes::{found, id, router};

/// An admin and a router, at revision 2.
async fn filled(database: &impl Database) -> Store {
    let store = open(database);
    write_all(&store, [found(), router(id(1))]).await;
    store
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
    database.unguard();
    database.execute(
        "INSERT INTO object (kind, id, revision, body) SELECT kind, id, revision, body FROM object WHERE kind = 'router'",
    );
    let error = failure(&database);
    let Error::Mislabelled { kind, id: name } = &error else { panic!("{error:?}") };
    assert_eq!((kind.as_str(), name), ("router", &id(1).to_string()));
}
