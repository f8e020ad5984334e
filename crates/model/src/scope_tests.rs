use super::*;
use crate::access;
use crate::change::Object;
use crate::objects::{Account, Network, Router};
use crate::policy::Quota;

const MINE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const FOREIGN: Uuid = Uuid::from_u128(3);
const NOBODY: Uuid = Uuid::from_u128(4);
const SHARED: Uuid = Uuid::from_u128(5);
const EMPTY: Uuid = Uuid::from_u128(6);

fn network(uuid: Uuid, account: &str) -> Object {
    Object::Network(Network {
        uuid,
        account: account.to_owned(),
        name: String::new(),
        zone: String::new(),
        vni: 1.try_into().unwrap(),
        labels: vec![],
        router: (account == "main").then_some(SHARED),
        router_since: 0,
        subnets: vec![],
        subnets_since: 0,
        revision: 0,
    })
}

fn world(networks: Vec<Target>) -> World {
    let router = |uuid| {
        Object::Router(Router {
            uuid,
            account: "main".to_owned(),
            name: String::new(),
            labels: vec![],
            static_routes: vec![],
            revision: 0,
        })
    };
    let body = br#"{"sub_account": {"username": "s", "password": "p"}}"#;
    let (sub, _) = SubAccount::of_body(body, "main").unwrap();
    let account = Account {
        name: "main".to_owned(),
        password: String::new(),
        admin: true,
        quota: Quota::default(),
    };
    World::restore(
        1,
        [
            Object::Account(account),
            Object::SubAccount(Box::new(SubAccount { networks, ..sub })),
            network(MINE, "main"),
            network(OTHER, "main"),
            network(FOREIGN, "else"),
            router(SHARED),
            router(EMPTY),
        ],
    )
}

fn op(uuid: Uuid, router: bool) -> Op {
    let by = "main".to_owned();
    if router {
        return Op::Router { by, uuid, wish: Wish::Delete };
    }
    Op::Network { by, uuid, wish: Wish::Delete }
}

#[test]
fn what_is_not_the_main_accounts_is_left_to_the_rules_that_do_not_tell_it_from_nothing() {
    let world = world(vec![Target::One(MINE)]);
    assert_eq!(check_op(&world, "s", &op(MINE, false)), Ok(()));
    let refused = Rule::Forbidden(Noun::Network, OTHER.to_string());
    assert_eq!(check_op(&world, "s", &op(OTHER, false)), Err(refused));
    assert_eq!(check_op(&world, "s", &op(FOREIGN, false)), Ok(()));
    assert_eq!(check_op(&world, "s", &op(NOBODY, false)), Ok(()));
    assert!(check_op(&world, "gone", &op(MINE, false)).is_err());
}

#[test]
fn a_router_is_seen_by_any_of_its_networks_and_changed_by_all() {
    for (networks, sees, changes) in [
        (vec![], [false, false], [false, false]),
        (vec![Target::One(MINE)], [true, false], [false, false]),
        (vec![Target::One(MINE), Target::One(OTHER)], [true, false], [true, false]),
        (vec![Target::All], [true, true], [true, true]),
    ] {
        let world = world(networks.clone());
        let scope = Scope::of(&world, Some("s")).unwrap();
        let all = [SHARED, EMPTY];
        assert_eq!(all.map(|uuid| scope.sees_router(uuid)), sees, "{networks:?}");
        let may = all.map(|uuid| check_op(&world, "s", &op(uuid, true)).is_ok());
        assert_eq!(may, changes, "{networks:?}");
    }
}

#[test]
fn with_access_to_all_it_may_still_make_no_users_zones_or_hosts() {
    let world = world(vec![Target::All]);
    let by = || "main".to_owned();
    let account = Account {
        name: "eve".to_owned(),
        password: String::new(),
        admin: true,
        quota: Quota::default(),
    };
    let sub = world.credentials().sub("s").unwrap();
    let access = |by: &str, wish| Op::Access { by: by.to_owned(), wish };
    let password =
        |user: &str| access::Wish::SetPassword(user.to_owned(), access::Hash(String::new()));
    for op in [
        Op::CreateAccount { by: by(), account },
        Op::DeleteHost { by: by(), id: String::new() },
        Op::DeleteZone { by: by(), id: String::new(), now: 0 },
        access("main", access::Wish::CreateSub(Box::new(SubAccount::clone(sub)))),
        access("main", access::Wish::DeleteAccount(by())),
        access("main", access::Wish::DeleteToken(MINE)),
        access("main", password("main")),
        access("s", password("main")),
        Op::AsSub { name: "s".to_owned(), op: Box::new(op(MINE, false)) },
    ] {
        assert_eq!(check_op(&world, "s", &op), Err(Rule::MainOnly("s".to_owned())), "{op:?}");
    }
    assert_eq!(check_op(&world, "s", &access("s", password("s"))), Ok(()));
}

#[test]
fn an_account_itself_is_bounded_by_nothing_but_what_it_owns() {
    let world = world(vec![]);
    let scope = Scope::of(&world, None).unwrap();
    assert!(scope.has_network(MINE) && scope.has_server(NOBODY) && scope.sees_router(EMPTY));
}
