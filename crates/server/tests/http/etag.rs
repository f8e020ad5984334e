//! `ETag`, `If-Match` and `If-None-Match`.

use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::site::{NETWORKS, PEERINGS, ROUTERS, Site, at};

impl Client {
    async fn tag(&self, path: &str) -> String {
        let reply = self.get(path).await;
        let tag = reply.header("etag").unwrap().to_owned();
        reply.is(200);
        tag
    }

    async fn guarded(&self, method: &str, path: &str, tag: &str, body: &Value) -> Reply {
        let header = format!("If-Match: {tag}\r\n");
        let body = if method == "DELETE" { String::new() } else { body.to_string() };
        self.send(method, path, &header, body.as_bytes()).await
    }

    async fn unless(&self, path: &str, tag: &str) -> Reply {
        self.send("GET", path, &format!("If-None-Match: {tag}\r\n"), b"").await
    }
}

fn named(kind: &str, name: &str) -> Value {
    json!({kind: {"name": name}})
}

#[tokio::test]
async fn a_write_that_expects_something_else_changes_nothing() {
    let site = Site::start().await;
    let network = site.alice.make_network("10.0.1.0/24").await;
    let other = site.alice.make_network("10.0.2.0/24").await;
    let router = site.alice.make_router().await;
    let peering = site.alice.peered(&network, &other).await;
    let lone = at(NETWORKS, &site.alice.make_network("10.0.3.0/24").await);
    for (path, kind, method) in [
        (&*lone, "network", "PUT"),
        (&*at(ROUTERS, &router), "router", "PATCH"),
        (&*peering, "network_peering", "PATCH"),
    ] {
        let first = site.alice.tag(path).await;
        let reply = site.alice.guarded(method, path, &first, &named(kind, "one")).await;
        let second = reply.header("etag").unwrap().to_owned();
        reply.is(200);
        assert_ne!(first, second, "{path}");
        assert_eq!(site.alice.tag(path).await, second, "{path}");
        let before = site.everything().await;
        for method in [method, "DELETE"] {
            for tag in [&*first, "\"0-0\"", "nonsense", "", &format!("W/{second}")] {
                let refused = site.alice.guarded(method, path, tag, &named(kind, "two")).await;
                refused.refuses(412, "PRECONDITION_FAILED");
            }
        }
        assert_eq!(site.everything().await, before, "{path}");
        let list = format!("{first}, {second}");
        site.alice.guarded(method, path, &list, &named(kind, "three")).await.is(200);
        site.alice.guarded(method, path, "*", &named(kind, "four")).await.is(200);
        let last = site.alice.tag(path).await;
        site.alice.guarded("DELETE", path, &last, &Value::Null).await.is(204);
        assert_eq!(site.alice.get(path).await.status, 404);
    }
}

#[tokio::test]
async fn of_writers_who_saw_the_same_one_wins() {
    let site = Site::start().await;
    let path = at(ROUTERS, &site.alice.make_router().await);
    for _ in 0..8 {
        let tag = site.alice.tag(&path).await;
        let (a, b, c) = (named("router", "a"), named("router", "b"), named("router", "c"));
        let (a, b, c) = tokio::join!(
            site.alice.guarded("PATCH", &path, &tag, &a),
            site.alice.guarded("PATCH", &path, &tag, &b),
            site.alice.guarded("PATCH", &path, &tag, &c),
        );
        let mut statuses = [a.status, b.status, c.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412, 412]);
    }
}

#[tokio::test]
async fn a_tag_tells_nothing_about_what_is_anothers() {
    let site = Site::start().await;
    let path = at(ROUTERS, &site.alice.make_router().await);
    let tag = site.alice.tag(&path).await;
    for tag in [&*tag, "*", "\"0-0\""] {
        let refused = site.bob.guarded("PATCH", &path, tag, &named("router", "x")).await;
        refused.refuses(404, "ROUTER_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_cache_is_told_of_every_change_that_is_shown() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let there = site.alice.peered(&a, &b).await;
    let tag = site.alice.tag(&there).await;
    let unchanged = site.alice.unless(&there, &tag).await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(&*tag)));
    assert!(unchanged.body.is_empty());
    // What another account does changes the state, and nothing that is its
    // owner's: a cache is stale by it, a write is not.
    site.bob.peer(&b, &a).await;
    let fresh = site.alice.unless(&there, &tag).await;
    assert_eq!(fresh.is(200)["network_peering"]["state"], "active");
    let body = json!({"network_peering": {"name": "mine"}});
    site.alice.guarded("PATCH", &there, &tag, &body).await.is(200);
}

#[tokio::test]
async fn what_is_made_is_answered_with_the_tag_it_is_then_shown_with() {
    let site = Site::start().await;
    let made = site.alice.post(ROUTERS, &named("router", "r")).await;
    let tag = made.header("etag").unwrap().to_owned();
    let made = made.is(201);
    let path = at(ROUTERS, made["router"]["uuid"].as_str().unwrap());
    assert_eq!(site.alice.tag(&path).await, tag);
    assert_eq!(site.alice.get(PEERINGS).await.header("etag"), None);
}
