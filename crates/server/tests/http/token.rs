//! Tokens (A02, A04, A16, T).

use std::net::SocketAddr;

use serde_json::{Value, json};
use server::{Config, Server};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::sync::oneshot;

use crate::client::Client;
use crate::site::{NETWORKS, NOBODY, Site, at, config, furnish, network};

pub(crate) const TOKENS: &str = "/1.3/account/tokens";

/// As the Go SDK was recorded to send it, but for the date.
fn recorded() -> Value {
    let end = OffsetDateTime::now_utc() + Duration::days(300);
    let end = end.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
    json!({
        "name": "my_1st_token", "expires_at": end, "can_create_tokens": true,
        "allowed_ip_ranges": ["0.0.0.0/0", "::/0"]
    })
}

/// A body that is good whenever the test runs.
pub(crate) fn hour(more: &Value) -> Value {
    let mut body = json!({"name": "t", "expires_in": 3600});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

impl Client {
    /// A client by a new token of this one's user.
    pub(crate) async fn by_token(&self, more: Value) -> (Self, Value) {
        let made = self.post(TOKENS, &hour(&more)).await.bare(201);
        let text = made["token"].as_str().unwrap();
        (self.with(&format!("Bearer {text}")), made)
    }
}

#[tokio::test]
async fn t01_t02_a_token_is_shown_whole_once() {
    let site = Site::start().await;
    let body = recorded();
    let made = site.bob.post(&format!("{TOKENS}/"), &body).await.bare(201);
    let text = made["token"].as_str().unwrap();
    assert!(text.starts_with("ucat_") && text.len() == 31, "{text}");
    let (id, created) = (made["id"].as_str().unwrap(), made["created_at"].as_str().unwrap());
    assert!(id.starts_with("0c") && created.ends_with('Z'), "{made}");
    let want = json!({
        "token": text, "id": id, "name": "my_1st_token", "type": "workspace",
        "created_at": created, "expires_at": body["expires_at"], "can_create_tokens": true,
        "allowed_ip_ranges": ["0.0.0.0/0", "::/0"], "gui": false
    });
    assert_eq!(made, want);

    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("token");
    assert_eq!(site.bob.get(TOKENS).await.bare(200), json!([shown]));
    assert_eq!(site.bob.get(&at(TOKENS, id)).await.bare(200), shown);
    assert_eq!(site.alice.get(TOKENS).await.bare(200), json!([]));
    site.alice.get(&at(TOKENS, id)).await.problem(404, "RESOURCE_NOT_FOUND");
    site.alice.delete(&at(TOKENS, id)).await.problem(404, "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a02_t03_a_token_does_what_its_user_may_until_it_is_deleted() {
    let site = Site::start().await;
    let (bearer, made) = site.bob.by_token(json!({})).await;
    assert_eq!(bearer.read("/1.3/account").await, site.bob.read("/1.3/account").await);
    let uuid = bearer.make_network("10.0.1.0/24").await;
    site.bob.get(&at(NETWORKS, &uuid)).await.is(200);
    site.alice.get(&at(NETWORKS, &uuid)).await.refuses(404, "NETWORK_NOT_FOUND");

    let path = at(TOKENS, made["id"].as_str().unwrap());
    let used = site.bob.get(&path).await.bare(200);
    assert!(used["last_used_at"].as_str() > made["created_at"].as_str(), "{used}");
    bearer.delete(&path).await.is(204);
    bearer.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    site.bob.get(&path).await.problem(404, "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn a04_a_wrong_bearer_is_not_told_what_is_wrong_with_it() {
    let site = Site::start().await;
    let (_, nowhere) = site.bob.by_token(json!({"allowed_ip_ranges": []})).await;
    let (_, elsewhere) = site.bob.by_token(json!({"allowed_ip_ranges": ["192.0.2.0/24"]})).await;
    let (here, _) = site.bob.by_token(json!({"allowed_ip_ranges": ["127.0.0.1"]})).await;
    here.get("/1.3/account").await.is(200);
    let mut answers = Vec::new();
    let texts = [&nowhere["token"], &elsewhere["token"], &json!("ucat_01JFJ0HDPBXE0DJBP9DXNBEGGP")];
    for text in texts {
        let bearer = site.bob.with(&format!("Bearer {}", text.as_str().unwrap()));
        let reply = bearer.get("/1.3/account").await;
        answers.push(reply.text());
        reply.refuses(401, "AUTHENTICATION_FAILED");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn an_expired_token_is_listed_until_it_is_deleted_and_of_no_use() {
    let site = Site::start().await;
    let made = site.bob.post(TOKENS, &json!({"name": "t", "expires_in": 1})).await.bare(201);
    let bearer = site.bob.with(&format!("Bearer {}", made["token"].as_str().unwrap()));
    while bearer.get("/1.3/account").await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    bearer.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    let listed = site.bob.get(TOKENS).await.bare(200);
    assert_eq!(listed[0]["id"], made["id"]);
    site.bob.delete(&at(TOKENS, made["id"].as_str().unwrap())).await.is(204);
    assert_eq!(site.bob.get(TOKENS).await.bare(200), json!([]));
}

#[tokio::test]
async fn a16_problems_with_tokens_have_a_type_and_name_what_is_at_fault() {
    let site = Site::start().await;
    for id in [NOBODY, "x"] {
        site.bob.delete(&at(TOKENS, id)).await.problem(404, "RESOURCE_NOT_FOUND");
        site.bob.get(&at(TOKENS, id)).await.problem(404, "RESOURCE_NOT_FOUND");
    }
    let nine = Value::from(vec!["10.0.0.0/8"; 101]);
    for (key, value) in [
        ("name", json!(null)),
        ("name", json!("")),
        ("name", json!("n".repeat(1025))),
        ("expires_in", json!(0)),
        ("expires_in", json!(8760 * 3600 + 1)),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
        ("can_create_tokens", json!("yes")),
        ("allowed_ip_ranges", json!(["10.0.0.0/33"])),
        ("allowed_ip_ranges", nine),
        ("foo", json!(1)),
    ] {
        let mut body = hour(&json!({}));
        if key == "expires_at" {
            body = json!({"name": "t"});
        }
        body[key] = value;
        let problem = site.bob.post(TOKENS, &body).await.problem(400, "INVALID_REQUEST");
        let name = problem["invalid_params"][0]["name"].as_str().unwrap();
        let want = if key == "expires_in" { "expires_" } else { key };
        assert!(name.starts_with(want), "{problem}");
    }
    for body in ["", "[]", "{"] {
        let reply = site.bob.send("POST", TOKENS, "", body.as_bytes()).await;
        reply.problem(400, "INVALID_REQUEST");
    }
    site.bob.get(&format!("{TOKENS}?sort=token")).await.problem(400, "INVALID_REQUEST");
    assert_eq!(site.bob.get(TOKENS).await.bare(200), json!([]));
}

#[tokio::test]
async fn only_a_token_that_may_makes_credentials() {
    let site = Site::start().await;
    let (may, _) = site.alice.by_token(json!({"can_create_tokens": true})).await;
    let (may_not, _) = site.alice.by_token(json!({})).await;
    let body = hour(&json!({}));
    may.post(TOKENS, &body).await.bare(201);
    may_not.post(TOKENS, &body).await.problem(403, "ACCOUNT_FORBIDDEN");
    let sub = json!({"sub_account": {"username": "s", "password": "long enough"}});
    may_not.post("/1.3/account/sub", &sub).await.refuses(403, "ACCOUNT_FORBIDDEN");
    let account = json!({"account": {"username": "s", "password": "long enough"}});
    may_not.post("/kannas/v1/accounts", &account).await.refuses(403, "ACCOUNT_FORBIDDEN");
    let password = json!({"account": {"password": "long enough"}});
    let own = "/kannas/v1/accounts/alice";
    may_not.put(own, &password).await.refuses(403, "ACCOUNT_FORBIDDEN");
    may_not.post(NETWORKS, &network("fi-hel1", "10.0.0.0/24")).await.is(201);
    may.put(own, &password).await.is(204);
}

#[tokio::test]
async fn tokens_are_listed_in_pages_and_in_the_order_that_is_asked_for() {
    let site = Site::start().await;
    for (name, seconds) in [("b", 300), ("c", 100), ("a", 200)] {
        let body = json!({"name": name, "expires_in": seconds});
        site.bob.post(TOKENS, &body).await.bare(201);
    }
    for (query, want) in [
        ("", "bca"),
        ("?limit=100&offset=0", "bca"),
        ("?limit=1&offset=1", "c"),
        ("?sort=name", "abc"),
        ("?sort=-name&limit=2", "cb"),
        ("?sort=%2Bexpires_at", "cab"),
        ("?sort=-created_at", "acb"),
    ] {
        let list = site.bob.get(&format!("{TOKENS}{query}")).await.bare(200);
        let names = list.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap());
        assert_eq!(names.collect::<String>(), want, "{query}");
    }
}

/// Serves until the sender is dropped or sends.
pub(crate) async fn serve_until(config: &Config) -> (SocketAddr, oneshot::Sender<()>, impl Future) {
    let server = Server::start(config).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let api = server.addresses().api;
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    (api, stop, serving)
}

#[tokio::test]
async fn a_restart_knows_tokens_and_when_they_were_used() {
    let dir = tempfile::tempdir().unwrap();
    furnish(dir.path()).await;
    let config = config(dir.path());
    let (api, stop, serving) = serve_until(&config).await;
    let bob = Client::new(api, "bob", "bobs password");
    let (bearer, made) = bob.by_token(json!({})).await;
    let path = at(TOKENS, made["id"].as_str().unwrap());
    bearer.get("/1.3/account").await.is(200);
    let before = bob.get(&path).await.bare(200);
    assert!(before["last_used_at"].is_string());
    drop(stop);
    serving.await;

    let (api, _stop, _serving) = serve_until(&config).await;
    let again = Client::new(api, "bob", "bobs password");
    assert_eq!(again.get(&path).await.bare(200), before);
    let text = format!("Bearer {}", made["token"].as_str().unwrap());
    again.with(&text).get("/1.3/account").await.is(200);
    // What is on the disk is of no use to who reads it.
    let database = std::fs::read(dir.path().join("kannas.db")).unwrap();
    let secret = made["token"].as_str().unwrap().as_bytes();
    assert!(!database.windows(secret.len()).any(|part| part == secret));
}
