//! Two hosts, two zones, one peering: packets flow when both halves are there, and not a moment longer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::{Duration, Instant};

use lab::api::text;
use lab::site::{Cabling, PATIENCE, Pair};
use lab::{eventually, netns, transfer};
use serde_json::json;

/// In chunks of 64 KiB.
const MEGABYTE: usize = 16;

fn start(test: &str) -> Pair {
    Pair::start(&format!("{}{test}", netns::prefix("kt")), Cabling::Direct).unwrap()
}

#[test]
fn nothing_flows_with_one_half_and_both_ways_with_two() {
    let pair = start("halves");
    let (admin, [a, b]) = (&pair.site.admin, [&pair.networks[0], &pair.networks[1]]);
    let streams = pair.streams(false).unwrap();
    let before = ["hel", "fra"].map(|host| pair.site.host(host).unwrap().verdicts().unwrap());
    let first = admin.make_peering(a, b).unwrap();
    assert_eq!(first["state"], "pending-peer");
    streams.silent(100).unwrap();
    for (host, before) in ["hel", "fra"].into_iter().zip(&before) {
        let counted = pair.site.host(host).unwrap().verdicts_since(before).unwrap();
        assert!(counted.get("no-route") >= Some(&100), "{host}: {counted:?}");
        assert!(
            !counted.contains_key("remote") && !counted.contains_key("delivered"),
            "{counted:?}"
        );
    }

    pair.site.active(admin, &admin.make_peering(b, a).unwrap()).unwrap();
    // It is what it says: the very next packets arrive.
    streams.flow(200).unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    pair.site.peering_in(admin, &text(&first["uuid"]).unwrap(), "active").unwrap();
}

#[test]
fn tcp_carries_a_megabyte_each_way_unchanged() {
    let pair = start("tcp");
    pair.peer().unwrap();
    let [a, b] = &pair.machines;
    transfer::run(&a.end, &b.end, MEGABYTE).unwrap();
    transfer::run(&b.end, &a.end, MEGABYTE).unwrap();
}

#[test]
fn a_disabled_peering_stops_at_once_and_an_enabled_one_flows() {
    let pair = start("disable");
    let admin = &pair.site.admin;
    let halves = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    // Either half will do.
    for (mine, theirs) in [(0, 1), (1, 0)] {
        let before = pair.site.host("hel").unwrap().verdicts().unwrap();
        let changed =
            admin.change_peering(&halves[mine], &json!({"configured_status": "disabled"})).unwrap();
        streams.silent(100).unwrap();
        assert_eq!(changed["state"], "disabled");
        pair.site.peering_in(admin, &halves[theirs], "peer-disabled").unwrap();
        let counted = pair.site.host("hel").unwrap().verdicts_since(&before).unwrap();
        assert!(counted.get("no-route") >= Some(&100), "{counted:?}");

        let changed =
            admin.change_peering(&halves[mine], &json!({"configured_status": "active"})).unwrap();
        pair.site.active(admin, &changed).unwrap();
        streams.flow(100).unwrap();
    }
}

#[test]
fn a_deleted_half_stops_at_once_and_flows_when_made_anew() {
    let pair = start("delete");
    let admin = &pair.site.admin;
    let [first, second] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    admin.delete_peering(&first).unwrap();
    streams.silent(100).unwrap();
    pair.site.peering_in(admin, &second, "pending-peer").unwrap();
    let [a, b] = &pair.networks;
    pair.site.active(admin, &admin.make_peering(a, b).unwrap()).unwrap();
    streams.flow(100).unwrap();
}

#[test]
fn a_network_without_its_router_is_cut_off_at_once() {
    let pair = start("router");
    let admin = &pair.site.admin;
    let [first, second] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    let path = format!("/1.3/network/{}", pair.networks[1]);
    let router = admin.get(&path).unwrap()["network"]["router"].clone();
    let attach = |router| admin.ok("PUT", &path, Some(&json!({"network": {"router": router}})));
    attach(json!(null)).unwrap();
    streams.silent(100).unwrap();
    pair.site.peering_in(admin, &first, "missing-peer-router").unwrap();
    pair.site.peering_in(admin, &second, "missing-local-router").unwrap();
    attach(router).unwrap();
    pair.site.peering_in(admin, &first, "active").unwrap();
    streams.flow(100).unwrap();
}

#[test]
fn the_networks_of_one_router_reach_each_other_without_a_peering() {
    let pair = start("one-router");
    let admin = &pair.site.admin;
    let [a, b] = pair.networks.each_ref().map(|network| format!("/1.3/network/{network}"));
    let router = admin.get(&a).unwrap()["network"]["router"].clone();
    let streams = pair.streams(false).unwrap();
    streams.silent(100).unwrap();
    let attach = |router| admin.ok("PUT", &b, Some(&json!({"network": {"router": router}})));
    let other = attach(router).unwrap();
    // No state tells when a slow host is there.
    eventually(PATIENCE, "packets flow both ways", || streams.flow(100).ok()).unwrap();
    let [near, far] = &pair.machines;
    transfer::run(&near.end, &far.end, MEGABYTE).unwrap();
    attach(json!(null)).unwrap();
    streams.silent(100).unwrap();
    assert_eq!(other["network"]["router"], admin.get(&a).unwrap()["network"]["router"]);
}

#[test]
fn a_stream_that_is_never_allowed_ends_by_its_deadline() {
    let pair = start("deadline");
    let streams = pair.streams(false).unwrap();
    let soon = Duration::from_millis(50);
    let error = streams.0[0].arrival_since(Instant::now(), soon).unwrap_err();
    assert_eq!(error.to_string(), "not within 50ms: a packet arrives");
}
