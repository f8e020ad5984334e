//! The operator's own webhook, which the command line names.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use model::error::Rule;
use model::objects::Webhook;
use model::webhook::{self, OPERATOR, Wish};

use rustls::pki_types::pem;

use crate::config::WebhookArgs;

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook's URL needs a file with a secret")]
    NoSecret,
    #[error("cannot read the webhook's secret from {}", .0.display())]
    ReadSecret(PathBuf, #[source] io::Error),
    #[error("cannot read certificates from {}", .0.display())]
    ReadAuthority(PathBuf, #[source] pem::Error),
    #[error("there is no certificate of an authority in {}", .0.display())]
    NoAuthority(PathBuf),
    #[error("the webhook cannot be used")]
    Unusable(#[source] Rule),
}

/// # Errors
/// The secret cannot be read, or one of the two cannot be used.
pub(crate) fn webhook(args: &WebhookArgs) -> Result<Option<Arc<Webhook>>, WebhookError> {
    let Some(url) = args.webhook_url.clone() else { return Ok(None) };
    let file = args.webhook_secret_file.clone().ok_or(WebhookError::NoSecret)?;
    let secret = std::fs::read_to_string(&file);
    let secret = secret.map_err(|error| WebhookError::ReadSecret(file, error))?;
    let secret = secret.trim_end_matches(['\r', '\n']).to_owned();
    let wish = Wish::Set { url: url.clone(), secret: secret.clone() };
    webhook::decide(OPERATOR, &wish).map_err(WebhookError::Unusable)?;
    Ok(Some(Arc::new(Webhook { account: OPERATOR.to_owned(), url, secret })))
}
