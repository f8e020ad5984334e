//! Whose certificates webhooks' receivers may have.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::WebhookError;

/// Trusts Mozilla's roots and those of the file `more`, in PEM.
///
/// # Errors
/// The file cannot be read, or has no certificate of an authority.
pub(crate) fn connector(more: Option<&Path>) -> Result<TlsConnector, WebhookError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = more {
        let own = own(file)?;
        let (added, _) = roots.add_parsable_certificates(own);
        if added == 0 {
            return Err(WebhookError::NoAuthority(file.to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(tls)))
}

fn own(file: &Path) -> Result<Vec<CertificateDer<'static>>, WebhookError> {
    let failed = |error| WebhookError::ReadAuthority(file.to_owned(), error);
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<_, _>>).map_err(failed)
}
