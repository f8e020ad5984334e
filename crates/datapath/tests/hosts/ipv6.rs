//! IPv6 inside and outside of the tunnel.

use std::net::UdpSocket;
use std::time::Duration;

use lab::Endpoint;
use lab::ping::ping;
use lab::traffic::tcp_bulk;
use model::spec::{RouteKey, Target};

use crate::site::{DEADLINE, Site, Workload};

/// Large datagrams are told apart from what is cut to the path's MTU.
pub(crate) const LARGE: usize = 8000;

#[test]
fn both_families_cross_an_underlay_of_either_family() {
    for ipv6 in [false, true] {
        let site = Site::over(&format!("cross{}-", u8::from(ipv6)), ipv6, 1500);
        let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
        site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
        a.reaches(&b);
        b.reaches(&a);
        a.reaches_ipv6(&b);
        b.reaches_ipv6(&a);
        for host in &site.hosts {
            assert_eq!(sent_by_kernel(host), 0, "what is small is put into VXLAN by hand");
        }
        for (from, to) in [(a.end(), b.end()), (a.ipv6(), b.ipv6()), (b.ipv6(), a.ipv6())] {
            let sent = tcp_bulk(&from, &to, Duration::from_millis(100)).unwrap();
            assert!(sent.bytes > 1_000_000, "{sent:?}");
            datagram(&from, &to, LARGE);
        }
        for host in [0, 1] {
            let counted = site.verdicts(host);
            let bad = |name: &str| counted[name];
            assert_eq!(bad("tunnel") + bad("wrong-vtep") + bad("foreign"), 0, "{counted:?}");
        }
    }
}

#[test]
fn ports_of_one_host_reach_each_other_in_ipv6() {
    let site = Site::new("local6");
    let (a, b, c) = (site.dual(0, 1, 2), site.dual(0, 1, 3), site.dual(0, 2, 2));
    site.set_up(&[&a, &b, &c], &[(1, 2), (2, 1)]);
    a.reaches_ipv6(&b);
    c.reaches_ipv6(&a);
    assert!(site.verdicts(0)["local"] > 0);
}

#[test]
fn the_gateway_answers_ping_and_every_hop_costs_one_of_the_hop_limit() {
    let site = Site::new("hop6");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let gateway = Endpoint { netns: a.netns.clone(), address: a.spec.further[0].gateway };
    ping(&a.ipv6(), &gateway, DEADLINE).unwrap();
    a.reaches_ipv6(&b);
    let limit = |n| a.netns.sysctl("net/ipv6/conf/eth0/hop_limit", n).unwrap();
    limit("1");
    let errors = icmp6_in(&a, "TimeExcds");
    site.nothing_arrives_ipv6((&a, &b), 0, "ttl");
    lab::eventually(DEADLINE, "an error comes back", || {
        (icmp6_in(&a, "TimeExcds") > errors).then_some(())
    })
    .unwrap();
    limit("2");
    a.reaches_ipv6(&b);
}

#[test]
fn neighbours_are_found_and_an_address_of_ones_own_is_found_free() {
    let site = Site::new("nd");
    let (a, b) = (site.dual(0, 1, 2), site.dual(0, 1, 3));
    site.set_up(&[&a, &b], &[]);
    a.reaches_ipv6(&b);
    let neighbours = a.netns.ip("-6 neigh show dev eth0").unwrap();
    let entry = neighbours.lines().find(|l| l.starts_with("fd00:1::3 "));
    assert!(entry.is_some_and(|l| l.contains("lladdr 0a:6b:61:6e:6e:01")), "{neighbours}");
    // The host answers for every address of the subnet, so a second owner sees that it is taken;
    // of its own, and of link-local ones, a workload hears nothing.
    for (address, taken) in [("fd00:1::2", false), ("fe80::77", false), ("fd00:1::3", true)] {
        let _ = a.netns.ip(&format!("addr del {address}/64 dev eth0"));
        a.netns.ip(&format!("addr add {address}/64 dev eth0")).unwrap();
        let state = || a.netns.ip(&format!("-6 addr show dev eth0 to {address}")).unwrap();
        lab::eventually(DEADLINE, "detection ends", || {
            let now = state();
            let ended = now.contains("dadfailed") || !now.contains("tentative");
            ended.then_some(())
        })
        .unwrap();
        assert_eq!(state().contains("dadfailed"), taken, "{address}: {}", state());
    }
    a.netns.ip("-6 neigh flush dev eth0").unwrap();
    a.netns.ip("-6 route replace default via fe80::1 dev eth0").unwrap();
    a.netns.ip("-6 route del fd00::/16 proto 107").unwrap();
    site.nothing_arrives_ipv6((&a, &site.dual(1, 9, 9)), 0, "no-route");
}

