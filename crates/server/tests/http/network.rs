//! Networks (N).

use serde_json::{Value, json};

use crate::site::{NETWORKS, NOBODY, ROUTERS, Site, at, network};

fn subnet(network: &Value) -> &Value {
    &network["ip_networks"]["ip_network"][0]
}

#[tokio::test]
async fn n01_n02_a_network_is_made_as_recorded_with_or_without_slash() {
    let site = Site::start().await;
    for path in ["/1.3/network/", "/1.3/network"] {
        let given = json!({
            "address": "172.16.0.0/22", "dhcp": "yes", "dhcp_default_route": "no",
            "dhcp_dns": ["172.16.0.10", "172.16.1.10"], "family": "IPv4", "gateway": "172.16.0.1"
        });
        let body = json!({"network": {
            "name": "test private network (test)", "zone": "fi-hel2",
            "labels": [{"key": "env", "value": "test"}], "ip_networks": {"ip_network": [given]}
        }});
        let made = site.alice.post(path, &body).await.is(201)["network"].clone();
        assert_eq!(made["type"], "private");
        assert!(made["uuid"].as_str().unwrap().starts_with("03"));
        for key in ["name", "zone", "labels"] {
            assert_eq!(made[key], body["network"][key]);
        }
        for (key, value) in given.as_object().unwrap() {
            assert_eq!(&subnet(&made)[key], value);
        }
        assert!(made.get("router").is_none() && made.get("servers").is_none(), "{made}");
        assert_eq!(made["effective_routes"], json!([]));
        assert_eq!(subnet(&made)["dhcp_effective_routes"], json!([]));
    }
}

#[tokio::test]
async fn n03_n04_n05_n22_what_clients_write_is_understood_and_echoed() {
    let site = Site::start().await;
    let routes = json!(["10.0.0.0/8-nexthop=10.0.1.5", "192.168.0.0/24"]);
    let mut body = network("fi-hel1", "192.168.86.1/24");
    body["network"]["type"] = json!("private");
    body["network"]["router"] = json!("");
    body["network"]["ip_networks"]["ip_network"] = json!({
        "address": "192.168.86.1/24", "family": "IPv4", "dhcp_routes": routes,
        "dhcp_bootfile_url": "tftp://192.168.86.2/x"
    });
    let made = site.alice.post(NETWORKS, &body).await.is(201)["network"].clone();
    assert_eq!(subnet(&made)["address"], "192.168.86.1/24");
    assert_eq!(subnet(&made)["gateway"], "192.168.86.1");
    assert_eq!(subnet(&made)["dhcp_routes"], routes);
    assert_eq!(subnet(&made)["dhcp_bootfile_url"], "tftp://192.168.86.2/x");
    assert_eq!(subnet(&made)["dhcp"], "no");
    let want = json!([
        {"route": "10.0.0.0/8", "nexthop": "10.0.1.5", "auto_populated": "no"},
        {"route": "192.168.0.0/24", "nexthop": "192.168.86.1", "auto_populated": "no"}
    ]);
    assert_eq!(subnet(&made)["dhcp_effective_routes"], want);
}

