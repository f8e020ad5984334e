//! Interfaces of servers: what is refused, and what else is taken.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{NETWORKS, NOBODY, Site, at, network};

const SERVERS: &str = "/1.3/server";

/// Path of the interfaces of a new server in fi-hel1 that has one, on `network`.
async fn server(client: &Client, network: &str) -> String {
    let body = json!({"server": {
        "title": "web", "hostname": "web", "zone": "fi-hel1",
        "networking": {"interfaces": {"interface": [{"type": "private", "network": network}]}}
    }});
    let made = client.post(SERVERS, &body).await.is(202);
    format!("{}/networking/interface", at(SERVERS, made["server"]["uuid"].as_str().unwrap()))
}

fn given(address: &str) -> Value {
    json!({"ip_address": [{"family": "IPv4", "address": address}]})
}

#[tokio::test]
async fn an_interface_is_given_an_index_and_an_address_or_moved() {
    let site = Site::start().await;
    let here = site.alice.make_network("10.0.1.0/24").await;
    let there = site.alice.make_network("10.0.2.0/24").await;
    let path = server(&site.alice, &here).await;
    let body = json!({"interface": {
        "type": "private", "network": here, "index": 9, "bootable": "no",
        "source_ip_filtering": "yes", "ip_addresses": given("10.0.1.77")
    }});
    let ninth = site.alice.post(&path, &body).await.is(201)["interface"].clone();
    assert_eq!(ninth["index"], 9);
    assert_eq!(ninth["ip_addresses"]["ip_address"][0]["address"], "10.0.1.77");
    let ninth_path = at(&path, "9");
    for (change, address) in [
        (json!({"ip_addresses": given("10.0.1.78")}), "10.0.1.78"),
        (json!({"network": here, "type": "private"}), "10.0.1.78"),
        // Its own address is not taken by another.
        (json!({"ip_addresses": given("10.0.1.78")}), "10.0.1.78"),
        (json!({"network": there, "type": "private"}), "10.0.2.2"),
        (json!({"network": here, "ip_addresses": given("10.0.1.9")}), "10.0.1.9"),
        (json!({}), "10.0.1.9"),
    ] {
        let answer = site.alice.put(&ninth_path, &json!({ "interface": change })).await.is(200);
        let got = &answer["interface"];
        assert_eq!(got["ip_addresses"]["ip_address"][0]["address"], address, "{change}");
        assert_eq!([&got["mac"], &got["index"]], [&ninth["mac"], &json!(9)], "{change}");
    }
}

