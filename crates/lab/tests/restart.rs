//! Agent and server die and come back: packets go on, and what was acknowledged is there.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::eventually;
use lab::netns;
use lab::site::{Cabling, PATIENCE, Pair, Streams};
use serde_json::json;

fn start(test: &str) -> Pair {
    Pair::start(&format!("{}{test}", netns::prefix("kt")), Cabling::Direct).unwrap()
}

#[test]
fn a_killed_agent_costs_no_packet_and_its_successor_obeys() {
    let mut pair = start("agent");
    let [half, _] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    for name in ["hel", "fra"] {
        pair.site.host_mut(name).unwrap().kill9().unwrap();
        streams.flow(200).unwrap();
        start_again(&mut pair, name);
        streams.flow(200).unwrap();
    }
    // Stopped in peace it is no different.
    pair.site.host_mut("hel").unwrap().stop().unwrap();
    streams.flow(200).unwrap();
    start_again(&mut pair, "hel");
    let Streams(both) = streams;
    for stream in both {
        let tally = stream.stop().unwrap();
        assert!(tally.lost() == 0 && tally.sent > 1000, "{tally:?}");
    }

    let streams = pair.streams(true).unwrap();
    obeys(&pair, &half, &streams);
}

#[test]
fn what_is_withdrawn_while_one_agent_is_dead_stops_at_once_by_the_other() {
    let mut pair = start("one-dead");
    let [half, _] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    pair.site.host_mut("hel").unwrap().kill9().unwrap();
    obeys(&pair, &half, &streams);
}

#[test]
fn what_is_withdrawn_while_both_agents_are_dead_stops_when_one_is_back() {
    let mut pair = start("both-dead");
    let [half, _] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    for name in ["hel", "fra"] {
        pair.site.host_mut(name).unwrap().kill9().unwrap();
    }
    pair.site.admin.delete_peering(&half).unwrap();
    streams.flow(100).unwrap();
    pair.site.host_mut("fra").unwrap().start().unwrap();
    eventually(PATIENCE, "packets stop", || streams.silent(20).ok()).unwrap();
}

#[test]
fn a_killed_server_costs_no_packet_and_goes_on_where_it_was() {
    let mut pair = start("server");
    let [half, other] = pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    pair.site.server.kill9().unwrap();
    streams.flow(200).unwrap();
    // An agent that starts meanwhile works by what it has on disk.
    pair.site.host_mut("hel").unwrap().kill9().unwrap();
    pair.site.host_mut("hel").unwrap().start().unwrap();
    streams.flow(200).unwrap();
    pair.site.server.restart().unwrap();
    for name in ["hel", "fra"] {
        pair.site.live(name).unwrap();
    }
    pair.site.peering_in(&pair.site.admin, &half, "active").unwrap();
    pair.site.peering_in(&pair.site.admin, &other, "active").unwrap();
    streams.flow(200).unwrap();
    let Streams(both) = streams;
    for stream in both {
        assert_eq!(stream.stop().unwrap().lost(), 0);
    }

    let streams = pair.streams(true).unwrap();
    obeys(&pair, &half, &streams);
}

#[test]
fn a_host_that_lost_its_kernel_state_carries_again_without_the_server() {
    let mut pair = start("reboot");
    pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    let host = pair.site.host_mut("hel").unwrap();
    // The slice is written when nothing else is to do.
    eventually(PATIENCE, "the slice on disk has the peering", || {
        let slice = std::fs::read_to_string(host.slice_file()).ok()?;
        slice.contains("10.0.2.2/32").then_some(())
    })
    .unwrap();
    pair.site.server.kill9().unwrap();
    let host = pair.site.host_mut("hel").unwrap();
    host.kill9().unwrap();
    host.lose_kernel_state().unwrap();
    // Nothing leaves the near end any more, as its device is gone.
    let lost = std::time::Instant::now();
    eventually(PATIENCE, "packets stop", || {
        let tally = streams.0[1].watch(lost, 50).unwrap();
        (tally.arrived < tally.sent).then_some(())
    })
    .unwrap();
    let host = pair.site.host_mut("hel").unwrap();
    host.start().unwrap();
    eventually(PATIENCE, "packets flow both ways", || streams.flow(20).ok()).unwrap();
}

/// Packets stop when the half is disabled, and flow when it is active.
fn obeys(pair: &Pair, half: &str, streams: &Streams) {
    switch(pair, half, "disabled");
    streams.silent(100).unwrap();
    switch(pair, half, "active");
    streams.flow(100).unwrap();
}

fn switch(pair: &Pair, half: &str, to: &str) {
    let changed = pair.site.admin.change_peering(half, &json!({"configured_status": to})).unwrap();
    match to {
        "active" => drop(pair.site.active(&pair.site.admin, &changed).unwrap()),
        _ => assert_eq!(changed["state"], to),
    }
}

/// Starts an agent, and waits until it has told the server of itself.
fn start_again(pair: &mut Pair, name: &str) {
    let host = pair.site.host_mut(name).unwrap();
    let before = host.watches();
    host.start().unwrap();
    let watches = || (host.watches() > before).then_some(());
    eventually(PATIENCE, "the successor watches", watches).unwrap();
    pair.site.live(name).unwrap();
}
