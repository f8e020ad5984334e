//! The protocol by hand, with a host's identity or none.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::wire::agent::{Line, SERVER_NAME};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use super::DEADLINE;

#[derive(Clone)]
pub(crate) struct Raw {
    requests: SendRequest<Full<Bytes>>,
}

impl Raw {
    /// With the certificate in `identity`, or with none but its trust.
    pub(crate) async fn connect(to: SocketAddr, identity: &Path, with_certificate: bool) -> Self {
        let shown = with_certificate.then_some(identity);
        Self::open(to, identity, shown).await.unwrap()
    }

    /// Trusts the authority of `trusted`, shows the certificate of `shown`.
    pub(crate) async fn open(
        to: SocketAddr,
        trusted: &Path,
        shown: Option<&Path>,
    ) -> Result<Self, hyper::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted.join("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(dir) => {
                let (chain, key) = pem(dir);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(to).await.unwrap();
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        // So that the server feels soon that nobody reads.
        let builder =
            Builder::new(TokioExecutor::new()).initial_stream_window_size(16 << 10).clone();
        let (requests, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Response<Incoming> {
        self.try_ask(method, path, body).await.unwrap()
    }

    pub(crate) async fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER_NAME}/agent/v1/{path}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        self.requests.clone().send_request(request).await
    }

    pub(crate) async fn status(&self, method: &str, path: &str, body: &str) -> u16 {
        self.ask(method, path, body).await.status().as_u16()
    }

    /// The status of what only other servers may ask.
    pub(crate) async fn of_peer(&self, method: &str, what: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER_NAME}/peer/v1/{what}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(b"{}")))
            .unwrap();
        self.requests.clone().send_request(request).await.unwrap().status().as_u16()
    }

    pub(crate) async fn watch(&self, query: &str) -> Watch {
        let answer = self.ask("GET", &format!("watch{query}"), "").await;
        assert_eq!(answer.status(), 200);
        Watch { body: answer.into_body(), buffer: Vec::new() }
    }
}

pub(crate) struct Watch {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    /// The lines up to the next mark, with it.
    pub(crate) async fn run(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                lines.push(serde_json::from_slice(&line).unwrap());
                if matches!(lines.last(), Some(Line::Mark { .. })) {
                    return lines;
                }
            }
            let data = self.frame().await.expect("the stream goes on");
            self.buffer.extend_from_slice(&data);
        }
    }

    /// Waits for the end of the stream.
    pub(crate) async fn end(&mut self) {
        while self.frame().await.is_some() {}
    }

    async fn frame(&mut self) -> Option<Bytes> {
        let frame = tokio::time::timeout(DEADLINE, self.body.frame()).await.unwrap()?;
        Some(frame.ok()?.into_data().unwrap_or_default())
    }
}

fn pem(dir: &Path) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap()];
    (chain, PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap())
}

/// Listens with the certificate of the host in `dir`, as a server does.
pub(crate) async fn listen_as(dir: &Path) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (chain, key) = pem(dir);
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    address
}

/// Whether who trusts the authority of `dir` takes who listens there for a
/// server.
pub(crate) async fn trusts(at: SocketAddr, dir: &Path) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(name, TcpStream::connect(at).await?).await.map(drop)
}
