//! What somebody else does to a host's kernel is mended soon, and told.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::site::{Cabling, PATIENCE, Pair};
use lab::{eventually, netns};
use serde_json::Value;

fn repairs(pair: &Pair) -> Value {
    let hosts = pair.site.admin.get("/kannas/v1/hosts").unwrap();
    let hosts = hosts["hosts"]["host"].as_array().unwrap().clone();
    hosts.into_iter().find(|host| host["name"] == "hel").unwrap()["repairs"].take()
}

fn count(repairs: &Value) -> u64 {
    repairs["count"].as_u64().unwrap_or(0)
}

/// The host's end of its only pair.
fn port_device(pair: &Pair) -> String {
    let links = pair.site.host("hel").unwrap().netns.ip("-br link").unwrap();
    let mut names = links.lines().filter_map(|line| line.split(['@', ' ']).next());
    names.find(|name| name.len() == 14 && name.starts_with("kn")).unwrap().to_owned()
}

#[test]
fn what_others_change_is_mended_and_told() {
    let mut pair = Pair::start(&format!("{}drift", netns::prefix("kt")), Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    let host = pair.site.host("hel").unwrap();
    let (netns, links) = (host.netns.clone(), host.pins().join("links"));
    let device = port_device(&pair);
    let workload = pair.machines[0].end.clone();
    let ip = |line: &str| netns.ip(line).map(drop).unwrap();
    let unpin = |part: &dyn Fn(&str) -> bool| {
        let pins = std::fs::read_dir(&links).unwrap().map(|pin| pin.unwrap().path());
        let mut pins = pins.filter(|pin| part(&pin.file_name().unwrap().to_string_lossy()));
        std::fs::remove_file(pins.next().unwrap()).unwrap();
    };
    let damages: [(&str, &dyn Fn()); 6] = [
        ("the port's device is down", &|| ip(&format!("link set {device} down"))),
        ("the VXLAN device is down", &|| ip("link set kannas down")),
        ("the program of the port is off", &|| unpin(&|name| name.len() == 36)),
        ("the program of the underlay is off", &|| unpin(&|name| name == "underlay")),
        ("the workload has no address", &|| {
            workload.netns.ip("addr flush dev eth0").map(drop).unwrap();
        }),
        ("the port's device is gone", &|| ip(&format!("link del {device}"))),
    ];
    for (what, damage) in damages {
        let before = count(&repairs(&pair));
        damage();
        let told = eventually(PATIENCE, &format!("it is told: {what}"), || {
            Some(repairs(&pair)).filter(|now| count(now) > before)
        });
        assert!(!told.unwrap()["last"].as_array().unwrap().is_empty(), "{what}");
        eventually(PATIENCE, &format!("packets flow after: {what}"), || streams.flow(20).ok())
            .unwrap();
        pair.site.live("hel").ok();
    }
    // What the agent does itself is nobody's change.
    let settled = eventually(PATIENCE, "no more repairs", || {
        let before = count(&repairs(&pair));
        streams.flow(3000).ok()?;
        (count(&repairs(&pair)) == before).then_some(before)
    });
    let settled = settled.unwrap();
    let half = pair.site.admin.get("/1.3/network-peering").unwrap();
    let half = half["network_peerings"]["network_peering"][0]["uuid"].as_str().unwrap().to_owned();
    for status in ["disabled", "active", "disabled", "active"] {
        let change = serde_json::json!({"configured_status": status});
        pair.site.admin.change_peering(&half, &change).unwrap();
    }
    eventually(PATIENCE, "packets flow", || streams.flow(50).ok()).unwrap();
    assert_eq!(count(&repairs(&pair)), settled, "{}", repairs(&pair));
    pair.site.host_mut("hel").unwrap().stop().unwrap();
}