#[test]
fn isolation_holds_in_ipv6_and_says_why() {
    let site = Site::new("apart6");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    let (c, d) = (site.dual(0, 3, 2), site.dual(1, 4, 2));
    site.set_up(&[&a, &b, &c, &d], &[(1, 2), (2, 1), (2, 3), (3, 2)]);
    a.reaches_ipv6(&b);
    b.reaches_ipv6(&c);
    site.nothing_arrives_ipv6((&a, &c), 0, "no-route");
    site.nothing_arrives_ipv6((&c, &a), 0, "no-route");
    site.nothing_arrives_ipv6((&a, &d), 0, "no-route");
    let mut nobody = site.dual(1, 2, 99);
    nobody.spec.further[0].address = "fd00:2::99".parse().unwrap();
    site.nothing_arrives_ipv6((&a, &nobody), 0, "no-port");
    // Only the second host has heard that the peering is gone.
    let mut alone = site.specs(&[&a, &b, &c, &d], &[(1, 2), (2, 1)])[1].clone();
    let stays = |key: &RouteKey, target: &Target| match target {
        Target::Remote { .. } => false,
        Target::Local { .. } | Target::Nobody => key.vni != crate::site::vni(2),
    };
    alone.routes = alone.routes.into_iter().filter(|(key, to)| stays(key, to)).collect();
    let own = site.specs(&[&b], &[])[1].clone();
    alone.routes.extend(own.routes);
    site.converge(1, &alone);
    site.nothing_arrives_ipv6((&a, &b), 1, "no-return");
}

