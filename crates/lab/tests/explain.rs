//! What `explain` says is so: of a way that is well, and of each fault that is let happen to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::IpAddr;

use lab::api::{NewNetwork, text};
use lab::faults::{Fault, measured};
use lab::site::{Cabling, PATIENCE, Pair};
use lab::{Endpoint, eventually, netns};
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

/// A fault of [`lab::faults`]: the steps that may name it, and what one of them says. Of what agents mend at once a
/// step tells afterwards, too.
type Named = (Fault, &'static [&'static str], &'static str);

const FAULTS: [Named; 7] = [
    (Fault::LinkDown, &["destination-host"], "under, is down"),
    (Fault::OneWay, &["underlay"], "did not arrive at host fra"),
    (Fault::EntryRemoved, &["source-host", "repairs"], "10.0.2.2"),
    (Fault::ProgramDetached, &["source-host", "repairs"], "program"),
    (Fault::MtuShrunk, &["size"], "1450 bytes"),
    (Fault::WrongAddress, &["destination-host"], "no device has the underlay address 198.18.0.2"),
    (Fault::HostKilled, &["underlay"], "was not answered"),
];

/// Waits until one of these steps says that, with a fix, whatever comes after it.
fn says(pair: &Pair, what: &str, (steps, part): (&[&str], &str)) {
    let mut seen = Value::Null;
    let says = |it: &Value| {
        let message = it["message"].as_str().unwrap_or_default();
        steps.iter().any(|step| it["step"] == *step) && message.contains(part)
    };
    let named = eventually(PATIENCE, what, || {
        seen = explain(pair, &json!({"size": 1450}));
        seen["steps"].as_array()?.iter().find(|it| says(it)).cloned()
    });
    let named = named.unwrap_or_else(|error| panic!("{error}: {seen}"));
    assert!(named["fix"].is_string(), "{what}: {seen}");
}

#[test]
fn each_fault_is_named_where_it_is_and_no_more_once_it_is_over() {
    let mut pair = start("truth");
    let [half, _] = pair.peer().unwrap();
    for (fault, steps, part) in FAULTS {
        measured(&pair, &half).unwrap();
        well(&pair);
        fault.begin(&mut pair).unwrap();
        says(&pair, fault.name(), (steps, part));
        fault.end(&mut pair).unwrap();
    }
    measured(&pair, &half).unwrap();
    well(&pair);
}

#[test]
fn what_no_agent_mends_is_found_by_the_other_host_or_left_open() {
    let mut pair = start("alone");
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    pair.site.host_mut("hel").unwrap().kill9().unwrap();
    Fault::EntryRemoved.begin(&mut pair).unwrap();
    says(&pair, "an entry is gone", (&["underlay"], "was not answered by host hel"));
    pair.site.host_mut("hel").unwrap().start().unwrap();
    well(&pair);
    // Its own port's program is crossed by no agent's packet: nobody can say, and nobody does.
    pair.site.host_mut("hel").unwrap().kill9().unwrap();
    Fault::ProgramDetached.begin(&mut pair).unwrap();
    says(&pair, "nobody looks", (&["source-host"], "did not say what its kernel holds"));
    assert_eq!(explain(&pair, &json!({}))["reaches"], Value::Null);
    pair.site.host_mut("hel").unwrap().start().unwrap();
    well(&pair);
}

