//! One connection to another server: TLS with the authority's certificates,
//! HTTP/2.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::node::Node;
use model::wire::agent::SERVER_NAME;
use model::wire::peer::Line;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use crate::agents::authority::node_of;

/// To connect, and to be answered.
const LIMIT: Duration = Duration::from_secs(5);

/// Bytes of the longest line, and of the largest answer.
const LINE: usize = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("cannot connect")]
    Connect(#[from] io::Error),
    #[error("another server answers there: {0:?}")]
    Another(Option<Uuid>),
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    #[error("it refused ({0})")]
    Refused(StatusCode),
    #[error("its answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("it is silent")]
    Late,
    #[error("it has ended the stream")]
    Ended,
}

/// Trusts servers of the authority `root`, and shows our certificate.
pub(crate) fn client(
    root: CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Clones are the same connection, which is closed with the last.
#[derive(Clone)]
pub(super) struct Link {
    requests: SendRequest<Full<Bytes>>,
    _driver: Arc<Driver>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    pub(super) async fn open(node: &Node, tls: Arc<ClientConfig>) -> Result<Self, PeerError> {
        tokio::time::timeout(LIMIT, Self::connect(node, tls)).await.map_err(|_| PeerError::Late)?
    }

    async fn connect(node: &Node, tls: Arc<ClientConfig>) -> Result<Self, PeerError> {
        let stream = TcpStream::connect(&node.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(SERVER_NAME).expect("a constant that is a DNS name");
        let stream = TlsConnector::from(tls).connect(name, stream).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let who = shown.and_then(|chain| node_of(chain.first()?));
        if who != Some(node.id) {
            return Err(PeerError::Another(who));
        }
        let (requests, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .handshake(TokioIo::new(stream))
            .await?;
        // How it ends is seen by the request that was under way.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { requests, _driver: Arc::new(Driver(driver)) })
    }

    pub(super) async fn watch(&self) -> Result<Lines, PeerError> {
        let answer = self.send(Method::GET, "watch", Bytes::new()).await?;
        Ok(Lines { body: answer.into_body(), buffer: Vec::new(), read: 0 })
    }

    /// Sends `it` as JSON; the answer. It is the caller who sets a limit to the
    /// time.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        what: &str,
        it: &impl Serialize,
    ) -> Result<T, PeerError> {
        let body = serde_json::to_vec(it).map_err(|e| PeerError::Answer(e.into()))?;
        let answer = self.send(Method::POST, what, body.into()).await?;
        let body = Limited::new(answer.into_body(), LINE).collect().await;
        let body = body.map_err(PeerError::Answer)?.to_bytes();
        serde_json::from_slice(&body).map_err(|e| PeerError::Answer(e.into()))
    }

    async fn send(
        &self,
        method: Method,
        what: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, PeerError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER_NAME}/peer/v1/{what}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .expect("constants make a request");
        let answer = tokio::time::timeout(LIMIT, self.requests.clone().send_request(request));
        let answer = answer.await.map_err(|_| PeerError::Late)??;
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        Err(PeerError::Refused(answer.status()))
    }
}

pub(super) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were handed out.
    read: usize,
}

impl Lines {
    pub(super) async fn next(&mut self) -> Result<Line, PeerError> {
        loop {
            let rest = &self.buffer[self.read..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = serde_json::from_slice(&rest[..end]);
                self.read += end + 1;
                return line.map_err(|e| PeerError::Answer(e.into()));
            }
            self.buffer.drain(..self.read);
            self.read = 0;
            if self.buffer.len() > LINE {
                return Err(PeerError::Answer("a line without end".into()));
            }
            let frame = self.body.frame().await.ok_or(PeerError::Ended)??;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
