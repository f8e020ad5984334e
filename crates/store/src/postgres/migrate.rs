//! The tables, brought to a version.

use tokio_postgres::Transaction;

use super::Url;
use super::link::Link;
use crate::engine::Error;
use crate::migration::{Migrated, Migration, way};

/// In the order of their numbers; the table `version` counts those applied.
const MIGRATIONS: [Migration; 2] = [
    Migration {
        up: include_str!("../../migrations/postgres/0001_init.sql"),
        down: include_str!("../../migrations/postgres/0001_init.down.sql"),
    },
    Migration {
        up: include_str!("../../migrations/postgres/0002_log.sql"),
        down: include_str!("../../migrations/postgres/0002_log.down.sql"),
    },
];

/// Of PostgreSQL's advisory locks, for one process at a time to migrate.
const LOCK: i64 = 0x6b61_6e6e_6173_0001;

const KEEP: &str = "
    CREATE TABLE IF NOT EXISTS version (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        n   BIGINT NOT NULL
    );
    INSERT INTO version VALUES (1, 0) ON CONFLICT DO NOTHING";

/// To version `to`, or to the newest.
///
/// # Errors
/// The database cannot be reached, lets us not in, or is of a newer version.
pub(super) async fn run(url: &Url, to: Option<i64>) -> Result<Migrated, Error> {
    let mut link = Link::open(url, None).await.map_err(Error::Away)?;
    let tx = link.client.transaction().await?;
    let migrated = within(&tx, to).await?;
    tx.commit().await?;
    Ok(migrated)
}

async fn within(tx: &Transaction<'_>, to: Option<i64>) -> Result<Migrated, Error> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let there: bool = tx.query_one("SELECT to_regclass('version') IS NOT NULL", &[]).await?.get(0);
    if !there {
        tx.batch_execute(KEEP).await?;
    }
    let found: i64 = tx.query_one("SELECT n FROM version", &[]).await?.try_get(0)?;
    let (steps, migrated) = way(&MIGRATIONS, found, to)?;
    for sql in &steps {
        tx.batch_execute(sql).await?;
    }
    if !steps.is_empty() {
        tx.execute("UPDATE version SET n = $1", &[&migrated.to]).await?;
    }
    Ok(migrated)
}
