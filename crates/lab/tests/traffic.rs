//! The bench's paths carry what is measured over them.

use std::time::Duration;

use lab::traffic::{tcp_bulk, tcp_rr, udp64};
use lab::{Endpoint, Netns, Path, bench, eventually, netns, paths, table};

const ROUND: Duration = Duration::from_millis(60);

fn prefix(test: &str) -> String {
    format!("{}{test}-", netns::prefix("kt"))
}

#[test]
fn every_baseline_is_measured_and_none_is_cheaper_than_direct() {
    let paths = paths::baselines(&prefix("all")).unwrap();
    let measured = bench::run(&paths, 1, &mut std::io::sink()).unwrap();
    for path in &measured {
        let round = &path.rounds[0];
        assert!(
            round.udp64.received > 1000
                && round.tcp_bulk.bytes > 1_000_000
                && round.tcp_rr.count > 100,
            "{path:?}"
        );
        assert!(round.tcp_rr.p50_us <= round.tcp_rr.p99_us, "{path:?}");
    }
    let ns = |index: usize| measured[index].rounds[0].udp64.ns_per_packet;
    assert!(ns(0) < ns(1) && ns(1) < ns(2), "{measured:?}");
    let mut out = Vec::new();
    table::write(&measured, paths::BRIDGE_VXLAN, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("| kernel bridge + VXLAN |"));
}

#[test]
fn a_path_runs_on_the_core_of_its_sender() {
    let path = paths::bridge_vxlan(&prefix("inline")).unwrap();
    path.ready(Duration::from_secs(5)).unwrap();
    // Other programs' packets count too, so the machine needs one quiet moment.
    let quiet = |elsewhere: f64| (elsewhere < 0.02).then_some(());
    let limit = Duration::from_secs(20);
    eventually(limit, "udp64 on one core", || {
        quiet(udp64(&path.client, &path.server, ROUND).unwrap().spent.elsewhere)
    })
    .unwrap();
    eventually(limit, "tcp_bulk on one core", || {
        quiet(tcp_bulk(&path.client, &path.server, ROUND).unwrap().spent.elsewhere)
    })
    .unwrap();
    eventually(limit, "tcp_rr on one core", || {
        quiet(tcp_rr(&path.client, &path.server, ROUND).unwrap().spent.elsewhere)
    })
    .unwrap();
}

#[test]
fn the_outer_packet_is_vxlan_and_fits_the_underlay() {
    let path = paths::bridge_vxlan(&prefix("vx")).unwrap();
    let host = &path.between[0];
    let details = host.ip("-d link show vx").unwrap();
    for wanted in ["mtu 1450", "dstport 4789", "nolearning", "noudpcsum", "master br0"] {
        assert!(details.contains(wanted), "{wanted} is not in {details}");
    }
    assert!(host.ip("link show under").unwrap().contains("mtu 1500"));
}

#[test]
fn every_packet_that_is_counted_went_through_the_tunnel_as_a_64_byte_frame() {
    let path = paths::bridge_vxlan(&prefix("count")).unwrap();
    path.ready(Duration::from_secs(5)).unwrap();
    let counters = |device: &str, way: &str| -> [u64; 2] {
        let json = path.between[0].ip(&format!("-j -s link show {device}")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        ["packets", "bytes"].map(|unit| json[0]["stats64"][way][unit].as_u64().unwrap())
    };
    let read = || [counters("port", "rx"), counters("vx", "tx"), counters("under", "tx")];
    let before = read();
    let sent = udp64(&path.client, &path.server, ROUND).unwrap();
    let after = read();
    // A few more are IPv6's own (neighbour discovery).
    let wanted = sent.received + 1..sent.received + 50;
    for (before, after) in before.iter().zip(&after) {
        assert!(wanted.contains(&(after[0] - before[0])), "{sent:?}: {before:?} {after:?}");
    }
    // Without the 4 bytes of the frame check sequence.
    let frame = (after[0][1] - before[0][1]) / (after[0][0] - before[0][0]);
    assert_eq!(frame, 60);
}

#[test]
fn a_broken_path_is_an_error_that_names_it() {
    let [a, b] = ["a", "b"]
        .map(|end| std::sync::Arc::new(Netns::new(format!("{}{end}", prefix("cut"))).unwrap()));
    let at = |netns| Endpoint { netns, address: [127, 0, 0, 1].into() };
    let path = Path {
        name: "nothing".to_owned(),
        tunnel: None,
        client: at(a),
        server: at(b),
        between: Vec::new(),
    };
    let error = path.ready(Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("a connection over nothing"), "{error:#}");
    udp64(&path.client, &path.server, ROUND).unwrap_err();
}
