//! `/kannas/v1/webhook` and what is sent there.

use std::net::SocketAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::client::Client;
use crate::site::{PEERINGS, Site, at};

pub(crate) const WEBHOOK: &str = "/kannas/v1/webhook";
pub(crate) const SECRET: &str = "0123456789abcdef";
const SOON: Duration = Duration::from_secs(30);

/// A receiver that answers with one status after the other, and with the last
/// of them from then on.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) got: mpsc::UnboundedReceiver<Got>,
    statuses: watch::Sender<&'static [u16]>,
    /// Callers that hung up before they had said anything.
    hung_up: watch::Receiver<usize>,
}

#[derive(Debug)]
pub(crate) struct Got {
    /// How it was answered.
    status: u16,
    head: String,
    body: String,
}

impl Receiver {
    pub(crate) async fn start(statuses: &'static [u16]) -> Self {
        Self::start_behind(None, statuses).await
    }

    pub(crate) async fn start_behind(tls: Option<TlsAcceptor>, first: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (send, got) = mpsc::unbounded_channel();
        let (statuses, mut answers) = watch::channel(first);
        let (hanging, hung_up) = watch::channel(0);
        tokio::spawn(async move {
            let mut n = 0;
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if answers.has_changed().is_ok_and(|changed| changed) {
                    n = 0;
                }
                let statuses = *answers.borrow_and_update();
                let status = statuses[n.min(statuses.len() - 1)];
                let it = match &tls {
                    None => exchange(&mut stream, status).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(mut stream) => exchange(&mut stream, status).await,
                        Err(_) => None,
                    },
                };
                let Some(it) = it else {
                    hanging.send_modify(|count| *count += 1);
                    continue;
                };
                n += 1;
                let _ = send.send(it);
            }
        });
        Self { address, got, statuses, hung_up }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, statuses: &'static [u16]) {
        self.statuses.send_replace(statuses);
    }

    pub(crate) async fn next(&mut self) -> Got {
        tokio::time::timeout(SOON, self.got.recv()).await.expect("is told in time").unwrap()
    }

    /// The next that is another event than `it`, or the same one if it was
    /// refused and is now taken.
    pub(crate) async fn next_after(&mut self, it: &Got) -> Got {
        loop {
            let next = self.next().await;
            if next.status < 300 || next.header("kannas-event-id") != it.header("kannas-event-id") {
                return next;
            }
        }
    }

    pub(crate) async fn is_hung_up_on(&mut self) {
        let hung_up = self.hung_up.wait_for(|count| *count > 0);
        tokio::time::timeout(SOON, hung_up).await.expect("hangs up in time").unwrap();
    }
}

async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), status: u16) -> Option<Got> {
    let it = read(stream).await?;
    let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
    Some(Got { status, ..it })
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Got> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
            if body.len() == length?.parse::<usize>().ok()? {
                return Some(Got { status: 0, head, body: body.to_owned() });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap()
    }

    /// What it says, if its signature is right.
    pub(crate) fn said(&self) -> Value {
        let (time, signature) = self.header("kannas-signature").split_once(',').unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("{time}.{}", self.body).as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(signature, format!("v1={hex}"));
        let said: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(said["id"], self.header("kannas-event-id"));
        assert_eq!(said["type"], "network_peering.state");
        said["network_peering"].clone()
    }
}

async fn site() -> Site {
    Site::with(|it| it.webhook.webhook_allow = vec!["127.0.0.0/8".parse().unwrap()]).await
}

impl Client {
    async fn hook(&self, url: &str) {
        let body = json!({"webhook": {"url": url, "secret": SECRET}});
        let answer = self.put(WEBHOOK, &body).await.is(200);
        assert_eq!(answer, json!({"webhook": {"url": url}}));
    }
}

