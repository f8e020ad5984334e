//! The tables, brought to the version that this program knows.

use tokio_postgres::Transaction;

use super::Url;
use super::link::Link;
use crate::engine::Error;

/// In the order of their numbers; the table `version` counts those applied.
const MIGRATIONS: [&str; 2] = [
    include_str!("../../migrations/postgres/0001_init.sql"),
    include_str!("../../migrations/postgres/0002_log.sql"),
];

/// Of PostgreSQL's advisory locks, for one process at a time to migrate.
const LOCK: i64 = 0x6b61_6e6e_6173_0001;

const KEEP: &str = "
    CREATE TABLE IF NOT EXISTS version (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        n   BIGINT NOT NULL
    );
    INSERT INTO version VALUES (1, 0) ON CONFLICT DO NOTHING";

/// # Errors
/// The database cannot be reached, lets us not in, or is of a newer version.
pub(super) async fn up(url: &Url) -> Result<(), Error> {
    let mut link = Link::open(url, None).await.map_err(Error::Away)?;
    let tx = link.client.transaction().await?;
    to_newest(&tx, &MIGRATIONS).await?;
    Ok(tx.commit().await?)
}

async fn to_newest(tx: &Transaction<'_>, migrations: &[&str]) -> Result<(), Error> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    let there: bool = tx.query_one("SELECT to_regclass('version') IS NOT NULL", &[]).await?.get(0);
    if !there {
        tx.batch_execute(KEEP).await?;
    }
    let found: i64 = tx.query_one("SELECT n FROM version", &[]).await?.try_get(0)?;
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    if found < known {
        for sql in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
            tx.batch_execute(sql).await?;
        }
        tx.execute("UPDATE version SET n = $1", &[&known]).await?;
    }
    Ok(())
}
