use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::play::{
    Play, configure, create_network, delete_half, half_id, network_id, network_op, peer, story,
};

const LOCAL: &str = "03000000-0000-4000-8000-000000000001";
const PEER: &str = "03000000-0000-4000-8000-000000000002";

fn whole() -> Value {
    json!({
        "name": "Helsinki-Frankfurt Peering", "configured_status": "disabled",
        "network": {"uuid": LOCAL}, "peer_network": {"uuid": PEER},
        "labels": [{"key": "region", "value": "eu"}], "note": "Hello"
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut it = whole();
    it[key] = value;
    it
}

fn create(inner: &Value) -> Result<Create, Rule> {
    Create::of_body(json!({ "network_peering": inner }).to_string().as_bytes())
}

fn modify(inner: &Value) -> Result<Modify, Rule> {
    Modify::of_body(json!({ "network_peering": inner }).to_string().as_bytes())
}

fn region() -> Vec<Label> {
    vec![Label { key: "region".to_owned(), value: "eu".to_owned() }]
}

#[test]
fn a_body_is_a_wish() {
    let want = Create {
        name: "Helsinki-Frankfurt Peering".to_owned(),
        configured: Configured::Disabled,
        network: LOCAL.parse().unwrap(),
        peer_network: PEER.parse().unwrap(),
        labels: region(),
        note: Some("Hello".to_owned()),
    };
    assert_eq!(create(&whole()), Ok(want.clone()));
    for (key, want) in [
        ("configured_status", Create { configured: Configured::Active, ..want.clone() }),
        ("labels", Create { labels: vec![], ..want.clone() }),
        ("note", Create { note: None, ..want.clone() }),
    ] {
        let mut absent = whole();
        absent.as_object_mut().unwrap().remove(key);
        assert_eq!(create(&absent), Ok(want.clone()), "no {key}");
        assert_eq!(create(&with(key, Value::Null)), Ok(want), "{key} null");
    }
}

#[test]
fn each_fault_of_a_body_has_the_contracts_code_and_names_its_attribute() {
    for (body, subject, at) in [
        (with("name", Value::Null), Subject::Name, "name"),
        (with("name", json!(7)), Subject::Name, "name"),
        (with("configured_status", json!("paused")), Subject::Request, "configured_status"),
        (with("configured_status", json!("Active")), Subject::Request, "configured_status"),
        (with("network", Value::Null), Subject::Network, "network"),
        (with("network", json!(LOCAL)), Subject::Network, "network"),
        (with("network", json!({})), Subject::Network, "network.uuid"),
        (with("network", json!({"uuid": "x"})), Subject::Network, "network.uuid"),
        (with("peer_network", Value::Null), Subject::Network, "peer_network"),
        (with("peer_network", json!({"uuid": 7})), Subject::Network, "peer_network.uuid"),
        (with("labels", json!({"label": []})), Subject::Request, "labels.0.key"),
        (with("labels", json!([{"key": 7, "value": ""}])), Subject::LabelKey, "labels.0.key"),
        (with("labels", json!([{"key": "k", "value": 7}])), Subject::LabelValue, "labels.0.value"),
        (with("note", json!(7)), Subject::Request, "note"),
    ] {
        match create(&body) {
            Err(Rule::Bad { subject: s, at: a, .. }) => {
                assert_eq!((s, a), (subject, format!("network_peering.{at}")), "{body}");
            }
            other => panic!("{other:?} for {body}"),
        }
    }
    for (body, at) in [
        (with("state", json!("active")), "state"),
        (with("network", json!({"uuid": LOCAL, "name": "n"})), "network.name"),
    ] {
        let unknown = Err(Rule::UnknownAttribute(format!("network_peering.{at}")));
        assert_eq!(create(&body), unknown);
    }
}

#[test]
fn a_change_has_what_is_given_and_null_clears_labels_and_note() {
    assert_eq!(modify(&json!({})), Ok(Modify::default()));
    for (body, want) in [
        (json!({"name": "n"}), Modify { name: Some("n".to_owned()), ..Modify::default() }),
        (
            json!({"configured_status": "active"}),
            Modify { configured: Some(Configured::Active), ..Modify::default() },
        ),
        (
            json!({"labels": [{"key": "region", "value": "eu"}]}),
            Modify { labels: Some(region()), ..Modify::default() },
        ),
        (json!({"labels": []}), Modify { labels: Some(vec![]), ..Modify::default() }),
        (json!({"labels": null}), Modify { labels: Some(vec![]), ..Modify::default() }),
        (json!({"note": "x"}), Modify { note: Some("x".to_owned()), ..Modify::default() }),
        (json!({"note": null}), Modify { note: Some(String::new()), ..Modify::default() }),
        (json!({"name": null, "configured_status": null}), Modify::default()),
    ] {
        assert_eq!(modify(&body), Ok(want), "{body}");
    }
    for key in ["network", "peer_network", "uuid"] {
        let unknown = Err(Rule::UnknownAttribute(format!("network_peering.{key}")));
        assert_eq!(modify(&json!({ key: {"uuid": LOCAL} })), unknown, "that cannot be changed");
    }
}

fn view(play: &Play, from: u128, to: u128) -> Value {
    let patience = Patience { now: 0, days: 0 };
    let view = View::new(&play.world, &Presence::default(), patience, play.half(from, to));
    serde_json::to_value(view).unwrap()
}

#[test]
fn an_owner_sees_the_peers_prefixes_once_the_peer_has_answered() {
    let mut play = Play::new();
    for n in [0, 1] {
        play.must(create_network(n, &[&format!("10.{n}.0.1/24")], Some(n)));
    }
    let sides = |play: &Play| {
        let it = view(play, 0, 1);
        (it["network"].clone(), it["peer_network"].clone())
    };
    let shown = |n: u128| {
        json!({"uuid": network_id(n), "ip_networks": {"ip_network": [
            {"address": format!("10.{n}.0.1/24"), "family": "IPv4"}
        ]}})
    };
    let hidden = json!({"uuid": network_id(1)});
    play.must(peer(0, 1)[0].clone());
    assert_eq!(sides(&play), (shown(0), hidden.clone()));
    play.must(peer(0, 1)[1].clone());
    assert_eq!(sides(&play), (shown(0), shown(1)));
    play.must(configure(1, 0, Configured::Disabled));
    assert_eq!(sides(&play), (shown(0), shown(1)), "it has answered");
    play.must(delete_half(1, 0));
    assert_eq!(sides(&play), (shown(0), hidden.clone()));
    play.must(network_op(1, crate::op::Wish::Delete));
    assert_eq!(sides(&play), (shown(0), hidden));
}

#[test]
fn a_peering_shows_all_of_the_contract_and_what_we_add() {
    let mut play = Play::new();
    for n in [0, 1] {
        play.must(create_network(n, &[&format!("10.{n}.0.0/24")], Some(n)));
    }
    play.all(peer(0, 1));
    let mut it = view(&play, 0, 1);
    for side in ["network", "peer_network"] {
        it.as_object_mut().unwrap().remove(side);
    }
    let want = json!({
        "uuid": half_id(0, 1), "name": "0-1", "configured_status": "active", "state": "active",
        "reasons": [], "health": {"measured": false}, "labels": []
    });
    assert_eq!(it, want, "no note when there is none");
    play.must(configure(0, 1, Configured::Disabled));
    let it = view(&play, 0, 1);
    assert_eq!((&it["configured_status"], &it["state"]), (&json!("disabled"), &json!("disabled")));
    assert_eq!(view(&play, 1, 0)["state"], json!("peer-disabled"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_long_list_shows_each_as_by_itself(steps in story()) {
        let mut play = Play::new();
        for op in steps {
            let _ = play.op(&op);
        }
        let world = &play.world;
        let (presence, patience) = (Presence::default(), Patience { now: 0, days: 0 });
        // Longer than what is looked at ahead, however few there are.
        let again = std::iter::repeat_with(|| world.peerings.values()).take(2 * AHEAD + 1);
        let page: Vec<_> = again.flatten().take(2 * AHEAD + 1).collect();
        let text = |view| serde_json::to_string(&view).unwrap();
        let all: Vec<String> = View::all(world, &presence, patience, &page).map(text).collect();
        let each = page.iter().map(|it| text(View::new(world, &presence, patience, it)));
        prop_assert_eq!(all, each.collect::<Vec<_>>());
    }
}
