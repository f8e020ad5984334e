//! Credentials, paths, verbs and bodies (A).

use serde_json::json;

use crate::client::{Client, Reply};
use crate::site::{NETWORKS, NOBODY, PEERINGS, Site, at, network};

#[tokio::test]
async fn a01_the_account_is_shown_to_its_user() {
    let site = Site::start().await;
    let account = site.bob.read("/1.3/account").await["account"].clone();
    assert_eq!(account["username"], "bob");
    for (limit, value) in account["resource_limits"].as_object().unwrap() {
        assert!(value.is_u64(), "{limit}");
    }
    assert!(account["resource_limits"]["network_peerings"].as_u64().unwrap() > 0);
    // Again, from what is remembered, and for another account.
    site.bob.get("/1.3/account").await.is(200);
    assert_eq!(site.alice.read("/1.3/account").await["account"]["username"], "alice");
}

fn offers(reply: &Reply, challenge: &str) -> bool {
    reply.headers.iter().any(|(name, value)| name == "www-authenticate" && value == challenge)
}

#[tokio::test]
async fn a03_a04_wrong_credentials_are_refused_before_and_after_right_ones() {
    let site = Site::start().await;
    for round in ["not remembered", "remembered"] {
        for wrong in [
            Client::new(site.api, "alice", "bobs password"),
            Client::new(site.api, "alice", ""),
            Client::new(site.api, "nobody", "alices password"),
            Client::new(site.api, "", ""),
            site.alice.with("Bearer ucat_01JQ5D9EXAMPLETOKENNOTGOOD0"),
            site.alice.with("Basic"),
            site.alice.with("Basic %%%"),
            site.alice.with("Digest username=alice"),
        ] {
            let reply = wrong.get("/1.3/account").await;
            assert!(offers(&reply, "Basic realm=\"kannas\""), "{round}");
            let of_token = wrong.sends("Bearer");
            assert_eq!(offers(&reply, "Bearer realm=\"kannas\""), !of_token, "{round}");
            let told = "Bearer realm=\"kannas\", error=\"invalid_token\"";
            assert_eq!(offers(&reply, told), of_token, "{round}");
            reply.refuses(401, "AUTHENTICATION_FAILED");
        }
        site.alice.get("/1.3/account").await.is(200);
    }
}

#[tokio::test]
async fn a05_a06_who_has_no_credentials_learns_nothing_but_that() {
    let site = Site::start().await;
    let stranger = site.alice.with("");
    for (method, path) in [
        ("GET", PEERINGS),
        ("GET", "/1.3/no-such-thing"),
        ("PUT", PEERINGS),
        ("POST", PEERINGS),
        ("GET", "/"),
    ] {
        let reply = stranger.send(method, path, "", b"{").await;
        assert!(offers(&reply, "Basic realm=\"kannas\""));
        assert!(offers(&reply, "Bearer realm=\"kannas\""));
        let body = reply.is(401);
        assert_eq!(body["error"]["error_code"], "AUTHENTICATION_REQUIRED", "{method} {path}");
        assert_eq!(body["status"], 401);
    }
}

#[tokio::test]
async fn what_anyone_may_ask_needs_no_credentials() {
    let site = Site::start().await;
    let stranger = site.alice.with("");
    for path in ["/livez", "/readyz/"] {
        let reply = stranger.get(path).await;
        assert_eq!((reply.status, reply.text()), (200, "ok".to_owned()));
    }
    assert_eq!(stranger.read("/openapi.json").await["openapi"], "3.1.0");
}

