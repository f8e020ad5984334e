//! `?plan=1`: what a write would do, before it is done.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::site::{HOST, NETWORKS, NOBODY, PEERINGS, ROUTERS, Site, at, network, peering};

type Ask<'a> = (&'a str, String, Value);

async fn ask(client: &Client, (method, path, body): &Ask<'_>, headers: &str) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    client.send(method, path, headers, body.as_bytes()).await
}

async fn plan(client: &Client, it: &Ask<'_>) -> Reply {
    let (method, path, body) = it;
    let mark = if path.contains('?') { '&' } else { '?' };
    ask(client, &(method, format!("{path}{mark}plan=1"), body.clone()), "").await
}

/// The plan that must be made.
async fn planned(client: &Client, it: &Ask<'_>) -> Value {
    plan(client, it).await.is(200)["plan"].clone()
}

/// A network at the one host on each side, and the half from the first to the
/// second.
struct Pair {
    site: Site,
    ends: [String; 2],
    half: String,
}

async fn half_peered() -> Pair {
    let site = Site::start().await;
    let ends =
        [site.alice.make_routed("10.1.0.0/24").await, site.bob.make_routed("10.2.0.0/24").await];
    for (client, network) in [(&site.alice, &ends[0]), (&site.bob, &ends[1])] {
        let port = json!({"port": {"network": network, "host": HOST, "netns": network[..8]}});
        client.post("/kannas/v1/ports", &port).await.is(201);
    }
    let half = site.alice.peered(&ends[0], &ends[1]).await;
    Pair { site, ends, half }
}

