//! `Idempotency-Key`.

use serde_json::{Value, json};
use server::Server;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Client, Reply};
use crate::site::{NETWORKS, PEERINGS, ROUTERS, Site, at, config, furnish, network, peering};

fn router(name: &str) -> Value {
    json!({"router": {"name": name}})
}

impl Client {
    async fn post_once(&self, key: &str, path: &str, body: &Value) -> Reply {
        let header = format!("Idempotency-Key: {key}\r\n");
        self.send("POST", path, &header, body.to_string().as_bytes()).await
    }

    async fn how_many_routers(&self) -> usize {
        self.read(ROUTERS).await["routers"]["router"].as_array().unwrap().len()
    }
}

#[tokio::test]
async fn a_repetition_is_answered_alike_and_makes_nothing() {
    let site = Site::start().await;
    let first = site.alice.post_once("k1", ROUTERS, &router("r")).await.is(201);
    let uuid = first["router"]["uuid"].as_str().unwrap().to_owned();
    let path = at(ROUTERS, &uuid);
    // As it was answered, whatever became of it.
    site.alice.patch(&path, &router("renamed")).await.is(200);
    let again = site.alice.post_once("k1", ROUTERS, &router("r")).await.is(201);
    assert_eq!(again, first);
    site.alice.delete(&path).await.is(204);
    assert_eq!(site.alice.post_once("k1", ROUTERS, &router("r")).await.is(201), first);
    assert_eq!(site.alice.how_many_routers().await, 0);
    let other = site.alice.post_once("k2", ROUTERS, &router("r")).await.is(201);
    assert_ne!(other, first);
}

#[tokio::test]
async fn a_key_is_for_one_request_of_one_account() {
    let site = Site::start().await;
    site.alice.post_once("k", ROUTERS, &router("r")).await.is(201);
    let before = site.everything().await;
    let body = network("fi-hel1", "10.0.0.0/24");
    for (path, body) in [(ROUTERS, router("s")), (NETWORKS, body), ("/1.3/router?x=1", router("r"))]
    {
        let refused = site.alice.post_once("k", path, &body).await;
        refused.refuses(409, "IDEMPOTENCY_KEY_REUSED");
    }
    assert_eq!(site.everything().await, before);
    site.bob.post_once("k", ROUTERS, &router("s")).await.is(201);
    assert_eq!(site.alice.how_many_routers().await, 1);
}

#[tokio::test]
async fn a_refusal_does_not_use_up_a_key() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.alice.make_routed("10.0.2.0/24").await;
    let standing = site.alice.peered(&a, &b).await;
    let body = peering(&a, &b);
    let refused = site.alice.post_once("k", PEERINGS, &body).await;
    refused.refuses(409, "PEERING_CONFLICT");
    site.alice.delete(&standing).await.is(204);
    let made = site.alice.post_once("k", PEERINGS, &body).await.is(201);
    assert_eq!(site.alice.post_once("k", PEERINGS, &body).await.is(201), made);
}

#[tokio::test]
async fn repetitions_at_once_make_one_thing_and_are_answered_alike() {
    let site = Site::start().await;
    for round in 0..8 {
        let key = format!("k{round}");
        let body = router("r");
        let ask = || site.alice.post_once(&key, ROUTERS, &body);
        let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
        let first = a.is(201);
        for other in [b, c, d] {
            assert_eq!(other.is(201), first);
        }
        assert_eq!(site.alice.how_many_routers().await, round + 1);
    }
}

