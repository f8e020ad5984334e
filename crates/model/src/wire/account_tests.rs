use super::*;

fn account(inner: &Value) -> Result<NewAccount, Rule> {
    NewAccount::of_body(json!({ "account": inner }).to_string().as_bytes())
}

#[test]
fn a_new_account_is_no_administrator_unless_that_is_said() {
    for (admin, want) in [(json!(null), false), (json!("no"), false), (json!("yes"), true)] {
        let body = json!({"username": "c", "password": "long enough", "admin": admin});
        let it = account(&body).unwrap();
        assert_eq!((&*it.username, &*it.password, it.admin), ("c", "long enough", want));
    }
}

#[test]
fn each_fault_of_a_body_names_its_attribute() {
    let password = "long enough";
    for (body, subject, at) in [
        (json!({"password": password}), Subject::Name, "account.username"),
        (json!({"username": "c"}), Subject::Request, "account.password"),
        (json!({"username": "c", "password": "short"}), Subject::Request, "account.password"),
        (
            json!({"username": "c", "password": password, "admin": true}),
            Subject::Request,
            "account.admin",
        ),
    ] {
        match account(&body) {
            Err(Rule::Bad { subject: s, at: a, .. }) => assert_eq!((s, &*a), (subject, at)),
            Err(other) => panic!("{other:?} for {body}"),
            Ok(_) => panic!("{body} was taken"),
        }
    }
    let more = account(&json!({"username": "c", "password": password, "roles": []}));
    assert!(matches!(more, Err(Rule::UnknownAttribute(_))));
}

#[test]
fn the_limits_shown_are_those_that_hold_and_all_are_integers() {
    let limits = Limits { networks: 1, peerings: 2, routers: 3 };
    let it = view("c", &limits);
    let shown = &it["account"]["resource_limits"];
    let held = ["networks", "network_peerings", "routers"].map(|key| shown[key].as_u64());
    assert_eq!(held, [Some(1), Some(2), Some(3)]);
    assert!(shown.as_object().unwrap().values().all(Value::is_u64));
    assert_eq!(it["account"]["username"], json!("c"));
}
