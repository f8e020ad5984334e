//! Peerings: made and looked at (P).

use serde_json::json;

use crate::site::{NETWORKS, NOBODY, PEERINGS, Site, at, network, peering};

#[tokio::test]
async fn p01_p02_p03_a_one_sided_peering_waits_for_the_other_side_and_shows_nothing_of_it() {
    let site = Site::start().await;
    let local = site.alice.make_routed("10.0.1.0/24").await;
    let peer = site.alice.make_routed("10.0.2.0/24").await;
    let labels = json!([{"key": "region", "value": "eu"}]);
    let mut body = peering(&local, &peer);
    body["network_peering"]["labels"] = labels.clone();
    let answer = site.alice.post(PEERINGS, &body).await.is(201);
    let made = &answer["network_peering"];
    assert_eq!(made["name"], "p");
    assert_eq!(made["configured_status"], "active");
    assert_eq!(made["state"], "pending-peer");
    assert_eq!(made["labels"], labels);
    assert!(made["uuid"].as_str().unwrap().starts_with("0f"));
    let subnets = json!({"ip_network": [{"address": "10.0.1.0/24", "family": "IPv4"}]});
    assert_eq!(made["network"], json!({"uuid": local, "ip_networks": subnets}));
    assert_eq!(made["peer_network"], json!({"uuid": peer}));
}

#[tokio::test]
async fn p04_p13_p37_two_halves_are_active_and_each_shows_the_others_subnets() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.alice.make_routed("10.0.2.0/24").await;
    let there = site.alice.peered(&a, &b).await;
    let back = site.alice.peer(&b, &a).await;
    assert_eq!(back["state"], "active");
    assert_eq!(back["reasons"], json!([]));
    assert_eq!(back["peer_network"]["ip_networks"]["ip_network"][0]["address"], "10.0.1.0/24");
    let there = site.alice.read(&there).await["network_peering"].clone();
    assert_eq!(there["state"], "active");
    assert_eq!(there["peer_network"]["ip_networks"]["ip_network"][0]["address"], "10.0.2.0/24");
    let list = site.alice.read(PEERINGS).await;
    let list = list["network_peerings"]["network_peering"].as_array().unwrap();
    assert!(list.contains(&there) && list.contains(&back) && list.len() == 2, "{list:?}");
}

#[tokio::test]
async fn p05_p49_what_is_made_disabled_is_disabled_whatever_is_missing() {
    let site = Site::start().await;
    let a = site.alice.make_network("10.0.1.0/24").await;
    let b = site.alice.make_network("10.0.1.0/24").await;
    let mut body = peering(&a, &b);
    body["network_peering"]["configured_status"] = json!("disabled");
    let made = site.alice.post(PEERINGS, &body).await.is(201);
    assert_eq!(made["network_peering"]["configured_status"], "disabled");
    assert_eq!(made["network_peering"]["state"], "disabled");
}

