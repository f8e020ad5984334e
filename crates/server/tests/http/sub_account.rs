//! Sub-accounts and what they have access to (contract sections 1.3 and 5.4).

use serde_json::{Value, json};

use crate::client::Client;
use crate::site::{HOST, NETWORKS, PEERINGS, ROUTERS, Site, at, network, peering};
use crate::token::{TOKENS, hour};

pub(crate) const SUBS: &str = "/1.3/account/sub";
const SERVERS: &str = "/1.3/server";
const PORTS: &str = "/kannas/v1/ports";
const PASSWORD: &str = "mysecr3tPassword";

/// As the Go SDK was recorded to send it.
fn recorded() -> Value {
    json!({"sub_account": {
        "username": "sdk_test_subaccount", "password": PASSWORD, "first_name": "Test",
        "last_name": "User", "company": "UpCloud Ltd", "address": "my address",
        "postal_code": "00130", "city": "Helsinki", "email": "test@myhost.mydomain",
        "phone": "+358.31245434", "state": "", "country": "FIN", "currency": "EUR",
        "language": "en", "vat_number": "FI24315605", "timezone": "UTC", "allow_api": "yes",
        "allow_gui": "no", "tag_access": {"tag": [{"name": "a_tag", "storage": "yes"}]},
        "roles": {"role": ["billing", "aux_billing", "technical"]},
        "server_access": {"server": [{"uuid": "*", "storage": "yes"}]},
        "storage_access": {"storage": ["*"]}, "network_access": {"network": ["*"]},
        "ip_filters": {"ip_filter": ["127.0.0.1"]}
    }})
}

impl Site {
    /// A client for a new sub-account of bob's.
    pub(crate) async fn sub(&self, networks: Value, servers: Value) -> Client {
        let body = json!({"sub_account": {
            "username": "sub", "password": PASSWORD, "network_access": {"network": networks},
            "server_access": {"server": servers}
        }});
        self.bob.post(SUBS, &body).await.is(204);
        Client::new(self.api, "sub", PASSWORD)
    }
}

fn uuids(list: &Value) -> Vec<&str> {
    let all = list.as_array().unwrap().iter().map(|it| it["uuid"].as_str().unwrap());
    all.collect()
}

#[tokio::test]
async fn a_sub_account_is_made_changed_listed_and_deleted_as_was_recorded() {
    let site = Site::start().await;
    site.bob.post(SUBS, &recorded()).await.is(204);
    let path = "/1.3/account/details/sdk_test_subaccount";
    let mut want = recorded()["sub_account"].clone();
    want.as_object_mut().unwrap().remove("password");
    for (key, value) in [
        ("main_account", json!("bob")),
        ("type", json!("sub")),
        ("campaigns", json!({"campaign": []})),
        ("enable_3rd_party_services", json!("no")),
        ("simple_backup", json!("no")),
    ] {
        want[key] = value;
    }
    assert_eq!(site.bob.read(path).await["account"], want);

    let change = json!({
        "first_name": "User", "city": "New York", "allow_gui": "yes", "tag_access": {"tag": []},
        "roles": {"role": ["billing"]}, "server_access": {"server": []},
        "network_access": {"network": []}, "ip_filters": {"ip_filter": ["127.0.0.0/8"]}
    });
    let one = at(SUBS, "sdk_test_subaccount");
    site.bob.put(&one, &json!({ "account": change })).await.is(204);
    for (key, value) in change.as_object().unwrap() {
        want[key] = value.clone();
    }
    assert_eq!(site.bob.read(path).await["account"], want);
    let list = site.bob.read("/1.3/account/list").await["accounts"]["account"].clone();
    let sub =
        json!({"type": "sub", "username": "sdk_test_subaccount", "roles": {"role": ["billing"]}});
    assert_eq!((list[0]["username"].as_str(), &list[1]), (Some("bob"), &sub));

    // Nobody else's account has anything to do with it.
    site.alice.get(path).await.refuses(404, "ACCOUNT_NOT_FOUND");
    site.alice.put(&one, &json!({"account": {}})).await.refuses(404, "ACCOUNT_NOT_FOUND");
    site.alice.delete(&one).await.refuses(404, "ACCOUNT_NOT_FOUND");

    let client = Client::new(site.api, "sdk_test_subaccount", PASSWORD);
    assert_eq!(client.read("/1.3/account").await["account"]["username"], "sdk_test_subaccount");
    assert_eq!(client.read("/1.3/account/list").await["accounts"]["account"], json!([sub]));
    assert_eq!(client.read(path).await["account"], want);
    client.get("/1.3/account/details/bob").await.refuses(404, "ACCOUNT_NOT_FOUND");
    site.bob.delete(&one).await.is(204);
    client.get("/1.3/account").await.refuses(401, "AUTHENTICATION_FAILED");
    site.bob.delete(&one).await.refuses(404, "ACCOUNT_NOT_FOUND");
}

