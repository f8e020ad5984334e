//! What others do to what is ours is told of soon.

use std::time::{Duration, Instant};

use datapath::{Host, Sentinel};

use crate::site::{DEADLINE, Site};

const GLANCE: Duration = Duration::from_millis(50);

/// The kernel tells of one change in several pieces, of carriers only once a
/// second (net/core/link_watch.c).
const SETTLED: Duration = Duration::from_millis(1500);

/// A sentinel of the first host, which has one port.
fn posted(site: &Site) -> Sentinel {
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    // Both namespaces stay for the whole test.
    std::mem::forget([a, b]);
    let setup = site.setup(0);
    let post = || {
        let mut host = Host::open(&setup).unwrap();
        assert_eq!(model::plan::plan(&specs[0], &host.observe().unwrap()), []);
        host.sentinel().unwrap()
    };
    let mut sentinel = site.hosts[0].run(post).unwrap();
    settle(&mut sentinel, "what the test has made");
    sentinel.forget();
    assert!(!sentinel.watch(GLANCE) && !sentinel.watch(GLANCE), "nothing has happened");
    sentinel
}

fn settle(sentinel: &mut Sentinel, of: &str) {
    let (start, mut quiet_since) = (Instant::now(), Instant::now());
    while quiet_since.elapsed() < SETTLED {
        assert!(start.elapsed() < DEADLINE, "told without end of: {of}");
        if sentinel.watch(GLANCE) {
            quiet_since = Instant::now();
        }
    }
}

fn tells(sentinel: &mut Sentinel, of: &str) {
    let start = Instant::now();
    while !sentinel.watch(GLANCE) {
        assert!(start.elapsed() < DEADLINE, "not told of: {of}");
    }
    settle(sentinel, of);
    assert!(!sentinel.watch(GLANCE), "told twice of: {of}");
}

#[test]
fn a_device_and_an_address_that_others_change_are_told_of_and_other_devices_are_not() {
    let site = Site::new("news");
    let mut sentinel = posted(&site);
    let host = &site.hosts[0];
    host.ip("link add other type bridge").unwrap();
    host.ip("link set other up").unwrap();
    host.ip("addr add 192.0.2.77/24 dev other").unwrap();
    for _ in 0..4 {
        assert!(!sentinel.watch(GLANCE), "it is not ours");
    }
    let links = host.ip("-br link").unwrap();
    let mut names = links.lines().filter_map(|line| line.split(['@', ' ']).next());
    let ours = names.find(|name| name.starts_with("kn") && *name != "kannas").unwrap();
    for change in [
        format!("link set {ours} down"),
        "link set kannas down".to_owned(),
        "link set under mtu 1400".to_owned(),
        "addr add 198.18.7.7/32 dev under".to_owned(),
        format!("link del {ours}"),
    ] {
        host.ip(&change).unwrap();
        tells(&mut sentinel, &change);
    }
}

#[test]
fn a_program_that_others_take_off_is_told_of() {
    let site = Site::new("programs");
    let mut sentinel = posted(&site);
    let links = site.setup(0).pin_dir.join("links");
    let mut pins: Vec<_> =
        std::fs::read_dir(&links).unwrap().map(|it| it.unwrap().path()).collect();
    pins.sort();
    assert!(pins.len() >= 3, "{pins:?}");
    for pin in pins {
        std::fs::remove_file(&pin).unwrap();
        tells(&mut sentinel, &pin.display().to_string());
    }
}