#[tokio::test]
async fn a_bad_interface_is_neither_made_nor_changed_into() {
    let site = Site::start().await;
    let here = site.alice.make_network("10.0.1.0/24").await;
    let foreign = site.bob.make_network("10.0.1.0/24").await;
    let far = site.alice.post(NETWORKS, &network("de-fra1", "10.0.1.0/24")).await.is(201);
    let far = far["network"]["uuid"].as_str().unwrap();
    let path = server(&site.alice, &here).await;
    server(&site.alice, &here).await;
    let list = site.alice.read(NETWORKS).await["networks"]["network"].clone();
    let provided = |n: &&Value| n["type"] == "public" && n["zone"] == "fi-hel1";
    let provided = list.as_array().unwrap().iter().find(provided).unwrap()["uuid"].clone();
    let before = site.everything().await;
    let on = |network: &str| json!({"type": "private", "network": network});
    for (change, status, code) in [
        (on(&foreign), 404, "NETWORK_NOT_FOUND"),
        (on(NOBODY), 404, "NETWORK_NOT_FOUND"),
        (on("x"), 404, "NETWORK_NOT_FOUND"),
        (on(provided.as_str().unwrap()), 403, "NETWORK_FORBIDDEN"),
        (on(far), 409, "ZONE_MISMATCH"),
        (json!({"type": "private"}), 400, "NETWORK_INVALID"),
        (json!({"type": "x"}), 400, "REQUEST_INVALID"),
        (json!({"index": 65}), 400, "REQUEST_INVALID"),
        (json!({"index": -1}), 400, "REQUEST_INVALID"),
        (json!({"index": 256}), 400, "REQUEST_INVALID"),
        (json!({"ip_addresses": given("10.0.1.3")}), 409, "ADDRESS_ATTACHED"),
        (json!({"ip_addresses": given("10.0.1.1")}), 400, "IP_ADDRESS_INVALID"),
        (json!({"ip_addresses": given("10.0.9.1")}), 400, "IP_ADDRESS_INVALID"),
        (json!({"ip_addresses": given("x")}), 400, "IP_ADDRESS_INVALID"),
        (json!({"ip_addresses": {"ip_address": [{"family": "IPv6"}]}}), 400, "IP_ADDRESS_INVALID"),
        (json!({"ip_addresses": {"ip_address": [{}, {}]}}), 400, "IP_ADDRESS_INVALID"),
        (json!({"source_ip_filtering": "no"}), 400, "REQUEST_INVALID"),
        (json!({"foo": 1}), 400, "UNKNOWN_ATTRIBUTE"),
    ] {
        let first = at(&path, "1");
        let reply = site.alice.put(&first, &json!({ "interface": change })).await;
        reply.refuses(status, code);
        let mut whole = on(&here);
        for (key, value) in change.as_object().unwrap() {
            whole[key] = value.clone();
        }
        if change == json!({"type": "private"}) {
            whole.as_object_mut().unwrap().remove("network");
        }
        site.alice.post(&path, &json!({ "interface": whole })).await.refuses(status, code);
    }
    let taken = json!({"interface": {"type": "public", "index": 1}});
    site.alice.post(&path, &taken).await.refuses(409, "INTERFACE_EXISTS");
    for index in ["2", "0", "x", "300"] {
        let path = at(&path, index);
        site.alice.delete(&path).await.refuses(404, "INTERFACE_NOT_FOUND");
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_server_is_its_accounts_alone_and_what_is_no_uuid_is_told_apart() {
    let site = Site::start().await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let mine = site.alice.make_network("10.0.1.0/24").await;
    let bobs = server(&site.bob, &network).await;
    let bobs = bobs.strip_suffix("/networking/interface").unwrap().to_owned();
    let before = site.everything().await;
    for (path, status, code) in [
        (bobs, 404, "SERVER_NOT_FOUND"),
        (at(SERVERS, NOBODY), 404, "SERVER_NOT_FOUND"),
        (at(SERVERS, "x"), 400, "SERVER_INVALID"),
    ] {
        let nics = format!("{path}/networking/interface");
        let on = json!({"interface": {"type": "private", "network": mine}});
        let name = json!({"server": {"title": "mine"}});
        site.alice.get(&path).await.refuses(status, code);
        site.alice.get(&format!("{path}/networking")).await.refuses(status, code);
        site.alice.get(&format!("{path}/firewall_rule")).await.refuses(status, code);
        site.alice.put(&path, &name).await.refuses(status, code);
        site.alice.post(&format!("{path}/stop"), &json!({})).await.refuses(status, code);
        site.alice.post(&nics, &on).await.refuses(status, code);
        let index = json!({"interface": {"index": 2}});
        site.alice.put(&at(&nics, "1"), &index).await.refuses(status, code);
        site.alice.delete(&at(&nics, "1")).await.refuses(status, code);
        site.alice.delete(&path).await.refuses(status, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn an_interface_goes_with_its_port_and_its_index_is_free_again() {
    let site = Site::start().await;
    let network = site.alice.make_network("10.0.1.0/24").await;
    let path = server(&site.alice, &network).await;
    let port = site.alice.read("/kannas/v1/ports").await["ports"]["port"][0]["uuid"].clone();
    let port = at("/kannas/v1/ports", port.as_str().unwrap());
    site.alice.delete(&port).await.is(204);
    site.alice.delete(&at(&path, "1")).await.refuses(404, "INTERFACE_NOT_FOUND");
    let on = json!({"interface": {"type": "private", "network": network}});
    let again = site.alice.post(&path, &on).await.is(201);
    assert_eq!(again["interface"]["index"], 1);
}
