//! The API tells each peering's owner what crossed and what was dropped.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::site::{Cabling, PATIENCE, Pair};
use lab::{eventually, netns};
use serde_json::{Value, json};

fn packets(counters: &Value, which: &str) -> u64 {
    counters[which]["packets"].as_u64().unwrap()
}

#[test]
fn a_peering_has_counters_that_its_owner_and_nobody_else_sees() {
    let pair = Pair::start(&format!("{}count", netns::prefix("kt")), Cabling::Direct).unwrap();
    let admin = &pair.site.admin;
    let halves = pair.peer().unwrap();
    pair.ping_both_ways(PATIENCE).unwrap();
    let paths = halves.each_ref().map(|uuid| format!("/kannas/v1/peerings/{uuid}/counters"));
    let counters = |path: &str| admin.get(path).unwrap()["counters"].clone();

    let streams = pair.streams(true).unwrap();
    streams.flow(100).unwrap();
    let seen = eventually(PATIENCE, "both directions are counted", || {
        let seen = counters(&paths[0]);
        (packets(&seen, "sent") >= 100 && packets(&seen, "received") >= 100).then_some(seen)
    });
    let seen = seen.unwrap();
    assert!(seen["sent"]["bytes"].as_u64() >= Some(100 * 28), "{seen}");
    assert_eq!(seen["dropped"], json!([]));
    // What one half sends the other receives.
    eventually(PATIENCE, "the other half has them too", || {
        let other = counters(&paths[1]);
        (packets(&other, "received") >= packets(&seen, "sent")).then_some(())
    })
    .unwrap();

    let stranger = admin.make_account("stranger").unwrap();
    let reply = stranger.call("GET", &paths[0], None).unwrap();
    assert_eq!(reply.status, 404);
    let reply = stranger.call("GET", "/kannas/v1/hosts/hel/counters", None).unwrap();
    assert_eq!(reply.status, 403);

    admin.change_peering(&halves[0], &json!({"configured_status": "disabled"})).unwrap();
    streams.silent(100).unwrap();
    eventually(PATIENCE, "the host says why they are dropped", || {
        let host = admin.get("/kannas/v1/hosts/hel/counters").unwrap();
        (host["counters"]["packets"]["no-route"].as_u64() >= Some(100)).then_some(())
    })
    .unwrap();
}

#[test]
fn drops_of_packets_that_belong_to_no_network_are_told_though_nothing_else_happens() {
    let pair = Pair::start(&format!("{}drops", netns::prefix("kt")), Cabling::Direct).unwrap();
    let admin = &pair.site.admin;
    let spoofed = || {
        let host = admin.get("/kannas/v1/hosts/hel/counters").ok()?;
        host["counters"]["packets"]["spoofed-mac"].as_u64()
    };
    let machine = &pair.machines[0].end.netns;
    // A header of IPv4 and no more, from a MAC that is not the port's.
    let mut frame = [0xff; 60];
    frame[6..15].copy_from_slice(&[2, 0, 0, 0, 0, 9, 0x08, 0x00, 0x45]);
    let mut told = eventually(PATIENCE, "the host has counters", spoofed).unwrap();
    // Twice, as the first counters of a connection are told in any case.
    for _ in 0..2 {
        let least = told;
        told = eventually(PATIENCE, "the host tells of them", || {
            lab::raw::send_frame(machine, "eth0", &frame).ok()?;
            spoofed().filter(|now| *now > least)
        })
        .unwrap();
    }
}
