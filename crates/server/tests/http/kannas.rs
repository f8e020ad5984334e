//! What Kannas adds: ports, hosts, join tokens, accounts.

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{HOST, NETWORKS, NOBODY, Site, at, network};

const PORTS: &str = "/kannas/v1/ports";
const HOSTS: &str = "/kannas/v1/hosts";
const TOKENS: &str = "/kannas/v1/host-tokens";
const ACCOUNTS: &str = "/kannas/v1/accounts";

#[tokio::test]
async fn n18_a_port_is_made_shown_to_its_account_and_holds_its_network() {
    let site = Site::start().await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let body = json!({"port": {"network": network, "host": HOST, "netns": "blue"}});
    let made = site.bob.post(&format!("{PORTS}/"), &body).await.is(201)["port"].clone();
    let uuid = made["uuid"].as_str().unwrap();
    assert!(uuid.starts_with("05"));
    let want = json!({
        "uuid": uuid, "network": network, "host": made["host"], "host_name": HOST,
        "address": "10.0.1.2", "addresses": ["10.0.1.2"], "mac": made["mac"], "netns": "blue",
        "device": "eth0"
    });
    assert_eq!(made, want);
    let path = at(PORTS, uuid);
    assert_eq!(site.bob.read(&path).await, json!({ "port": made }));
    assert_eq!(site.bob.read(PORTS).await, json!({"ports": {"port": [made]}}));
    for (query, found) in [(format!("network={network}"), 1), (format!("network={NOBODY}"), 0)] {
        let list = site.bob.read(&format!("{PORTS}?{query}")).await;
        assert_eq!(list["ports"]["port"].as_array().unwrap().len(), found);
    }
    // Not even an administrator sees what is in another account.
    assert_eq!(site.alice.read(PORTS).await, json!({"ports": {"port": []}}));
    site.alice.get(&path).await.refuses(404, "PORT_NOT_FOUND");
    site.alice.delete(&path).await.refuses(404, "PORT_NOT_FOUND");

    site.bob.delete(&at(NETWORKS, &network)).await.refuses(409, "NETWORK_NOT_EMPTY");
    site.alice.delete(&at(HOSTS, HOST)).await.refuses(409, "HOST_NOT_EMPTY");
    site.bob.delete(&path).await.is(204);
    site.bob.delete(&path).await.refuses(404, "PORT_NOT_FOUND");
    site.bob.delete(&at(NETWORKS, &network)).await.is(204);
}

#[tokio::test]
async fn a_network_of_both_families_has_ports_of_both_and_shows_what_is_behind_them() {
    let site = Site::start().await;
    let entries = json!([
        {"address": "fd00:1::/64", "family": "IPv6"}, {"address": "10.0.1.0/24", "family": "IPv4"}
    ]);
    let body = json!({"network": {
        "name": "both", "zone": "fi-hel1", "ip_networks": {"ip_network": entries}
    }});
    let network = site.bob.post(NETWORKS, &body).await.is(201)["network"].clone();
    let seen = network["ip_networks"]["ip_network"].as_array().unwrap();
    let families: Vec<_> = seen.iter().map(|it| (&it["family"], &it["gateway"])).collect();
    let (ipv4, ipv6) = (json!("IPv4"), json!("IPv6"));
    assert_eq!(families, [(&ipv4, &json!("10.0.1.1")), (&ipv6, &json!("fd00:1::1"))]);

    let port = |more: Value| {
        let mut it = json!({"network": network["uuid"], "host": HOST});
        it.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "port": it })
    };
    let both = port(json!({"netns": "blue"}));
    let made = site.bob.post(PORTS, &both).await.is(201)["port"].clone();
    assert_eq!(made["addresses"], json!(["10.0.1.2", "fd00:1::2"]));
    let chosen = ["fd00:1::77", "fd00:1::78", "10.0.1.77"];
    let given = port(json!({"netns": "red", "addresses": chosen}));
    let made = site.bob.post(PORTS, &given).await.is(201)["port"].clone();
    assert_eq!(made["addresses"], json!(["10.0.1.77", "fd00:1::77", "fd00:1::78"]));
    let prefixes = json!(["10.0.1.128/25", "fd00:1:0:0:1::/80"]);
    let bridge = port(json!({"device": "br0", "prefixes": prefixes}));
    let made = site.bob.post(PORTS, &bridge).await.is(201)["port"].clone();
    assert_eq!(made["addresses"], json!(["10.0.1.128", "fd00:1:0:0:1::"]));
    assert_eq!(made["prefixes"], prefixes);
    for (bad, status, code) in [
        (json!({"netns": "x", "address": "10.0.1.3", "addresses": []}), 400, "IP_ADDRESS_INVALID"),
        (json!({"netns": "x", "addresses": ["fd00:1::2"]}), 409, "ADDRESS_ATTACHED"),
        (json!({"netns": "x", "addresses": ["fd00:2::2"]}), 400, "IP_ADDRESS_INVALID"),
        (json!({"netns": "x", "prefixes": ["10.0.1.64/26"]}), 400, "IP_ADDRESS_INVALID"),
        (json!({"device": "x", "prefixes": ["10.0.1.1/24"]}), 400, "IP_ADDRESS_INVALID"),
    ] {
        site.bob.post(PORTS, &port(bad)).await.refuses(status, code);
    }
}

