//! Who this host is, kept in the state directory.

use std::fs::DirBuilder;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Config;
use crate::files;
use crate::tls::{self, TlsError};

/// A host that has joined.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) card: Card,
    pub(crate) papers: Papers,
}

/// What proves who the host is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Papers {
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
    pub(crate) authority_pem: String,
    /// SHA-256, in hex, of the token that the host has joined by.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// One file, which is there whole or not at all: so is the pair of key and
/// certificate.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    card: Card,
    /// None as older agents have written it, who had them in files beside it.
    #[serde(default)]
    papers: Option<Papers>,
}

/// What the host joined as.
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
        let Some(stored) = read(&path)? else { return Ok(None) };
        let Stored { card, papers } = serde_json::from_str(&stored)
            .map_err(|source| IdentityError::Damaged { path, source })?;
        if let Some(papers) = papers {
            return Ok(Some(Self { card, papers }));
        }
        let part = |name| {
            let path = dir.join(name);
            read(&path)?
                .ok_or_else(|| IdentityError::File { path, source: io::ErrorKind::NotFound.into() })
        };
        let papers = Papers {
            key_pem: part(KEY)?,
            certificate_pem: part(CERTIFICATE)?,
            authority_pem: part(AUTHORITY)?,
            token: None,
        };
        Ok(Some(Self { card, papers }))
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), IdentityError> {
        for (name, text) in self.files() {
            let path = dir.join(name);
            files::write(&path, text.as_bytes())
                .map_err(|source| IdentityError::File { path, source })?;
        }
        Ok(())
    }

    /// In the order in which they are written: the first holds all, the others
    /// are for an agent of before, if one is put back.
    fn files(&self) -> [(&'static str, String); 4] {
        let Papers { key_pem, certificate_pem, authority_pem, .. } = self.papers.clone();
        let stored = Stored { card: self.card.clone(), papers: Some(self.papers.clone()) };
        let all = serde_json::to_string_pretty(&stored).expect("strings are JSON");
        [(CARD, all), (KEY, key_pem), (CERTIFICATE, certificate_pem), (AUTHORITY, authority_pem)]
    }
}

impl Papers {
    /// How the host speaks to servers.
    ///
    /// # Errors
    /// Key and certificate are no pair.
    pub(crate) fn tls(&self) -> Result<ClientConfig, TlsError> {
        tls::member(&self.authority_pem, &self.certificate_pem, &self.key_pem)
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

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
