//! How a machine becomes a host, once.

use std::sync::Arc;

use model::wire::agent::{Join, Joined};
use rcgen::{CertificateParams, KeyPair};

use crate::backoff::Backoff;
use crate::client::ClientError;
use crate::config::Config;
use crate::files;
use crate::identity::{Card, Identity, IdentityError, Papers};
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
    let token = token(config)?.ok_or(JoinError::NoToken)?;
    join_by(at, config, card, &token).await
}

/// Joins anew by a token that is not the one the host has joined by, as after it
/// was revoked. One that is of no use changes nothing.
pub(crate) async fn join_again(at: &mut Servers, config: &Config, known: Identity) -> Identity {
    let given = match token(config) {
        Ok(Some(token)) => token,
        Ok(None) => return known,
        Err(error) => {
            tracing::warn!(error = chain(&error), "joined already: the join token is not used");
            return known;
        }
    };
    if known.papers.token.as_ref() == Some(&digest(&given)) {
        tracing::info!(host = %known.card.host, "joined by this token already");
        return known;
    }
    match join_by(at, config, known.card.clone(), &given).await {
        Ok(identity) => identity,
        Err(error) => {
            let (host, error) = (known.card.host, chain(&error));
            tracing::info!(%host, error, "joined already, and not again by this token");
            known
        }
    }
}

async fn join_by(
    at: &mut Servers,
    config: &Config,
    card: Card,
    token: &Token,
) -> Result<Identity, JoinError> {
    let tls = Arc::new(tls::stranger(&token.fingerprint)?);
    let (key, request_pem) = new_key()?;
    let wish = Join {
        secret: token.secret.clone(),
        name: card.name.clone(),
        zone: card.zone.clone(),
        underlay: card.underlay,
        request_pem,
    };
    let joined = ask(at, &tls, &wish).await?;
    let papers = Papers {
        key_pem: key.serialize_pem(),
        certificate_pem: joined.certificate_pem,
        authority_pem: joined.authority_pem,
        token: Some(digest(token)),
    };
    let identity = Identity { card: Card { host: joined.host, ..card }, papers };
    identity.save(&config.state_dir)?;
    tracing::info!(host = %joined.host, name = identity.card.name, "joined");
    Ok(identity)
}

/// A key and the request for its certificate, PEM.
pub(crate) fn new_key() -> Result<(KeyPair, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let pem = request.pem()?;
    Ok((key, pem))
}

fn digest(token: &Token) -> String {
    tls::hex_digest(token.secret.as_bytes())
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

/// None where none is given, or its file is gone.
fn token(config: &Config) -> Result<Option<Token>, JoinError> {
    let text = match (&config.join, &config.join_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(path)) => files::read(path)
            .map_err(|source| IdentityError::File { path: path.clone(), source })?,
        (None, None) => None,
    };
    Ok(text.map(|text| text.parse()).transpose()?)
}
