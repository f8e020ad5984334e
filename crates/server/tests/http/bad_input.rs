//! Each fault has its status and code, and changes nothing.

use serde_json::{Value, json};

use crate::site::{NETWORKS, PEERINGS, ROUTERS, Site, at, network, peering};

/// A body with `key` of its one object set, or taken out if `value` is null.
fn but(body: &Value, key: &str, value: Value) -> Value {
    let mut body = body.clone();
    let inner = body.as_object_mut().unwrap().values_mut().next().unwrap();
    if value.is_null() {
        inner.as_object_mut().unwrap().remove(key);
    } else {
        inner[key] = value;
    }
    body
}

fn labels(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// The faults of labels (P61, P62), which all nouns share.
fn bad_labels() -> Vec<(Value, &'static str)> {
    let long = "x".repeat(256);
    let key = "k".repeat(33);
    let many: Vec<String> = (0..65).map(|i| format!("key{i}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|k| (&**k, "")).collect();
    vec![
        (labels(&[("x", "")]), "INVALID_LABEL_KEY"),
        (labels(&[("_sys", "")]), "INVALID_LABEL_KEY"),
        (labels(&[(&key, "")]), "INVALID_LABEL_KEY"),
        (labels(&[("käy", "")]), "INVALID_LABEL_KEY"),
        (labels(&[("key", &long)]), "INVALID_LABEL_VALUE"),
        (labels(&[("key", "1"), ("key", "2")]), "DUPLICATE_LABEL_KEYS"),
        (labels(&many), "REQUEST_INVALID"),
        (json!([{"key": "key", "value": "", "x": 1}]), "UNKNOWN_ATTRIBUTE"),
        (json!([{"key": 7, "value": ""}]), "INVALID_LABEL_KEY"),
        (json!(["key=value"]), "REQUEST_INVALID"),
        (json!("key=value"), "REQUEST_INVALID"),
    ]
}

#[tokio::test]
async fn p06_to_p09_p19_p61_p62_a_bad_peering_is_not_made() {
    let site = Site::start().await;
    let a = site.alice.make_routed("10.0.1.0/24").await;
    let b = site.alice.make_routed("10.0.2.0/24").await;
    let good = peering(&a, &b);
    let mut cases = vec![
        ("name", json!(null), "NAME_INVALID"),
        ("name", json!(""), "NAME_INVALID"),
        ("name", json!("x".repeat(256)), "NAME_INVALID"),
        ("name", json!(7), "NAME_INVALID"),
        ("configured_status", json!("paused"), "REQUEST_INVALID"),
        ("configured_status", json!(true), "REQUEST_INVALID"),
        ("network", json!(null), "NETWORK_INVALID"),
        ("network", json!(a), "NETWORK_INVALID"),
        ("network", json!({}), "NETWORK_INVALID"),
        ("network", json!({"uuid": "x"}), "NETWORK_INVALID"),
        ("network", json!({"uuid": a, "zone": "x"}), "UNKNOWN_ATTRIBUTE"),
        ("peer_network", json!(null), "NETWORK_INVALID"),
        ("peer_network", json!({"uuid": 7}), "NETWORK_INVALID"),
        ("foo", json!(1), "UNKNOWN_ATTRIBUTE"),
        ("state", json!("active"), "UNKNOWN_ATTRIBUTE"),
        ("uuid", json!(a), "UNKNOWN_ATTRIBUTE"),
    ];
    cases.extend(bad_labels().into_iter().map(|(value, code)| ("labels", value, code)));
    let before = site.everything().await;
    for (key, value, code) in cases {
        site.alice.post(PEERINGS, &but(&good, key, value)).await.refuses(400, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn p07_p63_the_longest_name_and_an_empty_label_value_are_taken() {
    let site = Site::start().await;
    let a = site.alice.make_network("10.0.1.0/24").await;
    let b = site.alice.make_network("10.0.2.0/24").await;
    let name = "å".repeat(255);
    let labels = labels(&[("kk", ""), (&"k".repeat(32), &"v".repeat(255))]);
    let body = but(&peering(&a, &b), "name", json!(name));
    let made = site.alice.post(PEERINGS, &but(&body, "labels", labels.clone())).await.is(201);
    assert_eq!(made["network_peering"]["name"], name.as_str());
    assert_eq!(made["network_peering"]["labels"], labels);
}

#[tokio::test]
async fn a_bad_network_is_neither_made_nor_changed_into() {
    let site = Site::start().await;
    let path = at(NETWORKS, &site.alice.make_routed("10.0.1.0/24").await);
    let subnet = |it: Value| json!({"ip_network": [it]});
    let mut both = vec![
        ("name", json!(""), 400, "NETWORK_NAME_INVALID"),
        ("name", json!("x".repeat(256)), 400, "NETWORK_NAME_INVALID"),
        ("router", json!("x"), 404, "ROUTER_NOT_FOUND"),
        ("router", json!(7), 400, "REQUEST_INVALID"),
        ("foo", json!(1), 400, "UNKNOWN_ATTRIBUTE"),
        ("ip_networks", json!([]), 400, "IP_ADDRESS_INVALID"),
        ("ip_networks", json!({"ip_network": []}), 400, "IP_ADDRESS_INVALID"),
        ("ip_networks", subnet(json!({"address": "x"})), 400, "IP_ADDRESS_INVALID"),
        ("ip_networks", subnet(json!({"address": "10.0.0.0/33"})), 400, "IP_ADDRESS_INVALID"),
        ("ip_networks", subnet(json!({"address": "127.0.0.0/24"})), 400, "IP_ADDRESS_INVALID"),
        ("ip_networks", subnet(json!({"family": "IPv5"})), 400, "IP_ADDRESS_INVALID"),
    ];
    let in_subnet = [
        ("gateway", json!("10.9.9.9"), "IP_ADDRESS_INVALID"),
        ("gateway", json!("10.0.1.0"), "IP_ADDRESS_INVALID"),
        ("dhcp", json!(true), "REQUEST_INVALID"),
        ("dhcp_dns", json!(["x"]), "IP_ADDRESS_INVALID"),
        ("dhcp_routes", json!(["10.0.0.0/8-nexthop=x"]), "INVALID_ROUTE"),
        ("foo", json!("x"), "UNKNOWN_ATTRIBUTE"),
    ];
    for (key, value, code) in in_subnet {
        both.push((
            "ip_networks",
            subnet(json!({"address": "10.0.1.0/24", key: value})),
            400,
            code,
        ));
    }
    both.extend(bad_labels().into_iter().map(|(value, code)| ("labels", value, 400, code)));
    let before = site.everything().await;
    for (key, value, status, code) in both {
        let made = but(&network("fi-hel1", "10.0.1.0/24"), key, value.clone());
        // An empty name is one that is there.
        site.alice.post(NETWORKS, &made).await.refuses(status, code);
        site.alice.put(&path, &json!({"network": {key: value}})).await.refuses(status, code);
    }
    for (key, value, status, code) in [
        ("name", json!(null), 400, "NETWORK_NAME_MISSING"),
        ("zone", json!(null), 400, "ZONE_MISSING"),
        ("zone", json!("xx-xxx1"), 404, "ZONE_NOT_FOUND"),
        ("type", json!("public"), 400, "NETWORK_TYPE_INVALID"),
        ("ip_networks", json!(null), 400, "IP_ADDRESS_INVALID"),
    ] {
        let body = but(&network("fi-hel1", "10.0.1.0/24"), key, value);
        site.alice.post(NETWORKS, &body).await.refuses(status, code);
    }
    let moved = json!({"network": {"zone": "de-fra1"}});
    site.alice.put(&path, &moved).await.refuses(400, "ZONE_INVALID");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_bad_router_is_neither_made_nor_changed_into() {
    let site = Site::start().await;
    let path = at(ROUTERS, &site.alice.make_router().await);
    let route = |route: &str, nexthop: &str| json!({"route": route, "nexthop": nexthop});
    let twice = json!([route("10.0.0.0/8", "10.0.0.1"), route("10.0.0.0/8", "no-nexthop")]);
    let mut both = vec![
        ("name", json!(""), "NAME_INVALID"),
        ("name", json!("x".repeat(256)), "NAME_INVALID"),
        ("foo", json!(1), "UNKNOWN_ATTRIBUTE"),
        ("static_routes", json!([route("x", "10.0.0.1")]), "INVALID_ROUTE"),
        ("static_routes", json!([route("10.0.0.0/8", "x")]), "NEXTHOP_INVALID"),
        ("static_routes", json!([route("10.0.0.0/8", "fd00::1")]), "NEXTHOP_INVALID"),
        ("static_routes", json!([{"route": "10.0.0.0/8"}]), "NEXTHOP_INVALID"),
        ("static_routes", twice, "DUPLICATE_ROUTE"),
        ("static_routes", json!(7), "INVALID_ROUTE"),
    ];
    both.extend(bad_labels().into_iter().map(|(value, code)| ("labels", value, code)));
    let before = site.everything().await;
    let good = json!({"router": {"name": "r"}});
    for (key, value, code) in both {
        site.alice.post(ROUTERS, &but(&good, key, value.clone())).await.refuses(400, code);
        site.alice.patch(&path, &json!({"router": {key: value}})).await.refuses(400, code);
    }
    site.alice.post(ROUTERS, &json!({"router": {}})).await.refuses(400, "ROUTER_NAME_MISSING");
    assert_eq!(site.everything().await, before);
}
