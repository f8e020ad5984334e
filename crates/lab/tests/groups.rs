//! A mesh of all networks with a label: packets flow while a network has it, and not a moment longer.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Instant;

use lab::api::text;
use lab::site::{Cabling, HOSTS, PATIENCE, Site, Streams, Workload, add_machine, peer};
use lab::{Stream, netns, ping};
use serde_json::json;

const THREE: [(&str, &str); 3] = [HOSTS[0], HOSTS[1], ("ams", "nl-ams1")];

fn label(site: &Site, network: &str, labels: &serde_json::Value) {
    let body = json!({"network": {"labels": labels}});
    site.admin.ok("PUT", &format!("/1.3/network/{network}"), Some(&body)).unwrap();
}

fn both_ways(a: &Workload, b: &Workload) -> Streams {
    Streams([Stream::start(&a.end, &b.end).unwrap(), Stream::start(&b.end, &a.end).unwrap()])
}

#[test]
fn a_mesh_carries_packets_and_who_loses_the_label_is_cut_off_at_once() {
    let name = format!("{}groups", netns::prefix("kt"));
    let site = Site::start(&name, &THREE, Cabling::Switched).unwrap();
    let admin = &site.admin;
    let subnets = ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"];
    let all: Vec<(Workload, String)> = THREE
        .iter()
        .zip(subnets)
        .map(|(host, subnet)| add_machine(&site, admin, *host, (host.0, subnet)).unwrap())
        .collect();
    let prod = json!([{"key": "env", "value": "prod"}]);
    for (_, network) in &all[..2] {
        label(&site, network, &prod);
    }
    let wish = json!({"peering_group": {"name": "prod", "labels": prod, "topology": "mesh"}});
    let made = admin.ok("POST", "/kannas/v1/peering-groups", Some(&wish)).unwrap();
    let group =
        format!("/kannas/v1/peering-groups/{}", text(&made["peering_group"]["uuid"]).unwrap());
    let [(a, _), (b, _), (c, third)] = &all[..] else { panic!("three machines") };
    ping(&a.end, &b.end, PATIENCE).unwrap();
    silent(&site, (a, c), "hel");

    // It joins, and loses the label again under packets.
    label(&site, third, &prod);
    for (from, to) in [(a, b), (b, c), (c, a)] {
        ping(&from.end, &to.end, PATIENCE).unwrap();
    }
    let streams = [both_ways(a, c), both_ways(b, c)];
    let stays = both_ways(a, b);
    for streams in &streams {
        streams.flow(100).unwrap();
    }
    let before = ["hel", "ams"].map(|host| site.host(host).unwrap().verdicts().unwrap());
    label(&site, third, &json!([]));
    for streams in &streams {
        streams.silent(100).unwrap();
    }
    for (host, before) in ["hel", "ams"].into_iter().zip(&before) {
        let counted = site.host(host).unwrap().verdicts_since(before).unwrap();
        assert!(counted.get("no-route") >= Some(&100), "{host}: {counted:?}");
    }
    stays.flow(100).unwrap();

    // What the owner has made stays when the group goes, all else ends with it.
    peer(&site, admin, [&all[0].1, third]).unwrap();
    streams[0].flow(100).unwrap();
    admin.ok("DELETE", &group, None).unwrap();
    stays.silent(100).unwrap();
    streams[0].flow(100).unwrap();
    silent(&site, (b, c), "fra");
}

/// A hundred packets do not arrive, and are counted at the host they are sent from.
fn silent(site: &Site, (from, to): (&Workload, &Workload), host: &str) {
    let host = site.host(host).unwrap();
    let before = host.verdicts().unwrap();
    let stream = Stream::start(&from.end, &to.end).unwrap();
    let tally = stream.watch(Instant::now(), 100).unwrap();
    drop(stream);
    assert_eq!(tally.arrived, 0, "{tally:?}");
    let counted = host.verdicts_since(&before).unwrap();
    assert!(counted.get("no-route").copied().unwrap_or_default() >= 100, "{counted:?}");
}
