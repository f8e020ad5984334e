use serde_json::{Value, json};

use super::*;
use crate::op::Wish;
use crate::play::{Play, create_network, network_id, router_id, router_op};

fn create(inner: &Value) -> Result<Create, Rule> {
    Create::of_body(json!({ "router": inner }).to_string().as_bytes())
}

fn modify(inner: &Value) -> Result<Modify, Rule> {
    Modify::of_body(json!({ "router": inner }).to_string().as_bytes())
}

fn routes(entries: Value) -> Value {
    json!({ "name": "r", "static_routes": entries })
}

fn route(name: &str, route: &str, nexthop: Option<[u8; 4]>) -> StaticRoute {
    let (name, nexthop) = (name.to_owned(), nexthop.map(Into::into));
    StaticRoute { name, route: route.parse().unwrap(), nexthop }
}

#[test]
fn routes_get_names_by_their_place_and_their_type_is_the_providers() {
    let it = create(&routes(json!([
        {"name": "default", "route": "0.0.0.0/0", "nexthop": "10.0.0.9", "type": "user"},
        {"route": "10.1.0.9/16", "nexthop": "no-nexthop"},
        {"name": "", "route": "10.2.0.0/16", "nexthop": "10.0.0.8", "type": "service"},
    ])));
    let want = vec![
        route("default", "0.0.0.0/0", Some([10, 0, 0, 9])),
        route("static-route-1", "10.1.0.0/16", None),
        route("static-route-2", "10.2.0.0/16", Some([10, 0, 0, 8])),
    ];
    assert_eq!(it.unwrap().static_routes, want);
}

#[test]
fn each_fault_of_a_body_names_its_attribute() {
    for (body, subject, at) in [
        (json!({}), Subject::RouterNameMissing, "name"),
        (json!({"name": 7}), Subject::RouterNameMissing, "name"),
        (routes(json!("x")), Subject::Route, "static_routes"),
        (routes(json!([{"nexthop": "10.0.0.9"}])), Subject::Route, "static_routes.0.route"),
        (
            routes(json!([{"route": "10.0.0.0", "nexthop": "10.0.0.9"}])),
            Subject::Route,
            "static_routes.0.route",
        ),
        (routes(json!([{"route": "10.0.0.0/8"}])), Subject::Nexthop, "static_routes.0.nexthop"),
        (
            routes(json!([{"route": "10.0.0.0/8", "nexthop": ""}])),
            Subject::Nexthop,
            "static_routes.0.nexthop",
        ),
    ] {
        match create(&body) {
            Err(Rule::Bad { subject: s, at: a, .. }) => {
                assert_eq!((s, a), (subject, format!("router.{at}")), "{body}");
            }
            other => panic!("{other:?} for {body}"),
        }
    }
    for body in [
        json!({"name": "r", "type": "normal"}),
        routes(json!([{"route": "10.0.0.0/8", "nexthop": "10.0.0.9", "metric": 1}])),
    ] {
        assert!(matches!(create(&body), Err(Rule::UnknownAttribute(_))), "{body}");
    }
}

#[test]
fn a_change_has_what_is_given() {
    assert_eq!(modify(&json!({})), Ok(Modify::default()));
    let name = Modify { name: Some("n".to_owned()), ..Modify::default() };
    assert_eq!(modify(&json!({"name": "n"})), Ok(name));
    for empty in [json!([]), json!(null)] {
        let want = Modify { static_routes: Some(vec![]), labels: Some(vec![]), name: None };
        assert_eq!(modify(&json!({"static_routes": empty, "labels": empty})), Ok(want));
    }
}

#[test]
fn a_router_is_shown_as_recorded_answers_have_it() {
    let mut play = Play::new();
    let routes = vec![
        route("default", "0.0.0.0/0", Some([10, 0, 0, 9])),
        route("none", "10.9.0.0/16", None),
    ];
    let wish = Modify { static_routes: Some(routes), ..Modify::default() };
    play.must(router_op(0, Wish::Modify(wish)));
    play.must(create_network(2, &["10.2.0.0/24"], Some(0)));
    play.must(create_network(0, &["10.0.0.0/24"], Some(0)));
    let shown = View::new(&play.world, &play.world.routers[&router_id(0)]);
    let want = json!({
        "uuid": router_id(0), "name": "r0", "type": "normal", "labels": [],
        "attached_networks": {"network": [{"uuid": network_id(0)}, {"uuid": network_id(2)}]},
        "attached_network_gateways": [],
        "static_routes": [
            {"name": "default", "route": "0.0.0.0/0", "nexthop": "10.0.0.9", "type": "user"},
            {"name": "none", "route": "10.9.0.0/16", "nexthop": "no-nexthop", "type": "user"},
        ]
    });
    assert_eq!(serde_json::to_value(shown).unwrap(), want);
}