#[tokio::test]
async fn a_sub_account_that_cannot_be_is_refused() {
    let site = Site::start().await;
    for (key, value, status, code) in [
        ("username", json!("alice"), 409, "ACCOUNT_EXISTS"),
        ("username", json!("a:b"), 400, "NAME_INVALID"),
        ("password", json!("short"), 400, "REQUEST_INVALID"),
        ("password", json!("SDK_test_subaccount"), 400, "REQUEST_INVALID"),
        ("allow_api", json!("perhaps"), 400, "REQUEST_INVALID"),
        ("ip_filters", json!({"ip_filter": ["here"]}), 400, "REQUEST_INVALID"),
        ("network_access", json!({"network": ["all"]}), 400, "REQUEST_INVALID"),
        ("main_account", json!("alice"), 400, "UNKNOWN_ATTRIBUTE"),
    ] {
        let mut body = recorded();
        body["sub_account"][key] = value;
        site.bob.post(SUBS, &body).await.refuses(status, code);
    }
    site.bob.post(SUBS, &recorded()).await.is(204);
    site.alice.post(SUBS, &recorded()).await.refuses(409, "ACCOUNT_EXISTS");
    let account = json!({"account": {"username": "sdk_test_subaccount", "password": PASSWORD}});
    site.alice.post("/kannas/v1/accounts", &account).await.refuses(409, "ACCOUNT_EXISTS");
}

#[tokio::test]
async fn without_leave_to_call_and_from_elsewhere_the_right_password_is_refused() {
    let site = Site::start().await;
    let sub = site.sub(json!(["*"]), json!([])).await;
    let (bearer, _) = sub.by_token(json!({"allowed_ip_ranges": ["0.0.0.0/0"]})).await;
    let one = at(SUBS, "sub");
    for change in [
        json!({"allow_api": "no"}),
        json!({"allow_api": "yes", "ip_filters": {"ip_filter": ["192.0.2.0/24", "::/0"]}}),
    ] {
        site.bob.put(&one, &json!({ "account": change })).await.is(204);
        sub.get(NETWORKS).await.refuses(403, "ACCOUNT_FORBIDDEN");
        bearer.get(NETWORKS).await.refuses(403, "ACCOUNT_FORBIDDEN");
        Client::new(site.api, "sub", "wrong")
            .get(NETWORKS)
            .await
            .refuses(401, "AUTHENTICATION_FAILED");
    }
    let change = json!({"account": {"ip_filters": {"ip_filter": ["127.0.0.1"]}}});
    site.bob.put(&one, &change).await.is(204);
    sub.get(NETWORKS).await.is(200);
    bearer.get(NETWORKS).await.is(200);
}

#[tokio::test]
async fn with_access_to_all_it_does_what_its_main_account_does_and_owns_nothing() {
    let site = Site::start().await;
    let sub = site.sub(json!(["*"]), json!([{"uuid": "*", "storage": "no"}])).await;
    let a = sub.make_routed("10.0.1.0/24").await;
    let b = site.bob.make_routed("10.0.2.0/24").await;
    let half = sub.peered(&a, &b).await;
    site.bob.peered(&b, &a).await;
    assert_eq!(sub.state(&half).await, "active");
    let server = json!({"server": {"title": "t", "hostname": "h", "zone": "fi-hel1"}});
    let made = sub.post(SERVERS, &server).await.is(202);
    for list in [NETWORKS, ROUTERS, PEERINGS, SERVERS, PORTS] {
        assert_eq!(sub.read(list).await, site.bob.read(list).await, "{list}");
    }
    // All of it is bob's, and stays when the sub-account goes.
    site.bob.delete(&at(SUBS, "sub")).await.is(204);
    site.bob.get(&at(NETWORKS, &a)).await.is(200);
    site.bob.get(&at(SERVERS, made["server"]["uuid"].as_str().unwrap())).await.is(200);
    site.bob.delete(&half).await.is(204);
}

