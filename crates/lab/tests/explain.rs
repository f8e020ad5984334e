//! What `explain` says is so: of a way that is well, and of each fault that is let happen to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::IpAddr;

use lab::faults::{Fault, measured};
use lab::site::{Cabling, PATIENCE, Pair};
use lab::{eventually, netns};
use serde_json::{Value, json};

fn start(test: &str) -> Pair {
    Pair::start(&format!("{}{test}", netns::prefix("kt")), Cabling::Switched).unwrap()
}

fn explain(pair: &Pair, rest: &Value) -> Value {
    let [from, to]: [IpAddr; 2] = pair.machines.each_ref().map(|machine| machine.end.address);
    let mut wish = json!({"source": from, "destination": to});
    wish.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let body = json!({ "explain": wish });
    pair.site.admin.ok("POST", "/kannas/v1/explain", Some(&body)).unwrap()["explanation"].clone()
}

fn last(explanation: &Value) -> &Value {
    explanation["steps"].as_array().unwrap().last().unwrap()
}

fn well(pair: &Pair) {
    eventually(PATIENCE, "all is well", || {
        (explain(pair, &json!({}))["reaches"] == true).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {}", explain(pair, &json!({}))));
}

#[test]
fn a_way_that_is_well_is_walked_to_its_end() {
    let pair = start("explain");
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    let it = explain(&pair, &json!({"size": 1450}));
    assert_eq!(it["reaches"], true, "{it}");
    let steps: Vec<_> = it["steps"].as_array().unwrap().iter().map(|s| &s["step"]).collect();
    let want =
        ["source", "peering", "destination", "source-host", "destination-host", "packet", "size"];
    assert_eq!(steps, want, "{it}");

    let it = explain(&pair, &json!({"size": 1451}));
    assert_eq!((&it["reaches"], &last(&it)["step"]), (&false.into(), &"size".into()), "{it}");

    // Nothing listens until something does.
    let closed = explain(&pair, &json!({"protocol": "tcp", "port": 8080}));
    assert_eq!(
        (&last(&closed)["step"], &last(&closed)["outcome"]),
        (&"service".into(), &"bad".into()),
        "{closed}"
    );
    let there = &pair.machines[1].end;
    let listener = there.netns.run(|| std::net::TcpListener::bind((there.address, 8080))).unwrap();
    let _listener = listener.unwrap();
    let open = explain(&pair, &json!({"protocol": "tcp", "port": 8080}));
    assert_eq!(last(&open)["outcome"], "good", "{open}");

    pair.site.admin.change_peering(&half, &json!({"configured_status": "disabled"})).unwrap();
    let it = explain(&pair, &json!({}));
    assert_eq!(
        (&last(&it)["step"], &last(&it)["outcome"]),
        (&"peering".into(), &"bad".into()),
        "{it}"
    );
    assert!(last(&it)["fix"].as_str().unwrap().contains("enable"), "{it}");
}

/// The steps that may name it, and what one of them says. What agents mend at once is not here: it may be over
/// before it is asked about. Nor an address that has gone: it is reached for as long as its MAC is remembered.
const FAULTS: [(Fault, &[&str], &str); 4] = [
    (Fault::LinkDown, &["destination-host"], "under, is down"),
    (Fault::OneWay, &["underlay"], "did not arrive at host fra"),
    (Fault::MtuShrunk, &["size"], "1450 bytes"),
    (Fault::HostKilled, &["underlay"], "was not answered"),
];

#[test]
fn each_fault_is_named_where_it_is_and_no_more_once_it_is_over() {
    let mut pair = start("truth");
    let [half, _] = pair.peer().unwrap();
    for (fault, steps, part) in FAULTS {
        measured(&pair, &half).unwrap();
        well(&pair);
        fault.begin(&mut pair).unwrap();
        let mut seen = Value::Null;
        let named = eventually(PATIENCE, fault.name(), || {
            seen = explain(&pair, &json!({"size": 1450}));
            let (step, message) = (&last(&seen)["step"], last(&seen)["message"].as_str()?);
            (steps.iter().any(|it| step == it) && message.contains(part)).then_some(())
        });
        named.unwrap_or_else(|error| panic!("{error}: {seen}"));
        fault.end(&mut pair).unwrap();
    }
    measured(&pair, &half).unwrap();
    well(&pair);
}
