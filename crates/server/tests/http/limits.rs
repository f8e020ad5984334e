//! Too many requests, and too many guesses.

use serde_json::{Value, json};
use server::PolicyArgs;
use tokio::io::AsyncReadExt;

use crate::client::{Client, Reply};
use crate::site::{NETWORKS, Site, network};

fn is_held_up(reply: Reply, code: &str) {
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1, "{wait}");
    reply.refuses(429, code);
}

#[tokio::test]
async fn an_account_that_asks_too_much_is_told_to_wait_and_others_are_not() {
    let policy = PolicyArgs { max_requests: 1, max_burst: 3, ..PolicyArgs::default() };
    let site = Site::under(policy).await;
    let (bearer, _) = site.bob.by_token(json!({})).await;
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

#[tokio::test]
async fn one_account_may_have_other_limits_than_all() {
    let site = Site::start().await;
    let path = "/kannas/v1/accounts/bob/limits";
    let limits = json!({"limits": {"networks": 1, "network_peerings": 7, "requests": 0}});
    let it = site.alice.put(path, &limits).await.is(200)["account"].clone();
    assert_eq!((&it["limits"]["networks"], &it["limits"]["routers"]), (&json!(1), &Value::Null));
    let shown = site.bob.read("/1.3/account").await["account"]["resource_limits"].clone();
    let seen = [&shown["networks"], &shown["network_peerings"], &shown["routers"]];
    assert_eq!(seen, [&json!(1), &json!(7), &json!(100_000)]);

    site.bob.make_network("10.0.1.0/24").await;
    let more = network("fi-hel1", "10.0.2.0/24");
    site.bob.post(NETWORKS, &more).await.refuses(409, "NETWORK_LIMIT_REACHED");
    for address in ["10.0.1.0/24", "10.0.2.0/24"] {
        site.alice.make_network(address).await;
    }
    // Sub-accounts make what is their main account's.
    site.bob.put(path, &limits).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.alice.put(path, &json!({"limits": {}})).await.is(200);
    site.bob.post(NETWORKS, &more).await.is(201);

    for (bad, name) in [
        (json!({"limits": {"networks": -1}}), "networks"),
        (json!({"limits": {"burst": 0}}), "burst"),
        (json!({"limits": {"ports": 1}}), "ports"),
    ] {
        let reply = site.alice.put(path, &bad).await;
        assert!(reply.status == 400 && reply.text().contains(name), "{}", reply.text());
    }
    let nobody = "/kannas/v1/accounts/nobody/limits";
    site.alice.put(nobody, &limits).await.refuses(404, "ACCOUNT_NOT_FOUND");
}

#[tokio::test]
async fn more_requests_at_once_than_there_is_room_for_are_told_to_come_again() {
    let site = Site::with(|config| config.max_at_once = 4).await;
    // Each is under way until it has sent its body.
    let begin = "Content-Length: 9\r\nExpect: 100-continue\r\n";
    let mut under_way = Vec::new();
    for _ in 0..2 {
        let mut stream = site.bob.begin("POST", "/1.3/router", begin).await;
        let mut asked = [0; 12];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100");
        under_way.push(stream);
    }
    let reply = site.bob.get("/1.3/router").await;
    assert_eq!(reply.header("retry-after"), Some("1"));
    reply.refuses(503, "SERVICE_UNAVAILABLE");
    site.alice.get("/1.3/router").await.is(200);
    assert_eq!(site.bob.with("").get("/livez").await.status, 200);
    drop(under_way);
    let freed = async {
        while site.bob.get("/1.3/router").await.status == 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), freed).await.unwrap();
}
