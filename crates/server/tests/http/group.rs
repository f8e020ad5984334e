//! `/kannas/v1/peering-groups`.

use std::time::Duration;

use serde_json::{Value, json};
use server::PolicyArgs;

use crate::client::Client;
use crate::site::{NETWORKS, NOBODY, PEERINGS, Site, at, peering};

const GROUPS: &str = "/kannas/v1/peering-groups";

fn labels(value: &str) -> Value {
    json!([{"key": "env", "value": value}])
}

fn mesh(name: &str) -> Value {
    json!({"peering_group": {"name": name, "labels": labels("prod"), "topology": "mesh"}})
}

impl Client {
    /// A routed network with the label.
    async fn make_labelled(&self, address: &str) -> String {
        let network = self.make_routed(address).await;
        self.label(&network, labels("prod")).await;
        network
    }

    async fn label(&self, network: &str, labels: Value) {
        let body = json!({"network": {"labels": labels}});
        self.put(&at(NETWORKS, network), &body).await.is(200);
    }

    /// A new group, and its path.
    async fn make_group(&self, wish: &Value) -> (Value, String) {
        let made = self.post(GROUPS, wish).await.is(201)["peering_group"].clone();
        let path = at(GROUPS, made["uuid"].as_str().unwrap());
        (made, path)
    }

    async fn group(&self, path: &str) -> Value {
        self.read(path).await["peering_group"].clone()
    }

    /// States of all peerings, by name.
    async fn states(&self) -> Vec<(String, String)> {
        let all = self.read(PEERINGS).await["network_peerings"]["network_peering"].clone();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let all = all.as_array().unwrap().iter();
        let mut all: Vec<_> = all.map(|it| (text(&it["name"]), text(&it["state"]))).collect();
        all.sort();
        all
    }

