//! The host's next certificate: a new key, and the server's word for it.

use std::path::Path;
use std::time::{Duration, Instant};

use model::wire::agent::{Renew, Renewed};

use crate::client::{ClientError, Link};
use crate::identity::{Identity, IdentityError, Papers};
use crate::join::new_key;
use crate::lease::Holder;
use crate::reconcile::chain;
use crate::tls::TlsError;

/// After a certificate that could not be had, or one that was.
const PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("cannot ask for a certificate")]
    Client(#[from] ClientError),
    #[error("cannot make a key")]
    Key(#[from] rcgen::Error),
    #[error("the new certificate cannot be used")]
    Tls(#[from] TlsError),
    #[error("cannot keep the new certificate")]
    Keep(#[from] IdentityError),
    #[error("cannot keep the new certificate")]
    Thread(#[from] tokio::task::JoinError),
}

/// Waits until the server says that another certificate is due, and has it:
/// with its key, on disk. The one before is good until that is shown.
///
/// # Errors
/// The connection is of no use.
pub(crate) async fn renewed(
    link: &Link,
    (identity, dir): (&Identity, &Path),
    last: Option<Instant>,
    lease: &Holder,
) -> Result<Identity, ClientError> {
    let since = last.map_or(PAUSE, |last| last.elapsed());
    tokio::time::sleep(PAUSE.saturating_sub(since)).await;
    loop {
        lease.certificate_is_due().await;
        match renew(link, identity, dir).await {
            Ok(identity) => return Ok(identity),
            Err(RenewError::Client(error)) if !matches!(error, ClientError::Refused { .. }) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "the host keeps the certificate it has");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn renew(link: &Link, old: &Identity, dir: &Path) -> Result<Identity, RenewError> {
    let (key, request_pem) = new_key()?;
    let answer = link.post("certificate", &Renew { request_pem }).await?;
    let renewed: Renewed =
        serde_json::from_slice(&answer).map_err(|e| ClientError::Answer(e.into()))?;
    let papers = Papers {
        key_pem: key.serialize_pem(),
        certificate_pem: renewed.certificate_pem,
        ..old.papers.clone()
    };
    let new = Identity { card: old.card.clone(), papers };
    new.papers.tls()?;
    let (kept, dir) = (new.clone(), dir.to_owned());
    tokio::task::spawn_blocking(move || kept.save(&dir)).await??;
    tracing::info!(host = %new.card.host, "has a new certificate");
    Ok(new)
}