#[tokio::test]
async fn each_state_is_told_in_order_and_signed() {
    let site = site().await;
    let mut receiver = Receiver::start(&[200]).await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    site.alice.hook(&receiver.url()).await;
    let there = site.alice.peered(&a, &b).await;
    let first = receiver.next().await.said();
    assert_eq!(at(PEERINGS, first["uuid"].as_str().unwrap()), there);
    assert_eq!((&first["state"], &first["previous_state"]), (&json!("pending-peer"), &Value::Null));
    assert_eq!((&first["account"], &first["sequence"]), (&json!("alice"), &json!(1)));
    assert_eq!(first["reasons"][0]["code"], "no-peer-half");
    site.bob.peer(&b, &a).await;
    let second = receiver.next().await.said();
    assert_eq!((&second["state"], &second["sequence"]), (&json!("active"), &json!(2)));
    assert_eq!(second["previous_state"], "pending-peer");
    site.alice.set(&there, json!({"configured_status": "disabled"})).await;
    assert_eq!(receiver.next().await.said()["state"], "disabled");
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_as_the_same_event() {
    let site = site().await;
    let mut receiver = Receiver::start(&[500, 302, 404, 204]).await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    site.alice.hook(&receiver.url()).await;
    let there = site.alice.peered(&a, &b).await;
    let first = receiver.next().await;
    for _ in 0..3 {
        let again = receiver.next().await;
        assert_eq!(again.said(), first.said());
        assert_eq!(again.header("kannas-event-id"), first.header("kannas-event-id"));
    }
    site.alice.set(&there, json!({"configured_status": "disabled"})).await;
    let next = receiver.next().await.said();
    assert_eq!((&next["state"], &next["sequence"]), (&json!("disabled"), &json!(2)));
}

#[tokio::test]
async fn an_account_cannot_make_the_server_call_what_is_near_it() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), format!("{SECRET}\n")).unwrap();
    let mut operator = Receiver::start(&[200]).await;
    let mut forbidden = Receiver::start(&[200]).await;
    let site = Site::with(|it| {
        it.webhook.webhook_url = Some(operator.url());
        it.webhook.webhook_secret_file = Some(secret.path().to_owned());
    })
    .await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    site.alice.hook(&forbidden.url()).await;
    site.alice.peer(&a, &b).await;
    site.bob.peer(&b, &a).await;
    let mut told = Vec::new();
    while told.iter().filter(|(_, state)| *state == "active").count() < 2 {
        let said = operator.next().await.said();
        told.push((said["account"].clone(), said["state"].clone()));
    }
    assert!(told.contains(&(json!("alice"), json!("active"))), "{told:?}");
    assert!(told.contains(&(json!("bob"), json!("active"))), "{told:?}");
    assert!(forbidden.got.try_recv().is_err());
}

#[tokio::test]
async fn an_account_hears_of_its_own_peerings_alone_and_only_while_it_wants_to() {
    let site = site().await;
    let mut at_alice = Receiver::start(&[200]).await;
    let mut at_bob = Receiver::start(&[200]).await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    site.alice.hook(&at_alice.url()).await;
    site.bob.hook(&at_bob.url()).await;
    let there = site.alice.peered(&a, &b).await;
    assert_eq!(at_alice.next().await.said()["account"], "alice");
    site.alice.delete(WEBHOOK).await.is(204);
    site.bob.peer(&b, &a).await;
    let said = at_bob.next().await.said();
    assert_eq!((&said["account"], &said["sequence"]), (&json!("bob"), &json!(1)));
    // Bob hears of the end as alice would have.
    site.alice.delete(&there).await.is(204);
    assert_eq!(at_bob.next().await.said()["state"], "pending-peer");
    assert!(at_alice.got.try_recv().is_err());
}

#[tokio::test]
async fn a_webhook_is_set_shown_without_its_secret_and_deleted() {
    let site = site().await;
    site.alice.get(WEBHOOK).await.refuses(404, "WEBHOOK_NOT_FOUND");
    site.alice.delete(WEBHOOK).await.refuses(404, "WEBHOOK_NOT_FOUND");
    for (url, secret) in [
        ("ftp://example.com", SECRET),
        ("http://", SECRET),
        ("http://u@example.com", SECRET),
        ("http://example.com", "short"),
        ("http://example.com", "with a space in it"),
    ] {
        let body = json!({"webhook": {"url": url, "secret": secret}});
        site.alice.put(WEBHOOK, &body).await.refuses(400, "REQUEST_INVALID");
    }
    site.alice.hook("http://192.0.2.1/").await;
    let shown = site.alice.get(WEBHOOK).await;
    assert!(!shown.text().contains(SECRET));
    assert_eq!(shown.is(200), json!({"webhook": {"url": "http://192.0.2.1/"}}));
    site.bob.get(WEBHOOK).await.refuses(404, "WEBHOOK_NOT_FOUND");
    site.alice.delete(WEBHOOK).await.is(204);
    site.alice.get(WEBHOOK).await.refuses(404, "WEBHOOK_NOT_FOUND");
}