    async fn in_state(&self, path: &str, state: &str) -> Value {
        let seen = async {
            loop {
                let it = self.group(path).await;
                if it["state"] == state {
                    return it;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), seen).await.expect("it gets there")
    }
}

#[tokio::test]
async fn a_group_is_made_shown_changed_undone_and_deleted() {
    let site = Site::start().await;
    let a = site.alice.make_labelled("10.1.0.0/24").await;
    let b = site.alice.make_labelled("10.2.0.0/24").await;
    let before = site.everything().await;
    let plan = site.alice.post(&format!("{GROUPS}?plan=1"), &mesh("g")).await.is(200);
    assert_eq!(plan["plan"]["peerings"].as_array().unwrap().len(), 2);
    assert_eq!(site.everything().await, before);
    let (made, path) = site.alice.make_group(&mesh("g")).await;
    assert_eq!(
        made["peerings"],
        json!({"wanted": 2, "made": 2, "due": 0, "states": {"active": 2}})
    );
    assert_eq!((&made["state"], &made["previous"]), (&json!("settled"), &Value::Null));
    let halves = site.alice.read(PEERINGS).await["network_peerings"]["network_peering"].clone();
    assert!(halves.as_array().unwrap().iter().all(|it| it["group"] == made["uuid"]), "{halves}");
    site.alice.post(PEERINGS, &peering(&a, &b)).await.refuses(409, "PEERING_CONFLICT");

    let hub = json!({"peering_group": {"topology": "hub", "hub": a, "name": "h"}});
    let tag = site.alice.get(&path).await.header("etag").unwrap().to_owned();
    let changed = site.alice.patch(&path, &hub).await.is(200)["peering_group"].clone();
    assert_eq!((&changed["hub"], &changed["previous"]["topology"]), (&json!(a), &json!("mesh")));
    let body = hub.to_string();
    let header = format!("If-Match: {tag}\r\n");
    let late = site.alice.send("PATCH", &path, &header, body.as_bytes()).await;
    late.refuses(412, "PRECONDITION_FAILED");
    let undone = site.alice.post(&format!("{path}/undo"), &json!({})).await.is(200);
    assert_eq!(undone["peering_group"]["topology"], "mesh");
    let list = site.alice.read(GROUPS).await;
    assert_eq!(list["peering_groups"]["peering_group"], json!([undone["peering_group"]]));

    site.alice.label(&b, json!([])).await;
    assert_eq!(site.alice.states().await, []);
    assert_eq!(site.alice.group(&path).await["networks"], 1);
    site.alice.delete(&path).await.is(204);
    site.alice.get(&path).await.refuses(404, "PEERING_GROUP_NOT_FOUND");
}

#[tokio::test]
async fn a_large_group_is_made_and_deleted_in_steps() {
    let site = Site::start().await;
    for n in 0..11 {
        site.alice.make_labelled(&format!("10.{n}.0.0/24")).await;
    }
    let theirs = site.bob.make_labelled("10.99.0.0/24").await;
    let (made, path) = site.alice.make_group(&mesh("g")).await;
    assert_eq!((&made["state"], &made["peerings"]["made"]), (&json!("working"), &json!(64)));
    let done = site.alice.in_state(&path, "settled").await;
    assert_eq!(done["peerings"]["states"], json!({"active": 110}));
    // One that is deleted by hand is wanted all the same.
    let halves = site.alice.read(PEERINGS).await["network_peerings"]["network_peering"].clone();
    site.alice.delete(&at(PEERINGS, halves[0]["uuid"].as_str().unwrap())).await.is(204);
    let all_there = async {
        while site.alice.group(&path).await["peerings"]["states"] != json!({"active": 110}) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_there).await.unwrap();
    assert!(site.bob.states().await.is_empty(), "{theirs} is another account's");
    site.alice.delete(&path).await.is(204);
    let gone = async {
        while site.alice.get(&path).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    assert_eq!(site.alice.states().await, []);
}

#[tokio::test]
async fn what_is_wrong_with_a_group_is_named_and_nothing_is_made() {
    let site = Site::start().await;
    let a = site.alice.make_labelled("10.1.0.0/24").await;
    let theirs = site.bob.make_labelled("10.2.0.0/24").await;
    let (_, path) = site.alice.make_group(&mesh("g")).await;
    let before = site.everything().await;
    let wish = |change: Value| {
        let mut body = mesh("h");
        for (key, value) in change.as_object().unwrap() {
            body["peering_group"][key] = value.clone();
        }
        body
    };
    for (body, status, code) in [
        (mesh("g"), 409, "PEERING_GROUP_EXISTS"),
        (wish(json!({"name": ""})), 400, "NAME_INVALID"),
        (wish(json!({"labels": []})), 400, "REQUEST_INVALID"),
        (wish(json!({"labels": [{"key": "_x", "value": ""}]})), 400, "INVALID_LABEL_KEY"),
        (wish(json!({"topology": "ring"})), 400, "REQUEST_INVALID"),
        (wish(json!({"topology": "hub"})), 400, "REQUEST_INVALID"),
        (wish(json!({"hub": a})), 400, "REQUEST_INVALID"),
        (wish(json!({"topology": "hub", "hub": theirs})), 404, "NETWORK_NOT_FOUND"),
        (wish(json!({"topology": "hub", "hub": "x"})), 400, "NETWORK_INVALID"),
        (wish(json!({"colour": "red"})), 400, "UNKNOWN_ATTRIBUTE"),
        (json!({"peering_group": {"name": "h", "labels": labels("x")}}), 400, "REQUEST_INVALID"),
    ] {
        site.alice.post(GROUPS, &body).await.refuses(status, code);
    }
    site.alice.post(&format!("{path}/undo"), &json!({})).await.refuses(409, "NOTHING_TO_UNDO");
    for path in [path, at(GROUPS, NOBODY)] {
        site.bob.get(&path).await.refuses(404, "PEERING_GROUP_NOT_FOUND");
        site.bob.delete(&path).await.refuses(404, "PEERING_GROUP_NOT_FOUND");
    }
    assert_eq!(site.everything().await, before);
}

#[tokio::test]
async fn a_group_that_needs_more_than_the_account_may_have_makes_none() {
    let policy = PolicyArgs { max_peerings: 5, ..PolicyArgs::default() };
    let site = Site::under(policy).await;
    for n in 0..3 {
        site.alice.make_labelled(&format!("10.{n}.0.0/24")).await;
    }
    site.alice.post(GROUPS, &mesh("g")).await.refuses(409, "PEERING_LIMIT_REACHED");
    assert_eq!(site.alice.states().await, []);
}

#[tokio::test]
async fn sub_accounts_have_no_part_in_groups() {
    let site = Site::start().await;
    let a = site.alice.make_labelled("10.1.0.0/24").await;
    site.alice.make_group(&mesh("g")).await;
    let sub = json!({"sub_account": {
        "username": "carol", "password": "carols password", "allow_api": "yes",
        "network_access": {"network": [a]}
    }});
    site.alice.post("/1.3/account/sub", &sub).await.is(204);
    let carol = Client::new(site.api, "carol", "carols password");
    carol.get(GROUPS).await.refuses(403, "ACCOUNT_FORBIDDEN");
    carol.post(GROUPS, &mesh("h")).await.refuses(403, "ACCOUNT_FORBIDDEN");
    let body = json!({"network": {"labels": []}});
    carol.put(&at(NETWORKS, &a), &body).await.refuses(403, "NETWORK_FORBIDDEN");
    let body = json!({"network": {"labels": labels("prod"), "name": "renamed"}});
    carol.put(&at(NETWORKS, &a), &body).await.is(200);
}
