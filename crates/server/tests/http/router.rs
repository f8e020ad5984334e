//! Routers (R). R04 and R08 are with the filters.

use serde_json::json;

use crate::site::{NOBODY, ROUTERS, Site, at};

#[tokio::test]
async fn r01_a_router_needs_a_name_only() {
    let site = Site::start().await;
    let made = site.alice.post(ROUTERS, &json!({"router": {"name": "r"}})).await.is(201);
    let uuid = made["router"]["uuid"].clone();
    assert!(uuid.as_str().unwrap().starts_with("04"));
    let want = json!({
        "uuid": uuid, "name": "r", "type": "normal", "labels": [],
        "attached_networks": {"network": []}, "attached_network_gateways": [], "static_routes": []
    });
    assert_eq!(made["router"], want);
}

#[tokio::test]
async fn r02_r03_r05_r09_static_routes_are_named_kept_and_cleared() {
    let site = Site::start().await;
    let body = json!({"router": {"name": "r", "static_routes": [
        {"route": "0.0.0.0/0", "nexthop": "10.0.0.100"},
        {"name": "hole", "route": "192.0.2.0/24", "nexthop": "no-nexthop", "type": "user"}
    ]}});
    let made = site.alice.post(ROUTERS, &body).await.is(201);
    let routes = json!([
        {"name": "static-route-0", "route": "0.0.0.0/0", "nexthop": "10.0.0.100", "type": "user"},
        {"name": "hole", "route": "192.0.2.0/24", "nexthop": "no-nexthop", "type": "user"}
    ]);
    assert_eq!(made["router"]["static_routes"], routes);
    let path = at(ROUTERS, made["router"]["uuid"].as_str().unwrap());
    let renamed = site.alice.patch(&path, &json!({"router": {"name": "other"}})).await.is(200);
    assert_eq!(renamed["router"]["name"], "other");
    assert_eq!(renamed["router"]["static_routes"], routes);
    let cleared = site.alice.patch(&path, &json!({"router": {"static_routes": []}})).await.is(200);
    assert_eq!(cleared["router"]["static_routes"], json!([]));
    assert_eq!(site.alice.read(&path).await, cleared);
}

#[tokio::test]
async fn r06_r07_a_router_is_deleted_when_nothing_hangs_on_it() {
    let site = Site::start().await;
    let network = site.alice.make_routed("10.0.1.0/24").await;
    let list = site.alice.read(ROUTERS).await;
    let path = at(ROUTERS, list["routers"]["router"][0]["uuid"].as_str().unwrap());
    site.alice.delete(&path).await.refuses(409, "ROUTER_ATTACHED");
    assert_eq!(site.alice.read(ROUTERS).await, list);
    site.alice.attach(&network, &json!(null)).await;
    site.alice.delete(&path).await.is(204);
    site.alice.delete(&path).await.refuses(404, "ROUTER_NOT_FOUND");
    assert_eq!(site.alice.read(ROUTERS).await, json!({"routers": {"router": []}}));
}

#[tokio::test]
async fn what_does_not_exist_or_is_somebody_elses_is_not_found() {
    let site = Site::start().await;
    let foreign = site.bob.make_router().await;
    let before = site.everything().await;
    for id in [NOBODY, &foreign, "x"] {
        let path = at(ROUTERS, id);
        let change = json!({"router": {"name": "mine"}});
        site.alice.get(&path).await.refuses(404, "ROUTER_NOT_FOUND");
        site.alice.patch(&path, &change).await.refuses(404, "ROUTER_NOT_FOUND");
        site.alice.delete(&path).await.refuses(404, "ROUTER_NOT_FOUND");
    }
    assert_eq!(site.everything().await, before);
}
