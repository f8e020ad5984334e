//! What an operator does to the database beside a server, or while none runs.

use std::path::Path;

use model::ids::Revision;
use store::{Migrated, Place, Restored};

use crate::config::{Config, Database};
use crate::founding::{self, FoundingError};

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error("cannot use the database")]
    Store(#[from] store::Error),
    #[error(transparent)]
    Founding(#[from] FoundingError),
    #[error(
        "a PostgreSQL database is copied by its own tools: pg_dump --format=custom --file=FILE URL, and with all servers stopped pg_restore --clean --if-exists --single-transaction --dbname=URL FILE"
    )]
    OwnTools,
}

/// Brings the database to version `to`, or to the newest.
///
/// # Errors
/// As [`store::migrate`].
pub fn migrate(config: &Config, to: Option<i64>) -> Result<Migrated, UpkeepError> {
    let place = match &config.database {
        Some(Database(url)) => Place::Postgres(Box::new(url.parse()?)),
        None => Place::Directory(config.data_dir.clone()),
    };
    Ok(store::migrate(&place, to)?)
}

/// Copies the database to `file`. Gives the revision that the copy is of.
///
/// # Errors
/// As [`store::backup`]; or it is one of PostgreSQL.
pub fn backup(config: &Config, file: &Path) -> Result<Revision, UpkeepError> {
    of_sqlite(config)?;
    Ok(store::backup(&config.data_dir, file)?)
}

/// Puts a copy in the place of the database.
///
/// # Errors
/// As [`store::restore`]; or it is one of PostgreSQL.
pub fn restore(config: &Config, file: &Path) -> Result<Restored, UpkeepError> {
    of_sqlite(config)?;
    founding::data_dir(&config.data_dir)?;
    Ok(store::restore(&config.data_dir, file)?)
}

fn of_sqlite(config: &Config) -> Result<(), UpkeepError> {
    if config.database.is_some() { Err(UpkeepError::OwnTools) } else { Ok(()) }
}