#[tokio::test]
async fn every_call_that_makes_something_takes_a_key() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let asked = site.bob.peer(&b, &a).await;
    let accept = format!("/kannas/v1/peering-requests/{}/accept", asked["uuid"].as_str().unwrap());
    let server = json!({"server": {"title": "t", "hostname": "h", "zone": "fi-hel1"}});
    let account = json!({"account": {"username": "carol", "password": "a long password"}});
    let zone = json!({"zone": {"id": "home-1", "description": "Home"}});
    for (n, (path, body)) in [
        (NETWORKS, network("fi-hel1", "10.0.3.0/24")),
        (&*accept, json!({"peering_request": {}})),
        ("/1.3/server", server),
        ("/kannas/v1/accounts", account),
        ("/kannas/v1/zones", zone),
    ]
    .into_iter()
    .enumerate()
    {
        let key = n.to_string();
        let first = site.alice.post_once(&key, path, &body).await;
        let status = first.status;
        assert!((200..300).contains(&status), "{path}: {}", first.text());
        let first = first.is(status);
        let before = site.everything().await;
        assert_eq!(site.alice.post_once(&key, path, &body).await.is(status), first, "{path}");
        assert_eq!(site.everything().await, before, "{path}");
    }
}

#[tokio::test]
async fn a_secret_is_told_once_and_kept_nowhere() {
    let site = Site::start().await;
    let (path, body) = ("/kannas/v1/host-tokens", json!({"host_token": {"zone": "fi-hel1"}}));
    let first = site.alice.post_once("k", path, &body).await;
    assert_eq!(first.header("cache-control"), Some("no-store"));
    first.is(201);
    site.alice.post_once("k", path, &body).await.refuses(409, "ANSWER_LOST");
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused_and_other_methods_take_none() {
    let site = Site::start().await;
    let long = "k".repeat(256);
    for key in ["", "a b", &long] {
        let refused = site.alice.post_once(key, ROUTERS, &router("r")).await;
        refused.refuses(400, "REQUEST_INVALID");
    }
    assert_eq!(site.alice.how_many_routers().await, 0);
    site.alice.send("GET", ROUTERS, "Idempotency-Key: a b\r\n", b"").await.is(200);
}

/// A server that can be stopped.
struct Run {
    alice: Client,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Run {
    async fn start(dir: &std::path::Path) -> Self {
        let server = Server::start(&config(dir)).await.unwrap();
        let alice = Client::new(server.addresses().api, "alice", "alices password");
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(async move {
            server.serve(async { drop(stopped.await) }).await.unwrap();
        });
        Self { alice, stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

#[tokio::test]
async fn a_repetition_after_a_restart_is_answered_alike() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let run = Run::start(dir.path()).await;
    let first = run.alice.post_once("k", ROUTERS, &router("r")).await.is(201);
    run.stop().await;
    let run = Run::start(dir.path()).await;
    assert_eq!(run.alice.post_once("k", ROUTERS, &router("r")).await.is(201), first);
    let other = run.alice.post_once("k", ROUTERS, &router("s")).await;
    other.refuses(409, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(run.alice.how_many_routers().await, 1);
    run.stop().await;
}

/// As of a server that died between the write and the answer.
#[tokio::test]
async fn what_was_done_and_never_answered_is_shown_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let body = router("r");
    let run = Run::start(dir.path()).await;
    let first = run.alice.post_once("k", ROUTERS, &body).await.is(201);
    run.stop().await;
    forget_answers(dir.path());
    let run = Run::start(dir.path()).await;
    assert_eq!(run.alice.post_once("k", ROUTERS, &body).await.is(201), first);
    let path = at(ROUTERS, first["router"]["uuid"].as_str().unwrap());
    run.alice.patch(&path, &router("renamed")).await.is(200);
    // That was an answer, and from then on it is the answer.
    assert_eq!(run.alice.post_once("k", ROUTERS, &body).await.is(201), first);
    run.stop().await;
}

fn forget_answers(dir: &std::path::Path) {
    let database = rusqlite::Connection::open(dir.join("kannas.db")).unwrap();
    let unknown =
        "UPDATE object SET body = json_set(body, '$.outcome', 'unknown') WHERE kind = 'done'";
    assert_eq!(database.execute(unknown, []).unwrap(), 1);
    // Not by the store, so the digest over all objects is another.
    database.execute("UPDATE revision SET digest = x''", []).unwrap();
}
