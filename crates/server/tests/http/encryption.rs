//! Which zones are reached encrypted only.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::Site;

const PATH: &str = "/kannas/v1/encryption";

fn of(a: &str, b: &str) -> String {
    format!("{PATH}/{a}/{b}")
}

async fn pairs(client: &Client) -> Vec<Value> {
    let list = client.read(PATH).await["encryption"]["pairs"].clone();
    let Value::Array(list) = list else { panic!("{list}") };
    list.into_iter().map(|mut it| it["zones"].take()).collect()
}

#[tokio::test]
async fn zones_are_sealed_once_shown_and_unsealed() {
    let site = Site::start().await;
    let nothing = json!({"encryption": {"rotating": false, "waits_for": [], "pairs": []}});
    assert_eq!(site.alice.read(PATH).await, nothing);
    let made = site.alice.put(&of("uk-lon1", "fi-hel1"), &json!({})).await.is(200);
    assert_eq!(made["encryption"]["generation"], 1);
    assert_eq!(made["encryption"]["pairs"][0]["zones"], json!(["fi-hel1", "uk-lon1"]));
    assert!(made["encryption"]["since"].is_string());
    let again = site.alice.put(&of("fi-hel1", "uk-lon1"), &json!({})).await.is(200);
    assert_eq!(again, made);
    site.alice.put(&of("fi-hel1", "fi-hel1"), &json!({})).await.is(200);
    let both = [json!(["fi-hel1", "fi-hel1"]), json!(["fi-hel1", "uk-lon1"])];
    assert_eq!(pairs(&site.alice).await, both);
    let zones = site.bob.read("/1.3/zone").await["zones"]["zone"].clone();
    let with = |id: &str| {
        let zone = zones.as_array().unwrap().iter().find(|it| it["id"] == id).unwrap();
        zone["encrypted_with"].clone()
    };
    assert_eq!(with("fi-hel1"), json!(["fi-hel1", "uk-lon1"]));
    assert_eq!(with("uk-lon1"), json!(["fi-hel1"]));
    assert_eq!(with("de-fra1"), Value::Null);

    site.alice.delete(&of("fi-hel1", "uk-lon1")).await.is(204);
    site.alice.delete(&of("fi-hel1", "uk-lon1")).await.refuses(404, "ENCRYPTION_NOT_FOUND");
    assert_eq!(pairs(&site.alice).await, both[..1]);
}

#[tokio::test]
async fn it_is_for_administrators_and_zones_that_there_are() {
    let site = Site::start().await;
    let path = of("uk-lon1", "fi-hel1");
    site.bob.put(&path, &json!({})).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.delete(&path).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.get(PATH).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.post(&format!("{PATH}/rotate"), &json!({})).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.alice.put(&of("uk-lon1", "nowhere"), &json!({})).await.refuses(404, "ZONE_NOT_FOUND");
    assert!(pairs(&site.alice).await.is_empty());
}

#[tokio::test]
async fn keys_that_nobody_has_rotate_by_themselves_once_they_are_asked_to() {
    let site = Site::start().await;
    let rotate = format!("{PATH}/rotate");
    site.alice.post(&rotate, &json!({})).await.refuses(400, "REQUEST_INVALID");
    site.alice.put(&of("uk-lon1", "fi-hel1"), &json!({})).await.is(200);
    site.alice.post(&rotate, &json!({})).await.is(200);
    // Again, while it goes on, is the same one.
    site.alice.post(&rotate, &json!({})).await.is(200);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let now = site.alice.read(PATH).await["encryption"].clone();
        if now["rotating"] == false && now["generation"] == 2 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{now}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
