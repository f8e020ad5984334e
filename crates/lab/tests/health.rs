//! States that are measured: what a peering says of its packets' way is so.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::api::text;
use lab::faults::{Fault, measured, run};
use lab::netns;
use lab::site::{Cabling, Pair};

fn start(test: &str) -> Pair {
    Pair::start(&format!("{}{test}", netns::prefix("kt")), Cabling::Switched).unwrap()
}

#[test]
fn a_peering_is_answered_as_active_once_probes_have_crossed() {
    let pair = start("measured");
    let admin = &pair.site.admin;
    let [a, b] = &pair.networks;
    let first = admin.make_peering(a, b).unwrap();
    assert_eq!(first["health"], serde_json::json!({"measured": false}));
    let half = pair.site.active(admin, &admin.make_peering(b, a).unwrap()).unwrap();
    assert_eq!(half["health"]["measured"], true, "{half}");
    assert_eq!(half["health"]["reachable"], true, "{half}");
    assert!(half["health"]["rtt_us"].as_u64() > Some(0), "{half}");
    assert!(half["health"]["measured_at"].is_string(), "{half}");
    assert!(half["health"]["time_to_first_packet_ms"].is_u64(), "{half}");
    let half = measured(&pair, &text(&first["uuid"]).unwrap()).unwrap();
    assert_eq!(half["health"]["path_mtu"], 1450, "{half}");

    let pairs = admin.get("/kannas/v1/host-pairs").unwrap();
    let pairs = pairs["host_pairs"]["host_pair"].as_array().unwrap();
    let names: Vec<_> = pairs.iter().map(|it| (&it["host"], &it["peer"], &it["ways"])).collect();
    assert_eq!(names.len(), 2, "{pairs:?}");
    for it in pairs {
        assert_ne!(it["host"], it["peer"]);
        assert_eq!((&it["ways"], &it["closed"]), (&1.into(), &0.into()), "{it}");
        assert_eq!(it["link_mtu"], 1450, "{it}");
    }
}

#[test]
fn what_goes_wrong_is_told_and_told_no_more_once_it_is_over() {
    let mut pair = start("faults");
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    for fault in Fault::ALL {
        run(&mut pair, &half, fault).unwrap();
    }
}