#[tokio::test]
async fn a_bad_port_is_not_made() {
    let site = Site::start().await;
    let here = site.alice.make_network("10.0.1.0/24").await;
    let foreign = site.bob.make_network("10.0.1.0/24").await;
    let far = site.alice.post(NETWORKS, &network("de-fra1", "10.0.1.0/24")).await.is(201);
    let far = far["network"]["uuid"].clone();
    let good = json!({"network": here, "host": HOST, "device": "tap0", "address": "10.0.1.9"});
    site.alice.post(PORTS, &json!({ "port": good })).await.is(201);
    let before = site.everything().await;
    for (key, value, status, code) in [
        ("network", json!(foreign), 404, "NETWORK_NOT_FOUND"),
        ("network", json!("x"), 404, "NETWORK_NOT_FOUND"),
        ("network", json!(null), 400, "NETWORK_INVALID"),
        ("network", far, 409, "ZONE_MISMATCH"),
        ("host", json!("nowhere"), 404, "HOST_NOT_FOUND"),
        ("host", json!(null), 400, "REQUEST_INVALID"),
        ("device", json!("tap0"), 409, "DEVICE_ADDRESS_IN_USE"),
        ("device", json!("a/b"), 400, "REQUEST_INVALID"),
        ("device", json!(null), 400, "REQUEST_INVALID"),
        ("address", json!("10.0.1.9"), 409, "ADDRESS_ATTACHED"),
        ("address", json!("10.0.1.1"), 400, "IP_ADDRESS_INVALID"),
        ("address", json!("10.0.1.255"), 400, "IP_ADDRESS_INVALID"),
        ("address", json!("10.0.2.9"), 400, "IP_ADDRESS_INVALID"),
        ("mac", json!("01:00:00:00:00:00"), 400, "REQUEST_INVALID"),
        ("foo", json!(1), 400, "UNKNOWN_ATTRIBUTE"),
    ] {
        let mut port =
            json!({"network": here, "host": HOST, "device": "tap1", "address": "10.0.1.10"});
        port[key] = value;
        site.alice.post(PORTS, &json!({ "port": port })).await.refuses(status, code);
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn hosts_tokens_and_accounts_are_for_administrators() {
    let site = Site::start().await;
    let before = site.everything().await;
    let token = json!({"host_token": {"zone": "fi-hel1"}});
    let account = json!({"account": {"username": "eve", "password": "12345678"}});
    site.bob.get(HOSTS).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.delete(&at(HOSTS, HOST)).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.post(TOKENS, &token).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.get(ACCOUNTS).await.refuses(403, "ACCOUNT_FORBIDDEN");
    site.bob.post(ACCOUNTS, &account).await.refuses(403, "ACCOUNT_FORBIDDEN");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_host_is_listed_and_forgotten() {
    let site = Site::start().await;
    let list = site.alice.read(HOSTS).await;
    let host = &list["hosts"]["host"][0];
    let want = json!({
        "uuid": host["uuid"], "name": HOST, "zone": "fi-hel1", "underlay": "192.0.2.1",
        "live": false, "errors": []
    });
    assert_eq!(host, &want);
    assert_eq!(site.alice.read(&format!("{HOSTS}?zone=x")).await["hosts"]["host"], json!([]));
    site.alice.delete(&at(HOSTS, HOST)).await.is(204);
    site.alice.delete(&at(HOSTS, HOST)).await.refuses(404, "HOST_NOT_FOUND");
    assert_eq!(site.alice.read(HOSTS).await, json!({"hosts": {"host": []}}));
}

#[tokio::test]
async fn a_token_has_a_secret_and_the_authoritys_fingerprint() {
    let site = Site::start().await;
    let make = async |wish: Value| {
        let body = json!({ "host_token": wish });
        let made = site.alice.post(TOKENS, &body).await.is(201)["host_token"].clone();
        assert_eq!(made["zone"], "fi-hel1");
        assert!(made["expires_at"].as_str().unwrap().ends_with('Z'));
        let token = made["token"].as_str().unwrap().strip_prefix("kjt_").unwrap().to_owned();
        let (secret, fingerprint) = token.split_once('.').unwrap();
        (secret.to_owned(), fingerprint.to_owned())
    };
    let (first, authority) = make(json!({"zone": "fi-hel1"})).await;
    let (second, same) = make(json!({"zone": "fi-hel1", "valid_seconds": 60})).await;
    assert_eq!((first.len(), authority.len()), (43, 64));
    assert_ne!(first, second);
    assert_eq!(authority, same);
    for (wish, status, code) in [
        (json!({}), 400, "ZONE_MISSING"),
        (json!({"zone": "xx-xxx1"}), 404, "ZONE_NOT_FOUND"),
        (json!({"zone": "fi-hel1", "valid_seconds": 59}), 400, "REQUEST_INVALID"),
        (json!({"zone": "fi-hel1", "valid_seconds": "60"}), 400, "REQUEST_INVALID"),
        (json!({"zone": "fi-hel1", "valid_seconds": 60.5}), 400, "REQUEST_INVALID"),
        (json!({"host": "nowhere"}), 404, "HOST_NOT_FOUND"),
    ] {
        site.alice.post(TOKENS, &json!({ "host_token": wish })).await.refuses(status, code);
    }
}

#[tokio::test]
async fn a_new_account_can_call_and_sees_nothing_of_others() {
    let site = Site::start().await;
    site.alice.make_routed("10.0.1.0/24").await;
    let body = json!({"account": {"username": "carol", "password": "long: enough"}});
    let made = site.alice.post(ACCOUNTS, &body).await.is(201);
    assert_eq!(made, json!({"account": {"username": "carol", "admin": "no", "limits": {}}}));
    let carol = Client::new(site.api, "carol", "long: enough");
    assert_eq!(carol.networks(NETWORKS).await, Vec::<Value>::new());
    let all = site.alice.read(ACCOUNTS).await["accounts"]["account"].clone();
    let want = json!([
        {"username": "alice", "admin": "yes", "limits": {}},
        {"username": "bob", "admin": "no", "limits": {}},
        {"username": "carol", "admin": "no", "limits": {}}
    ]);
    assert_eq!(all, want);
    for (key, value, status, code) in [
        ("username", json!("carol"), 409, "ACCOUNT_EXISTS"),
        ("username", json!("a:b"), 400, "NAME_INVALID"),
        ("username", json!(""), 400, "NAME_INVALID"),
        ("password", json!("short"), 400, "REQUEST_INVALID"),
        ("admin", json!("maybe"), 400, "REQUEST_INVALID"),
    ] {
        let mut account = json!({"username": "dave", "password": "long enough"});
        account[key] = value;
        site.alice.post(ACCOUNTS, &json!({ "account": account })).await.refuses(status, code);
    }
    assert_eq!(site.alice.read(ACCOUNTS).await["accounts"]["account"], want);
}
