use serde_json::{Value, json};

use super::*;
use crate::play::{Play, create_network, create_port, host_id, network_id, port_id};
use crate::state::{HostError, Standing};

fn create(inner: &Value) -> Result<Create, Rule> {
    Create::of_body(json!({ "port": inner }).to_string().as_bytes())
}

fn with(pairs: &Value) -> Value {
    let mut it = json!({"network": "03", "host": "h1"});
    it.as_object_mut().unwrap().extend(pairs.as_object().unwrap().clone());
    it
}

#[test]
fn a_port_is_in_a_namespace_or_on_a_device() {
    let netns = |netns: &str, device: &str| Attachment::Netns {
        netns: netns.parse().unwrap(),
        device: device.parse().unwrap(),
    };
    let device = Attachment::Device { device: "tap0".parse().unwrap() };
    for (body, want) in [
        (json!({"netns": "web"}), netns("web", "eth0")),
        (json!({"netns": "web", "device": "eth1"}), netns("web", "eth1")),
        (json!({"device": "tap0"}), device),
    ] {
        assert_eq!(create(&with(&body)).unwrap().attachment, want, "{body}");
    }
    let it = create(&with(&json!({
        "device": "tap0", "address": "10.0.0.9", "mac": "0a:00:00:00:00:07"
    })));
    let it = it.unwrap();
    assert_eq!((&*it.network, &*it.host), ("03", "h1"));
    assert_eq!(it.addresses, [IpAddr::from([10, 0, 0, 9])]);
    assert_eq!(it.mac.unwrap().to_string(), "0a:00:00:00:00:07");
}

#[test]
fn each_fault_of_a_body_names_its_attribute() {
    for (body, subject, at) in [
        (json!({"host": "h1", "device": "x"}), Subject::Network, "network"),
        (json!({"network": "03", "device": "x"}), Subject::Request, "host"),
        (with(&json!({})), Subject::Request, "netns"),
        (with(&json!({"netns": "a/b"})), Subject::Request, "netns"),
        (with(&json!({"device": "sixteen-bytes-xx"})), Subject::Request, "device"),
        (with(&json!({"device": "x", "address": "10.0.0"})), Subject::IpAddress, "address"),
        (with(&json!({"device": "x", "mac": "01:00:00:00:00:07"})), Subject::Request, "mac"),
    ] {
        match create(&body) {
            Err(Rule::Bad { subject: s, at: a, .. }) => {
                assert_eq!((s, a), (subject, format!("port.{at}")), "{body}");
            }
            other => panic!("{other:?} for {body}"),
        }
    }
    let more = create(&with(&json!({"device": "x", "vni": 7})));
    assert_eq!(more, Err(Rule::UnknownAttribute("port.vni".to_owned())));
}

#[test]
fn ports_and_hosts_are_shown() {
    let mut play = Play::new();
    play.all([create_network(0, &["10.0.0.0/24"], None), create_port(0, 0, 1)]);
    let (port, host) = (&play.world.ports[&port_id(0)], &play.world.hosts[&host_id(1)]);
    let want = json!({
        "uuid": port_id(0), "network": network_id(0), "host": host_id(1), "host_name": "h1",
        "address": "10.0.0.2", "addresses": ["10.0.0.2"], "mac": "0a:00:00:00:50:00", "netns": "w0", "device": "eth0"
    });
    assert_eq!(serde_json::to_value(PortView::new(port, Some(host))).unwrap(), want);

    let view = |presence: &Presence| {
        serde_json::to_value(HostView::new(&play.world, host, presence)).unwrap()
    };
    let away = json!({
        "uuid": host_id(1), "name": "h1", "zone": "fi-hel1", "underlay": "192.0.2.2",
        "live": false, "errors": []
    });
    assert_eq!(view(&Presence::default()), away);
    let error = HostError { network: None, message: "no BPF".to_owned(), breach: false };
    let standing = Standing { errors: vec![error], ..Standing::default() };
    let live = view(&[(host_id(1), standing)].into_iter().collect());
    assert_eq!((&live["live"], &live["errors"]), (&json!(true), &json!(["no BPF"])));
}

#[test]
fn a_host_token_is_good_for_a_minute_to_a_month() {
    let token =
        |inner: Value| NewToken::of_body(json!({ "host_token": inner }).to_string().as_bytes());
    for (seconds, good) in
        [(59, false), (60, true), (30 * 86_400, true), (30 * 86_400 + 1, false), (-60, false)]
    {
        let it = token(json!({"zone": "z", "valid_seconds": seconds}));
        assert_eq!(it.is_ok(), good, "{seconds}");
    }
    let it = token(json!({"zone": "z"})).unwrap();
    assert_eq!((it.zone.as_deref(), it.valid_seconds), (Some("z"), 3600));
    assert!(token(json!({})).is_err(), "no zone");
    assert!(token(json!({"zone": "z", "more": 1})).is_err());
}
