//! The agents' certificate authority: one key that signs the server's
//! certificate and every host's.
//!
//! Those of the server and the authority name no end (RFC 5280 §4.1.2.5): a
//! machine whose clock is not set yet must be able to connect. A host's has one,
//! by the server's clock; which of them are good is looked up at each request
//! (`model::certificate`).

use model::certificate::{Certificate, Serial};
use model::objects::Authority;
use model::wire::agent::SERVER_NAME;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedKey,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use time::{Date, Month, OffsetDateTime, Time};
use uuid::Uuid;
use x509_parser::extensions::GeneralName;

/// A certificate that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot make the certificate")]
    Make(#[from] rcgen::Error),
    #[error("the authority's certificate is not PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// Makes the authority of a new installation.
///
/// # Panics
/// The system gives no random numbers.
pub fn new_authority() -> Authority {
    let key = KeyPair::generate().expect("the system has random numbers");
    let mut params = params("Kannas authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).expect("a fixed request that rcgen can sign");
    Authority { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
}

/// SHA-256 of the authority's certificate in DER, in hex: what a join token
/// names the authority by. Empty when the certificate is none.
pub fn fingerprint(authority: &Authority) -> String {
    let certificate = CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes());
    certificate.map(|der| hex_digest(&der)).unwrap_or_default()
}

/// SHA-256 in lower-case hex.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(hex, "{byte:02x}").expect("a String takes everything");
    }
    hex
}

/// Before the name of one server of several in its certificate. No host's has
/// it, as a host's has nothing that the host has asked for.
const NODE: &str = "urn:kannas:server:";

/// A new key and certificate for the server, which the other servers know by
/// `node` if it is one of several. It lasts as long as the process.
pub(crate) fn issue_server(
    authority: &Authority,
    node: Option<Uuid>,
) -> Result<CertifiedKey<KeyPair>, CertificateError> {
    let signing_key = KeyPair::generate()?;
    let mut params = params("Kannas server");
    params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(SERVER_NAME)?)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if let Some(node) = node {
        let name = Ia5String::try_from(format!("{NODE}{node}"))?;
        params.subject_alt_names.push(SanType::URI(name));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    let cert = params.signed_by(&signing_key, &issuer(authority)?)?;
    Ok(CertifiedKey { cert, signing_key })
}

/// The key that a host asks a certificate for; it was seen to own it.
pub(crate) struct HostKey(rcgen::PublicKey);

impl HostKey {
    /// Takes nothing but the key: what else the request asks for is not the
    /// host's to say.
    pub(crate) fn from_request(pem: &str) -> Result<Self, rcgen::Error> {
        Ok(Self(CertificateSigningRequestParams::from_pem(pem)?.public_key))
    }
}

/// A certificate that is yet to be signed.
pub(crate) struct Draft {
    pub(crate) it: Certificate,
    serial: [u8; 16],
}

impl Draft {
    /// From `since` on, in seconds since 1970.
    pub(crate) fn new(since: i64, days: u32) -> Self {
        let serial: [u8; 16] = rand::random();
        let until = since + DAY * i64::from(days);
        Self { it: Certificate { serial: Serial::of(&serial), since, until }, serial }
    }
}

/// In seconds; also how much a certificate is older than it is, for clocks
/// that are late.
const DAY: i64 = 86_400;

/// The certificate, PEM, by which `host` is known from now on.
pub(crate) fn issue_host(
    authority: &Authority,
    host: Uuid,
    key: &HostKey,
    draft: &Draft,
) -> Result<String, CertificateError> {
    let mut params = params(&format!("Kannas host {host}"));
    params.serial_number = Some(SerialNumber::from_slice(&draft.serial));
    params.not_before = time_of(draft.it.since - DAY);
    params.not_after = time_of(draft.it.until);
    params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(host.urn().to_string())?)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params.signed_by(&key.0, &issuer(authority)?)?.pem())
}

/// Days; it is not the server's to renew.
const LONG: u32 = 3650;

