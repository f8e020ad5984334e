//! Hosts' certificates: who may renew and revoke them.

use serde_json::json;

use crate::site::{HOST, Site, at};

const HOSTS: &str = "/kannas/v1/hosts";
const TOKENS: &str = "/kannas/v1/host-tokens";

#[tokio::test]
async fn a_host_is_revoked_by_administrators_and_shown_so() {
    let site = Site::start().await;
    let path = |what| format!("{}/{what}", at(HOSTS, HOST));
    let none = json!({});
    for what in ["renew", "revoke"] {
        site.bob.post(&path(what), &none).await.refuses(403, "ACCOUNT_FORBIDDEN");
        let nowhere = format!("{HOSTS}/nowhere/{what}");
        site.alice.post(&nowhere, &none).await.refuses(404, "HOST_NOT_FOUND");
    }
    let host = site.alice.post(&path("renew"), &none).await.is(200)["host"].clone();
    assert_eq!((&host["name"], &host["revoked_since"]), (&json!(HOST), &json!(null)));
    let host = site.alice.post(&path("revoke"), &none).await.is(200)["host"].clone();
    assert!(host["revoked_since"].is_string() && host["lost_since"].is_string(), "{host}");
    let again = site.alice.post(&path("revoke"), &none).await.is(200)["host"].clone();
    assert_eq!(again, host);
    site.alice.post(&path("renew"), &none).await.refuses(409, "HOST_REVOKED");
    assert_eq!(site.alice.read(HOSTS).await["hosts"]["host"][0], host);
}

#[tokio::test]
async fn a_token_for_a_host_is_of_its_zone() {
    let site = Site::start().await;
    let body = json!({"host_token": {"host": HOST}});
    let made = site.alice.post(TOKENS, &body).await.is(201)["host_token"].clone();
    assert_eq!(made["zone"], "fi-hel1");
    site.bob.post(TOKENS, &body).await.refuses(403, "ACCOUNT_FORBIDDEN");
}
