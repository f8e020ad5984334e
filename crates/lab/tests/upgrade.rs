//! Agents are restarted, killed, upgraded and put back: `make bench-restart`, in short.

use lab::restarts::{self, Kind};
use lab::site::{Cabling, Pair};
use lab::{eventually, netns, twin};

#[test]
fn no_restart_and_no_change_of_version_loses_a_packet_or_a_connection() {
    let name = format!("{}versions", netns::prefix("kt"));
    let mut pair = Pair::start(&name, Cabling::Direct).unwrap();
    let outcomes = restarts::run(&mut pair, 200, 12, &mut std::io::sink()).unwrap();
    for (kind, it) in Kind::ALL.iter().zip(outcomes) {
        assert_eq!((it.runs, it.lost, it.flows.reset), (3, 0, 0), "{kind:?}: {it:?}");
        assert!(it.sent > 600 && it.flows.messages > 0, "{kind:?}: {it:?}");
    }
    let mut table = Vec::new();
    restarts::write(&outcomes, 200, &mut table).unwrap();
    assert!(String::from_utf8(table).unwrap().contains("| upgrade | 3 |"));
}

#[test]
fn a_new_version_that_has_no_server_to_ask_leaves_the_old_at_work() {
    let name = format!("{}alone", netns::prefix("kt"));
    let mut pair = Pair::start(&name, Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let streams = pair.streams(true).unwrap();
    pair.site.server.kill9().unwrap();
    let hel = pair.site.host_mut("hel").unwrap();
    hel.stop().unwrap();
    hel.object = Some((twin::object().unwrap(), twin::LAYOUT));
    hel.start().unwrap();
    let maps = hel.pins().join(format!("layout-{}", twin::LAYOUT));
    eventually(lab::site::PATIENCE, "the new maps", || maps.join("COUNTS").exists().then_some(()))
        .unwrap();
    streams.flow(500).unwrap();
    pair.site.server.restart().unwrap();
    let pins = pair.site.host("hel").unwrap().pins().clone();
    eventually(lab::site::PATIENCE, "only the new maps are left", || {
        let layouts = std::fs::read_dir(&pins).unwrap().flatten();
        let count = layouts.filter(|dir| dir.file_name().to_string_lossy().starts_with("layout-"));
        (count.count() == 1).then_some(())
    })
    .unwrap();
    assert!(maps.exists());
    streams.flow(200).unwrap();
}
