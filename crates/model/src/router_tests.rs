use super::*;
use crate::label::Label;
use crate::op::{Op, Wish, decide};
use crate::play::{Play, attach, create_network, create_router, network_op, router_id, router_op};

fn route(route: &str, nexthop: Option<&str>) -> StaticRoute {
    StaticRoute {
        name: "static-route-0".to_owned(),
        route: route.parse().unwrap(),
        nexthop: nexthop.map(|ip| ip.parse().unwrap()),
    }
}

fn with_routes(static_routes: Vec<StaticRoute>) -> Op {
    let (name, labels) = ("r".to_owned(), vec![]);
    router_op(8, Wish::Create(Create { name, labels, static_routes }))
}

#[test]
fn each_fault_of_a_router_is_told_where_it_is_when_it_is_made_and_later() {
    let label = Label { key: "x".to_owned(), value: String::new() };
    let wide = "x".repeat(256);
    let four = Some("10.0.0.9");
    for (name, labels, routes, subject, at) in [
        ("", vec![], vec![], Subject::RouterName, "router.name"),
        (&*wide, vec![], vec![], Subject::RouterName, "router.name"),
        ("r", vec![label], vec![], Subject::LabelKey, "router.labels.0.key"),
        (
            "r",
            vec![],
            vec![route("10.0.0.0/8", four), route("2001:db8::/32", four)],
            Subject::Nexthop,
            "router.static_routes.1.nexthop",
        ),
        (
            "r",
            vec![],
            vec![route("10.0.0.0/8", Some("2001:db8::1"))],
            Subject::Nexthop,
            "router.static_routes.0.nexthop",
        ),
        (
            "r",
            vec![],
            vec![route("10.0.0.0/8", four), route("10.0.0.0/8", None)],
            Subject::RouteDuplicate,
            "router.static_routes.1.route",
        ),
    ] {
        let play = Play::new();
        let create =
            Create { name: name.to_owned(), labels: labels.clone(), static_routes: routes.clone() };
        let modify = Modify {
            name: Some(name.to_owned()),
            labels: Some(labels),
            static_routes: Some(routes),
        };
        let want = (subject, at.to_owned());
        assert_eq!(play.fault(&router_op(8, Wish::Create(create))), want);
        assert_eq!(play.fault(&router_op(0, Wish::Modify(modify))), want);
    }
}

#[test]
fn routes_may_lead_nowhere_and_lie_in_each_other() {
    let routes =
        vec![route("0.0.0.0/0", Some("10.0.0.9")), route("10.0.0.0/8", None), route("::/0", None)];
    let mut play = Play::new();
    play.must(with_routes(routes.clone()));
    assert_eq!(play.world.routers[&router_id(8)].static_routes, routes);
}

#[test]
fn what_is_not_given_stays() {
    let mut play = Play::new();
    play.must(with_routes(vec![route("10.0.0.0/8", None)]));
    let made = play.world.routers[&router_id(8)].clone();
    let renamed = Modify { name: Some("other".to_owned()), ..Default::default() };
    play.must(router_op(8, Wish::Modify(renamed)));
    let now = &play.world.routers[&router_id(8)];
    let want =
        Router { name: "other".to_owned(), revision: made.revision + 1, ..Router::clone(&made) };
    assert_eq!(**now, want);
    play.must(router_op(
        8,
        Wish::Modify(Modify { static_routes: Some(vec![]), ..Default::default() }),
    ));
    assert!(play.world.routers[&router_id(8)].static_routes.is_empty());
}

#[test]
fn a_router_is_kept_by_its_networks_and_belongs_to_one_account() {
    let mut play = Play::new();
    play.must(create_network(0, &["10.0.0.0/24"], Some(0)));
    let delete = router_op(0, Wish::Delete);
    assert_eq!(play.op(&delete), Err(Rule::RouterAttached(router_id(0))));
    let absent = Err(Rule::Absent(Noun::Router, router_id(0).to_string()));
    for wish in [Wish::Delete, Wish::Modify(Modify::default())] {
        let by_other = Op::Router { by: "b".to_owned(), uuid: router_id(0), wish };
        assert_eq!(play.op(&by_other), absent);
    }
    assert_eq!(
        play.op(&attach(1, Some(0))),
        Err(Rule::Absent(Noun::Network, crate::play::network_id(1).to_string()))
    );
    play.must(create_network(1, &["10.0.0.0/24"], None));
    assert_eq!(play.op(&attach(1, Some(0))), absent, "somebody else's router");
    play.all([attach(0, None), delete.clone()]);
    assert_eq!(decide(&play.world, &delete), absent);
    play.all([create_router(0), attach(0, Some(0)), network_op(0, Wish::Delete), delete]);
}
