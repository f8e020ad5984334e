//! Lists: order, filters, pages.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{NETWORKS, PEERINGS, ROUTERS, Site, at, network, peering};

fn labels(text: &str) -> Value {
    let label = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap();
        json!({"key": key, "value": value})
    };
    text.split(',').filter(|t| !t.is_empty()).map(label).collect()
}

/// Names in a list, sorted, without those of the provider's networks.
async fn names(client: &Client, path: &str) -> String {
    let list = client.read(path).await;
    let outer = list.as_object().unwrap().values().next().unwrap();
    let inner = outer.as_object().unwrap().values().next().unwrap().as_array().unwrap();
    assert!(inner.is_sorted_by_key(|it| it["uuid"].as_str().unwrap()), "{path}");
    let own = inner.iter().filter(|it| it["type"] != "public" && it["type"] != "utility");
    let mut names: Vec<&str> = own.map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.join("")
}

const LABELLED: [(&str, &str); 5] = [
    ("a", "env=prod,size=big"),
    ("b", "env=test"),
    ("c", "env=prod"),
    ("d", "a b=c d,kk="),
    ("e", "kk=x=y"),
];

/// Queries and the names of what they find among [`LABELLED`].
const QUERIES: [(&str, &str); 18] = [
    ("", "abcde"),
    ("?label=env=prod", "ac"),
    ("?label=env%3Dprod", "ac"),
    ("?label=env", "abc"),
    ("?label=env%3Dprod&label=size", "a"),
    ("?label=size&label=env=test", ""),
    ("?label=kk%3D", "d"),
    ("?label=kk=", "d"),
    ("?label=kk=x=y", "e"),
    ("?label=nope", ""),
    ("?label=env=Prod", ""),
    ("?label=a+b%3Dc+d", "d"),
    ("?label=a%20b=c%20d", "d"),
    ("?label=", ""),
    ("?unknown=1&sort=name", "abcde"),
    ("?%zz=%&=&&", "abcde"),
    ("?label=%FF", ""),
    ("?label=env&limit=100&offset=0", "abc"),
];

#[tokio::test]
async fn p27_to_p35_peerings_are_found_by_their_labels() {
    let site = Site::start().await;
    let none = json!({"network_peerings": {"network_peering": []}});
    assert_eq!(site.alice.read(PEERINGS).await, none);
    let local = site.alice.make_network("10.0.0.0/24").await;
    for (i, (name, text)) in LABELLED.into_iter().enumerate() {
        let peer = site.alice.make_network(&format!("10.1.{i}.0/24")).await;
        let mut body = peering(&local, &peer);
        body["network_peering"]["name"] = json!(name);
        body["network_peering"]["labels"] = labels(text);
        site.alice.post(PEERINGS, &body).await.is(201);
    }
    for (query, want) in QUERIES {
        assert_eq!(names(&site.alice, &format!("{PEERINGS}{query}")).await, want, "{query}");
    }
}

#[tokio::test]
async fn p36_peerings_are_found_by_their_own_and_their_networks_uuids() {
    let site = Site::start().await;
    let a = site.alice.make_network("10.0.1.0/24").await;
    let b = site.alice.make_network("10.0.2.0/24").await;
    let c = site.alice.make_network("10.0.3.0/24").await;
    let mut uuids = Vec::new();
    for (name, local, peer) in [("x", &a, &b), ("y", &b, &a), ("z", &a, &c)] {
        let mut body = peering(local, peer);
        body["network_peering"]["name"] = json!(name);
        let made = site.alice.post(PEERINGS, &body).await.is(201);
        uuids.push(made["network_peering"]["uuid"].as_str().unwrap().to_owned());
    }
    for (query, want) in [
        (format!("network_uuid_local={a}"), "xz"),
        (format!("network_uuid_peer={a}"), "y"),
        (format!("network_uuid_local={a}&network_uuid_peer={c}"), "z"),
        (format!("uuid={}", uuids[1]), "y"),
        (format!("uuid={}&network_uuid_local={a}", uuids[1]), ""),
        ("uuid=x".to_owned(), ""),
    ] {
        assert_eq!(names(&site.alice, &format!("{PEERINGS}?{query}")).await, want, "{query}");
    }
}

#[tokio::test]
async fn n14_n15_networks_are_found_by_zone_and_labels() {
    let site = Site::start().await;
    for (name, text) in LABELLED {
        let zone = if name == "a" { "fi-hel2" } else { "fi-hel1" };
        let mut body = network(zone, "10.0.0.0/24");
        body["network"]["name"] = json!(name);
        body["network"]["labels"] = labels(text);
        site.alice.post(NETWORKS, &body).await.is(201);
    }
    for (query, want) in QUERIES {
        assert_eq!(names(&site.alice, &format!("{NETWORKS}{query}")).await, want, "{query}");
    }
    for (query, want) in [
        ("/?zone=fi-hel2", "a"),
        ("?zone=fi-hel1&label=env%3Dprod", "c"),
        ("?zone=fi-hel2&label=env%3Dtest", ""),
        ("?zone=xx-xxx1", ""),
    ] {
        assert_eq!(names(&site.alice, &format!("{NETWORKS}{query}")).await, want, "{query}");
    }
    assert_eq!(names(&site.bob, NETWORKS).await, "");
}

#[tokio::test]
async fn r04_r08_routers_are_found_by_their_labels() {
    let site = Site::start().await;
    for (name, text) in LABELLED {
        let body = json!({"router": {"name": name, "labels": labels(text)}});
        let made = site.alice.post(ROUTERS, &body).await.is(201);
        assert_eq!(made["router"]["labels"], labels(text));
    }
    for (query, want) in QUERIES {
        assert_eq!(names(&site.alice, &format!("{ROUTERS}{query}")).await, want, "{query}");
    }
    let list = site.alice.read(&format!("{ROUTERS}?label=env=test")).await;
    let path = at(ROUTERS, list["routers"]["router"][0]["uuid"].as_str().unwrap());
    let cleared = site.alice.patch(&path, &json!({"router": {"labels": []}})).await.is(200);
    assert_eq!(cleared["router"]["labels"], json!([]));
    assert_eq!(names(&site.alice, &format!("{ROUTERS}?label=env")).await, "ac");
}

#[tokio::test]
async fn a_page_is_a_part_of_the_list() {
    let site = Site::start().await;
    for _ in 0..5 {
        site.alice.make_router().await;
    }
    let all = site.alice.read(ROUTERS).await["routers"]["router"].clone();
    let part = site.alice.read(&format!("{ROUTERS}?limit=2&offset=3")).await;
    assert_eq!(part["routers"]["router"], json!(all.as_array().unwrap()[3..]));
}
