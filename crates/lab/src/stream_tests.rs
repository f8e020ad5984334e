use super::*;
use crate::netns::{Netns, link, prefix};

const SOON: Duration = Duration::from_secs(5);

/// Two ends with addresses and a link between.
fn pair(test: &str) -> [Endpoint; 2] {
    let [a, b] = ["a", "b"].map(|end| Netns::new(format!("{}{test}-{end}", prefix("kt"))).unwrap());
    link(&a, "eth0", &b, "eth0").unwrap();
    for (netns, last) in [(&a, 1), (&b, 2)] {
        netns.ip(&format!("addr add 192.0.2.{last}/30 dev eth0")).unwrap();
    }
    [(a, 1), (b, 2)]
        .map(|(netns, last)| Endpoint { netns: Arc::new(netns), address: [192, 0, 2, last].into() })
}

#[test]
fn on_a_whole_link_nothing_is_lost() {
    let [a, b] = pair("stream");
    let stream = Stream::start(&a, &b).unwrap();
    let start = Instant::now();
    let tally = stream.watch(start, 100).unwrap();
    assert!(tally.sent >= 100 && tally.lost() == 0 && tally.gap == 0, "{tally:?}");
    let all = stream.stop().unwrap();
    assert!(all.sent >= tally.sent && all.lost() == 0, "{all:?}");
}

#[test]
fn a_link_that_is_cut_and_mended_is_seen_to_the_packet() {
    let [a, b] = pair("stream-cut");
    let stream = Stream::start(&a, &b).unwrap();
    stream.arrival_since(Instant::now(), SOON).unwrap();
    // The near end stays up, so packets leave and are lost.
    a.netns.ip("neigh replace 192.0.2.2 lladdr 02:00:00:00:00:99 nud permanent dev eth0").unwrap();
    let cut = Instant::now();
    let tally = stream.watch(cut, 50).unwrap();
    assert!(tally.arrived == 0 && tally.gap == tally.sent, "{tally:?}");
    assert_eq!(stream.first_since(cut + STRAGGLERS), None);
    a.netns.ip("neigh del 192.0.2.2 dev eth0").unwrap();
    let mended = stream.arrival_since(cut + STRAGGLERS, SOON).unwrap();
    assert!(mended > cut);
    let all = stream.stop().unwrap();
    assert!(all.lost() >= 50 && all.gap >= 50 && all.arrived > 0, "{all:?}");
}

#[test]
fn without_a_route_nothing_leaves_until_there_is_one() {
    let [a, b] = pair("stream-route");
    a.netns.ip("addr flush dev eth0").unwrap();
    let stream = Stream::start(&a, &b).unwrap();
    let start = Instant::now();
    eventually(SOON, "20 packets are tried", || {
        (stream.shared.log().packets.len() > 20).then_some(())
    })
    .unwrap();
    assert_eq!(stream.since(start), Tally::default());
    a.netns.ip("addr add 192.0.2.1/30 dev eth0").unwrap();
    stream.arrival_since(start, SOON).unwrap();
    assert_eq!(stream.stop().unwrap().lost(), 0);
}