#[tokio::test]
async fn a_plan_says_what_then_comes_and_writes_nothing() {
    let Pair { site, ends: [a, b], half } = half_peered().await;
    let before = site.everything().await;
    let answer = ("POST", PEERINGS.to_owned(), peering(&b, &a));
    let told = planned(&site.bob, &answer).await;
    assert_eq!(site.everything().await, before);
    let of_half = &told["peerings"][0];
    assert_eq!((&of_half["uuid"], &of_half["before"]), (&Value::Null, &Value::Null));
    assert_eq!(of_half["after"], "active");
    let gain = json!({"prefix": "10.1.0.0/24", "through": "peering", "uuid": null, "name": "p"});
    assert_eq!(told["networks"], json!([{"uuid": b, "name": "n", "gains": [gain], "loses": []}]));
    let host = json!({
        "name": HOST, "routes_added": 2, "routes_changed": 0, "routes_removed": 0,
        "ports_changed": 1
    });
    assert_eq!(told["hosts"], json!([host]));
    assert_eq!(
        (&told["clashes"], &told["warnings"], &told["limits"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let done = ask(&site.bob, &answer, "").await.is(201);
    assert_eq!(done["network_peering"]["state"], "active");
    assert_eq!(site.alice.state(&half).await, "active");
}

#[tokio::test]
async fn every_write_to_peerings_networks_and_routers_has_its_plan() {
    let Pair { site, ends: [a, _], half } = half_peered().await;
    let router = site.alice.read(&at(NETWORKS, &a)).await["network"]["router"].clone();
    let spare = at(ROUTERS, &site.alice.make_router().await);
    let lone = at(NETWORKS, &site.alice.make_network("10.9.0.0/24").await);
    let before = site.everything().await;
    let none = Value::Null;
    for it in [
        ("POST", ROUTERS.to_owned(), json!({"router": {"name": "r"}})),
        ("PATCH", at(ROUTERS, router.as_str().unwrap()), json!({"router": {"name": "s"}})),
        ("DELETE", spare, none.clone()),
        ("POST", NETWORKS.to_owned(), network("fi-hel1", "10.8.0.0/24")),
        ("PUT", at(NETWORKS, &a), json!({"network": {"router": null}})),
        ("DELETE", lone, none.clone()),
        ("PATCH", half.clone(), json!({"network_peering": {"configured_status": "disabled"}})),
        ("DELETE", half.clone(), none.clone()),
        ("DELETE", format!("{half}?both=1"), none),
    ] {
        let told = planned(&site.alice, &it).await;
        assert!(told["revision"].as_u64() > Some(0), "{told}");
        assert_eq!(site.everything().await, before, "{it:?}");
    }
    let gone = planned(&site.alice, &("DELETE", half, Value::Null)).await;
    let of_half = &gone["peerings"][0];
    assert_eq!((&of_half["before"], &of_half["after"]), (&json!("pending-peer"), &Value::Null));
}

#[tokio::test]
async fn a_plan_is_refused_as_the_write_is() {
    let Pair { site, ends: [a, b], half } = half_peered().await;
    let router = site.alice.read(&at(NETWORKS, &a)).await["network"]["router"].clone();
    let none = Value::Null;
    for (client, it) in [
        (&site.alice, ("POST", PEERINGS.to_owned(), peering(&a, &b))),
        (&site.alice, ("POST", PEERINGS.to_owned(), peering(&a, &a))),
        (&site.alice, ("POST", PEERINGS.to_owned(), peering(&b, &a))),
        (&site.alice, ("POST", PEERINGS.to_owned(), peering(&a, NOBODY))),
        (&site.alice, ("POST", PEERINGS.to_owned(), json!({"network_peering": {"x": 1}}))),
        (&site.bob, ("PATCH", half.clone(), json!({"network_peering": {"name": "n"}}))),
        (&site.bob, ("DELETE", half, none.clone())),
        (&site.alice, ("PUT", at(NETWORKS, &a), network("de-fra1", "10.1.0.0/24"))),
        (&site.alice, ("DELETE", at(NETWORKS, &a), none.clone())),
        (&site.bob, ("PUT", at(NETWORKS, &a), json!({"network": {"name": "n"}}))),
        (&site.alice, ("DELETE", at(ROUTERS, router.as_str().unwrap()), none.clone())),
        (&site.alice, ("DELETE", at(ROUTERS, NOBODY), none)),
    ] {
        let (told, done) = (plan(client, &it).await, ask(client, &it, "").await);
        assert!(done.status >= 400, "{it:?}");
        assert_eq!((told.status, told.text()), (done.status, done.text()), "{it:?}");
    }
}

#[tokio::test]
async fn a_plan_is_made_on_the_requests_terms_and_remembers_no_key() {
    let Pair { site, ends: [a, b], half } = half_peered().await;
    let change = json!({"network_peering": {"name": "other"}});
    let ifs = |tag: &str| format!("If-Match: {tag}\r\n");
    let it = ("PATCH", format!("{half}?plan=1"), change);
    ask(&site.alice, &it, &ifs("\"0-x\"")).await.refuses(412, "PRECONDITION_FAILED");
    let tag = site.alice.get(&half).await.header("etag").unwrap().to_owned();
    ask(&site.alice, &it, &ifs(&tag)).await.is(200);
    // The same key, before and after, for what is not done.
    let body = peering(&b, &a);
    let key = "Idempotency-Key: k\r\n";
    let planned = ("POST", format!("{PEERINGS}?plan=1"), body.clone());
    ask(&site.bob, &planned, key).await.is(200);
    let made = ask(&site.bob, &("POST", PEERINGS.to_owned(), body.clone()), key).await.is(201);
    ask(&site.bob, &planned, key).await.refuses(409, "PEERING_CONFLICT");
    let again = ask(&site.bob, &("POST", PEERINGS.to_owned(), body), key).await.is(201);
    assert_eq!(again, made);
}

#[tokio::test]
async fn where_there_is_no_plan_nothing_is_done_and_reading_needs_none() {
    let Pair { site, ends: [a, _], half } = half_peered().await;
    let before = site.everything().await;
    let port = json!({"port": {"network": a, "host": HOST, "netns": "other"}});
    for (path, body) in [
        ("/kannas/v1/ports?plan=1", port),
        ("/1.3/network-peering?plan=yes", peering(&a, NOBODY)),
        ("/1.3/router?plan", json!({"router": {"name": "r"}})),
        ("/1.3/account/sub?plan=1", json!({"sub_account": {"username": "s", "password": "p"}})),
    ] {
        site.alice.post(path, &body).await.refuses(400, "REQUEST_INVALID");
    }
    site.alice.get(&format!("{half}?plan=1")).await.is(200);
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_sub_account_needs_the_right_to_do_it() {
    let Pair { site, ends: [a, b], .. } = half_peered().await;
    let sub = json!({"sub_account": {
        "username": "carol", "password": "carols password", "allow_api": "yes",
        "network_access": {"network": [a]}
    }});
    site.alice.post("/1.3/account/sub", &sub).await.is(204);
    let carol = Client::new(site.api, "carol", "carols password");
    let other = site.alice.make_routed("10.3.0.0/24").await;
    let half = |from: &str, to: &str| ("POST", PEERINGS.to_owned(), peering(from, to));
    plan(&carol, &half(&other, &b)).await.refuses(403, "NETWORK_FORBIDDEN");
    let told = planned(&carol, &half(&a, &other)).await;
    assert_eq!(told["peerings"][0]["after"], "pending-peer");
}
