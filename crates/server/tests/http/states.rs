//! What each side sees when something changes (contract section 4.7).

use serde_json::json;

use crate::client::Client;
use crate::site::{NETWORKS, PEERINGS, Site, at};

/// Alice's network and Bob's with both halves of their peering.
struct Two {
    site: Site,
    a: String,
    b: String,
    there: String,
    back: String,
}

impl Two {
    async fn active() -> Self {
        Self::of("10.0.1.0/24", "10.0.2.0/24").await
    }

    async fn of(mine: &str, theirs: &str) -> Self {
        let site = Site::start().await;
        let a = site.alice.make_routed(mine).await;
        let b = site.bob.make_routed(theirs).await;
        let there = site.alice.peered(&a, &b).await;
        let back = site.bob.peered(&b, &a).await;
        Self { site, a, b, there, back }
    }

    async fn states(&self) -> [String; 2] {
        [self.site.alice.state(&self.there).await, self.site.bob.state(&self.back).await]
    }
}

#[tokio::test]
async fn p47_p48_p65_one_side_disables_and_activates() {
    let two = Two::active().await;
    assert_eq!(two.states().await, ["active", "active"]);
    let (alice, bob) = (&two.site.alice, &two.site.bob);
    alice.set(&two.there, json!({"configured_status": "disabled"})).await;
    assert_eq!(two.states().await, ["disabled", "peer-disabled"]);
    let router = alice.read(&at(NETWORKS, &two.a)).await["network"]["router"].clone();
    alice.attach(&two.a, &json!(null)).await;
    assert_eq!(two.states().await, ["disabled", "peer-disabled"]);
    alice.attach(&two.a, &router).await;
    bob.set(&two.back, json!({"configured_status": "disabled"})).await;
    assert_eq!(two.states().await, ["disabled", "disabled"]);
    bob.set(&two.back, json!({"configured_status": "active"})).await;
    let answer = alice.set(&two.there, json!({"configured_status": "active"})).await;
    assert_eq!(answer["state"], "active");
    assert_eq!(two.states().await, ["active", "active"]);
}

#[tokio::test]
async fn p49_disabled_beats_every_other_state_in_the_answer_and_after() {
    let conflict = Two::of("10.0.1.0/24", "10.0.1.0/25").await;
    let unrouted = Two::active().await;
    unrouted.site.alice.attach(&unrouted.a, &json!("")).await;
    let peer_unrouted = Two::active().await;
    peer_unrouted.site.bob.attach(&peer_unrouted.b, &json!(null)).await;
    let pending = Two::active().await;
    pending.site.bob.delete(&pending.back).await.is(204);
    let deleted = Two::active().await;
    deleted.site.bob.delete(&deleted.back).await.is(204);
    deleted.site.bob.delete(&at(NETWORKS, &deleted.b)).await.is(204);
    for (two, state) in [
        (conflict, "conflict-subnet"),
        (unrouted, "missing-local-router"),
        (peer_unrouted, "missing-peer-router"),
        (pending, "pending-peer"),
        (deleted, "deleted-peer-network"),
    ] {
        let alice = &two.site.alice;
        assert_eq!(alice.state(&two.there).await, state);
        let answer = alice.set(&two.there, json!({"configured_status": "disabled"})).await;
        assert_eq!(answer["state"], "disabled", "from {state}");
        assert_eq!(alice.state(&two.there).await, "disabled", "from {state}");
        let answer = alice.set(&two.there, json!({"configured_status": "active"})).await;
        assert_eq!(answer["state"], state);
    }
}

#[tokio::test]
async fn p53_p57_deleting_an_active_half_leaves_the_other_pending_until_it_is_made_again() {
    let two = Two::active().await;
    two.site.alice.delete(&two.there).await.is(204);
    two.site.alice.get(&two.there).await.refuses(404, "PEERING_NOT_FOUND");
    let back = two.site.bob.read(&two.back).await["network_peering"].clone();
    assert_eq!(back["state"], "pending-peer");
    assert_eq!(back["peer_network"], json!({"uuid": two.a}));
    assert_eq!(two.site.alice.peer(&two.a, &two.b).await["state"], "active");
    assert_eq!(two.site.bob.state(&two.back).await, "active");
}

#[tokio::test]
async fn p58_a_detached_router_is_missed_on_both_sides_and_any_router_will_do() {
    let two = Two::active().await;
    let alice = &two.site.alice;
    alice.attach(&two.a, &json!(null)).await;
    assert_eq!(two.states().await, ["missing-local-router", "missing-peer-router"]);
    alice.attach(&two.a, &json!(alice.make_router().await)).await;
    assert_eq!(two.states().await, ["active", "active"]);
}

#[tokio::test]
async fn p59_a_peering_outlives_the_peer_network_and_can_be_changed_and_deleted() {
    let two = Two::active().await;
    let (alice, bob) = (&two.site.alice, &two.site.bob);
    bob.delete(&two.back).await.is(204);
    assert_eq!(alice.state(&two.there).await, "pending-peer");
    bob.delete(&at(NETWORKS, &two.b)).await.is(204);
    assert_eq!(alice.state(&two.there).await, "deleted-peer-network");
    let change = json!({"name": "left", "labels": [{"key": "kk", "value": "v"}]});
    let answer = alice.set(&two.there, change).await;
    assert_eq!(answer["name"], "left");
    assert_eq!(answer["state"], "deleted-peer-network");
    assert_eq!(answer["peer_network"], json!({"uuid": two.b}));
    alice.delete(&two.there).await.is(204);
    assert_eq!(alice.read(PEERINGS).await["network_peerings"]["network_peering"], json!([]));
}

#[tokio::test]
async fn dhcp_hands_out_the_peers_subnets_for_as_long_as_the_peering_is_active() {
    let two = Two::active().await;
    let path = at(NETWORKS, &two.a);
    let routes = async || {
        let network = two.site.alice.read(&path).await;
        network["network"]["ip_networks"]["ip_network"][0]["dhcp_effective_routes"].clone()
    };
    let peer = json!([{"route": "10.0.2.0/24", "nexthop": "10.0.1.1", "auto_populated": "yes"}]);
    assert_eq!(routes().await, peer);
    two.site.bob.set(&two.back, json!({"configured_status": "disabled"})).await;
    assert_eq!(routes().await, json!([]));
}

#[tokio::test]
async fn reasons_tell_what_is_missing_and_whose_turn_it_is() {
    let two = Two::active().await;
    let (alice, bob) = (&two.site.alice, &two.site.bob);
    let reasons = async |client: &Client, path: &str| {
        let it = client.read(path).await["network_peering"].clone();
        let codes: Vec<String> = it["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["code"].as_str().unwrap().to_owned())
            .collect();
        codes.join(" ")
    };
    let alices = async || reasons(alice, &two.there).await;
    let bobs = async || reasons(bob, &two.back).await;
    assert_eq!([alices().await, bobs().await], ["", ""]);
    alice.attach(&two.a, &json!(null)).await;
    assert_eq!([alices().await, bobs().await], ["no-local-router", "no-peer-router"]);
    alice.set(&two.there, json!({"configured_status": "disabled"})).await;
    assert_eq!([alices().await, bobs().await], ["", "peer-half-disabled no-peer-router"]);
    alice.delete(&two.there).await.is(204);
    assert_eq!(bobs().await, "no-peer-half");
    alice.delete(&at(NETWORKS, &two.a)).await.is(204);
    assert_eq!(bobs().await, "peer-network-deleted");
}