#[tokio::test]
async fn n06_n07_n12_n13_only_what_is_given_changes() {
    let site = Site::start().await;
    let mut body = network("fi-hel1", "10.0.1.0/24");
    body["network"]["labels"] = json!([{"key": "env", "value": "test"}]);
    body["network"]["ip_networks"]["ip_network"][0]["dhcp_dns"] = json!(["1.1.1.1"]);
    let mut want = site.alice.post(NETWORKS, &body).await.is(201)["network"].clone();
    let path = at(NETWORKS, want["uuid"].as_str().unwrap());

    want["name"] = json!("other");
    let change = json!({"network": {"name": "other", "zone": "fi-hel1"}});
    assert_eq!(site.alice.put(&path, &change).await.is(200)["network"], want);

    want["labels"] = json!([{"key": "color", "value": "red"}]);
    let change = json!({"network": {"labels": want["labels"]}});
    assert_eq!(site.alice.put(&path, &change).await.is(200)["network"], want);

    want["ip_networks"]["ip_network"][0]["dhcp"] = json!("yes");
    let entry = json!([{"family": "IPv4", "dhcp": "yes"}]);
    let change = json!({"network": {"ip_networks": {"ip_network": entry}}});
    assert_eq!(site.alice.put(&path, &change).await.is(200)["network"], want);

    want["ip_networks"]["ip_network"][0].as_object_mut().unwrap().remove("dhcp_dns");
    let entry = json!({"family": "IPv4", "dhcp_dns": []});
    let change = json!({"network": {"ip_networks": {"ip_network": entry}}});
    assert_eq!(site.alice.put(&path, &change).await.is(200)["network"], want);

    assert_eq!(site.alice.put(&path, &json!({"network": {}})).await.is(200)["network"], want);
    assert_eq!(site.alice.read(&path).await["network"], want);
    // What was read can be sent back.
    let entry = json!({"network": {"ip_networks": want["ip_networks"]}});
    assert_eq!(site.alice.put(&path, &entry).await.is(200)["network"], want);
}

#[tokio::test]
async fn n08_n09_n10_n17_a_router_is_attached_and_detached() {
    let site = Site::start().await;
    let network = site.alice.make_network("10.0.1.0/24").await;
    let router = site.alice.make_router().await;
    let path = at(ROUTERS, &router);
    let attached =
        async || site.alice.read(&path).await["router"]["attached_networks"]["network"].clone();
    for nothing in [json!(null), json!("")] {
        assert_eq!(site.alice.attach(&network, &json!(router)).await["router"], router.as_str());
        assert_eq!(attached().await, json!([{"uuid": network}]));
        assert!(site.alice.attach(&network, &nothing).await.get("router").is_none());
        assert_eq!(attached().await, json!([]));
    }
    site.alice.attach(&network, &json!(router)).await;
    site.alice.delete(&at(NETWORKS, &network)).await.is(204);
    assert_eq!(attached().await, json!([]));
}

#[tokio::test]
async fn n11_filters_of_effective_routes_are_merged() {
    let site = Site::start().await;
    let path = at(NETWORKS, &site.alice.make_network("10.0.1.0/24").await);
    let change = async |population: Value| {
        let config = json!({"effective_routes_auto_population": population});
        let entry = json!([{"family": "IPv4", "dhcp_routes_configuration": config}]);
        let body = json!({"network": {"ip_networks": {"ip_network": entry}}});
        let answer = site.alice.put(&path, &body).await.is(200);
        let config = &subnet(&answer["network"])["dhcp_routes_configuration"];
        config["effective_routes_auto_population"].clone()
    };
    let all = json!({
        "enabled": "yes", "exclude_by_source": ["static-route"],
        "filter_by_destination": ["10.0.0.0/8"], "filter_by_route_type": ["user"]
    });
    assert_eq!(change(all.clone()).await, all);
    let mut want = all;
    want.as_object_mut().unwrap().remove("filter_by_destination");
    assert_eq!(change(json!({"filter_by_destination": []})).await, want);
}

#[tokio::test]
async fn n16_a_list_has_what_a_single_answer_has() {
    let site = Site::start().await;
    let uuid = site.alice.make_routed("10.0.1.0/24").await;
    let one = site.alice.read(&at(NETWORKS, &uuid)).await["network"].clone();
    assert_eq!(site.alice.networks(NETWORKS).await, [one]);
}

