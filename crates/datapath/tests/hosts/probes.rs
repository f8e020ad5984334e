//! Probes cross as packets do, and are nobody's but the agents'.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use datapath::{Host, Kind, Probe, Prober, Sighting};
use lab::paths::UNDERLAY;
use model::plan::Step;

use crate::site::{DEADLINE, Site, Workload, vni};

/// Longer than a round trip takes, as nothing else tells that a probe is lost.
const LOST: Duration = Duration::from_millis(200);

/// A host's datapath with its prober, for as long as a test goes on.
struct Open<'s> {
    site: &'s Site,
    host: usize,
    prober: Prober,
    datapath: Host,
}

impl<'s> Open<'s> {
    fn both(site: &'s Site) -> [Self; 2] {
        [0, 1].map(|host| {
            let setup = site.setup(host);
            let open = || {
                let mut datapath = Host::open(&setup).unwrap();
                let prober = datapath.prober().unwrap();
                (datapath, prober)
            };
            let (datapath, prober) = site.hosts[host].run(open).unwrap();
            Self { site, host, prober, datapath }
        })
    }

    fn send(&mut self, probe: &Probe) {
        let prober = &mut self.prober;
        self.site.hosts[self.host].run(|| prober.send(probe).unwrap()).unwrap();
    }

    /// The next sighting within `limit`.
    fn seen(&mut self, limit: Duration) -> Option<Sighting> {
        let until = Instant::now() + limit;
        let never = std::os::unix::net::UnixStream::pair().unwrap().0;
        loop {
            let seen = self.prober.seen();
            let left = until.saturating_duration_since(Instant::now());
            if seen.is_some() || left.is_zero() {
                return seen;
            }
            self.prober.wait(never.as_fd(), left).unwrap();
        }
    }

    /// Sends it until it comes back: a first packet may wait for a neighbour.
    fn crosses(&mut self, probe: &Probe) -> Sighting {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            self.send(probe);
            let seen = self.seen(LOST).filter(|s| matches!(s.kind, Kind::Answered { .. }));
            if let Some(seen) = seen {
                return seen;
            }
        }
        panic!("{probe:?} does not come back")
    }
}

fn probe(from: &Workload, to: &Workload, size: u16) -> Probe {
    let token = 77;
    Probe {
        from: (from.spec.vni, from.spec.address),
        to: to.spec.address,
        size,
        token,
        forced: None,
    }
}

#[test]
fn a_probe_crosses_both_ways_and_no_workload_sees_it() {
    let site = Site::new("probe");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let [mut here, mut there] = Open::both(&site);
    let received = (a.received(), b.received());
    let before = [&mut here, &mut there].map(|it| it.datapath.verdicts().unwrap());
    let back = here.crosses(&probe(&a, &b, 100));
    let Kind::Answered { token: 77, round_trip } = back.kind else { panic!("{back:?}") };
    assert!(round_trip > Duration::ZERO && round_trip < DEADLINE, "{back:?}");
    assert_eq!((back.verdict, back.size, back.vni), ("delivered", 100, vni(1)));
    assert_eq!((back.local, back.remote), (a.spec.address, b.spec.address));
    assert_eq!(back.vtep, Some(IpAddr::from(UNDERLAY[1])));
    let asked = there.seen(DEADLINE).unwrap();
    assert_eq!((is_asked(&asked), asked.verdict, asked.vni), (true, "delivered", vni(2)));
    assert_eq!((asked.vtep, asked.other), (Some(IpAddr::from(UNDERLAY[0])), Some(vni(1))));
    assert_eq!((a.received(), b.received()), received, "a workload saw a probe");
    let after = [&mut here, &mut there].map(|it| it.datapath.verdicts().unwrap());
    assert_eq!(after, before, "probes are no traffic");
}

#[test]
fn probes_of_both_families_cross_an_underlay_of_either_family_by_hand_and_by_the_kernel() {
    for ipv6 in [false, true] {
        let site = Site::over(&format!("probe{}-", u8::from(ipv6)), ipv6, 1500);
        let (a, b) = (site.dual(0, 1, 2), site.dual(1, 2, 2));
        site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
        let [mut here, _there] = Open::both(&site);
        let largest = if ipv6 { 1430 } else { 1450 };
        let ends = [(a.spec.address, b.spec.address), (a.ipv6().address, b.ipv6().address)];
        for by_kernel in [false, true] {
            if by_kernel {
                for host in [0, 1] {
                    let link = site.setup(host).pin_dir.join("links/underlay");
                    std::fs::remove_file(link).unwrap();
                }
            }
            for (from, to) in ends {
                let it = Probe { from: (a.spec.vni, from), to, ..probe(&a, &b, largest) };
                let back = here.crosses(&it);
                assert_eq!((back.local, back.remote), (from, to));
                assert_eq!((back.verdict, back.size), ("delivered", largest.into()));
                assert_eq!(back.vtep, Some(site.setup(1).underlay));
                if by_kernel {
                    continue; // it cuts what is too large, packets and probes
                }
                here.send(&Probe { size: largest + 1, ..it });
                assert_eq!(here.seen(LOST), None, "{it:?} and one byte more, ipv6 {ipv6}");
            }
        }
    }
}

