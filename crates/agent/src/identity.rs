//! Who this host is, kept in the state directory.

use std::fs::DirBuilder;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Config;
use crate::files;

/// A host that has joined.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) card: Card,
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) authority_pem: String,
}

/// What the host joined as; written last, so that where it is the rest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Card {
    pub(crate) host: Uuid,
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) underlay: IpAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not what this agent has written")]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error(
        "this host joined with --{what} {stored}, not {given}; delete it and join anew to change that"
    )]
    Another { what: &'static str, stored: String, given: String },
    #[error("to join, --{0} is needed")]
    Missing(&'static str),
}

const CARD: &str = "host.json";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
const AUTHORITY: &str = "ca.pem";

impl Identity {
    /// None when this host has not joined.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, IdentityError> {
        let path = dir.join(CARD);
        let Some(card) = read(&path)? else { return Ok(None) };
        let card = serde_json::from_str(&card)
            .map_err(|source| IdentityError::Damaged { path, source })?;
        let part = |name| {
            let path = dir.join(name);
            read(&path)?
                .ok_or_else(|| IdentityError::File { path, source: io::ErrorKind::NotFound.into() })
        };
        Ok(Some(Self {
            card,
            key_pem: part(KEY)?,
            certificate_pem: part(CERTIFICATE)?,
            authority_pem: part(AUTHORITY)?,
        }))
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), IdentityError> {
        let card = serde_json::to_string_pretty(&self.card).expect("a card is JSON");
        let parts = [
            (KEY, &self.key_pem),
            (CERTIFICATE, &self.certificate_pem),
            (AUTHORITY, &self.authority_pem),
            (CARD, &card),
        ];
        for (name, text) in parts {
            let path = dir.join(name);
            files::write(&path, text.as_bytes())
                .map_err(|source| IdentityError::File { path, source })?;
        }
        Ok(())
    }
}

impl Card {
    /// # Errors
    /// The configuration says something else than the host joined with.
    pub(crate) fn check(&self, config: &Config) -> Result<(), IdentityError> {
        let underlay = config.underlay.as_ref().map(IpAddr::to_string);
        let pairs = [
            ("name", &self.name, config.name.as_ref()),
            ("zone", &self.zone, config.zone.as_ref()),
            ("underlay", &self.underlay.to_string(), underlay.as_ref()),
        ];
        for (what, stored, given) in pairs {
            if let Some(given) = given.filter(|given| *given != stored) {
                let (stored, given) = (stored.clone(), given.clone());
                return Err(IdentityError::Another { what, stored, given });
            }
        }
        Ok(())
    }

    /// As the configuration has it, before the server has named the host.
    pub(crate) fn wished(config: &Config) -> Result<Self, IdentityError> {
        let missing = IdentityError::Missing;
        Ok(Self {
            host: Uuid::nil(),
            name: config.name.clone().ok_or(missing("name"))?,
            zone: config.zone.clone().ok_or(missing("zone"))?,
            underlay: config.underlay.ok_or(missing("underlay"))?,
        })
    }
}

/// Makes the state directory, for its owner only.
pub(crate) fn make_dir(dir: &Path) -> Result<(), IdentityError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| IdentityError::File { path: dir.to_owned(), source })
}

fn read(path: &Path) -> Result<Option<String>, IdentityError> {
    files::read(path).map_err(|source| IdentityError::File { path: path.to_owned(), source })
}
