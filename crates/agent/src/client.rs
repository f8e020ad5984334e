//! One connection to the server: TLS, HTTP/2, the agents' requests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use model::wire::agent::SERVER_NAME;
use rustls::ClientConfig;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::tls::server_name;

/// To connect, and to be answered (not: how long an answer may go on).
const LIMIT: Duration = Duration::from_secs(10);

/// Bytes of the largest answer that is taken at once.
const ANSWER: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0:?} is not of the form https://HOST:PORT")]
    Address(String),
    #[error("cannot connect to {address}")]
    Connect { address: String, source: io::Error },
    /// Also when it is somebody else who answers there.
    #[error("the server at {address} is not of the authority this host trusts")]
    Untrusted { address: String, source: io::Error },
    #[error("the server did not answer in time")]
    Late,
    #[error("the connection to the server broke")]
    Http(#[from] hyper::Error),
    #[error("the server refused ({status}): {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the server's answer cannot be read")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server has ended the watch")]
    Ended,
    #[error("the server has given an older lease than this host has had")]
    Past,
}

/// Where the server listens for agents.
#[derive(Debug, Clone)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    pub(crate) fn failed(&self, source: io::Error) -> ClientError {
        ClientError::Connect { address: format!("{}:{}", self.host, self.port), source }
    }
}

impl std::str::FromStr for Address {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let bad = || ClientError::Address(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if uri.scheme_str() != Some("https") || !plain {
            return Err(bad());
        }
        let host = uri.host().ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().ok_or_else(bad)? })
    }
}

/// An open connection; closed on drop.
pub struct Link {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// To the server `at` that name, at one of its addresses.
    ///
    /// # Errors
    /// Nobody answers there, or somebody else.
    pub async fn open(
        at: &Address,
        address: SocketAddr,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let connected = tokio::time::timeout(LIMIT, Self::connect(at, address, tls));
        connected.await.map_err(|_| ClientError::Late)?
    }

    async fn connect(
        at: &Address,
        address: SocketAddr,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, ClientError> {
        let failed = |source| at.failed(source);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = TlsConnector::from(tls).connect(server_name(), stream).await;
        let stream = stream.map_err(|source| match is_distrust(&source) {
            true => {
                let address = format!("{}:{}", at.host, at.port);
                ClientError::Untrusted { address, source }
            }
            false => failed(source),
        })?;
        let (requests, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .handshake(TokioIo::new(stream))
            .await?;
        // How it ends is seen by the request that was under way.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { requests, driver })
    }

    /// The stream of lines as `query` has it: names and values.
    ///
    /// # Errors
    /// The server refuses, or the connection breaks.
    pub async fn watch(&self, query: &[(&str, &str)]) -> Result<Incoming, ClientError> {
        let query: Vec<String> = query.iter().map(|(name, it)| format!("{name}={it}")).collect();
        let what = format!("watch?{}", query.join("&"));
        let answer = self.send(Method::GET, &what, Bytes::new()).await?;
        Ok(answer.into_body())
    }

    /// Sends `it` as JSON; the body of the answer.
    ///
    /// # Errors
    /// As [`Link::watch`].
    pub async fn post(&self, what: &str, it: &impl Serialize) -> Result<Bytes, ClientError> {
        let body = serde_json::to_vec(it).map_err(|e| ClientError::Answer(e.into()))?;
        let answer = self.send(Method::POST, what, body.into()).await?;
        collect(answer.into_body()).await
    }

    async fn send(
        &self,
        method: Method,
        what: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{SERVER_NAME}/agent/v1/{what}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .expect("constants and a number make a request");
        let answer = tokio::time::timeout(LIMIT, self.requests.clone().send_request(request));
        let answer = answer.await.map_err(|_| ClientError::Late)??;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = collect(answer.into_body()).await?;
        Err(ClientError::Refused { status, message: sentence(&body) })
    }
}

async fn collect(body: Incoming) -> Result<Bytes, ClientError> {
    let body = tokio::time::timeout(LIMIT, Limited::new(body, ANSWER).collect()).await;
    Ok(body.map_err(|_| ClientError::Late)?.map_err(ClientError::Answer)?.to_bytes())
}

/// What the server says about its refusal.
fn sentence(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|j| j["error"]["error_message"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

fn is_distrust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_with_a_port() {
        for good in ["https://kannas.example:4790", "https://192.0.2.1:1/", "https://[::1]:4790"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        assert_eq!("https://[::1]:4790".parse::<Address>().unwrap().host, "::1");
        for bad in ["", "http://a:1", "https://a", "https://a:1/x", "a:1", "https://a:99999"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
