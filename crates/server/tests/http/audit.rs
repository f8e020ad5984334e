//! What was done: events, histories, and how it was.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::Client;
use crate::site::{NOBODY, ROUTERS, Site, at};

const EVENTS: &str = "/kannas/v1/events";
const STREAM: &str = "/kannas/v1/events/stream";
const HISTORY: &str = "/kannas/v1/history";
const PAST: &str = "/kannas/v1/past/network-peering";

async fn events(client: &Client, path: &str) -> Vec<Value> {
    let Value::Array(all) = client.read(path).await["events"]["event"].clone() else {
        panic!("no list")
    };
    all
}

fn kinds(events: &[Value]) -> Vec<String> {
    let change = |it: &Value| format!("{} {}", it["kind"], it["change"]).replace('"', "");
    events.iter().flat_map(|it| it["changes"].as_array().unwrap()).map(change).collect()
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').unwrap().1
}

/// A time that nothing was written in: what is written has milliseconds.
async fn now() -> String {
    tokio::time::sleep(Duration::from_millis(2)).await;
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    now
}

#[tokio::test]
async fn a_change_is_told_with_who_did_it_from_where_and_what_was_before() {
    let site = Site::start().await;
    let (a, b) =
        (site.bob.make_routed("10.0.1.0/24").await, site.bob.make_routed("10.0.2.0/24").await);
    let peering = site.bob.peered(&a, &b).await;
    site.bob.set(&peering, json!({"configured_status": "disabled"})).await;
    site.bob.delete(&peering).await.is(204);

    let all = events(&site.bob, &at(HISTORY, name_of(&peering))).await;
    assert_eq!(kinds(&all), ["peering deleted", "peering changed", "peering created"]);
    let changed = &all[1];
    assert_eq!((&changed["who"], &changed["from"]), (&json!("bob"), &json!("127.0.0.1")));
    assert_eq!(changed["cause"], format!("PATCH {peering}"));
    let [before, after] = ["before", "after"].map(|it| &changed["changes"][0][it]["configured"]);
    assert_eq!((before, after), (&json!("active"), &json!("disabled")));
    assert_eq!(all[0]["changes"][0]["after"], Value::Null);
    let revisions: Vec<u64> = all.iter().map(|it| it["revision"].as_u64().unwrap()).collect();
    assert!(revisions.is_sorted_by(|a, b| a > b));

    let newest = events(&site.bob, &format!("{EVENTS}?limit=2")).await;
    assert_eq!(newest, all[..2]);
    let later = events(&site.bob, &format!("{EVENTS}?after={}&limit=1", revisions[2])).await;
    assert_eq!(later, [all[1].clone()]);
    let earlier = events(&site.bob, &format!("{EVENTS}?before={}&limit=1", revisions[1])).await;
    assert_eq!(earlier, [all[2].clone()]);
}

