//! `/kannas/v1/peering-requests`: consent as a conversation.

use serde_json::{Value, json};
use server::PolicyArgs;

use crate::client::Client;
use crate::site::{NOBODY, PEERINGS, Site, at, peering};

const REQUESTS: &str = "/kannas/v1/peering-requests";

impl Client {
    async fn requests(&self) -> Vec<Value> {
        let list = self.read(REQUESTS).await["peering_requests"]["peering_request"].clone();
        let Value::Array(list) = list else { panic!("{list}") };
        list
    }

    async fn reason(&self, path: &str) -> String {
        let it = self.read(path).await["network_peering"].clone();
        assert_eq!(it["state"], "pending-peer");
        it["reasons"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// A network each, and alice's half towards bob's, with a note.
struct Asked {
    site: Site,
    a: String,
    b: String,
    uuid: String,
    there: String,
}

impl Asked {
    async fn under(policy: PolicyArgs) -> Self {
        let site = Site::under(policy).await;
        let a = site.alice.make_routed("10.0.1.0/24").await;
        let b = site.bob.make_routed("10.0.2.0/24").await;
        let mut body = peering(&a, &b);
        body["network_peering"]["note"] = json!("For the backups.");
        body["network_peering"]["labels"] = json!([{"key": "secret", "value": "secret"}]);
        let made = site.alice.post(PEERINGS, &body).await.is(201)["network_peering"].clone();
        assert_eq!(made["note"], "For the backups.");
        let uuid = made["uuid"].as_str().unwrap().to_owned();
        let there = at(PEERINGS, &uuid);
        Self { site, a, b, uuid, there }
    }

    async fn start() -> Self {
        Self::under(PolicyArgs::default()).await
    }

    fn answer(&self, verb: &str) -> String {
        format!("{REQUESTS}/{}/{verb}", self.uuid)
    }
}

#[tokio::test]
async fn who_is_asked_learns_what_is_offered_and_nothing_else() {
    let it = Asked::start().await;
    let mut requests = it.site.bob.requests().await;
    let expires = requests[0].as_object_mut().unwrap().remove("expires_at").unwrap();
    assert!(expires.as_str().unwrap().ends_with('Z'), "{expires}");
    let offer = json!({"uuid": it.a, "prefixes": ["10.0.1.0/24"]});
    let want = json!([{
        "uuid": it.uuid, "network": {"uuid": it.b}, "peer_network": offer,
        "note": "For the backups."
    }]);
    assert_eq!(json!(requests), want);
    assert_eq!(it.site.alice.requests().await, [Value::Null; 0]);
    it.site.bob.get(&it.there).await.refuses(404, "PEERING_NOT_FOUND");
}

#[tokio::test]
async fn to_accept_makes_the_half_that_answers() {
    let it = Asked::start().await;
    let labels = json!([{"key": "from", "value": "request"}]);
    let body = json!({"peering_request": {"name": "agreed", "labels": labels}});
    let made = it.site.bob.post(&it.answer("accept"), &body).await.is(201);
    let made = &made["network_peering"];
    assert_eq!(made["state"], "active");
    assert_eq!((&made["name"], &made["labels"]), (&json!("agreed"), &labels));
    assert_eq!(
        (&made["network"]["uuid"], &made["peer_network"]["uuid"]),
        (&json!(it.b), &json!(it.a))
    );
    assert_eq!(it.site.alice.state(&it.there).await, "active");
    assert_eq!(it.site.bob.requests().await, [Value::Null; 0]);
    let again = it.site.bob.post(&it.answer("accept"), &body).await;
    again.refuses(404, "PEERING_REQUEST_NOT_FOUND");
}

#[tokio::test]
async fn to_accept_needs_no_body() {
    let it = Asked::start().await;
    let made = it.site.bob.send("POST", &it.answer("accept"), "", b"").await.is(201);
    assert_eq!(made["network_peering"]["state"], "active");
    assert!(!made["network_peering"]["name"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_declined_waits_until_it_is_offered_anew() {
    let it = Asked::start().await;
    for _ in 0..2 {
        it.site.bob.send("POST", &it.answer("decline"), "", b"").await.is(204);
        assert_eq!(it.site.alice.reason(&it.there).await, "declined");
        assert_eq!(it.site.bob.requests().await, [Value::Null; 0]);
    }
    let refused = it.site.bob.send("POST", &it.answer("accept"), "", b"").await;
    refused.refuses(404, "PEERING_REQUEST_NOT_FOUND");
    it.site.alice.set(&it.there, json!({"name": "other", "note": null})).await;
    assert_eq!(it.site.alice.reason(&it.there).await, "declined");
    it.site.alice.set(&it.there, json!({"configured_status": "active"})).await;
    assert_eq!(it.site.alice.reason(&it.there).await, "no-peer-half");
    let requests = it.site.bob.requests().await;
    assert_eq!((requests.len(), requests[0].get("note")), (1, None));
    it.site.alice.delete(&it.there).await.is(204);
    it.site.alice.peer(&it.a, &it.b).await;
    assert_eq!(it.site.bob.requests().await.len(), 1);
}

#[tokio::test]
async fn a_stranger_can_neither_see_nor_answer() {
    let it = Asked::start().await;
    let before = it.site.everything().await;
    for (client, uuid) in [(&it.site.alice, &*it.uuid), (&it.site.bob, NOBODY), (&it.site.bob, "x")]
    {
        for verb in ["accept", "decline"] {
            let refused = client.send("POST", &format!("{REQUESTS}/{uuid}/{verb}"), "", b"").await;
            refused.refuses(404, "PEERING_REQUEST_NOT_FOUND");
        }
    }
    assert_eq!(it.site.everything().await, before);
}

#[tokio::test]
async fn without_a_limit_a_request_does_not_expire() {
    let policy = PolicyArgs { peering_request_days: 0, ..PolicyArgs::default() };
    let it = Asked::under(policy).await;
    let requests = it.site.bob.requests().await;
    assert_eq!((requests.len(), requests[0].get("expires_at")), (1, None));
}

#[tokio::test]
async fn what_the_answers_cannot_take_is_refused() {
    let it = Asked::start().await;
    let accept = it.answer("accept");
    for (body, code) in [
        (json!({"peering_request": {"name": ""}}), "NAME_INVALID"),
        (json!({"peering_request": {"labels": [{"key": "x", "value": ""}]}}), "INVALID_LABEL_KEY"),
        (json!({"peering_request": {"prefix": "x"}}), "UNKNOWN_ATTRIBUTE"),
        (json!({"network_peering": {}}), "REQUEST_INVALID"),
    ] {
        it.site.bob.post(&accept, &body).await.refuses(400, code);
    }
    let mut body = peering(&it.b, &it.a);
    body["network_peering"]["note"] = json!("\u{1b}[2J");
    it.site.bob.post(PEERINGS, &body).await.refuses(400, "REQUEST_INVALID");
    assert_eq!(it.site.bob.requests().await.len(), 1);
}

#[tokio::test]
async fn both_halves_go_in_one_call_for_who_owns_both() {
    let it = Asked::start().await;
    it.site.bob.send("POST", &it.answer("accept"), "", b"").await.is(201);
    let before = it.site.everything().await;
    let refused = it.site.alice.delete(&format!("{}?both=1", it.there)).await;
    refused.refuses(403, "PEER_HALF_FORBIDDEN");
    it.site
        .alice
        .delete(&format!("{}?both=perhaps", it.there))
        .await
        .refuses(400, "REQUEST_INVALID");
    assert_eq!(it.site.everything().await, before);
    let c = it.site.alice.make_routed("10.0.3.0/24").await;
    let there = it.site.alice.peered(&it.a, &c).await;
    let back = it.site.alice.peered(&c, &it.a).await;
    it.site.alice.delete(&format!("{there}?both=1")).await.is(204);
    it.site.alice.get(&there).await.refuses(404, "PEERING_NOT_FOUND");
    it.site.alice.get(&back).await.refuses(404, "PEERING_NOT_FOUND");
    let lone = it.site.alice.peered(&it.a, &c).await;
    it.site.alice.delete(&format!("{lone}?both=1")).await.is(204);
}
