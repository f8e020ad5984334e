//! One event's way to a webhook: one signed request, taken or not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use model::objects::Webhook;
use model::webhook::Event;
use model::wire::webhook::EventView;
use rustls::pki_types::ServerName;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use super::Reach;

/// From the name's look-up to the head of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Poster {
    to: Arc<Webhook>,
    reach: Reach,
    tls: TlsConnector,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("the URL cannot be used")]
    Url,
    #[error("the name cannot be looked up")]
    LookUp(#[source] io::Error),
    #[error("the address is not one that accounts may send to")]
    OutOfReach,
    #[error("no connection can be made")]
    Connect(#[source] io::Error),
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
    #[error("the answer was {0}")]
    Refused(StatusCode),
    #[error("there was no answer in {} seconds", PATIENCE.as_secs())]
    TooSlow,
}

impl Poster {
    pub(crate) fn new(to: Arc<Webhook>, reach: Reach, tls: TlsConnector) -> Self {
        Self { to, reach, tls }
    }

    pub(crate) fn sink(&self) -> &str {
        &self.to.account
    }

    /// # Errors
    /// Anything but an answer that says it was taken; a redirection is none.
    pub(crate) async fn post(&self, event: &Event) -> Result<(), PostError> {
        let sent = tokio::time::timeout(PATIENCE, self.send(event)).await;
        let status = sent.map_err(|_| PostError::TooSlow)??;
        if status.is_success() { Ok(()) } else { Err(PostError::Refused(status)) }
    }

    async fn send(&self, event: &Event) -> Result<StatusCode, PostError> {
        let uri: Uri = self.to.url.parse().map_err(|_| PostError::Url)?;
        let authority = uri.authority().ok_or(PostError::Url)?.clone();
        let secure = uri.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']);
        let request = self.request(&uri, authority.as_str(), event)?;
        let stream = self.connect(host, port).await?;
        if !secure {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| PostError::Url)?;
        let stream = self.tls.connect(name, stream).await.map_err(PostError::Connect)?;
        exchange(stream, request).await
    }

    /// To an address that was looked at: a name may lead elsewhere the next
    /// time it is looked up.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, PostError> {
        let found = tokio::net::lookup_host((host, port)).await.map_err(PostError::LookUp)?;
        let allowed: Vec<SocketAddr> = found.filter(|a| self.reach.allows(a.ip())).collect();
        if allowed.is_empty() {
            return Err(PostError::OutOfReach);
        }
        TcpStream::connect(&*allowed).await.map_err(PostError::Connect)
    }

    fn request(
        &self,
        uri: &Uri,
        authority: &str,
        event: &Event,
    ) -> Result<Request<Full<Bytes>>, PostError> {
        let id = id_of(self.sink(), event);
        let body = serde_json::to_vec(&EventView::new(id, event)).expect("a view is JSON");
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let path = uri.path_and_query().map_or("/", |it| it.as_str());
        Request::post(if path.is_empty() { "/" } else { path })
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("kannas/", env!("CARGO_PKG_VERSION")))
            .header("Kannas-Event-Id", id.to_string())
            .header("Kannas-Signature", signature(&self.to.secret, now, &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| PostError::Url)
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, PostError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        answer = &mut answer => Ok(answer?.status()),
        ended = &mut connection => {
            ended?;
            Ok(answer.await?.status())
        }
    }
}

/// The same whenever and by whichever server it is made.
fn id_of(sink: &str, event: &Event) -> Uuid {
    let text = format!("{} {} {:?} {sink}", event.peering, event.sequence, event.state);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>", in hex>`: who checks
/// the time as well is safe from what was recorded and is sent again.
fn signature(secret: &str, now: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(format!("{now}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={now},v1={hex}")
}

#[cfg(test)]
mod tests {
    use model::state::State;

    use super::*;

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef`
    #[test]
    fn a_signature_is_what_others_compute() {
        let want =
            "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e";
        assert_eq!(signature("0123456789abcdef", 1_700_000_000, b"{}"), want);
    }

    #[test]
    fn an_id_is_that_of_one_event_at_one_webhook() {
        let event = |sequence, state| Event {
            peering: Uuid::nil(),
            account: "a".to_owned(),
            state,
            before: None,
            reasons: vec![],
            sequence,
        };
        let first = event(1, State::Active);
        assert_eq!(id_of("a", &first), id_of("a", &first));
        let others =
            [("b", first.clone()), ("a", event(2, State::Active)), ("a", event(1, State::Error))];
        for (sink, other) in others {
            assert_ne!(id_of("a", &first), id_of(sink, &other));
        }
    }
}