/// A new key and the certificate of `host` for it, PEM both: of a host that is
/// joined by who has the authority itself.
///
/// # Errors
/// The authority cannot be used.
pub fn issue_new(authority: &Authority, host: Uuid) -> Result<(String, String), CertificateError> {
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?.pem()?;
    let draft = Draft::new(OffsetDateTime::now_utc().unix_timestamp(), LONG);
    let certificate = issue_host(authority, host, &HostKey::from_request(&request)?, &draft)?;
    Ok((key.serialize_pem(), certificate))
}

/// The host that a certificate of ours names.
pub(crate) fn host_of(certificate: &CertificateDer<'_>) -> Option<Uuid> {
    named(certificate, "urn:uuid:")
}

/// What is remembered of a host's certificate, as it says itself.
pub(crate) fn certificate_of(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, it) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = it.validity();
    Some(Certificate {
        serial: Serial::of(it.raw_serial()),
        since: validity.not_before.timestamp() + DAY,
        until: validity.not_after.timestamp(),
    })
}

/// The server among several that a certificate of ours names.
pub(crate) fn node_of(certificate: &CertificateDer<'_>) -> Option<Uuid> {
    named(certificate, NODE)
}

fn named(certificate: &CertificateDer<'_>, before: &str) -> Option<Uuid> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| {
        let GeneralName::URI(uri) = name else { return None };
        Uuid::try_parse(uri.strip_prefix(before)?).ok()
    })
}

fn time_of(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn issuer(authority: &Authority) -> Result<Issuer<'static, KeyPair>, CertificateError> {
    let key = KeyPair::from_pem(&authority.key_pem)?;
    Ok(Issuer::from_ca_cert_pem(&authority.certificate_pem, key)?)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let last_day = Date::from_calendar_date(9999, Month::December, 31);
    let last_second = Time::from_hms(23, 59, 59).expect("a time of day");
    params.not_before = OffsetDateTime::UNIX_EPOCH;
    params.not_after = last_day.expect("a day of the calendar").with_time(last_second).assume_utc();
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_certificate_whatever_its_request_says() {
        let authority = new_authority();
        let key = KeyPair::generate().unwrap();
        let other = Uuid::from_u128(1).urn().to_string();
        let mut request =
            CertificateParams::new(vec!["server.kannas.internal".to_owned()]).unwrap();
        request.subject_alt_names.push(SanType::URI(Ia5String::try_from(other).unwrap()));
        let server = format!("{NODE}{}", Uuid::from_u128(1));
        request.subject_alt_names.push(SanType::URI(Ia5String::try_from(server).unwrap()));
        request.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = request.serialize_request(&key).unwrap().pem().unwrap();

        let host = Uuid::from_u128(2);
        let key = HostKey::from_request(&request).unwrap();
        let draft = Draft::new(1_700_000_000, 90);
        let pem = issue_host(&authority, host, &key, &draft).unwrap();

        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        assert_eq!(certificate_of(&der), Some(draft.it));
        assert_eq!((host_of(&der), node_of(&der)), (Some(host), None));
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert!(!parsed.is_ca());
        let names = parsed.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
    }

    #[test]
    fn one_server_of_several_is_known_by_its_certificate_and_is_no_host() {
        let (authority, node) = (new_authority(), Uuid::from_u128(3));
        let of = |node| issue_server(&authority, node).unwrap().cert.der().clone();
        assert_eq!((node_of(&of(Some(node))), host_of(&of(Some(node)))), (Some(node), None));
        assert_eq!((node_of(&of(None)), host_of(&of(None))), (None, None));
    }

    #[test]
    fn a_fingerprint_is_64_hex_digits_and_each_authority_has_its_own() {
        let prints = [fingerprint(&new_authority()), fingerprint(&new_authority())];
        assert!(prints.iter().all(|p| p.len() == 64 && p.chars().all(|c| c.is_ascii_hexdigit())));
        assert_ne!(prints[0], prints[1]);
    }
}
