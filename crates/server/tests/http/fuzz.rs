//! Whatever is sent, nothing panics and nothing is the server's fault.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::site::{NOBODY, Site, at, network, peering};

const PATHS: [&str; 17] = [
    "/1.3/account",
    "/1.3/account/sub",
    "/1.3/account/tokens",
    "/1.3/network",
    "/1.3/network-peering",
    "/1.3/permission/grant",
    "/1.3/router",
    "/1.3/server",
    "/kannas/v1/accounts",
    "/kannas/v1/host-tokens",
    "/kannas/v1/peering-requests",
    "/kannas/v1/ports",
    "/kannas/v1/webhook",
    "/kannas/v1/zones",
    "/1.3/zone",
    "/openapi.json",
    "/",
];

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];

const HEADERS: [&str; 7] = [
    "Accept",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Forwarded-For",
    "X-Other",
];

#[derive(Debug, Clone)]
struct Ask {
    method: &'static str,
    path: String,
    headers: String,
    body: Vec<u8>,
}

/// Of the things there are, of nothing, and of what is no UUID.
fn path(known: Vec<String>) -> impl Strategy<Value = String> {
    let id = prop_oneof![select(known), Just(NOBODY.to_owned()), "[!-~&&[^ ]]{0,40}"];
    let end = prop_oneof![
        Just(String::new()),
        "/(start|accept|decline|networking/interface)(/[0-9]{1,3})?"
    ];
    let query = prop_oneof![
        Just(String::new()),
        "\\?[!-~]{0,40}",
        "\\?(label|limit|offset|zone|uuid|both)=[!-~]{0,20}",
    ];
    let whole = (select(&PATHS[..]), prop_oneof![Just(None), id.prop_map(Some)], end, query);
    whole.prop_map(|(path, id, end, query)| match id {
        Some(id) => format!("{path}/{id}{end}{query}"),
        None => format!("{path}{query}"),
    })
}

fn headers() -> impl Strategy<Value = String> {
    let value = prop_oneof!["[ -~]{0,30}", "(W/)?\"[0-9]{1,25}-[0-9a-f]{0,16}\"", "\\*"];
    vec((select(&HEADERS[..]), value), 0..4).prop_map(|all| {
        all.into_iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
    })
}

/// Bytes; JSON of any shape; and what is right but for one place.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-f:./]{0,45}".prop_map(Value::from),
    ];
    let right = select(vec![
        network("fi-hel1", "10.0.0.0/24"),
        peering(NOBODY, NOBODY),
        json!({"router": {"name": "r", "labels": [{"key": "ab", "value": ""}],
            "static_routes": [{"name": "s", "route": "0.0.0.0/0", "nexthop": "10.0.0.2"}]}}),
        json!({"server": {"title": "t", "hostname": "h", "zone": "fi-hel1", "plan": "1xCPU-1GB"}}),
        json!({"port": {"network": NOBODY, "host": "h", "address": "10.0.0.2"}}),
        json!({"webhook": {"url": "http://192.0.2.1/", "secret": "0123456789abcdef"}}),
        json!({"peering_request": {"name": "n", "labels": []}}),
        json!({"host_token": {"zone": "fi-hel1", "valid_seconds": 60}}),
        json!({"token": {"name": "t", "expires_in": "PT1H", "allowed_ip_ranges": []}}),
    ]);
    let any_json = leaf.clone().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z_]{1,12}", inner), 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    });
    let changed = (right, any::<prop::sample::Index>(), prop_oneof![leaf, any_json.clone()])
        .prop_map(|(mut right, place, new)| {
            let mut places = Vec::new();
            pointers(&right, String::new(), &mut places);
            if let Some(at) = right.pointer_mut(&places[place.index(places.len())]) {
                *at = new;
            }
            right
        });
    prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        2 => any_json.prop_map(|v| v.to_string().into_bytes()),
        4 => changed.prop_map(|v| v.to_string().into_bytes()),
    ]
}

fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    if let Value::Object(map) = value {
        map.iter().for_each(|(key, inner)| pointers(inner, format!("{at}/{key}"), found));
    } else if let Value::Array(all) = value {
        all.iter().enumerate().for_each(|(n, inner)| pointers(inner, format!("{at}/{n}"), found));
    }
    found.push(at);
}

fn ask(known: Vec<String>) -> impl Strategy<Value = Ask> {
    (select(&METHODS[..]), path(known), headers(), body())
        .prop_map(|(method, path, headers, body)| Ask { method, path, headers, body })
}

#[test]
fn no_request_is_the_servers_fault() {
    let runtime = Runtime::new().unwrap();
    let (site, known) = runtime.block_on(async {
        let site = Site::start().await;
        let a = site.alice.make_routed("10.0.1.0/24").await;
        let b = site.bob.make_routed("10.0.2.0/24").await;
        let peering = site.alice.peer(&a, &b).await["uuid"].as_str().unwrap().to_owned();
        let asked = site.bob.peer(&b, &a).await["uuid"].as_str().unwrap().to_owned();
        (site, vec![a, b, peering, asked])
    });
    let cases = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    proptest!(cases, |(ask in ask(known))| {
        let Ask { method, path, headers, body } = ask;
        // Each request is on its own: the server answers the next one as well.
        let status = runtime.block_on(async {
            if method == "HEAD" {
                // Its answer has a length and no body.
                let head = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                let text = site.alice.raw_text(head.as_bytes()).await;
                return text.split(' ').nth(1).unwrap().parse().unwrap();
            }
            site.alice.send(method, &path, &headers, &body).await.status
        });
        prop_assert!(status < 500, "{method} {path}: {status}");
    });
    let routers = at("/1.3", "router");
    assert_eq!(runtime.block_on(site.alice.get(&routers)).status, 200);
}
