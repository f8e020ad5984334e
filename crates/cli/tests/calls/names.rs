use crate::site::Site;

/// A UUID that nothing has.
const NOBODY: &str = "04000000-0000-4000-8000-000000000000";

#[test]
fn a_thing_is_named_by_its_name_its_uuid_or_the_beginning_of_that() {
    let site = Site::start();
    let made = site.json(&["router", "create", "hel"]);
    let uuid = made["uuid"].as_str().unwrap();
    for name in ["hel", uuid, &uuid.to_uppercase(), &uuid.replace('-', ""), &uuid[..13]] {
        assert_eq!(site.json(&["router", "show", name]), made, "{name}");
    }
}

#[test]
fn what_names_nothing_or_too_much_changes_nothing() {
    let site = Site::start();
    let [first, second] = [(); 2].map(|()| {
        let made = site.json(&["router", "create", "twin"]);
        made["uuid"].as_str().unwrap().to_owned()
    });
    let (low, high) = if first < second { (&first, &second) } else { (&second, &first) };
    let twins = format!("kannas: 2 routers are named twin: {low}, {high}");
    let absent = format!("kannas: The router {NOBODY} does not exist. (ROUTER_NOT_FOUND)");
    for (name, want) in [
        ("twin", &*twins),
        ("twi", "kannas: there is no router twi"),
        ("04", "kannas: there is no router 04"),
        ("", "kannas: there is no router "),
        (NOBODY, &absent),
    ] {
        for verb in [&["show"][..], &["delete"], &["modify", "--name", "x"]] {
            let said = site.kannas(&[&["router"], verb, &[name]].concat());
            assert_eq!(said.failed(), (3, want.to_owned()), "{verb:?}");
        }
    }
    assert_eq!(site.json(&["router", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_delete_of_several_stops_at_the_first_that_cannot_be() {
    let site = Site::start();
    let kept = site.json(&["router", "create", "kept"]);
    let gone = site.json(&["router", "create", "gone"])["uuid"].as_str().unwrap().to_owned();
    let said = site.kannas(&["router", "delete", "gone", "nowhere", "kept"]);
    assert_eq!(said.out, format!("deleted router {gone}\n"));
    assert_eq!((said.code, &*said.err), (3, "kannas: there is no router nowhere\n"));
    assert_eq!(site.json(&["router", "list"]), serde_json::json!([kept]));
}

#[test]
fn another_accounts_network_can_be_peered_with_by_its_uuid_alone() {
    let site = Site::start();
    site.make_account("bob");
    let theirs = site.make_routed("theirs", "fi-hel1", "10.0.1.0/24");
    let place = ["--zone", "fi-hel1", "--address", "10.0.2.0/24"];
    site.kannas_as("bob", &[&["network", "create", "mine"], &place[..]].concat()).ok();
    let make = |peer: &str| {
        let pair = ["--network", "mine", "--peer-network", peer];
        site.kannas_as("bob", &[&["peering", "create", "p"], &pair[..]].concat())
    };
    let nameless = "kannas: there is no network theirs".to_owned();
    assert_eq!(make("theirs").failed(), (3, nameless));
    assert!(make(&theirs).ok().contains("State:         missing-local-router"));
    let foreign = site.kannas_as("bob", &["network", "show", &theirs]).failed();
    assert_eq!(foreign.0, 3, "{foreign:?}");
}