#[tokio::test]
async fn a07_a08_a13_unknown_paths_and_wrong_verbs_are_told_apart() {
    let site = Site::start().await;
    for path in ["/1.3/no-such-thing", "/", "/1.2/network", "/1.3/network/x/y", "/%ff%"] {
        site.alice.get(path).await.refuses(404, "NOT_FOUND");
    }
    for (method, path, allow) in [
        ("PUT", at(PEERINGS, NOBODY), "GET, PATCH, DELETE"),
        ("PATCH", at(NETWORKS, NOBODY), "GET, PUT, DELETE"),
        ("DELETE", PEERINGS.to_owned(), "GET, POST"),
        ("OPTIONS", NETWORKS.to_owned(), "GET, POST"),
        ("BREW", "/1.3/zone".to_owned(), "GET"),
    ] {
        let reply = site.alice.send(method, &path, "", b"{}").await;
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
        reply.refuses(405, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn a09_a10_a_body_that_is_no_object_in_its_envelope_is_refused() {
    let site = Site::start().await;
    let before = site.everything().await;
    let bodies: [&[u8]; 10] = [
        b"{",
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"{\"network_peering\":null}",
        b"{\"network_peering\":[]}",
        b"{\"network\":{}}",
        b"{\"network_peering\":{}} trailing",
    ];
    for body in bodies {
        let reply = site.alice.send("POST", PEERINGS, "", body).await;
        reply.refuses(400, "REQUEST_INVALID");
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a11_a12_the_content_type_makes_no_difference() {
    let site = Site::start().await;
    let body = network("fi-hel1", "10.0.0.0/24").to_string();
    for kind in ["application/json; charset=UTF-8", "text/plain", "x"] {
        let header = format!("Content-Type: {kind}\r\n");
        site.alice.send("POST", NETWORKS, &header, body.as_bytes()).await.is(201);
    }
    let header = "Content-Type: application/json\r\n";
    site.alice.send("GET", NETWORKS, header, b"").await.is(200);
    // A body where none belongs is not read.
    site.alice.send("GET", NETWORKS, header, b"{").await.is(200);
}

#[tokio::test]
async fn a14_slashes_more_or_less_make_no_difference() {
    let site = Site::start().await;
    let uuid = site.alice.make_network("10.0.0.0/24").await;
    for path in
        ["/1.3/network/", "//1.3/network", "/1.3//network//", "/1.3/network/?", "/1.3/network?"]
    {
        let list = site.alice.networks(path).await;
        assert_eq!(list[0]["uuid"], uuid.as_str(), "{path}");
    }
    site.alice.get(&format!("/1.3/network/{uuid}/")).await.is(200);
    site.alice.post("//1.3/network/", &network("fi-hel1", "10.0.1.0/24")).await.is(201);
}

#[tokio::test]
async fn an_accept_without_json_gets_an_error_and_no_write() {
    let site = Site::start().await;
    let before = site.everything().await;
    let body = network("fi-hel1", "10.0.0.0/24").to_string();
    let xml = "Accept: application/xml\r\n";
    site.alice.send("POST", NETWORKS, xml, body.as_bytes()).await.refuses(406, "NOT_ACCEPTABLE");
    assert_eq!(site.everything().await, before);
    let any = "Accept: text/html, */*;q=0.1\r\n";
    site.alice.send("POST", NETWORKS, any, body.as_bytes()).await.is(201);
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused() {
    let site = Site::start().await;
    let mut body = network("fi-hel1", "10.0.0.0/24").to_string().into_bytes();
    body.resize(1 << 20, b' ');
    site.alice.send("POST", NETWORKS, "", &body).await.is(201);
    body.push(b' ');
    site.alice.send("POST", NETWORKS, "", &body).await.refuses(413, "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn many_calls_on_one_connection_are_answered_in_order() {
    let site = Site::start().await;
    let uuid = site.alice.make_network("10.0.0.0/24").await;
    let call = |method, path: &str, end: &str| {
        let pair = "YWxpY2U6YWxpY2VzIHBhc3N3b3Jk"; // alice:alices password
        format!("{method} {path} HTTP/1.1\r\nHost: k\r\nAuthorization: basic {pair}\r\n{end}\r\n")
    };
    let path = at(NETWORKS, &uuid);
    let calls = [
        call("DELETE", &path, ""),
        call("GET", &path, ""),
        call("GET", "/1.3/zone", "Connection: close\r\n"),
    ];
    let text = site.alice.raw_text(calls.concat().as_bytes()).await;
    let heads: Vec<&str> =
        text.match_indices("HTTP/1.1 ").map(|(i, _)| &text[i + 9..i + 12]).collect();
    assert_eq!(heads, ["204", "404", "200"], "{text}");
}

#[tokio::test]
async fn the_account_is_the_callers_own_in_detail_and_as_a_list() {
    let site = Site::start().await;
    let details = site.bob.read("/1.3/account/details/bob").await;
    assert_eq!(details["account"]["username"], "bob");
    assert!(details["account"]["currency"].is_string());
    site.bob.get("/1.3/account/details/alice").await.refuses(404, "ACCOUNT_NOT_FOUND");
    let list = site.bob.read("/1.3/account/list").await;
    let want = json!([{"type": "main", "username": "bob", "roles": {"role": ["technical"]}}]);
    assert_eq!(list["accounts"]["account"], want);
}
