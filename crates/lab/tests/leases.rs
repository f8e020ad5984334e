//! Hosts that die, stand still and come back, and a control plane that is away.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::eventually;
use lab::netns;
use lab::site::{Cabling, HOSTS, PATIENCE, Pair, Streams};
use serde_json::{Value, json};

/// Both hosts, peered, under a server that is started with these flags.
fn start(test: &str, flags: &[&str]) -> (Pair, [String; 2]) {
    let name = format!("{}{test}", netns::prefix("kt"));
    let mut pair = Pair::start(&name, Cabling::Direct).unwrap();
    let halves = pair.peer().unwrap();
    let server = &mut pair.site.server;
    server.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    server.kill9().unwrap();
    server.restart().unwrap();
    for (name, _) in HOSTS {
        pair.site.live(name).unwrap();
    }
    pair.site.peering_in(&pair.site.admin, &halves[0], "active").unwrap();
    (pair, halves)
}

fn host(pair: &Pair, name: &str) -> Value {
    let hosts = pair.site.admin.get("/kannas/v1/hosts").unwrap();
    let hosts = hosts["hosts"]["host"].as_array().unwrap().clone();
    hosts.into_iter().find(|host| host["name"] == name).unwrap()
}

fn is_lost(pair: &Pair, name: &str) -> bool {
    host(pair, name)["lost_since"].is_string()
}

/// The host is lost: the peering says which and since when, and the other
/// host sends nothing to it.
fn is_withdrawn(pair: &Pair, half: &str) {
    eventually(PATIENCE, "fra is lost", || is_lost(pair, "fra").then_some(())).unwrap();
    let since = host(pair, "fra")["lost_since"].as_str().unwrap().to_owned();
    let peering = pair.site.peering_in(&pair.site.admin, half, "error").unwrap();
    let reason = &peering["reasons"][0];
    assert_eq!(reason["code"], "host-lost", "{peering}");
    let message =
        format!("Host fra has not renewed its lease since {since}: nothing is sent to it.");
    assert_eq!(reason["message"], message, "{peering}");
    let [near, far] = &pair.machines;
    let pinger = lab::ping::Pinger::new(&near.end.netns, far.end.address).unwrap();
    let hel = pair.site.host("hel").unwrap();
    eventually(PATIENCE, "hel knows of nobody there", || {
        let before = hel.verdicts().unwrap();
        pinger.once(56).unwrap();
        let since = hel.verdicts_since(&before).unwrap();
        (since.contains_key("no-port") && !since.contains_key("remote")).then_some(())
    })
    .unwrap();
}

#[test]
fn nothing_is_sent_to_a_host_that_was_killed_and_all_is_again_when_it_is_back() {
    let (mut pair, [half, _]) = start("killed", &["--lease-ms", "1000"]);
    let streams = pair.streams(true).unwrap();
    // A machine without power says nothing, not even that a connection is over.
    let fra = pair.site.host_mut("fra").unwrap();
    fra.pause().unwrap();
    fra.netns.ip("link set under down").unwrap();
    is_withdrawn(&pair, &half);
    assert!(!is_lost(&pair, "hel"));
    streams.silent(20).unwrap();
    let fra = pair.site.host_mut("fra").unwrap();
    fra.kill9().unwrap();
    fra.netns.ip("link set under up").unwrap();
    fra.start().unwrap();
    pair.site.live("fra").unwrap();
    pair.site.peering_in(&pair.site.admin, &half, "active").unwrap();
    // Its neighbours are asked for again first.
    eventually(PATIENCE, "packets flow both ways", || streams.flow(50).ok()).unwrap();
}

