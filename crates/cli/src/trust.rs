//! Whose certificates the server may have.

use std::path::Path;

use anyhow::Context;
use ureq::tls::{PemItem, RootCerts, parse_pem};

use crate::exit::{Exit, Failure};

/// The authorities in the file and no others; without a file those that
/// browsers trust.
///
/// # Errors
/// The file cannot be read, or has no certificate.
pub(crate) fn roots(file: Option<&Path>) -> Result<RootCerts, Failure> {
    let Some(file) = file else { return Ok(RootCerts::WebPki) };
    let shown = file.display();
    let usage = |error| Failure::new(Exit::Usage, error);
    let pem = std::fs::read(file);
    let pem = pem.with_context(|| format!("cannot read certificates from {shown}"));
    let mut found = Vec::new();
    for item in parse_pem(&pem.map_err(usage)?) {
        let item = item.with_context(|| format!("{shown} cannot be read as PEM"));
        if let PemItem::Certificate(it) = item.map_err(usage)? {
            found.push(it);
        }
    }
    if found.is_empty() {
        return Err(Failure::usage(format!("there is no certificate in {shown}")));
    }
    Ok(found.into())
}
