//! Underlays of every usual size and of both families, and what crosses them.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use lab::Endpoint;

use crate::ipv6::{LARGE, bound, datagram};
use crate::site::{DEADLINE, Site, Workload};
use crate::sizes::mtu_of;

/// Bytes of the outer headers, VXLAN's and the inner Ethernet header among them.
fn around(ipv6_outside: bool) -> u32 {
    if ipv6_outside { 70 } else { 50 }
}

const LEAST_IPV6: u32 = 1280;

#[test]
fn an_underlay_of_any_size_carries_what_ports_are_told_and_tells_of_what_is_larger() {
    for (ipv6, mtu) in [1280, 1500, 9000].into_iter().flat_map(|mtu| [(false, mtu), (true, mtu)]) {
        let site = Site::over(&format!("m{}-{mtu}-", u8::from(ipv6)), ipv6, mtu);
        let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
        let (c, d) = (site.workload(0, 3, 2), site.workload(1, 3, 3));
        site.set_up(&[&a, &b, &c, &d], &[(1, 2), (2, 1)]);
        let fits = mtu - around(ipv6);
        // What has IPv6 has at least what IPv6 asks of a link.
        assert_eq!([&a, &c].map(mtu_of), [fits.max(LEAST_IPV6), fits].map(u64::from));
        let ends = [(a.end(), b.end()), (a.ipv6(), b.ipv6()), (c.end(), d.end())];
        let named = ends.map(|(from, to)| {
            let what = format!("{} to {} over {} {mtu}", from.address, to.address, around(ipv6));
            let most = if to.address.is_ipv6() { fits.max(LEAST_IPV6) } else { fits };
            (from, to, most, what)
        });
        let is_uncut = |most| ipv6 && most > fits;
        for (from, to, most, what) in &named {
            crosses(from, to, 100, what);
            crosses(from, to, if is_uncut(*most) { fits } else { *most }, what);
            lab::transfer::run(from, to, 4).unwrap_or_else(|e| panic!("{what}: {e}"));
            if is_uncut(*most) {
                // What the kernel cannot fragment over IPv6 is not lost in silence.
                is_counted(&site, (from, to), fits + 1, what);
            } else {
                // In pieces of the size that fits.
                datagram(from, to, LARGE);
            }
        }
        is_calm(&c);
        for (from, to, most, what) in named.iter().filter(|it| !is_uncut(it.2)) {
            let others = c.received();
            too_large(&site, (from, to), *most, what);
            assert!(from.address == c.spec.address || c.received() == others, "{what}");
        }
    }
}

#[test]
fn what_may_be_fragmented_is_told_of_where_nobody_can() {
    let site = Site::over("uncut", true, 1500);
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.netns.ip("link set eth0 mtu 9000").unwrap();
    let sender = bound(&a.end());
    discover(&sender, libc::IP_PMTUDISC_DONT);
    let before = too_big(&site);
    sender.send_to(&[7; 4000], (b.spec.address, 9)).unwrap();
    lab::eventually(DEADLINE, "it is counted", || (too_big(&site) > before).then_some(())).unwrap();
}

/// Waits until the last packets of its own connections have come.
fn is_calm(it: &Workload) {
    let (mut last, mut times) = (it.received(), 0);
    lab::eventually(DEADLINE, "no more packets come", || {
        let now = it.received();
        times = if now == last { times + 1 } else { 0 };
        last = now;
        (times >= 50).then_some(())
    })
    .unwrap();
}

/// One datagram that is too large for the tunnel is counted as such.
fn is_counted(site: &Site, (from, to): (&Endpoint, &Endpoint), size: u32, what: &str) {
    let sender = bound(from);
    discover(&sender, libc::IP_PMTUDISC_DO);
    let before = too_big(site);
    sender.send_to(&payload(size, to), (to.address, 9)).unwrap();
    let counted = || (too_big(site) > before).then_some(());
    lab::eventually(DEADLINE, &format!("{size} of {what} is counted"), counted).unwrap();
}

fn too_big(site: &Site) -> u64 {
    datapath::verdicts(&site.setup(0).pin_dir).unwrap()["too-big"]
}

fn payload(size: u32, to: &Endpoint) -> Vec<u8> {
    let headers = if to.address.is_ipv4() { 28 } else { 48 };
    vec![7; usize::try_from(size).unwrap() - headers]
}

/// One datagram in one packet of so many bytes arrives.
fn crosses(from: &Endpoint, to: &Endpoint, size: u32, what: &str) {
    let (sender, receiver) = (bound(from), bound(to));
    discover(&sender, libc::IP_PMTUDISC_DO);
    receiver.set_read_timeout(Some(DEADLINE)).unwrap();
    let payload = payload(size, to);
    sender.send_to(&payload, receiver.local_addr().unwrap()).unwrap();
    let mut buffer = vec![0; payload.len() + 1];
    let got = receiver.recv(&mut buffer).unwrap_or_else(|e| panic!("{size} of {what}: {e}"));
    assert!(buffer[..got] == payload, "{size} of {what}");
}

/// One that is a byte larger does not; its sender is told what fits.
fn too_large(site: &Site, (from, to): (&Endpoint, &Endpoint), most: u32, what: &str) {
    from.netns.ip("link set eth0 mtu 9500").unwrap();
    // What pieces of a datagram have been told.
    from.netns.ip("route flush cache").unwrap();
    from.netns.ip("-6 route flush cache").unwrap();
    let sender = bound(from);
    discover(&sender, libc::IP_PMTUDISC_DO);
    sender.connect((to.address, 9)).unwrap();
    let before = too_big(site);
    let payload = payload(most + 1, to);
    sender.send(&payload).unwrap();
    lab::eventually(DEADLINE, &format!("the sender of {what} learns what fits"), || {
        let route = from.netns.ip(&format!("route get {}", to.address)).unwrap();
        route.contains(&format!("mtu {most}")).then_some(())
    })
    .unwrap();
    assert_eq!(too_big(site), before + 1, "{what}");
    // From now on the kernel knows by itself, and nothing more is dropped.
    assert_eq!(sender.send(&payload).unwrap_err().raw_os_error(), Some(libc::EMSGSIZE), "{what}");
}

/// Whether what is too large is fragmented, here or on the way (ip(7) and ipv6(7), `IP_MTU_DISCOVER`).
fn discover(socket: &UdpSocket, value: i32) {
    let (level, name) = match socket.local_addr().unwrap() {
        std::net::SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        std::net::SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    #[expect(unsafe_code, reason = "nobody wraps this option")]
    // SAFETY: the kernel reads an int.
    let result = unsafe {
        let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap();
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