#[tokio::test]
async fn with_access_to_one_network_it_sees_and_touches_that_and_no_other() {
    let site = Site::start().await;
    let bob = &site.bob;
    let (mine, other) =
        (bob.make_routed("10.0.1.0/24").await, bob.make_routed("10.0.2.0/24").await);
    let router = async |n: &str| {
        let it = bob.read(&at(NETWORKS, n)).await;
        it["network"]["router"].as_str().unwrap().to_owned()
    };
    let (my_router, other_router) = (router(&mine).await, router(&other).await);
    let other_half = bob.peered(&other, &mine).await;
    let port = json!({"port": {"network": other, "host": HOST, "netns": "blue"}});
    let port = bob.post(PORTS, &port).await.is(201)["port"]["uuid"].as_str().unwrap().to_owned();
    let sub = site.sub(json!([mine]), json!([])).await;

    let list = sub.read(NETWORKS).await["networks"]["network"].clone();
    let private: Vec<&Value> =
        list.as_array().unwrap().iter().filter(|n| n["type"] == "private").collect();
    assert_eq!(private.len(), 1);
    assert_eq!(private[0]["uuid"], mine.as_str());
    assert_eq!(uuids(&sub.read(ROUTERS).await["routers"]["router"]), [my_router.as_str()]);
    assert_eq!(sub.read(PEERINGS).await["network_peerings"]["network_peering"], json!([]));
    assert_eq!(sub.read(PORTS).await["ports"]["port"], json!([]));

    let name = |noun: &str| json!({noun: {"name": "renamed"}});
    sub.get(&at(NETWORKS, &other)).await.refuses(403, "NETWORK_FORBIDDEN");
    sub.put(&at(NETWORKS, &other), &name("network")).await.refuses(403, "NETWORK_FORBIDDEN");
    sub.delete(&at(NETWORKS, &other)).await.refuses(403, "NETWORK_FORBIDDEN");
    sub.post(NETWORKS, &network("fi-hel1", "10.0.3.0/24")).await.refuses(403, "NETWORK_FORBIDDEN");
    sub.get(&at(ROUTERS, &other_router)).await.refuses(403, "ROUTER_FORBIDDEN");
    sub.patch(&at(ROUTERS, &other_router), &name("router")).await.refuses(403, "ROUTER_FORBIDDEN");
    sub.delete(&at(ROUTERS, &other_router)).await.refuses(403, "ROUTER_FORBIDDEN");
    sub.post(ROUTERS, &name("router")).await.refuses(403, "ROUTER_FORBIDDEN");
    let attach = json!({"network": {"router": other_router}});
    sub.put(&at(NETWORKS, &mine), &attach).await.refuses(403, "ROUTER_FORBIDDEN");
    sub.get(&other_half).await.refuses(403, "PEERING_FORBIDDEN");
    sub.patch(&other_half, &name("network_peering")).await.refuses(403, "PEERING_FORBIDDEN");
    sub.delete(&other_half).await.refuses(403, "PEERING_FORBIDDEN");
    sub.post(PEERINGS, &peering(&other, &mine)).await.refuses(403, "NETWORK_FORBIDDEN");
    sub.get(&at(PORTS, &port)).await.refuses(403, "PORT_FORBIDDEN");
    sub.delete(&at(PORTS, &port)).await.refuses(403, "PORT_FORBIDDEN");

    sub.put(&at(NETWORKS, &mine), &name("network")).await.is(200);
    sub.patch(&at(ROUTERS, &my_router), &name("router")).await.is(200);
    let half = sub.peered(&mine, &other).await;
    assert_eq!(sub.state(&half).await, "active");
    sub.delete(&half).await.is(204);
    let change = json!({"account": {"network_access": {"network": []}}});
    site.bob.put(&at(SUBS, "sub"), &change).await.is(204);
    sub.get(&at(NETWORKS, &mine)).await.refuses(403, "NETWORK_FORBIDDEN");
}