#[test]
fn a_probe_tells_what_size_the_underlay_carries() {
    let site = Site::new("psize");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    let [mut here, _there] = Open::both(&site);
    here.crosses(&probe(&a, &b, 1450));
    site.hosts[1].ip("link set under mtu 1400").unwrap();
    here.send(&probe(&a, &b, 1450));
    assert_eq!(here.seen(LOST), None, "what is too large came back");
    assert_eq!(here.crosses(&probe(&a, &b, 1350)).size, 1350);
    site.hosts[1].ip("link set under mtu 1500").unwrap();
    here.crosses(&probe(&a, &b, 1450));
}

#[test]
fn a_probe_between_two_networks_of_one_host_stays_there() {
    let site = Site::new("plocal");
    let (a, b) = (site.workload(0, 1, 2), site.workload(0, 2, 2));
    let c = site.workload(0, 3, 2);
    site.set_up(&[&a, &b, &c], &[(1, 2), (2, 1)]);
    let [mut here, _there] = Open::both(&site);
    let back = here.crosses(&probe(&a, &b, 100));
    assert_eq!((back.verdict, back.vtep), ("local", None));
    here.send(&probe(&a, &c, 100));
    let stopped = here.seen(DEADLINE).unwrap();
    assert_eq!((stopped.kind, stopped.verdict), (Kind::Stopped { token: 77 }, "no-route"));
}

#[test]
fn a_probe_to_a_network_that_is_not_peered_is_refused_even_when_it_is_forced() {
    let site = Site::new("pforce");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    let specs = site.set_up(&[&a, &b], &[]);
    let [mut here, mut there] = Open::both(&site);
    here.send(&probe(&a, &b, 100));
    let stopped = here.seen(DEADLINE).unwrap();
    assert_eq!((stopped.kind, stopped.verdict), (Kind::Stopped { token: 77 }, "no-route"));
    let forced = Probe { forced: Some((vni(2), UNDERLAY[1].into())), ..probe(&a, &b, 100) };
    let asked = lab::eventually(DEADLINE, "the other host sees it", || {
        here.send(&forced);
        there.seen(LOST)
    });
    let asked = asked.unwrap();
    assert_eq!((is_asked(&asked), asked.verdict), (true, "no-return"));
    assert_eq!(here.seen(LOST), None, "an answer came");

    // If the other host let it in, we would hear, though we have no route.
    let open = &site.specs(&[&a, &b], &[(2, 1)])[1];
    let missing = open.routes.iter().filter(|(key, _)| !specs[1].routes.contains_key(*key));
    site.hosts[1]
        .run(|| {
            for (key, target) in missing.clone() {
                let step = Step::SetRoute { key: *key, target: *target };
                there.datapath.apply(&step).unwrap();
            }
        })
        .unwrap();
    let back = here.crosses(&forced);
    assert_eq!(back.verdict, "no-return");
}

#[test]
fn a_workload_can_neither_forge_a_probe_nor_have_one_answered() {
    let site = Site::new("forge");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let [mut here, mut there] = Open::both(&site);
    let received = b.received();
    // What an agent sends, under all Ethernet addresses that mean something.
    for last in *b"apk" {
        let mut frame = vec![0x0a, b'k', b'a', b'n', b'n', last];
        frame.extend(a.spec.mac.octets());
        frame.extend([8, 0]);
        frame.extend(forged(&a, &b));
        lab::raw::send_frame(&a.netns, "eth0", &frame).unwrap();
    }
    lab::eventually(DEADLINE, "they arrive as any packet", || {
        (b.received() >= received + 3).then_some(())
    })
    .unwrap();
    assert_eq!(there.seen(LOST), None, "the other host took one for a probe");
    assert_eq!(here.seen(LOST), None, "one was answered");
    // Nor into the device for probes: that is in the host's namespace.
    assert!(a.netns.ip("link show kannas-probe-tx").is_err());
}

/// An IPv4 packet of protocol 253 with what a probe has in it.
fn forged(a: &Workload, b: &Workload) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (a.spec.address, b.spec.address) else { panic!() };
    let mut packet = vec![0x45, 0, 0, 80, 0, 0, 0x40, 0, 64, 253, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    let sum: u32 = packet.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(*b"knpb\x01");
    packet.resize(80, 0);
    packet
}

fn is_asked(it: &datapath::Sighting) -> bool {
    matches!(it.kind, Kind::Asked { .. })
}
