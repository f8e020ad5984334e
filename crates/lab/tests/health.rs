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
    shrinks(Cabling::Switched, 50);
}

#[test]
fn so_does_one_whose_underlay_is_ipv6() {
    shrinks(Cabling::SwitchedIpv6, 70);
}

/// `around`: bytes of the outer headers, VXLAN's and the inner Ethernet header among them.
fn shrinks(cabling: Cabling, around: u64) {
    let pair = Pair::start(&format!("{}shrink{around}", netns::prefix("kt")), cabling).unwrap();
    let [half, _] = pair.peer().unwrap();
    measured(&pair, &half).unwrap();
    let streams = pair.streams(true).unwrap();
    let mut link = 1500;
    for (new_link, path) in [(1500, 1400), (1500, 1500), (9000, 9000), (9000, 1280)] {
        if new_link != link {
            set_link(&pair, new_link);
            link = new_link;
        }
        set_mtu(&pair, u32::try_from(path).unwrap()).unwrap();
        follows(&pair, &half, (path - around, link - around));
        streams.flow(50).unwrap();
    }
}

/// All devices between the two hosts.
fn set_link(pair: &Pair, mtu: u64) {
    let switch = pair.site.underlay.switch().unwrap();
    for port in ["port1", "port2"] {
        switch.ip(&format!("link set {port} mtu {mtu}")).unwrap();
    }
    for host in pair.site.hosts.values() {
        host.netns.ip(&format!("link set under mtu {mtu}")).unwrap();
    }
}

/// The peering tells what the path takes, by the pair and the size where that is less than the links do; NICs have that
/// MTU, and packets that are full cross both ways.
fn follows(pair: &Pair, half: &str, (inside, link): (u64, u64)) {
    let seen = until(pair, half, "it is told", |it| {
        it["health"]["path_mtu"] == inside && it["state"] == "active"
    });
    let seen = seen.unwrap();
    let named = |it: &serde_json::Value| {
        let message = it["message"].as_str().unwrap_or_default();
        let parts = [inside.to_string(), link.to_string(), "host fra".into(), "host hel".into()];
        it["code"] == "mtu-black-hole" && parts.iter().all(|part| message.contains(part))
    };
    until(pair, half, "the reason is there if there is one", |it| {
        it["reasons"].as_array().is_some_and(|all| all.iter().any(named) == (inside < link))
    })
    .unwrap_or_else(|error| panic!("{seen}: {error}"));
    let [a, b] = &pair.machines;
    for machine in [a, b] {
        eventually(PATIENCE, "its NIC has the MTU of the path", || {
            let shown = machine.end.netns.ip("-j link show eth0").ok()?;
            shown.contains(&format!("\"mtu\":{inside},")).then_some(())
        })
        .unwrap();
    }
    transfer::run(&a.end, &b.end, 4).unwrap();
    transfer::run(&b.end, &a.end, 4).unwrap();
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
