use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lab::eventually;
use serde_json::{Value, json};

use crate::site::{SOON, Site};

#[test]
fn a_site_where_all_is_well_needs_nobody() {
    let site = Site::start();
    assert_eq!(site.kannas(&["status"]).ok(), "hosts: 0 of 0 live\npeerings: none\n");
    assert_eq!(site.json(&["status"]), json!({"hosts": [], "peerings": [], "groups": []}));
    site.make_account("bob");
    let said = site.kannas_as("bob", &["status"]).ok();
    assert_eq!(said, "hosts: for administrators\npeerings: none\n");
    let said = site.kannas_as("bob", &["status", "-o", "json"]).ok();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said, json!({"hosts": null, "peerings": [], "groups": []}));
}

#[test]
fn a_host_that_fails_is_shown_with_its_errors_and_its_peerings() {
    let site = Site::start();
    let broken = Arc::new(AtomicBool::new(false));
    site.join("hel1-a", "fi-hel1", 1, &broken);
    for (name, address) in [("a", "10.0.1.0/24"), ("b", "10.0.2.0/24"), ("c", "10.0.3.0/24")] {
        site.make_routed(name, "fi-hel1", address);
    }
    let peer = |name: &str, from: &str, to: &str| {
        let pair = ["--network", from, "--peer-network", to];
        site.json(&[&["peering", "create", name], &pair[..]].concat())
    };
    let pending = peer("pending", "a", "c");
    peer("forth", "a", "b");
    peer("back", "b", "a");
    site.kannas(&["port", "add", "--network", "a", "--host", "hel1-a", "--device", "tap0"]).ok();
    let healthy = || {
        let it = site.json(&["status"]);
        (it["hosts"] == json!([]) && it["peerings"] == json!([pending])).then_some(())
    };
    eventually(SOON, "the host carries the port", healthy).unwrap();
    let text = site.kannas(&["status"]).ok();
    let uuid = pending["uuid"].as_str().unwrap();
    let why = pending["reasons"][0]["message"].as_str().unwrap();
    let why = why.strip_suffix('.').unwrap();
    let head = format!("PEERING  {:36}  STATE         REASON", "UUID");
    let want = format!(
        "hosts: 1 of 1 live\npeerings: 2 active, 1 pending-peer\n{head}\n\
         pending  {uuid}  pending-peer  {why}\n"
    );
    assert_eq!(text, want);

    broken.store(true, Ordering::SeqCst);
    site.kannas(&["port", "add", "--network", "b", "--host", "hel1-a", "--device", "tap1"]).ok();
    let failed = || {
        let it = site.json(&["status"]);
        let errors = it["hosts"][0]["errors"].as_array()?.len();
        (errors > 0 && it["peerings"].as_array()?.len() == 3).then_some(it)
    };
    let it = eventually(SOON, "the host's failure shows", failed).unwrap();
    assert_eq!(it["hosts"][0]["name"], "hel1-a");
    let text = site.kannas(&["status"]).ok();
    assert!(
        text.contains("\nhel1-a  fi-hel1  yes   ") && text.contains("no such device"),
        "{text}"
    );
    assert!(text.contains("peerings: 2 error, 1 pending-peer\n"), "{text}");
}

#[test]
fn a_group_that_is_stopped_says_what_by() {
    let site = Site::start();
    for (name, address, label) in [
        ("a", "10.0.1.0/24", "env=prod"),
        ("b", "10.0.2.0/24", "env=prod"),
        ("c", "10.0.2.0/24", "env=test"),
        ("d", "10.0.1.0/24", "env=test"),
    ] {
        site.make_routed(name, "fi-hel1", address);
        site.kannas(&["network", "modify", name, "--label", label]).ok();
    }
    site.kannas(&["group", "create", "prod", "--label", "env=prod", "--mesh"]).ok();
    // Those of a and c wait for that of a and b, and c and d work meanwhile.
    for [from, to] in [["a", "c"], ["c", "a"], ["c", "d"], ["d", "c"]] {
        let pair = ["--network", from, "--peer-network", to];
        site.kannas(&[&["peering", "create", from], &pair[..]].concat()).ok();
    }
    assert_eq!(site.json(&["status"])["groups"], json!([]));
    site.kannas(&["network", "modify", "b", "--no-labels"]).ok();
    assert_eq!(site.json(&["status"])["groups"][0]["reasons"][0]["code"], "would-break");
    let text = site.kannas(&["status"]).ok();
    let line = text.lines().last().unwrap();
    assert!(line.starts_with("prod   10") && line.contains("is kept: without it"), "{text}");
}
