//! Tunnels of other projects stand in the bench's table where they are installed, and are named where they are not.

use std::time::Duration;

use lab::site::{Cabling, Pair};
use lab::traffic::udp64;
use lab::{bench, netns, tunnels};

#[test]
fn a_tunnel_is_a_path_that_carries_packets_or_is_said_to_be_left_out() {
    let prefix = format!("{}tunnel-", netns::prefix("kt"));
    let mut said = Vec::new();
    let paths = tunnels::all(&prefix, &mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    for name in ["nebula", "tinc", "wireguard-go"] {
        let there = paths.iter().any(|path| path.name == name);
        let left_out = said.contains(&format!("{name}: left out, as there is no "));
        assert!(there != left_out, "{name}: {said}");
    }
    for path in &paths {
        path.ready(Duration::from_secs(10)).unwrap();
        let sent = udp64(&path.client, &path.server, Duration::from_millis(60)).unwrap();
        assert!(sent.received > 0, "{}: {sent:?}", path.name);
    }
    drop(paths);
    assert_eq!(lab::site::leftovers(&prefix).unwrap(), Vec::<String>::new());
}

#[test]
fn an_encrypted_pair_is_a_path_that_carries_packets() {
    let pair = Pair::start(&format!("{}sealed", netns::prefix("kt")), Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let path = tunnels::sealed(&pair).unwrap();
    let measured = bench::run(&[path], 1, &mut std::io::sink()).unwrap();
    assert!(measured[0].rounds[0].tcp_rr.count > 0, "{measured:?}");
}