#[test]
fn a_workload_sends_from_its_own_ipv6_addresses_only() {
    let site = Site::new("spoof6");
    let (mut a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    let mut second = a.spec.further[0];
    second.address = "fd00:1::22".parse().unwrap();
    a.spec.further.push(second);
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches_ipv6(&b);
    let from = |source: &str| {
        a.netns.ip(&format!("-6 route replace fd00:2::/64 via fd00:1::1 src {source}")).unwrap();
    };
    from("fd00:1::22");
    a.reaches_ipv6(&b);
    a.netns.ip("addr add fd00:1::9/64 dev eth0 nodad").unwrap();
    from("fd00:1::9");
    site.nothing_arrives_ipv6((&a, &b), 0, "spoofed-source");
    // Link-local addresses are for neighbour discovery.
    let before = site.verdicts(0)["spoofed-source"];
    let link = a.netns.ip("-6 -o addr show dev eth0 scope link").unwrap();
    let local = link.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_owned();
    from("fd00:1::2");
    let socket = a.netns.run(|| scoped(&local)).unwrap();
    socket.send_to(b"x", "[fd00:2::2]:9").unwrap();
    assert!(site.verdicts(0)["spoofed-source"] > before);
    a.netns.ip("link set eth0 address 0a:00:00:00:00:99").unwrap();
    site.nothing_arrives_ipv6((&a, &b), 0, "spoofed-mac");
}

#[test]
fn a_workload_that_sends_too_much_is_told_how_much_fits_in_ipv6() {
    let site = Site::new("ptb");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches_ipv6(&b);
    for it in [&a, &b] {
        it.netns.ip("link set eth0 mtu 9000").unwrap();
    }
    let before = site.verdicts(0)["too-big"];
    let sent = tcp_bulk(&a.ipv6(), &b.ipv6(), Duration::from_millis(50)).unwrap();
    assert!(sent.bytes > 100_000, "{sent:?}");
    assert_eq!(site.verdicts(0)["too-big"], before, "TCP was told the segment that fits");
    let socket = bound(&a.ipv6());
    socket.connect((b.ipv6().address, 9)).unwrap();
    socket.send(&[0; 4000]).unwrap();
    lab::eventually(DEADLINE, "the kernel has learned the path's MTU", || {
        let route = a.netns.ip(&format!("route get {}", b.ipv6().address)).unwrap();
        route.contains("mtu 1450").then_some(())
    })
    .unwrap();
    assert!(site.verdicts(0)["too-big"] > before);
    datagram(&a.ipv6(), &b.ipv6(), LARGE);
}

#[test]
fn a_flow_goes_on_when_the_underlay_shrinks_under_it() {
    let site = Site::new("shrink");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches_ipv6(&b);
    for (from, to) in [(a.end(), b.end()), (a.ipv6(), b.ipv6())] {
        lab::transfer::run(&from, &to, 4).unwrap();
    }
    for (host, spec) in specs.iter().enumerate() {
        site.hosts[host].ip("link set under mtu 1400").unwrap();
        site.converge(host, spec);
        // As a device that nobody has told: only errors from the way can.
        [&a, &b][host].netns.ip("link set eth0 mtu 1450").unwrap();
    }
    for (from, to) in [(a.end(), b.end()), (a.ipv6(), b.ipv6())] {
        lab::transfer::run(&from, &to, 4).unwrap();
    }
}

#[test]
fn extension_headers_do_not_stop_a_packet() {
    let site = Site::new("ext");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches_ipv6(&b);
    // A fragment header: the kernel makes one for what is larger than the MTU.
    datagram(&a.ipv6(), &b.ipv6(), LARGE);
    // Hop-by-hop and destination options of one pad each (RFC 8200 §4.2), by the socket.
    let (sender, receiver) = (bound(&a.ipv6()), bound(&b.ipv6()));
    let padding = [0, 0, 1, 4, 0, 0, 0, 0];
    for option in [libc::IPV6_HOPOPTS, libc::IPV6_DSTOPTS] {
        set_option(&sender, option, &padding);
    }
    arrives(&sender, &receiver, 100);
}

#[test]
fn errors_from_the_far_side_come_back_to_who_caused_them() {
    let site = Site::new("errors");
    let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
    let other = site.dual(0, 1, 3);
    site.set_up(&[&a, &b, &other], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    a.reaches_ipv6(&b);
    for (from, to) in [(a.end(), b.end()), (a.ipv6(), b.ipv6())] {
        let socket = bound(&from);
        socket.connect((to.address, 9)).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.send(b"anybody?").unwrap();
        let error = socket.recv(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{error}");
    }
    assert_eq!(other.received(), 0);
}

pub(crate) fn bound(end: &Endpoint) -> UdpSocket {
    end.netns.run(|| UdpSocket::bind((end.address, 0))).unwrap().unwrap()
}

fn scoped(address: &str) -> UdpSocket {
    let index = nix::net::if_::if_nametoindex("eth0").unwrap();
    let address = std::net::SocketAddrV6::new(address.parse().unwrap(), 0, 0, index);
    // Not before the kernel has asked the link for a second such address (RFC 4862 §5.4).
    lab::eventually(DEADLINE, "the address is good", || UdpSocket::bind(address).ok()).unwrap()
}

/// One datagram of that size arrives whole.
pub(crate) fn datagram(from: &Endpoint, to: &Endpoint, size: usize) {
    arrives(&bound(from), &bound(to), size);
}

fn arrives(sender: &UdpSocket, receiver: &UdpSocket, size: usize) {
    receiver.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = vec![0; size + 1];
    // The first ones may be what finds out about the path's MTU.
    let got = (0..5).find_map(|_| {
        let _ = sender.send_to(&vec![7; size], receiver.local_addr().unwrap());
        receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        receiver.recv(&mut buffer).ok()
    });
    assert_eq!(got, Some(size));
    assert!(buffer[..size].iter().all(|byte| *byte == 7));
}

#[expect(unsafe_code, reason = "nobody wraps these options")]
fn set_option(socket: &UdpSocket, option: i32, value: &[u8]) {
    use std::os::fd::AsRawFd;
    let length = u32::try_from(value.len()).unwrap();
    // SAFETY: the kernel reads `length` bytes of `value`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            option,
            value.as_ptr().cast(),
            length,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// ICMPv6 messages that a workload's kernel took.
fn icmp6_in(it: &Workload, kind: &str) -> u64 {
    let read = || std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
    let text = it.netns.run(read).unwrap();
    let name = format!("Icmp6In{kind}");
    let line = text.lines().find_map(|l| l.strip_prefix(&name)).unwrap();
    line.trim().parse().unwrap()
}

/// Packets that took the kernel's VXLAN device.
fn sent_by_kernel(host: &lab::Netns) -> u64 {
    let json: serde_json::Value =
        serde_json::from_str(&host.ip("-s -j link show kannas").unwrap()).unwrap();
    json[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}
