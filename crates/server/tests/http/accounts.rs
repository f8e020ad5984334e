//! Passwords, and the end of accounts.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{NETWORKS, ROUTERS, Site, at};

const ACCOUNTS: &str = "/kannas/v1/accounts";

fn password(text: &str) -> Value {
    json!({"account": {"password": text}})
}

#[tokio::test]
async fn a_new_password_is_good_at_once_and_the_old_one_is_not() {
    let site = Site::start().await;
    let path = at(ACCOUNTS, "bob");
    // It is remembered, and must be forgotten.
    site.bob.get("/1.3/account").await.is(200);
    site.bob.put(&path, &password("bobs second one")).await.is(204);
    site.bob.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    let bob = Client::new(site.api, "bob", "bobs second one");
    bob.get("/1.3/account").await.is(200);

    site.alice.put(&path, &password("from alice")).await.is(204);
    bob.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    let bob = Client::new(site.api, "bob", "from alice");
    bob.put(&at(ACCOUNTS, "alice"), &password("from bob")).await.refuses(403, "ACCOUNT_FORBIDDEN");
    bob.put(&at(ACCOUNTS, "none"), &password("from bob")).await.refuses(403, "ACCOUNT_FORBIDDEN");
    let none = site.alice.put(&at(ACCOUNTS, "none"), &password("from alice")).await;
    none.refuses(404, "ACCOUNT_NOT_FOUND");
    for bad in ["short", "aaaaaaaaaa", "Bob"] {
        bob.put(&path, &password(bad)).await.refuses(400, "REQUEST_INVALID");
    }
    bob.get("/1.3/account").await.is(200);
}

#[tokio::test]
async fn a_sub_account_and_its_main_account_change_its_password() {
    let site = Site::start().await;
    let body = json!({"sub_account": {"username": "sub", "password": "the first one"}});
    site.bob.post("/1.3/account/sub", &body).await.is(204);
    let path = at(ACCOUNTS, "sub");
    let sub = Client::new(site.api, "sub", "the first one");
    sub.put(&path, &password("the second one")).await.is(204);
    sub.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    site.bob.put(&path, &password("the third one")).await.is(204);
    let sub = Client::new(site.api, "sub", "the third one");
    sub.get("/1.3/account").await.is(200);
    sub.put(&at(ACCOUNTS, "bob"), &password("the fourth one"))
        .await
        .refuses(403, "ACCOUNT_FORBIDDEN");
}

#[tokio::test]
async fn an_account_is_deleted_when_it_owns_nothing_and_its_tokens_go_along() {
    let site = Site::start().await;
    let path = at(ACCOUNTS, "bob");
    let (bearer, _) = site.bob.by_token(json!({})).await;
    let router = at(ROUTERS, &site.bob.make_router().await);
    site.bob.delete(&path).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.alice.delete(&path).await.refuses(409, "ACCOUNT_NOT_EMPTY");
    site.bob.delete(&router).await.is(204);
    let network = at(NETWORKS, &site.bob.make_network("10.0.1.0/24").await);
    site.alice.delete(&path).await.refuses(409, "ACCOUNT_NOT_EMPTY");
    site.bob.delete(&network).await.is(204);
    let body = json!({"sub_account": {"username": "sub", "password": "the first one"}});
    site.bob.post("/1.3/account/sub", &body).await.is(204);
    site.alice.delete(&path).await.refuses(409, "ACCOUNT_NOT_EMPTY");
    site.bob.delete("/1.3/account/sub/sub").await.is(204);

    site.alice.delete(&path).await.is(204);
    site.bob.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    bearer.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    site.alice.delete(&path).await.refuses(404, "ACCOUNT_NOT_FOUND");
    let last = site.alice.delete(&at(ACCOUNTS, "alice")).await;
    last.refuses(409, "ACCOUNT_LAST_ADMINISTRATOR");
}
