//! The API within TLS: who is let in, and certificates that change.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use server::TlsArgs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::site::{Site, config, furnish};

const SOON: Duration = Duration::from_secs(20);

/// Signs what the server shows.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key, in PEM, for 127.0.0.1.
    fn pair(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn trusted(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

/// The server's files.
struct Files(TempDir);

impl Files {
    fn of((cert, key): &(String, String)) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        std::fs::write(files.at("cert.pem"), cert).unwrap();
        std::fs::write(files.at("key.pem"), key).unwrap();
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn args(&self) -> TlsArgs {
        TlsArgs { tls_cert: Some(self.at("cert.pem")), tls_key: Some(self.at("key.pem")) }
    }
}

async fn site(files: &Files) -> Site {
    Site::with(|config| config.tls = files.args()).await
}

async fn connect(api: SocketAddr, tls: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(api).await?;
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    TlsConnector::from(Arc::new(tls)).connect(name, stream).await
}

/// The status line of the answer to a request with Alice's password.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let head = "GET /1.3/account HTTP/1.1\r\nHost: kannas\r\n\
                Authorization: Basic YWxpY2U6YWxpY2VzIHBhc3N3b3Jk\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}}") && !answer.ends_with(b"}}\n") {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "cut off after {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..read]);
    }
    String::from_utf8(answer).unwrap().lines().next().unwrap().to_owned()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_call_within_tls_is_answered_to_who_trusts_the_authority_and_made_by_nobody_else() {
    let authority = Authority::new();
    let files = Files::of(&authority.pair());
    let site = site(&files).await;
    for of in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(site.api, authority.trusted(&[of])).await.unwrap();
        assert_eq!(ask(&mut stream).await, "HTTP/1.1 200 OK");
    }
    let refused = connect(site.api, Authority::new().trusted(rustls::ALL_VERSIONS)).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    // Another protocol would read our answers as something else (ALPACA).
    let mut other = authority.trusted(rustls::ALL_VERSIONS);
    other.alpn_protocols = vec![b"ftp".to_vec()];
    assert!(connect(site.api, other).await.is_err());
}

#[tokio::test]
async fn who_speaks_no_tls_to_its_port_is_told_nothing_and_who_says_nothing_holds_up_nobody() {
    let authority = Authority::new();
    let files = Files::of(&authority.pair());
    let site = site(&files).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(site.api).await.unwrap());
    }
    let head = b"GET /1.3/account HTTP/1.1\r\nHost: kannas\r\n\r\n";
    let mut plain = TcpStream::connect(site.api).await.unwrap();
    plain.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, plain.read_to_end(&mut answer)).await;
    let _ = read.expect("the server hangs up");
    // A TLS alert, or nothing.
    assert!(answer.is_empty() || (answer.len() == 7 && answer[0] == 0x15), "{answer:?}");

    let mut stream = connect(site.api, authority.trusted(rustls::ALL_VERSIONS)).await.unwrap();
    assert_eq!(ask(&mut stream).await, "HTTP/1.1 200 OK");
    drop(silent);
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_while_an_old_one_goes_on() {
    let authority = Authority::new();
    let files = Files::of(&authority.pair());
    let site = site(&files).await;
    let trusted = || authority.trusted(rustls::ALL_VERSIONS);
    let mut old = connect(site.api, trusted()).await.unwrap();
    assert_eq!(ask(&mut old).await, "HTTP/1.1 200 OK");

    // One file after the other, as most do it: between the two there is no pair.
    let (cert, key) = authority.pair();
    std::fs::write(files.at("cert.pem"), cert).unwrap();
    std::fs::write(files.at("key.pem"), key).unwrap();
    let changed = async {
        while shown(&connect(site.api, trusted()).await.unwrap()) == shown(&old) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, changed).await.expect("the new one is shown");
    assert_eq!(ask(&mut old).await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_server_does_not_start_with_files_that_are_no_pair() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let (cert, key) = Authority::new().pair();
    let (_, other) = Authority::new().pair();
    let large = "x".repeat((1 << 20) + 1);
    let broken = "-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n";
    for (cert, key, want) in [
        ("", &*key, "there is no certificate in CERT"),
        (&*cert, "", "there is no private key in KEY"),
        (&cert, &cert, "there is no private key in KEY"),
        (broken, &key, "CERT cannot be read as PEM"),
        (&cert, &other, "the certificate in CERT and the key in KEY cannot be used together"),
        (&large, &key, "CERT is larger than a file of certificates or a key"),
    ] {
        let files = Files::of(&(cert.to_owned(), key.to_owned()));
        assert_eq!(refusal(dir.path(), files.args()).await, named(want, &files));
    }
    let files = Files::of(&(cert, key));
    let half = TlsArgs { tls_key: None, ..files.args() };
    let want = "for TLS both a certificate and its key are needed";
    assert_eq!(refusal(dir.path(), half).await, want);
    std::fs::remove_file(files.at("key.pem")).unwrap();
    assert_eq!(refusal(dir.path(), files.args()).await, named("cannot read KEY", &files));
}

fn named(text: &str, files: &Files) -> String {
    let name = |file| files.at(file).display().to_string();
    text.replace("CERT", &name("cert.pem")).replace("KEY", &name("key.pem"))
}

async fn refusal(dir: &Path, tls: TlsArgs) -> String {
    let mut config = config(dir);
    config.tls = tls;
    server::Server::start(&config).await.err().unwrap().to_string()
}