#[tokio::test]
async fn permissions_are_granted_listed_and_revoked_as_was_recorded() {
    let site = Site::start().await;
    let sub = site.sub(json!(null), json!(null)).await;
    let network = site.bob.make_network("10.0.1.0/24").await;
    let server = json!({"server": {"title": "t", "hostname": "h", "zone": "fi-hel1"}});
    let server = site.bob.post(SERVERS, &server).await.is(202)["server"]["uuid"].clone();
    let server = at(SERVERS, server.as_str().unwrap());
    sub.get(&server).await.refuses(403, "SERVER_FORBIDDEN");
    let interface = json!({"interface": {"type": "utility"}});
    let interfaces = format!("{server}/networking/interface");
    sub.post(&interfaces, &interface).await.refuses(403, "SERVER_FORBIDDEN");
    sub.post(&format!("{server}/stop"), &json!({})).await.refuses(403, "SERVER_FORBIDDEN");

    let all_servers = json!({"permission": {
        "target_identifier": "*", "target_type": "server", "user": "sub",
        "options": {"storage": "yes"}
    }});
    let one_network = json!({"permission": {
        "target_identifier": network, "target_type": "network", "user": "sub"
    }});
    for body in [&all_servers, &one_network, &all_servers] {
        assert_eq!(&site.bob.post("/1.3/permission/grant", body).await.is(200), body);
    }
    let list = site.bob.read("/1.3/permission").await["permissions"]["permission"].clone();
    assert_eq!(list, json!([one_network["permission"], all_servers["permission"]]));
    assert_eq!(site.alice.read("/1.3/permission").await["permissions"]["permission"], json!([]));
    site.alice.post("/1.3/permission/grant", &one_network).await.refuses(404, "ACCOUNT_NOT_FOUND");
    sub.get(&server).await.is(200);
    sub.get(&at(NETWORKS, &network)).await.is(200);
    sub.get("/1.3/permission").await.refuses(403, "ACCOUNT_FORBIDDEN");
    sub.post("/1.3/permission/grant", &all_servers).await.refuses(403, "ACCOUNT_FORBIDDEN");

    site.bob.post("/1.3/permission/revoke", &all_servers).await.is(204);
    sub.get(&server).await.refuses(403, "SERVER_FORBIDDEN");
    let again = site.bob.post("/1.3/permission/revoke", &all_servers).await;
    again.refuses(404, "PERMISSION_NOT_FOUND");
}

#[tokio::test]
async fn an_administrators_sub_account_is_none() {
    let site = Site::start().await;
    let mut body = recorded();
    body["sub_account"]["username"] = json!("deputy");
    site.alice.post(SUBS, &body).await.is(204);
    let deputy = Client::new(site.api, "deputy", PASSWORD);
    let before = site.everything().await;
    for path in ["/kannas/v1/hosts", "/kannas/v1/accounts"] {
        deputy.get(path).await.refuses(403, "ACCOUNT_FORBIDDEN");
    }
    let account = json!({"account": {"username": "eve", "password": PASSWORD}});
    deputy.post("/kannas/v1/accounts", &account).await.refuses(403, "ACCOUNT_FORBIDDEN");
    deputy.post(SUBS, &recorded()).await.refuses(403, "ACCOUNT_FORBIDDEN");
    deputy.delete(&at(SUBS, "deputy")).await.refuses(403, "ACCOUNT_FORBIDDEN");
    let password = json!({"account": {"password": PASSWORD}});
    for name in ["alice", "bob"] {
        let path = format!("/kannas/v1/accounts/{name}");
        deputy.put(&path, &password).await.refuses(403, "ACCOUNT_FORBIDDEN");
        deputy.delete(&path).await.refuses(403, "ACCOUNT_FORBIDDEN");
    }
    let token = json!({"host_token": {"zone": "fi-hel1"}});
    deputy.post("/kannas/v1/host-tokens", &token).await.refuses(403, "ACCOUNT_FORBIDDEN");
    deputy.delete(&at("/kannas/v1/hosts", HOST)).await.refuses(403, "ACCOUNT_FORBIDDEN");
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn its_tokens_are_its_own_and_go_with_it() {
    let site = Site::start().await;
    let mine = site.bob.make_network("10.0.1.0/24").await;
    let other = site.bob.make_network("10.0.2.0/24").await;
    let sub = site.sub(json!([mine]), json!(null)).await;
    let (bearer, made) = sub.by_token(json!({})).await;
    bearer.get(&at(NETWORKS, &mine)).await.is(200);
    bearer.get(&at(NETWORKS, &other)).await.refuses(403, "NETWORK_FORBIDDEN");
    assert_eq!(site.bob.get(TOKENS).await.bare(200), json!([]));
    assert_eq!(sub.get(TOKENS).await.bare(200)[0]["id"], made["id"]);
    let of_bob = site.bob.post(TOKENS, &hour(&json!({}))).await.bare(201);
    let path = at(TOKENS, of_bob["id"].as_str().unwrap());
    sub.delete(&path).await.problem(404, "RESOURCE_NOT_FOUND");

    site.bob.delete(&at(SUBS, "sub")).await.is(204);
    bearer.get(NETWORKS).await.refuses(401, "AUTHENTICATION_FAILED");
    // A new one of that name has none of the old one's.
    let again = site.sub(json!([]), json!(null)).await;
    assert_eq!(again.get(TOKENS).await.bare(200), json!([]));
    bearer.get(NETWORKS).await.refuses(401, "AUTHENTICATION_FAILED");
}
