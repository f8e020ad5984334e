use crate::kannas::kannas_watched;
use crate::site::{SOON, Site};

fn two_networks() -> Site {
    let site = Site::start();
    site.make_routed("hel", "fi-hel1", "10.0.1.0/24");
    site.make_routed("fra", "de-fra1", "10.0.2.0/24");
    site
}

const FORTH: [&str; 7] =
    ["peering", "create", "forth", "--network", "hel", "--peer-network", "fra"];
const BACK: [&str; 7] = ["peering", "create", "back", "--network", "fra", "--peer-network", "hel"];

#[test]
fn a_wait_ends_when_the_other_half_comes_and_tells_what_it_waits_for() {
    let site = two_networks();
    let waiting = std::thread::scope(|scope| {
        let line = [&FORTH[..], &["--wait", "--timeout", "5m"]].concat();
        let line: Vec<_> = line.into_iter().map(str::to_owned).chain(site.flags("admin")).collect();
        let waiting = scope.spawn(move || kannas_watched(&line));
        let there = || {
            let all = site.json(&["peering", "list"]);
            (all[0]["state"] == "pending-peer").then_some(())
        };
        lab::eventually(SOON, "the first half is there", there).unwrap();
        site.kannas(&BACK).ok();
        waiting.join().unwrap()
    });
    assert_eq!(waiting.code, 0);
    assert!(waiting.out.contains("State:         active\n"), "{}", waiting.out);
    assert_eq!(waiting.err, "forth is pending-peer, waiting for active\n");
}

#[test]
fn a_wait_that_is_in_vain_ends_with_the_reason() {
    let site = two_networks();
    let (code, line) = site.kannas(&[&FORTH[..], &["--wait", "--timeout", "0"]].concat()).failed();
    assert_eq!(code, 1);
    let want = "kannas: forth is pending-peer, not active, after 0s: ";
    let why = line.strip_prefix(want).unwrap_or_else(|| panic!("{line}"));
    let it = site.json(&["peering", "show", "forth"]);
    assert_eq!(format!("{why}."), it["reasons"][0]["message"]);
    // It was made all the same.
    let show = ["peering", "show", "forth", "--wait=disabled", "--timeout", "0"];
    assert_eq!(site.kannas(&show).code, 1);
    let show = ["peering", "show", "forth", "--wait=pending-peer", "--timeout", "0"];
    assert_eq!(site.kannas(&show).code, 0);
}

#[test]
fn a_wait_for_what_is_deleted_ends() {
    let site = two_networks();
    site.kannas(&FORTH).ok();
    let line = ["peering", "show", "forth", "--wait"].map(str::to_owned);
    let line: Vec<_> = line.into_iter().chain(site.flags("admin")).collect();
    let said = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || kannas_watched(&line));
        site.kannas(&["peering", "delete", "forth"]).ok();
        waiting.join().unwrap()
    });
    assert_eq!(said.code, 3, "{}", said.err);
}
