//! States that are measured: what a peering says of its packets' way is so.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use lab::api::text;
use lab::faults::{self, Fault, measured, run, set_mtu, until};
use lab::site::{Cabling, HOSTS, PATIENCE, Pair, add_machine};
use lab::{eventually, netns, transfer};

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

#[test]
fn a_path_that_shrinks_under_a_flow_is_found_and_ports_follow_it_down_and_up() {
    let pair = start("shrink");
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    let [a, b] = &pair.machines;
    let streams = pair.streams(true).unwrap();
    for (mtu, inside) in [(1400, 1350), (1500, 1450)] {
        set_mtu(&pair, mtu).unwrap();
        until(&pair, &half, "it is told", |it| it["health"]["path_mtu"] == inside).unwrap();
        for machine in [a, b] {
            eventually(PATIENCE, "its NIC has the MTU of the path", || {
                let shown = machine.end.netns.ip("-j link show eth0").ok()?;
                shown.contains(&format!("\"mtu\":{inside},")).then_some(())
            })
            .unwrap();
        }
        // Packets that are full, both ways.
        transfer::run(&a.end, &b.end, 4).unwrap();
        transfer::run(&b.end, &a.end, 4).unwrap();
        streams.flow(50).unwrap();
    }
}

#[test]
fn a_table_that_lets_out_what_it_must_not_is_a_breach_by_name() {
    let pair = start("breach");
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    let (site, admin) = (&pair.site, &pair.site.admin);
    // A network at hel that nobody has peered with fra's.
    let (third, network) = add_machine(site, admin, HOSTS[0], ("third", "10.0.3.0/24")).unwrap();
    let (hel, fra) = (site.host("hel").unwrap(), site.host("fra").unwrap());
    let to = pair.machines[1].end.address;
    let vni = |host, address| faults::table_with(host, address).unwrap();
    let (own, theirs) = (vni(hel, third.end.address), vni(fra, to));
    // A foreign hand sends what it has to fra, and has fra send back.
    let both = || {
        datapath::damage::set_address(hel.pins(), (own, to), (theirs, fra.underlay))?;
        let back = third.end.address;
        datapath::damage::set_address(fra.pins(), (theirs, back), (own, hel.underlay))
    };
    both().unwrap();
    let other = admin.make_peering(&network, &pair.networks[0]).unwrap();
    assert_eq!(other["state"], "pending-peer", "{other}");
    let it = until(&pair, &half, "it is told", |it| {
        // The agents mend it as soon as they see it; that hand does not rest.
        both().unwrap();
        let reasons = it["reasons"].as_array();
        let mut codes = reasons.into_iter().flatten().map(|reason| &reason["code"]);
        codes.any(|code| code == "isolation-breach")
    });
    it.unwrap();
}