#[test]
fn an_agent_that_stood_still_brings_nothing_back_that_was_withdrawn_meanwhile() {
    let (mut pair, [half, _]) = start("still", &["--lease-ms", "1000"]);
    let streams = pair.streams(true).unwrap();
    pair.site.host_mut("fra").unwrap().pause().unwrap();
    is_withdrawn(&pair, &half);
    streams.silent(20).unwrap();
    pair.site.admin.delete_peering(&half).unwrap();
    pair.site.host_mut("fra").unwrap().resume().unwrap();
    let resumed = std::time::Instant::now();
    eventually(PATIENCE, "fra is back", || (!is_lost(&pair, "fra")).then_some(())).unwrap();
    pair.site.live("fra").unwrap();
    streams.silent(100).unwrap();
    for stream in &streams.0 {
        assert_eq!(stream.since(resumed).arrived, 0, "not even for a moment");
    }
}

#[test]
fn an_older_slice_on_disk_reaches_nobody_who_has_heard_of_the_newer() {
    let (mut pair, [half, _]) = start("old-disk", &["--lease-ms", "20000"]);
    let streams = pair.streams(true).unwrap();
    let file = pair.site.host("fra").unwrap().slice_file();
    let kept = eventually(PATIENCE, "the slice on disk has the peering", || {
        std::fs::read_to_string(&file).ok().filter(|slice| slice.contains("10.0.1.2/32"))
    })
    .unwrap();
    pair.site.admin.delete_peering(&half).unwrap();
    streams.silent(20).unwrap();
    // The power went before the disk had it, and nobody is there to ask.
    let fra = pair.site.host_mut("fra").unwrap();
    fra.kill9().unwrap();
    fra.lose_kernel_state().unwrap();
    pair.site.server.kill9().unwrap();
    std::fs::write(&file, kept).unwrap();
    let fra = pair.site.host_mut("fra").unwrap();
    fra.start().unwrap();
    let gateway = lab::ping::Pinger::new(&pair.machines[1].end.netns, [10, 0, 2, 1].into());
    let gateway = gateway.unwrap();
    eventually(PATIENCE, "fra works by its disk", || gateway.once(56).transpose())
        .unwrap()
        .unwrap();
    let before = pair.site.host("hel").unwrap().verdicts().unwrap();
    streams.silent(100).unwrap();
    let dropped = pair.site.host("hel").unwrap().verdicts_since(&before).unwrap();
    assert!(dropped.contains_key("no-return"), "fra sends, hel does not take it: {dropped:?}");
    pair.site.server.restart().unwrap();
    pair.site.live("fra").unwrap();
    let before = pair.site.host("hel").unwrap().verdicts().unwrap();
    streams.silent(50).unwrap();
    let dropped = pair.site.host("hel").unwrap().verdicts_since(&before).unwrap();
    assert!(!dropped.contains_key("no-return"), "fra obeys: {dropped:?}");
}

#[test]
fn a_server_that_is_away_or_stands_still_costs_no_packet_and_no_lease() {
    let (mut pair, halves) = start("away", &["--lease-ms", "1000"]);
    let streams = pair.streams(true).unwrap();
    pair.site.server.kill9().unwrap();
    streams.flow(3000).unwrap();
    pair.site.server.restart().unwrap();
    pair.site.server.pause().unwrap();
    streams.flow(3000).unwrap();
    pair.site.server.resume().unwrap();
    for (name, _) in HOSTS {
        pair.site.live(name).unwrap();
        assert!(!is_lost(&pair, name));
    }
    for half in &halves {
        pair.site.peering_in(&pair.site.admin, half, "active").unwrap();
    }
    streams.flow(200).unwrap();
    let Streams(both) = streams;
    for stream in both {
        let tally = stream.stop().unwrap();
        assert!(tally.lost() == 0 && tally.sent > 6000, "{tally:?}");
    }
    let log = pair.site.logs();
    assert!(!log.contains("a host is lost"), "{log}");
    let change = json!({"configured_status": "disabled"});
    pair.site.admin.change_peering(&halves[0], &change).unwrap();
    pair.streams(false).unwrap().silent(50).unwrap();
}
