//! Peerings: changed and deleted (P).

use serde_json::json;

use crate::client::Client;
use crate::site::{NETWORKS, PEERINGS, Site, at, peering};

/// A one-sided peering with a label, and its networks.
async fn labelled(client: &Client) -> (String, String, String) {
    let a = client.make_routed("10.0.1.0/24").await;
    let b = client.make_routed("10.0.2.0/24").await;
    let mut body = peering(&a, &b);
    body["network_peering"]["labels"] = json!([{"key": "region", "value": "eu"}]);
    let made = client.post(PEERINGS, &body).await.is(201);
    (at(PEERINGS, made["network_peering"]["uuid"].as_str().unwrap()), a, b)
}

#[tokio::test]
async fn p41_a_new_name_and_status_show_in_the_answer() {
    let site = Site::start().await;
    let (path, ..) = labelled(&site.alice).await;
    let change = json!({"name": "Updated Peering Name", "configured_status": "disabled"});
    let answer = site.alice.set(&path, change).await;
    assert_eq!(answer["name"], "Updated Peering Name");
    assert_eq!(answer["configured_status"], "disabled");
    assert_eq!(answer["state"], "disabled");
    assert_eq!(answer["labels"], json!([{"key": "region", "value": "eu"}]));
    assert_eq!(site.alice.read(&path).await["network_peering"], answer);
}

#[tokio::test]
async fn p42_p46_what_is_not_given_stays() {
    let site = Site::start().await;
    let (path, ..) = labelled(&site.alice).await;
    let before = site.alice.read(&path).await["network_peering"].clone();
    assert_eq!(site.alice.set(&path, json!({})).await, before);
    let mut want = before;
    want["name"] = json!("other");
    assert_eq!(site.alice.set(&path, json!({"name": "other"})).await, want);
}

#[tokio::test]
async fn p43_p44_p45_labels_are_replaced_as_a_set_and_cleared_by_an_empty_one_or_null() {
    let site = Site::start().await;
    let (path, ..) = labelled(&site.alice).await;
    let pair = json!([{"key": "env", "value": "prod"}, {"key": "empty", "value": ""}]);
    for (labels, want) in [
        (pair.clone(), pair.clone()),
        (json!([]), json!([])),
        (pair.clone(), pair),
        (json!(null), json!([])),
    ] {
        let answer = site.alice.set(&path, json!({"labels": labels})).await;
        assert_eq!(answer["labels"], want);
        assert_eq!(answer["name"], "p");
    }
}

#[tokio::test]
async fn p50_p52_a_refused_change_changes_nothing() {
    let site = Site::start().await;
    let (path, a, _) = labelled(&site.alice).await;
    let before = site.everything().await;
    let long = "x".repeat(256);
    for (change, code) in [
        (json!({"network": {"uuid": a}}), "UNKNOWN_ATTRIBUTE"),
        (json!({"peer_network": {"uuid": a}}), "UNKNOWN_ATTRIBUTE"),
        (json!({"name": "y", "state": "active"}), "UNKNOWN_ATTRIBUTE"),
        (json!({"name": "y", "configured_status": "x"}), "REQUEST_INVALID"),
        (json!({"name": "y", "configured_status": 1}), "REQUEST_INVALID"),
        (json!({"name": ""}), "NAME_INVALID"),
        (json!({"name": long}), "NAME_INVALID"),
        (json!({"name": ["y"]}), "NAME_INVALID"),
        (json!({"name": "y", "labels": [{"key": "x", "value": ""}]}), "INVALID_LABEL_KEY"),
        (json!({"name": "y", "labels": {"label": []}}), "REQUEST_INVALID"),
    ] {
        let reply = site.alice.patch(&path, &json!({"network_peering": change})).await;
        reply.refuses(400, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a15_p55_p56_a_deleted_peering_is_gone_and_cannot_be_deleted_again() {
    let site = Site::start().await;
    let (path, a, b) = labelled(&site.alice).await;
    site.alice.set(&path, json!({"configured_status": "disabled"})).await;
    site.alice.delete(&path).await.is(204);
    site.alice.delete(&path).await.refuses(404, "PEERING_NOT_FOUND");
    site.alice.get(&path).await.refuses(404, "PEERING_NOT_FOUND");
    assert_ne!(site.alice.peered(&a, &b).await, path);
}

#[tokio::test]
async fn p60_a_network_with_a_peering_of_its_own_stays() {
    let site = Site::start().await;
    let (path, a, b) = labelled(&site.alice).await;
    let before = site.everything().await;
    site.alice.delete(&at(NETWORKS, &a)).await.refuses(409, "NETWORK_NOT_EMPTY");
    assert_eq!(site.everything().await, before);
    site.alice.delete(&path).await.is(204);
    site.alice.delete(&at(NETWORKS, &a)).await.is(204);
    site.alice.delete(&at(NETWORKS, &b)).await.is(204);
}
