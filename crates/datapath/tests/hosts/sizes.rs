//! Packets that the underlay cannot carry.

use std::time::Duration;

use lab::traffic::tcp_bulk;

use crate::site::{Site, Workload};

pub(crate) fn mtu_of(it: &Workload) -> u64 {
    let json = it.netns.ip("-j link show eth0").unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json[0]["mtu"].as_u64().unwrap()
}

#[test]
fn a_port_has_the_mtu_that_fits_and_follows_the_underlay() {
    let site = Site::new("mtu");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    assert_eq!((mtu_of(&a), mtu_of(&b)), (1450, 1450));
    for host in [0, 1] {
        site.hosts[host].ip("link set under mtu 1400").unwrap();
        let steps = site.converge(host, &specs[host]);
        assert!(steps.iter().any(|s| s.ends_with("its MTU differs")), "{steps:?}");
    }
    assert_eq!((mtu_of(&a), mtu_of(&b)), (1350, 1350));
    assert!(tcp_bulk(&a.end(), &b.end(), Duration::from_millis(50)).unwrap().bytes > 100_000);
}

#[test]
fn a_workload_that_sends_too_much_is_told_how_much_fits() {
    let site = Site::new("toobig");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    // As a device that somebody else made may have it.
    a.netns.ip("link set eth0 mtu 9000").unwrap();
    let before = site.verdicts(0)["too-big"];
    // DF is set on what a socket sends by default (ip(7), IP_MTU_DISCOVER).
    let socket = a.netns.run(|| std::net::UdpSocket::bind((a.spec.address, 0))).unwrap().unwrap();
    socket.connect((b.spec.address, 9)).unwrap();
    socket.send(&[0; 2000]).unwrap();
    lab::eventually(Duration::from_secs(5), "the kernel has learned the path's MTU", || {
        let route = a.netns.ip(&format!("route get {}", b.spec.address)).unwrap();
        route.contains("mtu 1450").then_some(())
    })
    .unwrap();
    assert!(site.verdicts(0)["too-big"] > before);
}

#[test]
fn what_may_be_fragmented_is_and_arrives_whole() {
    let site = Site::new("frag");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    a.netns.ip("link set eth0 mtu 9000").unwrap();
    a.netns.sysctl("net/ipv4/ip_no_pmtu_disc", "1").unwrap();
    let bind = |it: &Workload| {
        let address = it.spec.address;
        it.netns.run(|| std::net::UdpSocket::bind((address, 0))).unwrap().unwrap()
    };
    let (sender, receiver) = (bind(&a), bind(&b));
    receiver.set_read_timeout(Some(crate::site::DEADLINE)).unwrap();
    sender.send_to(&[7; 4000], receiver.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 5000];
    assert_eq!(receiver.recv(&mut buffer).unwrap(), 4000);
    assert!(buffer[..4000].iter().all(|byte| *byte == 7));
}

#[test]
fn tcp_of_a_workload_with_a_large_mtu_is_told_the_segment_that_fits() {
    let site = Site::new("mss");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    for it in [&a, &b] {
        it.netns.ip("link set eth0 mtu 9000").unwrap();
    }
    let before = site.verdicts(0)["too-big"];
    let sent = tcp_bulk(&a.end(), &b.end(), Duration::from_millis(50)).unwrap();
    assert!(sent.bytes > 100_000, "{sent:?}");
    assert_eq!(site.verdicts(0)["too-big"], before, "no segment was too big");
}
