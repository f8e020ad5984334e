//! What the bench measures of Kannas is what it says.

use std::time::Duration;

use lab::site::{Cabling, HOSTS, Pair, Site};
use lab::traffic::udp64;
use lab::{bench, first_packet, netns, paths, table};

#[test]
fn every_packet_that_is_counted_went_through_the_tunnel_of_an_underlay_of_1500_bytes() {
    let pair = Pair::start(&format!("{}path", netns::prefix("kt")), Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let path = paths::kannas(&pair);
    path.ready(Duration::from_secs(10)).unwrap();
    let hosts = HOSTS.map(|(name, _)| pair.site.host(name).unwrap());
    let before = hosts.map(|host| host.verdicts().unwrap());
    let sent = udp64(&path.client, &path.server, Duration::from_millis(60)).unwrap();
    let [near, far] = [0, 1].map(|i| hosts[i].verdicts_since(&before[i]).unwrap());
    let wanted = sent.received..sent.received + 50;
    assert!(wanted.contains(&near["remote"]), "{sent:?} {near:?}");
    assert!(wanted.contains(&far["delivered"]), "{sent:?} {far:?}");
    assert!(path.client.netns.ip("link show eth0").unwrap().contains("mtu 1450"));
    assert!(hosts[0].netns.ip("link show under").unwrap().contains("mtu 1500"));
}

#[test]
fn kannas_stands_in_the_table_beside_the_others() {
    let prefix = format!("{}beside-", netns::prefix("kt"));
    let pair = Pair::start(&format!("{prefix}kannas"), Cabling::Direct).unwrap();
    pair.peer().unwrap();
    let paths = [paths::bridge_vxlan(&prefix).unwrap(), paths::kannas(&pair)];
    let measured = bench::run(&paths, 1, &mut std::io::sink()).unwrap();
    let mut out = Vec::new();
    table::write(&measured, paths::BRIDGE_VXLAN, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\n| Kannas | "));
}

#[test]
fn first_packets_come_after_the_call_that_completes_a_peering() {
    let name = format!("{}first", netns::prefix("kt"));
    let site = Site::start(&name, &HOSTS, Cabling::Direct).unwrap();
    let measured = first_packet::run(&site, 4, &mut std::io::sink()).unwrap();
    assert_eq!(measured.len(), 4);
    assert!(measured.iter().all(|it| it.packet > Duration::ZERO && it.answer > Duration::ZERO));
}
