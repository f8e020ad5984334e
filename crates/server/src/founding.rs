//! The first start: the data directory, the first account, the authority.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::account;
use model::audit::Origin;
use model::error::Rule;
use model::objects::Account;
use model::op::Op;
use model::policy::Quota;
use model::world::World;
use store::{Store, WriteError};

use crate::config::Config;
use crate::{agents, password};

/// Name of the file in the data directory that a made-up password goes to.
const PASSWORD_FILE: &str = "admin-password";

/// Name of the store's file there (see [`Store::open`]).
const STORE_FILE: &str = "kannas.db";

#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    #[error("cannot use the data directory {}", .0.display())]
    DataDir(PathBuf, #[source] io::Error),
    #[error(
        "the data directory {} holds other things and is open to other users (mode {mode:o}): chmod 700 it, as the authority's key is kept there",
        .dir.display()
    )]
    DataDirOpen { dir: PathBuf, mode: u32 },
    #[error("cannot read the administrator's password from {}", .0.display())]
    ReadPassword(PathBuf, #[source] io::Error),
    #[error("the file {} for the administrator's password is empty", .0.display())]
    EmptyPassword(PathBuf),
    #[error("cannot write the administrator's password to {}", .0.display())]
    WritePassword(PathBuf, #[source] io::Error),
    #[error("the administrator's account cannot be made")]
    Account(#[source] Rule),
    #[error("cannot write the first account")]
    Write(#[source] WriteError),
}

/// Makes the data directory for this user alone. One that is there is closed
/// to others if it is empty or was ours before; with other things in it, that
/// is not ours to do.
pub(crate) fn data_dir(dir: &Path) -> Result<(), FoundingError> {
    let failed = |error| FoundingError::DataDir(dir.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let mode = fs::metadata(dir).map_err(failed)?.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let mut names = fs::read_dir(dir).map_err(failed)?.peekable();
    let ours = names.peek().is_none() || dir.join(STORE_FILE).exists();
    if !ours {
        return Err(FoundingError::DataDirOpen { dir: dir.to_owned(), mode });
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Makes the administrator's account and the authority, if there is none yet.
pub(crate) async fn found(store: &Store, config: &Config) -> Result<(), FoundingError> {
    if store.world().authority().is_some() {
        return Ok(());
    }
    let made_file = config.admin_password_file.is_none();
    let password = password(config)?;
    let name = config.admin_user.clone();
    let admin =
        Account { name, password: password::hash(&password), admin: true, quota: Quota::default() };
    // The rule of every other account, on an empty world: the name alone.
    account::create(&World::default(), &admin).map_err(FoundingError::Account)?;
    let op = Op::Found { admin, authority: agents::new_authority() };
    let origin = Origin::kannas("the first start");
    let commit = store.write(op.from(origin)).await.map_err(FoundingError::Write)?;
    if !commit.changes.is_empty() {
        tracing::info!(account = config.admin_user, "founded the installation");
    } else if made_file {
        // Another server on the database was quicker: its password is the one.
        let path = config.data_dir.join(PASSWORD_FILE);
        fs::remove_file(&path).map_err(|error| FoundingError::WritePassword(path, error))?;
    }
    Ok(())
}

fn password(config: &Config) -> Result<String, FoundingError> {
    let Some(path) = &config.admin_password_file else { return make_password(&config.data_dir) };
    let text = fs::read_to_string(path)
        .map_err(|error| FoundingError::ReadPassword(path.clone(), error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    if password.is_empty() {
        return Err(FoundingError::EmptyPassword(path.clone()));
    }
    Ok(password.to_owned())
}

/// Written before the account is: a start that is cut between the two makes
/// another one.
fn make_password(dir: &Path) -> Result<String, FoundingError> {
    let password = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    let path = dir.join(PASSWORD_FILE);
    write_private(&path, &format!("{password}\n"))
        .map_err(|error| FoundingError::WritePassword(path.clone(), error))?;
    tracing::info!(file = %path.display(), "made a password for the administrator");
    Ok(password)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that was there already keeps its mode at open.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