#[tokio::test]
async fn nobody_is_told_of_what_is_in_another_account() {
    let site = Site::start().await;
    let router = site.bob.make_router().await;
    let peering = {
        let (a, b) = (
            site.bob.make_network("10.0.1.0/24").await,
            site.alice.make_network("10.0.2.0/24").await,
        );
        site.bob.peered(&a, &b).await
    };
    assert!(kinds(&events(&site.bob, EVENTS).await).contains(&"router created".to_owned()));
    site.bob.delete(&at(ROUTERS, &router)).await.is(204);

    // An administrator learns that something was, of what kind, and who did it.
    let seen = events(&site.alice, &at(HISTORY, &router)).await;
    assert_eq!(kinds(&seen), ["router deleted", "router created"]);
    assert_eq!(seen[0]["who"], "bob");
    assert!(
        seen.iter()
            .all(|it| it["changes"][0]["before"].is_null() && it["changes"][0]["after"].is_null())
    );

    let body = json!({"account": {"username": "carol", "password": "a long password"}});
    site.alice.post("/kannas/v1/accounts", &body).await.is(201);
    let carol = site.alice.with(&format!("Basic {}", "Y2Fyb2w6YSBsb25nIHBhc3N3b3Jk"));
    let own = events(&carol, EVENTS).await;
    assert_eq!(kinds(&own), ["account created"]);
    assert_eq!((&own[0]["who"], &own[0]["from"]), (&json!("another account"), &Value::Null));
    for uuid in [&router, name_of(&peering), NOBODY] {
        carol.get(&at(HISTORY, uuid)).await.refuses(404, "OBJECT_NOT_FOUND");
        let path = format!("{PAST}/{uuid}?at={}", now().await);
        carol.get(&path).await.refuses(404, "PEERING_NOT_FOUND");
    }
    carol.get("/kannas/v1/events/check").await.refuses(403, "ACCOUNT_FORBIDDEN");
    let body = json!({"sub_account": {"username": "sub", "password": "the first one"}});
    carol.post("/1.3/account/sub", &body).await.is(204);
    let sub = carol.with("Basic c3ViOnRoZSBmaXJzdCBvbmU=");
    for path in [EVENTS, STREAM, &at(HISTORY, NOBODY)] {
        sub.get(path).await.refuses(403, "ACCOUNT_FORBIDDEN");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_event_and_the_log_holds_together() {
    let site = Site::start().await;
    let hook =
        json!({"webhook": {"url": "https://example.com/", "secret": "the-secret-of-a-webhook"}});
    site.alice.put("/kannas/v1/webhook", &hook).await.is(200);
    let body = json!({"account": {"username": "carol", "password": "a long password"}});
    site.alice.post("/kannas/v1/accounts", &body).await.is(201);
    let text = site.alice.get(&format!("{EVENTS}?limit=1000")).await.text();
    for secret in ["the-secret-of", "argon2", "PRIVATE KEY", "a long password"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("https://example.com/"), "{text}");
    let check = site.alice.read("/kannas/v1/events/check").await["check"].clone();
    assert_eq!((&check["first"], &check["broken"]), (&json!(1), &Value::Null));
    assert_eq!(check["entries"], check["last"]);
}

#[tokio::test]
async fn peerings_are_shown_as_they_were_configured_at_a_time() {
    let site = Site::start().await;
    let nothing = now().await;
    let (a, b) =
        (site.bob.make_routed("10.0.1.0/24").await, site.bob.make_routed("10.0.2.0/24").await);
    let there = site.bob.peered(&a, &b).await;
    let back = site.bob.peered(&b, &a).await;
    let both = now().await;
    site.bob.set(&there, json!({"configured_status": "disabled"})).await;
    let disabled = now().await;
    site.bob.delete(&there).await.is(204);
    site.bob.delete(&back).await.is(204);

    let list = async |at: &str| {
        let list = site.bob.read(&format!("{PAST}?at={at}")).await;
        let all = list["network_peerings"]["network_peering"].as_array().unwrap().clone();
        all.into_iter().map(|it| it["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&nothing).await, [""; 0]);
    assert_eq!(list(&both).await, ["active", "active"]);
    let mut states = list(&disabled).await;
    states.sort_unstable();
    assert_eq!(states, ["disabled", "peer-disabled"]);
    assert_eq!(list(&now().await).await, [""; 0]);
    let path = format!("{PAST}/{}?at={both}", name_of(&there));
    let it = site.bob.read(&path).await["network_peering"].clone();
    assert_eq!((&it["configured_status"], &it["network"]["uuid"]), (&json!("active"), &json!(a)));

    for bad in ["", "?at=", "?at=yesterday", "?at=2026-13-01T00:00:00Z"] {
        site.bob.get(&format!("{PAST}{bad}")).await.refuses(400, "REQUEST_INVALID");
    }
    let path = format!("{PAST}?at=1999-01-01T00:00:00Z");
    site.bob.get(&path).await.refuses(410, "EVENT_GONE");
}

#[tokio::test]
async fn bad_numbers_are_refused_by_name() {
    let site = Site::start().await;
    for query in ["limit=0", "limit=1001", "limit=x", "after=-1", "before=x"] {
        let reply = site.bob.get(&format!("{EVENTS}?{query}")).await;
        let name = query.split_once('=').unwrap().0;
        assert!(reply.text().contains(name), "{}", reply.text());
        reply.refuses(400, "REQUEST_INVALID");
    }
}

/// What a stream says until `wanted` stands in it, at most 30 seconds.
async fn read_until(stream: &mut TcpStream, text: &mut String, wanted: &str) {
    let reads = async {
        while !text.contains(wanted) {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "it ended: {text}");
            *text += &String::from_utf8_lossy(&buffer[..count]);
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), reads).await;
    assert!(ended.is_ok(), "{wanted} is not in {text}");
}

#[tokio::test]
async fn who_follows_is_told_as_it_happens_and_goes_on_where_it_was() {
    let site = Site::start().await;
    let first = site.bob.make_router().await;
    let mut stream = site.bob.open(STREAM, "Accept: text/event-stream\r\n").await;
    let mut text = String::new();
    read_until(&mut stream, &mut text, "\r\n\r\n").await;
    assert!(text.contains("200 OK") && text.contains("text/event-stream"), "{text}");
    let second = site.bob.make_router().await;
    site.alice.make_router().await;
    let third = site.bob.make_router().await;
    read_until(&mut stream, &mut text, &third).await;
    assert!(text.contains(&second) && !text.contains(&first) && !text.contains("alice"), "{text}");
    drop(stream);

    let history = events(&site.bob, &at(HISTORY, &first)).await;
    let last = &history[0]["revision"];
    let mut stream = site.bob.open(STREAM, &format!("Last-Event-ID: {last}\r\n")).await;
    let mut text = String::new();
    read_until(&mut stream, &mut text, &third).await;
    assert!(text.contains(&second) && !text.contains(&first), "{text}");
    site.bob.delete(&at(ROUTERS, &first)).await.is(204);
    read_until(&mut stream, &mut text, &first).await;
    site.bob
        .send("GET", STREAM, "Accept: application/json\r\n", b"")
        .await
        .refuses(406, "NOT_ACCEPTABLE");
}