#[tokio::test]
async fn p10_p11_networks_that_do_not_exist_are_told_apart() {
    let site = Site::start().await;
    let here = site.alice.make_routed("10.0.1.0/24").await;
    let before = site.everything().await;
    for (local, peer, code) in [
        (NOBODY, &*here, "NETWORK_NOT_FOUND"),
        (&here, NOBODY, "PEER_NETWORK_NOT_FOUND"),
        (NOBODY, NOBODY, "NETWORK_NOT_FOUND"),
    ] {
        site.alice.post(PEERINGS, &peering(local, peer)).await.refuses(404, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn p16_the_providers_networks_are_neither_side_of_a_peering() {
    let site = Site::start().await;
    let own = site.alice.make_routed("10.0.1.0/24").await;
    let list = site.alice.read(NETWORKS).await["networks"]["network"].clone();
    let provided = list.as_array().unwrap().iter().filter(|n| n["type"] != "private");
    let before = site.everything().await;
    for it in provided.filter(|n| n["zone"] == "fi-hel1") {
        let theirs = it["uuid"].as_str().unwrap();
        let as_local = site.alice.post(PEERINGS, &peering(theirs, &own)).await;
        as_local.refuses(403, "NETWORK_FORBIDDEN");
        let as_peer = site.alice.post(PEERINGS, &peering(&own, theirs)).await;
        as_peer.refuses(404, "PEER_NETWORK_NOT_FOUND");
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn p12_p15_p17_conflicts_and_foreign_networks_are_refused() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.alice.make_routed("10.0.2.0/24").await;
    let foreign = site.bob.make_routed("10.0.3.0/24").await;
    let first = site.alice.peered(&a, &b).await;
    site.alice.set(&first, json!({"configured_status": "disabled"})).await;
    let before = site.everything().await;
    for (local, peer, status, code) in [
        (&a, &b, 409, "PEERING_CONFLICT"),
        (&a, &a, 409, "PEERING_CONFLICT"),
        (&foreign, &a, 403, "NETWORK_FORBIDDEN"),
    ] {
        site.alice.post(PEERINGS, &peering(local, peer)).await.refuses(status, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn p14_both_directions_at_once_are_both_made_and_active() {
    let site = Site::start().await;
    for n in 0..8 {
        let a = site.alice.make_routed(&format!("10.{n}.1.0/24")).await;
        let b = site.bob.make_routed(&format!("10.{n}.2.0/24")).await;
        let (there, back) = tokio::join!(site.alice.peered(&a, &b), site.bob.peered(&b, &a));
        assert_eq!(site.alice.state(&there).await, "active");
        assert_eq!(site.bob.state(&back).await, "active");
    }
}

#[tokio::test]
async fn p18_p40_a_peering_between_accounts_is_made_by_both_and_seen_by_its_owner() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let there = site.alice.peered(&a, &b).await;
    assert_eq!(site.alice.state(&there).await, "pending-peer");
    let none = json!({"network_peerings": {"network_peering": []}});
    assert_eq!(site.bob.read(PEERINGS).await, none);
    let body = json!({"network_peering": {"name": "mine"}});
    site.bob.get(&there).await.refuses(404, "PEERING_NOT_FOUND");
    site.bob.patch(&there, &body).await.refuses(404, "PEERING_NOT_FOUND");
    site.bob.delete(&there).await.refuses(404, "PEERING_NOT_FOUND");
    let back = site.bob.peer(&b, &a).await;
    assert_eq!(back["state"], "active");
    assert_eq!(site.alice.state(&there).await, "active");
    assert_eq!(site.alice.read(&there).await["network_peering"]["name"], "p");
}

#[tokio::test]
async fn p20_p21_zones_make_no_difference() {
    let site = Site::start().await;
    let mut networks = Vec::new();
    for (zone, address) in
        [("fi-hel1", "10.0.1.0/24"), ("fi-hel1", "10.0.2.0/24"), ("de-fra1", "10.0.3.0/24")]
    {
        let made = site.alice.post(NETWORKS, &network(zone, address)).await.is(201);
        networks.push(made["network"]["uuid"].as_str().unwrap().to_owned());
    }
    for network in &networks {
        site.alice.attach(network, &json!(site.alice.make_router().await)).await;
    }
    let [here, near, far] = &networks[..] else { panic!("three were made") };
    for peer in [near, far] {
        site.alice.peer(here, peer).await;
        assert_eq!(site.alice.peer(peer, here).await["state"], "active");
    }
}

#[tokio::test]
async fn p22_p24_p25_a_peering_becomes_active_when_the_last_router_is_attached() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_network("10.0.2.0/24").await;
    let back = site.bob.peer(&b, &a).await;
    assert_eq!(back["state"], "missing-local-router");
    let back = at(PEERINGS, back["uuid"].as_str().unwrap());
    let there = site.alice.peered(&a, &b).await;
    assert_eq!(site.alice.state(&there).await, "missing-peer-router");
    assert_eq!(site.bob.state(&back).await, "missing-local-router");
    site.bob.attach(&b, &json!(site.bob.make_router().await)).await;
    assert_eq!(site.alice.state(&there).await, "active");
    assert_eq!(site.bob.state(&back).await, "active");
}

#[tokio::test]
async fn p26_overlapping_networks_conflict_on_both_sides() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.0.0/16").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let there = site.alice.peered(&a, &b).await;
    let back = site.bob.peer(&b, &a).await;
    assert_eq!(back["state"], "conflict-subnet");
    assert_eq!(site.alice.state(&there).await, "conflict-subnet");
    let message = back["reasons"][0]["message"].as_str().unwrap();
    assert!(message.contains("10.0.0.0/16") && message.contains("10.0.2.0/24"), "{message}");
}

#[tokio::test]
async fn p38_p39_p51_what_does_not_exist_is_not_found() {
    let site = Site::start().await;
    let change = json!({"network_peering": {"name": "x"}});
    for id in [NOBODY, "0f", "x", "%00", "..", "%2e%2e%2fx", "0f000000-0000-4000-8000-00000000000"]
    {
        let path = at(PEERINGS, id);
        site.alice.get(&path).await.refuses(404, "PEERING_NOT_FOUND");
        site.alice.patch(&path, &change).await.refuses(404, "PEERING_NOT_FOUND");
        site.alice.delete(&path).await.refuses(404, "PEERING_NOT_FOUND");
    }
}
