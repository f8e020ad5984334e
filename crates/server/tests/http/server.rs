//! Servers and their interfaces (V).

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{HOST, NETWORKS, NOBODY, Site, at};

const SERVERS: &str = "/1.3/server";
const PORTS: &str = "/kannas/v1/ports";
const HOSTS: &str = "/kannas/v1/hosts";

/// The body of a server in fi-hel1 without interfaces.
fn server(title: &str) -> Value {
    json!({"server": {
        "title": title, "hostname": "a.example.com", "zone": "fi-hel1",
        "networking": {"interfaces": {"interface": []}}
    }})
}

fn private(network: &str) -> Value {
    let addresses = json!({"ip_address": [{"family": "IPv4"}]});
    json!({"interface": {"type": "private", "network": network, "ip_addresses": addresses}})
}

/// Makes a server and gives its path.
async fn made(client: &Client, body: &Value) -> String {
    let made = client.post(SERVERS, body).await.is(202);
    at(SERVERS, made["server"]["uuid"].as_str().unwrap())
}

fn interfaces(path: &str) -> String {
    format!("{path}/networking/interface")
}

async fn attached(client: &Client, path: &str, network: &str) -> Value {
    client.post(&interfaces(path), &private(network)).await.is(201)["interface"].clone()
}

#[tokio::test]
async fn v01_an_interface_is_made_modified_and_deleted_as_recorded() {
    let site = Site::start().await;
    let network = site.alice.make_network("172.17.0.0/22").await;
    let recorded = json!({"server": {
        "hostname": "sdk.example.com", "title": "sdk", "zone": "fi-hel1",
        "labels": {"label": [{"key": "managedBy", "value": "test"}]}, "metadata": "no",
        "networking": {"interfaces": {"interface": [
            {"ip_addresses": {"ip_address": [{"family": "IPv4"}]}, "type": "utility"},
            {"ip_addresses": {"ip_address": [{"family": "IPv4"}]}, "type": "public"},
            {"ip_addresses": {"ip_address": [{"family": "IPv6"}]}, "type": "public"}
        ]}},
        "password_delivery": "none", "remote_access_enabled": "no",
        "storage_devices": {"storage_device": [{"action": "clone", "storage": NOBODY}]}
    }});
    let path = made(&site.alice, &recorded).await;
    let interface = attached(&site.alice, &path, &network).await;
    let want = json!({
        "bootable": "no", "index": 4, "mac": interface["mac"], "network": network,
        "ip_addresses": {"ip_address": [{
            "address": "172.17.0.2", "dhcp_provided": "yes", "family": "IPv4", "floating": "no"
        }]},
        "source_ip_filtering": "yes", "type": "private"
    });
    assert_eq!(interface, want);

    let (fourth, fifth) = (at(&interfaces(&path), "4"), at(&interfaces(&path), "5"));
    let change = json!({"interface": {"index": 5}});
    let moved = site.alice.put(&fourth, &change).await.is(200);
    let mut want = want;
    want["index"] = json!(5);
    assert_eq!(moved, json!({ "interface": want }));
    site.alice.put(&fourth, &change).await.refuses(404, "INTERFACE_NOT_FOUND");
    // As the Python SDK says that the addresses stay.
    let stay = json!({"interface": {"index": 4, "ip_addresses": {"ip_address": null}}});
    assert_eq!(site.alice.put(&fifth, &stay).await.is(200)["interface"]["mac"], want["mac"]);

    site.alice.delete(&fourth).await.is(204);
    site.alice.delete(&fourth).await.refuses(404, "INTERFACE_NOT_FOUND");
    let left = site.alice.read(&format!("{path}/networking")).await;
    let left = left["networking"]["interfaces"]["interface"].as_array().unwrap();
    let kinds: Vec<&str> = left.iter().map(|i| i["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["utility", "public", "public"]);
}

#[tokio::test]
async fn v02_n18_a_network_shows_its_servers_and_stays_while_it_has_any() {
    let site = Site::start().await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let network_path = at(NETWORKS, &network);
    let path = made(&site.bob, &server("web")).await;
    attached(&site.bob, &path, &network).await;
    attached(&site.bob, &path, &network).await;
    let shown = site.bob.read(&network_path).await["network"].clone();
    let uuid = path.rsplit('/').next().unwrap();
    assert_eq!(shown["servers"], json!({"server": [{"uuid": uuid, "title": "web"}]}));
    assert_eq!(site.bob.networks(NETWORKS).await, [shown]);
    site.bob.delete(&network_path).await.refuses(409, "NETWORK_NOT_EMPTY");
    site.bob.delete(&format!("{path}/?storages=1")).await.is(204);
    site.bob.get(&path).await.refuses(404, "SERVER_NOT_FOUND");
    assert_eq!(site.bob.read(PORTS).await["ports"]["port"], json!([]));
    assert!(site.bob.read(&network_path).await["network"].get("servers").is_none());
    site.bob.delete(&network_path).await.is(204);
}

#[tokio::test]
async fn a_server_is_shown_as_clients_read_it() {
    let site = Site::start().await;
    let none = json!({"servers": {"server": []}});
    assert_eq!(site.alice.read(SERVERS).await, none);
    let labels = json!({"label": [{"key": "env", "value": "prod"}]});
    let mut body = server("web");
    body["server"]["labels"] = labels.clone();
    body["server"]["plan"] = json!("2xCPU-4GB");
    body["server"]["firewall"] = json!("on");
    let made = site.alice.post(SERVERS, &body).await.is(202)["server"].clone();
    let uuid = made["uuid"].as_str().unwrap();
    assert!(uuid.starts_with("00"));
    for (key, want) in [
        ("state", json!("started")),
        ("plan", json!("2xCPU-4GB")),
        ("core_number", json!("2")),
        ("memory_amount", json!("4096")),
        ("labels", labels),
        ("tags", json!({"tag": []})),
        ("server_group", json!(null)),
        ("firewall", json!("on")),
        ("timezone", json!("UTC")),
        ("storage_devices", json!({"storage_device": []})),
        ("networking", json!({"interfaces": {"interface": []}})),
        ("ip_addresses", json!({"ip_address": []})),
    ] {
        assert_eq!(made[key], want, "{key}");
    }
    assert!(made["created"].as_i64().unwrap() > 1_700_000_000);
    let path = at(SERVERS, uuid);
    assert_eq!(site.alice.read(&path).await["server"], made);
    let rules = site.alice.read(&format!("{path}/firewall_rule")).await;
    assert_eq!(rules, json!({"firewall_rules": {"firewall_rule": []}}));
    for (query, found) in [("", 1), ("/?label=env%3Dprod", 1), ("?label=env=test", 0)] {
        let list = site.alice.read(&format!("{SERVERS}{query}")).await;
        let list = list["servers"]["server"].as_array().unwrap();
        assert_eq!(list.len(), found, "{query}");
        for (key, value) in list.iter().flat_map(|it| it.as_object().unwrap()) {
            assert_eq!(&made[key], value, "{key}");
        }
    }
    assert_eq!(site.bob.read(SERVERS).await, none);

    let change = json!({"server": {
        "title": "other", "labels": {"label": []}, "core_number": "3", "memory_amount": 2048
    }});
    let changed = site.alice.put(&path, &change).await.is(200)["server"].clone();
    assert_eq!(changed["title"], "other");
    assert_eq!(changed["labels"], json!({"label": []}));
    assert_eq!(
        [&changed["plan"], &changed["core_number"], &changed["memory_amount"]],
        ["custom", "3", "2048"]
    );
    for key in ["uuid", "hostname", "created", "firewall", "networking"] {
        assert_eq!(changed[key], made[key], "{key}");
    }
}

#[tokio::test]
async fn who_asks_for_no_interfaces_gets_the_usual_ones_where_the_zone_has_them() {
    let site = Site::start().await;
    let zone = json!({"zone": {"id": "home-1"}});
    site.alice.post("/kannas/v1/zones", &zone).await.is(201);
    let usual = json!([["public", "IPv4"], ["utility", "IPv4"], ["public", "IPv6"]]);
    for (zone, want) in [("fi-hel1", usual), ("home-1", json!([]))] {
        // The Go SDK sends null.
        for networking in [json!(null), json!({})] {
            let mut body = server("web");
            body["server"]["zone"] = json!(zone);
            body["server"]["networking"] = networking;
            let made = site.bob.post(SERVERS, &body).await.is(202)["server"].clone();
            let got: Value = made["ip_addresses"]["ip_address"]
                .as_array()
                .unwrap()
                .iter()
                .map(|a| json!([a["access"], a["family"]]))
                .collect();
            assert_eq!(got, want, "{zone}");
        }
    }
    let mut body = server("web");
    body["server"]["zone"] = json!("home-1");
    let path = made(&site.bob, &body).await;
    let public = json!({"interface": {"type": "public"}});
    site.bob.post(&interfaces(&path), &public).await.refuses(404, "NETWORK_NOT_FOUND");
    // It holds its zone.
    let zone = at("/kannas/v1/zones", "home-1");
    site.alice.delete(&zone).await.refuses(409, "ZONE_NOT_EMPTY");
}

#[tokio::test]
async fn a_server_without_host_has_addresses_and_is_moved_to_one() {
    let site = Site::start().await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let path = made(&site.bob, &server("web")).await;
    let ours = site.bob.read(&path).await["server"]["kannas"].clone();
    let uuid = path.rsplit('/').next().unwrap();
    let netns = format!("kannas-{uuid}");
    assert_eq!(ours, json!({"host": null, "host_uuid": null, "netns": netns}));
    attached(&site.bob, &path, &network).await;
    let port = site.bob.read(PORTS).await["ports"]["port"][0].clone();
    let want = json!({
        "uuid": port["uuid"], "network": network, "server": uuid, "index": 1,
        "address": "10.0.1.2", "addresses": ["10.0.1.2"], "mac": port["mac"], "netns": netns,
        "device": "eth0"
    });
    assert_eq!(port, want);

    let there = json!({"server": {"kannas": {"host": HOST}}});
    let moved = site.bob.put(&path, &there).await.is(200)["server"].clone();
    assert_eq!(moved["kannas"]["host"], HOST);
    assert!(moved["host"].is_u64());
    let port = site.bob.read(&at(PORTS, port["uuid"].as_str().unwrap())).await["port"].clone();
    assert_eq!([&port["host"], &port["host_name"]], [&moved["kannas"]["host_uuid"], &json!(HOST)]);
    assert_eq!(port["mac"], want["mac"]);
    site.alice.delete(&at(HOSTS, HOST)).await.refuses(409, "HOST_NOT_EMPTY");
    // Also without a port on it.
    site.bob.delete(&at(&interfaces(&path), "1")).await.is(204);
    site.alice.delete(&at(HOSTS, HOST)).await.refuses(409, "HOST_NOT_EMPTY");
    site.bob.delete(&path).await.is(204);
    site.alice.delete(&at(HOSTS, HOST)).await.is(204);
}

#[tokio::test]
async fn a_server_may_be_given_its_host_and_namespace() {
    let site = Site::start().await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let mut body = server("web");
    body["server"]["kannas"] = json!({"host": HOST, "netns": "blue"});
    let path = made(&site.bob, &body).await;
    attached(&site.bob, &path, &network).await;
    let second = attached(&site.bob, &path, &network).await;
    assert_eq!(second["index"], 2);
    let ports = site.bob.read(PORTS).await["ports"]["port"].clone();
    let mut devices: Vec<&str> =
        ports.as_array().unwrap().iter().map(|p| p["device"].as_str().unwrap()).collect();
    devices.sort_unstable();
    assert_eq!(devices, ["eth0", "eth1"]);
    assert!(ports.as_array().unwrap().iter().all(|p| p["netns"] == "blue"), "{ports}");
    let rival = made(&site.bob, &body).await;
    let reply = site.bob.post(&interfaces(&rival), &private(&network)).await;
    reply.refuses(409, "DEVICE_ADDRESS_IN_USE");
}

#[tokio::test]
async fn a_server_is_said_to_be_started_or_stopped() {
    let site = Site::start().await;
    let path = made(&site.alice, &server("web")).await;
    let hard = json!({"stop_server": {"stop_type": "hard", "timeout": "900"}});
    for (call, want) in [
        ("start", Err("SERVER_STATE_ILLEGAL")),
        ("restart", Ok("started")),
        ("stop", Ok("stopped")),
        ("stop", Err("SERVER_STATE_ILLEGAL")),
        ("restart", Err("SERVER_STATE_ILLEGAL")),
        ("start", Ok("started")),
    ] {
        let reply = site.alice.post(&format!("{path}/{call}"), &hard).await;
        match want {
            Ok(state) => assert_eq!(reply.is(200)["server"]["state"], state, "{call}"),
            Err(code) => reply.refuses(409, code),
        }
    }
}

#[tokio::test]
async fn a_bad_server_is_neither_made_nor_changed_into() {
    let site = Site::start().await;
    let path = made(&site.alice, &server("web")).await;
    let before = (site.everything().await, site.alice.read(&path).await);
    let mut body = server("web");
    for (key, value, status, code) in [
        ("title", json!(null), 400, "SERVER_TITLE_MISSING"),
        ("hostname", json!(null), 400, "HOSTNAME_MISSING"),
        ("zone", json!(null), 400, "ZONE_MISSING"),
        ("zone", json!("xx-xxx1"), 404, "ZONE_NOT_FOUND"),
        ("networking", json!({"interfaces": {"interface": [{}]}}), 400, "REQUEST_INVALID"),
        ("kannas", json!({"netns": "a/b"}), 400, "REQUEST_INVALID"),
    ] {
        let good = std::mem::replace(&mut body["server"][key], value);
        site.alice.post(SERVERS, &body).await.refuses(status, code);
        body["server"][key] = good;
    }
    for (key, value, status, code) in [
        ("title", json!(""), 400, "SERVER_TITLE_INVALID"),
        ("hostname", json!("a b"), 400, "HOSTNAME_INVALID"),
        ("core_number", json!(0), 400, "CORE_NUMBER_INVALID"),
        ("core_number", json!("x"), 400, "CORE_NUMBER_INVALID"),
        ("memory_amount", json!(-1), 400, "MEMORY_AMOUNT_INVALID"),
        ("plan", json!("large"), 400, "PLAN_INVALID"),
        ("labels", json!([]), 400, "REQUEST_INVALID"),
        ("labels", json!({"label": [{"key": "x", "value": ""}]}), 400, "INVALID_LABEL_KEY"),
        ("firewall", json!(true), 400, "REQUEST_INVALID"),
        ("kannas", json!({"host": "nowhere"}), 404, "HOST_NOT_FOUND"),
        ("kannas", json!({"x": 1}), 400, "UNKNOWN_ATTRIBUTE"),
        ("foo", json!(1), 400, "UNKNOWN_ATTRIBUTE"),
    ] {
        let mut body = server("web");
        body["server"][key] = value.clone();
        site.alice.post(SERVERS, &body).await.refuses(status, code);
        site.alice.put(&path, &json!({"server": {key: value}})).await.refuses(status, code);
    }
    let far = json!({"server": {"zone": "de-fra1"}});
    site.alice.put(&path, &far).await.refuses(400, "ZONE_INVALID");
    let mut body = server("web");
    body["server"]["zone"] = json!("de-fra1");
    body["server"]["kannas"] = json!({"host": HOST});
    site.alice.post(SERVERS, &body).await.refuses(409, "ZONE_MISMATCH");
    assert_eq!((site.everything().await, site.alice.read(&path).await), before);
}
