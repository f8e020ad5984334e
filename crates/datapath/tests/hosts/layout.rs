//! Another version takes over, with another layout of the maps, while packets flow.

use std::path::PathBuf;

use datapath::{Host, Setup};
use lab::Stream;
use model::plan::plan;
use model::spec::HostSpec;

use crate::site::{Site, Workload};

/// What a version does when it starts, in parts.
fn open(site: &Site, setup: &Setup, work: impl FnOnce(&mut Host) + Send) {
    site.hosts[0].run(|| work(&mut Host::open(setup).unwrap())).unwrap();
}

fn fill(host: &mut Host, want: &HostSpec) {
    for step in plan(want, &host.observe().unwrap()) {
        host.apply(&step).unwrap();
    }
}

fn layouts(site: &Site) -> Vec<String> {
    let dirs = std::fs::read_dir(site.setup(0).pin_dir).unwrap();
    let names = dirs.map(|dir| dir.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("layout-")).collect();
    names.sort();
    names
}

fn flow(streams: &[Stream; 2], count: usize) {
    let now = std::time::Instant::now();
    for tally in lab::stream::watch(streams.each_ref(), now, count).unwrap() {
        assert_eq!(tally.lost(), 0, "{tally:?}");
    }
}

fn streams(a: &Workload, b: &Workload) -> [Stream; 2] {
    a.reaches(b);
    b.reaches(a);
    let pair = [(a, b), (b, a)].map(|(from, to)| Stream::start(&from.end(), &to.end()).unwrap());
    flow(&pair, 10);
    pair
}

#[test]
fn an_upgrade_and_a_downgrade_across_layouts_lose_no_packet_and_no_count() {
    let site = Site::new("layout");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let ours = layouts(&site);
    let streams = streams(&a, &b);
    let counted = || datapath::verdicts(&site.setup(0).pin_dir).unwrap()["delivered"];
    let mut last = counted();
    for turn in 0..6 {
        let setup = if turn % 2 == 0 { site.twin(0) } else { site.setup(0) };
        open(&site, &setup, |host| {
            assert!(host.is_another_layout());
            flow(&streams, 20);
            fill(host, &specs[0]);
            flow(&streams, 20);
            host.settle().unwrap();
            assert!(!host.is_another_layout());
            assert_eq!(plan(&specs[0], &host.observe().unwrap()), []);
        });
        flow(&streams, 50);
        assert_eq!(layouts(&site).len(), 1, "the older maps are gone");
        assert_eq!(layouts(&site) == ours, turn % 2 == 1);
        let now = counted();
        assert!(now > last + 50, "{now} after {last}");
        last = now;
    }
    let [there, back] = streams.map(|stream| stream.stop().unwrap());
    assert!(there.lost() == 0 && back.lost() == 0, "{there:?} {back:?}");
    // Each packet that came was counted, whichever version counted it.
    let sent = u64::try_from(back.arrived).unwrap();
    assert!(counted() >= sent, "{} of {sent}", counted());
}

#[test]
fn a_version_that_dies_half_way_leaves_all_as_it_was_and_the_next_begins_again() {
    let site = Site::new("halfway");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let streams = streams(&a, &b);
    open(&site, &site.twin(0), |host| {
        let steps = plan(&specs[0], &host.observe().unwrap());
        steps.iter().take(steps.len() / 2).for_each(|step| host.apply(step).unwrap());
    });
    assert_eq!(layouts(&site).len(), 2);
    flow(&streams, 50);
    // The one before it goes on, and something is withdrawn meanwhile.
    open(&site, &site.setup(0), |host| {
        assert!(!host.is_another_layout());
        assert_eq!(plan(&specs[0], &host.observe().unwrap()), []);
    });
    assert_eq!(layouts(&site).len(), 1, "what nobody finished is gone");
    flow(&streams, 50);
    let alone = site.specs(&[&a, &b], &[])[0].clone();
    open(&site, &site.twin(0), |host| {
        fill(host, &alone);
        host.settle().unwrap();
    });
    let now = std::time::Instant::now();
    for tally in lab::stream::watch(streams.each_ref(), now, 50).unwrap() {
        assert_eq!(tally.arrived, 0, "{tally:?}");
    }
}

#[test]
fn maps_that_were_taken_away_are_filled_before_anything_runs_on_them() {
    let site = Site::new("unpinned");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let streams = streams(&a, &b);
    let dir: PathBuf = site.setup(0).pin_dir.join(&layouts(&site)[0]);
    std::fs::remove_dir_all(dir).unwrap();
    open(&site, &site.setup(0), |host| {
        flow(&streams, 20);
        fill(host, &specs[0]);
        host.settle().unwrap();
    });
    flow(&streams, 50);
}
