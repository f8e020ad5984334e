//! How a machine becomes a host, once.

use std::sync::Arc;

use model::wire::agent::{Join, Joined};
use rcgen::{CertificateParams, KeyPair};

use crate::backoff::Backoff;
use crate::client::ClientError;
use crate::config::Config;
use crate::files;
use crate::identity::{Card, Identity, IdentityError};
use crate::reconcile::chain;
use crate::servers::Servers;
use crate::tls::{self, TlsError};
use crate::token::{Token, TokenError};

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("this host has not joined yet: give it a join token with --join-file or --join")]
    NoToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("cannot join")]
    Client(#[from] ClientError),
    #[error("cannot make a key")]
    Key(#[from] rcgen::Error),
    #[error("cannot join")]
    Tls(#[from] TlsError),
}

/// Joins, as soon as the server can be reached, and remembers it.
pub(crate) async fn join(at: &mut Servers, config: &Config) -> Result<Identity, JoinError> {
    let card = Card::wished(config)?;
    let token = token(config)?;
    let tls = Arc::new(tls::stranger(&token.fingerprint)?);
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let wish = Join {
        secret: token.secret.clone(),
        name: card.name.clone(),
        zone: card.zone.clone(),
        underlay: card.underlay,
        request_pem: request.pem()?,
    };
    let joined = ask(at, &tls, &wish).await?;
    let identity = Identity {
        card: Card { host: joined.host, ..card },
        key_pem: key.serialize_pem(),
        certificate_pem: joined.certificate_pem,
        authority_pem: joined.authority_pem,
    };
    identity.save(&config.state_dir)?;
    tracing::info!(host = %joined.host, name = identity.card.name, "joined");
    Ok(identity)
}

/// Goes on while the server cannot be reached; an answer is final.
async fn ask(
    at: &mut Servers,
    tls: &Arc<rustls::ClientConfig>,
    wish: &Join,
) -> Result<Joined, JoinError> {
    let mut backoff = Backoff::default();
    loop {
        let error = match at.open(tls).await {
            Ok(link) => {
                let answer = link.post("join", wish).await?;
                let joined = serde_json::from_slice(&answer);
                return Ok(joined.map_err(|e| ClientError::Answer(e.into()))?);
            }
            Err(error @ ClientError::Untrusted { .. }) => return Err(error.into()),
            Err(error) => error,
        };
        let error = chain(&error);
        tracing::warn!(error, "cannot reach the server to join; trying on");
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

fn token(config: &Config) -> Result<Token, JoinError> {
    let text = match (&config.join, &config.join_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => match files::read(path) {
            Ok(text) => text.ok_or(JoinError::NoToken)?,
            Err(source) => {
                return Err(IdentityError::File { path: path.clone(), source }.into());
            }
        },
        (None, None) => return Err(JoinError::NoToken),
    };
    Ok(text.parse()?)
}
