//! Zones (Z).

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{NETWORKS, Site, at, network};

const ZONES: &str = "/kannas/v1/zones";

async fn zones(client: &Client) -> Vec<Value> {
    let list = client.read("/1.3/zone").await["zones"]["zone"].clone();
    let Value::Array(list) = list else { panic!("{list}") };
    assert!(list.is_sorted_by_key(|z| z["id"].as_str().unwrap()));
    list
}

#[tokio::test]
async fn z01_the_zones_are_the_fifteen_public_ones() {
    let site = Site::start().await;
    let zones = zones(&site.bob).await;
    assert_eq!(zones.len(), 15);
    let london = json!({"id": "uk-lon1", "description": "London #1", "public": "yes"});
    assert!(zones.contains(&london));
}

#[tokio::test]
async fn a_zone_of_ones_own_is_used_like_any_other_and_goes_when_nothing_is_in_it() {
    let site = Site::start().await;
    let body = json!({"zone": {"id": "home-1", "description": "The cellar"}});
    let made = site.alice.post(ZONES, &body).await.is(201);
    let want = json!({"id": "home-1", "description": "The cellar", "public": "no"});
    assert_eq!(made, json!({"zone": want}));
    let all = zones(&site.bob).await;
    assert!(all.len() == 16 && all.contains(&want), "{all:?}");
    site.alice.post(ZONES, &body).await.refuses(409, "ZONE_EXISTS");

    let made = site.bob.post(NETWORKS, &network("home-1", "10.0.0.0/24")).await.is(201);
    let inside = at(NETWORKS, made["network"]["uuid"].as_str().unwrap());
    let there = site.bob.read("/1.3/network/?zone=home-1").await["networks"]["network"].clone();
    assert_eq!(there, json!([made["network"]]), "no network of the provider's is there");
    let path = at(ZONES, "home-1");
    site.alice.delete(&path).await.refuses(409, "ZONE_NOT_EMPTY");
    site.bob.delete(&inside).await.is(204);
    let token = json!({"host_token": {"zone": "home-1"}});
    let brief = json!({"zone": {"id": "home-2"}});
    assert_eq!(site.alice.post(ZONES, &brief).await.is(201)["zone"]["description"], "home-2");
    site.alice.delete(&path).await.is(204);
    site.alice.delete(&path).await.refuses(404, "ZONE_NOT_FOUND");
    site.alice.post("/kannas/v1/host-tokens", &token).await.refuses(404, "ZONE_NOT_FOUND");
    let token = json!({"host_token": {"zone": "home-2"}});
    site.alice.post("/kannas/v1/host-tokens", &token).await.is(201);
    site.alice.delete(&at(ZONES, "home-2")).await.refuses(409, "ZONE_NOT_EMPTY");
    assert_eq!(zones(&site.alice).await.len(), 16);
}

#[tokio::test]
async fn a_bad_zone_is_not_made_and_a_public_one_stays() {
    let site = Site::start().await;
    let before = zones(&site.alice).await;
    for (zone, status, code) in [
        (json!({}), 400, "ZONE_MISSING"),
        (json!({"id": ""}), 400, "ZONE_INVALID"),
        (json!({"id": "Home"}), 400, "ZONE_INVALID"),
        (json!({"id": 7}), 400, "ZONE_MISSING"),
        (json!({"id": "home", "description": ""}), 400, "REQUEST_INVALID"),
        (json!({"id": "home", "public": "no"}), 400, "UNKNOWN_ATTRIBUTE"),
        (json!({"id": "fi-hel1"}), 409, "ZONE_EXISTS"),
    ] {
        site.alice.post(ZONES, &json!({ "zone": zone })).await.refuses(status, code);
    }
    site.alice.delete(&at(ZONES, "fi-hel1")).await.refuses(403, "ZONE_FORBIDDEN");
    let good = json!({"zone": {"id": "home"}});
    site.bob.post(ZONES, &good).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.delete(&at(ZONES, "home")).await.refuses(403, "ACCOUNT_FORBIDDEN");
    assert_eq!(zones(&site.alice).await, before);
}