#[tokio::test]
async fn n21_the_providers_networks_are_seen_by_everybody_and_changed_by_nobody() {
    let site = Site::start().await;
    site.alice.make_network("10.0.0.0/24").await;
    let before = site.everything().await;
    let list = site.alice.read(NETWORKS).await["networks"]["network"].clone();
    let list = list.as_array().unwrap();
    assert!(list.is_sorted_by_key(|n| n["uuid"].as_str().unwrap()));
    let provided: Vec<&Value> = list.iter().filter(|n| n["type"] != "private").collect();
    assert_eq!(provided.len() + 1, list.len());
    assert!(provided.iter().any(|n| n["type"] == "utility"));
    assert!(provided.iter().any(|n| n["name"].as_str().unwrap().starts_with("Public")));
    for it in provided {
        assert!(it["name"].as_str().unwrap().contains('/'), "{it}");
        assert!(subnet(it)["address"].is_string() && subnet(it)["family"].is_string(), "{it}");
        assert_eq!(it["labels"], json!([]));
        let path = at(NETWORKS, it["uuid"].as_str().unwrap());
        assert_eq!(&site.bob.read(&path).await["network"], it);
        let change = json!({"network": {"name": "mine"}});
        site.alice.put(&path, &change).await.refuses(403, "NETWORK_FORBIDDEN");
        site.alice.delete(&path).await.refuses(403, "NETWORK_FORBIDDEN");
    }
    let there = site.bob.read("/1.3/network/?zone=fi-hel1").await["networks"]["network"].clone();
    let there = there.as_array().unwrap();
    assert!(there.len() >= 2 && there.iter().all(|n| n["zone"] == "fi-hel1"), "{there:?}");
    let labelled = site.bob.read("/1.3/network?label=env").await;
    assert_eq!(labelled, json!({"networks": {"network": []}}));
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn n19_what_does_not_exist_or_is_somebody_elses_is_not_found() {
    let site = Site::start().await;
    let foreign = site.bob.make_routed("10.0.1.0/24").await;
    let before = site.everything().await;
    let change = json!({"network": {"name": "mine"}});
    for id in [NOBODY, &foreign, "x", "03"] {
        let path = at(NETWORKS, id);
        site.alice.get(&path).await.refuses(404, "NETWORK_NOT_FOUND");
        site.alice.put(&path, &change).await.refuses(404, "NETWORK_NOT_FOUND");
        site.alice.delete(&path).await.refuses(404, "NETWORK_NOT_FOUND");
    }
    // Nor can a network hang on somebody else's router.
    let list = site.bob.read(ROUTERS).await;
    let router = list["routers"]["router"][0]["uuid"].clone();
    let mut body = network("fi-hel1", "10.0.2.0/24");
    body["network"]["router"] = router;
    site.alice.post(NETWORKS, &body).await.refuses(404, "ROUTER_NOT_FOUND");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn n20_a_routers_routes_are_in_the_answer_that_makes_the_network() {
    let site = Site::start().await;
    let fixed = json!([{"route": "192.168.0.0/24", "nexthop": "10.20.0.254"}]);
    let body = json!({"router": {"name": "r", "static_routes": fixed}});
    let router = site.alice.post(ROUTERS, &body).await.is(201)["router"]["uuid"].clone();
    let mut body = network("fi-hel1", "10.20.0.0/24");
    body["network"]["router"] = router.clone();
    let entry = &mut body["network"]["ip_networks"]["ip_network"][0];
    entry["dhcp_routes_configuration"] =
        json!({"effective_routes_auto_population": {"enabled": "yes"}});
    let made = site.alice.post(NETWORKS, &body).await.is(201)["network"].clone();
    let effective = json!([{
        "source": "static-route", "route": "192.168.0.0/24", "nexthop": "10.20.0.254",
        "type": "user", "source_resource_id": router
    }]);
    assert_eq!(made["effective_routes"], effective);
    let dhcp =
        json!([{"route": "192.168.0.0/24", "nexthop": "10.20.0.1", "auto_populated": "yes"}]);
    assert_eq!(subnet(&made)["dhcp_effective_routes"], dhcp);
    assert_eq!(
        site.alice.read(&at(NETWORKS, made["uuid"].as_str().unwrap())).await["network"],
        made
    );
}

#[tokio::test]
async fn networks_that_overlap_do_not_share_a_router() {
    let site = Site::start().await;
    let first = site.alice.make_routed("10.0.0.0/16").await;
    let router = site.alice.read(&at(NETWORKS, &first)).await["network"]["router"].clone();
    let second = site.alice.make_network("10.0.1.0/24").await;
    let before = site.everything().await;
    let body = json!({"network": {"router": router}});
    site.alice.put(&at(NETWORKS, &second), &body).await.refuses(409, "NETWORK_CONFLICT");
    assert_eq!(site.everything().await, before);
}
