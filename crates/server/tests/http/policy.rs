//! The strict switches and the limits.

use serde_json::json;
use server::PolicyArgs;

use crate::site::{NETWORKS, PEERINGS, ROUTERS, Site, at, network, peering};

#[tokio::test]
async fn p23_a_strict_server_refuses_a_peering_whose_local_network_has_no_router() {
    let site = Site::under(PolicyArgs { strict_router: true, ..PolicyArgs::default() }).await;
    let bare = site.alice.make_network("10.0.1.0/24").await;
    let routed = site.bob.make_routed("10.0.2.0/24").await;
    let before = site.everything().await;
    let body = peering(&bare, &routed);
    site.alice.post(PEERINGS, &body).await.refuses(409, "LOCAL_NETWORK_NO_ROUTER");
    assert_eq!(site.everything().await, before);
    // That the peer has none is not the caller's fault.
    site.bob.post(PEERINGS, &peering(&routed, &bare)).await.is(201);
    site.alice.attach(&bare, &json!(site.alice.make_router().await)).await;
    let made = site.alice.peer(&bare, &routed).await;
    assert_eq!(made["state"], "active");
    // And what is there waits for its router as ever.
    let unrouted = site.alice.attach(&bare, &json!(null)).await;
    assert!(unrouted.get("router").is_none());
    let path = at(PEERINGS, made["uuid"].as_str().unwrap());
    assert_eq!(site.alice.state(&path).await, "missing-local-router");
}

#[tokio::test]
async fn p54_a_strict_server_deletes_a_peering_only_once_it_is_disabled() {
    let site = Site::under(PolicyArgs { strict_delete: true, ..PolicyArgs::default() }).await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let path = site.alice.peered(&a, &b).await;
    site.alice.delete(&path).await.refuses(409, "PEERING_NOT_DISABLED");
    assert_eq!(site.alice.state(&path).await, "pending-peer");
    site.bob.peer(&b, &a).await;
    site.alice.delete(&path).await.refuses(409, "PEERING_NOT_DISABLED");
    assert_eq!(site.alice.state(&path).await, "active");
    site.bob.delete(&path).await.refuses(404, "PEERING_NOT_FOUND");
    site.alice.set(&path, json!({"configured_status": "disabled"})).await;
    site.alice.delete(&path).await.is(204);
}

#[tokio::test]
async fn p66_an_account_has_no_more_than_it_may() {
    let policy =
        PolicyArgs { max_networks: 3, max_peerings: 2, max_routers: 1, ..PolicyArgs::default() };
    let site = Site::under(policy).await;
    let limits = site.alice.read("/1.3/account").await["account"]["resource_limits"].clone();
    for (key, want) in [("networks", 3), ("network_peerings", 2), ("routers", 1)] {
        assert_eq!(limits[key], want, "{key}");
    }
    let mut networks = Vec::new();
    for n in 0..3 {
        networks.push(site.alice.make_network(&format!("10.0.{n}.0/24")).await);
    }
    let router = site.alice.make_router().await;
    let [a, b, c] = [&networks[0], &networks[1], &networks[2]];
    let first = site.alice.peered(a, b).await;
    site.alice.peered(b, a).await;
    let before = site.everything().await;
    let more = network("fi-hel1", "10.0.9.0/24");
    site.alice.post(NETWORKS, &more).await.refuses(409, "NETWORK_LIMIT_REACHED");
    let more = json!({"router": {"name": "r"}});
    site.alice.post(ROUTERS, &more).await.refuses(409, "ROUTER_LIMIT_REACHED");
    site.alice.post(PEERINGS, &peering(a, c)).await.refuses(409, "PEERING_LIMIT_REACHED");
    // What is wrong otherwise is said first.
    site.alice.post(PEERINGS, &peering(a, b)).await.refuses(409, "PEERING_CONFLICT");
    assert_eq!(site.everything().await, before);

    // Others have limits of their own, and what is deleted does not count.
    site.bob.make_routed("10.0.1.0/24").await;
    site.alice.set(&first, json!({"name": "changed"})).await;
    site.alice.delete(&first).await.is(204);
    site.alice.peer(a, c).await;
    site.alice.delete(&at(ROUTERS, &router)).await.is(204);
    site.alice.make_router().await;
}
