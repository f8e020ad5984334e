//! Too many requests, and too many guesses.

use server::PolicyArgs;

use crate::client::{Client, Reply};
use crate::site::Site;

fn is_held_up(reply: Reply, code: &str) {
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1, "{wait}");
    reply.refuses(429, code);
}

#[tokio::test]
async fn an_account_that_asks_too_much_is_told_to_wait_and_others_are_not() {
    let policy = PolicyArgs { max_requests: 1, max_burst: 3, ..PolicyArgs::default() };
    let site = Site::under(policy).await;
    let (bearer, _) = site.bob.by_token(serde_json::json!({})).await;
    // Of whatever kind, they are the same account's; and a request takes far
    // less time than the hundred seconds that these would have to take.
    let mut refused = 0;
    for client in [&site.bob, &bearer].into_iter().cycle().take(100) {
        let reply = client.get("/1.3/no-such-thing").await;
        if reply.status == 429 {
            refused += 1;
            is_held_up(reply, "RATE_LIMIT_EXCEEDED");
        } else {
            reply.refuses(404, "NOT_FOUND");
        }
    }
    assert!(refused > 0);
    site.alice.get("/1.3/account").await.is(200);
    assert_eq!(site.bob.with("").get("/livez").await.status, 200);
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_whether_or_not_there_is_such_a_user() {
    let site = Site::start().await;
    site.alice.get("/1.3/account").await.is(200);
    for name in ["bob", "nobody"] {
        let guess = Client::new(site.api, name, "a guess");
        for _ in 0..5 {
            guess.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
        }
        // The first wait is a second, which may be over before the next guess
        // is there; a later one is not.
        let mut reply = guess.get("/1.3/account").await;
        for _ in 0..20 {
            if reply.status == 429 {
                break;
            }
            reply.refuses(401, "AUTHENTICATION_FAILED");
            reply = guess.get("/1.3/account").await;
        }
        is_held_up(reply, "AUTHENTICATION_SUSPENDED");
    }
    site.alice.get("/1.3/account").await.is(200);
}