#[test]
fn what_was_not_agreed_or_is_not_there_is_named_with_its_fix() {
    let pair = start("agreed");
    let admin = &pair.site.admin;
    let [a, b] = &pair.networks;
    let ends = |explanation: &Value, step: &str, message: &str, fix: &str| {
        let last = last(explanation);
        let has = |key: &str, part: &str| last[key].as_str().unwrap_or_default().contains(part);
        assert_eq!(explanation["reaches"], false, "{explanation}");
        assert!(
            last["step"] == step && has("message", message) && has("fix", fix),
            "{explanation}"
        );
    };
    let now = |step: &str, message: &str, fix: &str| {
        ends(&explain(&pair, &json!({})), step, message, fix);
    };
    now("route", "does not reach", &format!("Create the peering from {a} to {b}"));
    let first = admin.make_peering(a, b).unwrap();
    now("mirror", "carries nothing", &format!("Create the peering from {b} to {a}"));
    let second = admin.make_peering(b, a).unwrap();
    pair.site.active(admin, &second).unwrap();
    let [first, second] = [&first, &second].map(|it| text(&it["uuid"]).unwrap());
    well(&pair);

    let configured = |half: &str, status: &str| {
        admin.change_peering(half, &json!({"configured_status": status})).unwrap();
    };
    for (half, step) in [(&first, "peering"), (&second, "mirror")] {
        configured(half, "disabled");
        now(step, "disabled", &format!("kannas peering enable {half}"));
        configured(half, "active");
    }
    for network in [a, b] {
        let path = format!("/1.3/network/{network}");
        let router = admin.get(&path).unwrap()["network"]["router"].clone();
        let attach = |router: &Value| {
            let body = json!({"network": {"router": router}});
            admin.ok("PUT", &path, Some(&body)).unwrap();
        };
        attach(&Value::Null);
        now("router", "router", &format!("ttach network {network} to a router"));
        attach(&router);
    }
    well(&pair);

    let asked = |source: &str, destination: &str| {
        let body = json!({"explain": {"source": source, "destination": destination}});
        admin.ok("POST", "/kannas/v1/explain", Some(&body)).unwrap()["explanation"].clone()
    };
    ends(&asked("10.0.1.2", "10.0.2.77"), "destination", "Nobody", "Make a port");
    ends(&asked("10.0.1.2", "10.9.9.9"), "route", "No network", "Create a peering");
    spoofed(&pair, &asked);

    // Addresses that the first network reaches already: the newcomer gives way.
    let (third, router) = (("third", "10.0.2.128/25"), admin.make_router("third").unwrap());
    let third =
        NewNetwork { name: third.0, zone: "de-fra1", subnet: third.1, router: Some(&router) };
    let third = admin.make_network(third).unwrap();
    admin.make_peering(a, &third).unwrap();
    admin.make_peering(&third, a).unwrap();
    configured(&first, "disabled");
    configured(&first, "active");
    now("admission", "overlaps", "other addresses");
}

/// A machine that sends from an address that is not its port's.
fn spoofed(pair: &Pair, asked: &dyn Fn(&str, &str) -> Value) {
    let (machine, host) = (&pair.machines[0].end, pair.site.host("hel").unwrap());
    let before = host.verdicts().unwrap();
    machine.netns.ip("addr add 10.0.1.99/24 dev eth0").unwrap();
    let other = Endpoint { netns: machine.netns.clone(), address: [10, 0, 1, 99].into() };
    let socket = other.netns.run(|| std::net::UdpSocket::bind((other.address, 0))).unwrap();
    socket.unwrap().send_to(b"x", (pair.machines[1].end.address, 9)).unwrap();
    eventually(PATIENCE, "it is dropped", || {
        host.verdicts_since(&before).ok()?.contains_key("spoofed-source").then_some(())
    })
    .unwrap();
    let told = asked("10.0.1.99", "10.0.2.2");
    let last = last(&told);
    assert_eq!((&last["step"], &last["outcome"]), (&"source".into(), &"bad".into()), "{told}");
    assert!(last["message"].as_str().unwrap().contains("(spoofed-source)"), "{told}");
    assert!(last["fix"].as_str().unwrap().contains("an address of the port"), "{told}");

    // From another MAC, as long as the agent lets it, and afterwards.
    machine.netns.ip("link set eth0 address 0a:00:00:00:00:99").unwrap();
    says(pair, "another MAC", (&["source-host", "repairs"], "another MAC"));
    well(pair);
}
