//! Hosts that send to each other encrypted only.

use std::time::Duration;

use datapath::{Host, Setup, TunnelSetup};
use lab::capture::Capture;
use lab::transfer;
use model::plan::{Step, plan};
use model::seal::{PeerKey, Sealing};
use model::spec::HostSpec;
use tempfile::TempDir;

use crate::ipv6::bound;
use crate::site::{DEADLINE, Site, Workload};

/// A site whose hosts have directories for keys.
struct Sealed {
    site: Site,
    dirs: [TempDir; 2],
}

impl Sealed {
    fn over(test: &str, ipv6: bool, mtu: u32) -> Self {
        let dirs = [0, 1].map(|_| tempfile::tempdir().unwrap());
        Self { site: Site::over(test, ipv6, mtu), dirs }
    }

    fn at<T: Send>(&self, host: usize, work: impl FnOnce(&mut Host) -> T + Send) -> T {
        let dir = self.dirs[host].path().to_owned();
        let program = lab::site::kannas().unwrap();
        let tunnels = Some(TunnelSetup { dir, program, port: 51820 });
        let setup = Setup { tunnels, ..self.site.setup(host) };
        self.site.hosts[host].run(|| work(&mut Host::open(&setup).unwrap())).unwrap()
    }

    /// In two rounds: with the first tunnel ports have another MTU.
    fn converge(&self, host: usize, want: &HostSpec) {
        self.at(host, |it| {
            for _ in 0..2 {
                for step in plan(want, &it.observe().unwrap()) {
                    it.apply(&step).unwrap_or_else(|error| panic!("{step}: {error:?}"));
                }
            }
            assert_eq!(plan(want, &it.observe().unwrap()), []);
        });
    }

    /// Both hosts as `specs`, sealed for each other by tunnels of `generations`, of which the last is used.
    fn seal(&self, specs: &mut [HostSpec; 2], generations: &[u64]) {
        let ends = [0, 1].map(|host| {
            specs[host].sealing.tunnels.extend(generations);
            self.converge(host, &specs[host]);
            self.at(host, |it| {
                it.observe().unwrap();
                it.ends().unwrap()
            })
        });
        for (host, spec) in specs.iter_mut().enumerate() {
            let (vtep, other) = (self.site.underlay[1 - host], &ends[1 - host]);
            let peer =
                |generation: &u64| (PeerKey { generation: *generation, vtep }, other[generation]);
            spec.sealing = Sealing {
                tunnels: generations.iter().copied().collect(),
                peers: generations.iter().map(peer).collect(),
                seals: generations.last().map(|by| (vtep, *by)).into_iter().collect(),
            };
            self.converge(host, spec);
        }
    }
}

/// After which what did not arrive is sent again: it may have met a handshake.
const AGAIN: Duration = Duration::from_millis(200);

const MARK: &[u8; 24] = b"a mark that nobody reads";

/// A datagram of `size` bytes full of the mark, that may be fragmented, arrives.
fn crosses(from: &Workload, to: &Workload, size: usize) {
    from.netns.sysctl("net/ipv4/ip_no_pmtu_disc", "1").unwrap();
    let (sender, receiver) = (bound(&from.end()), bound(&to.end()));
    receiver.set_read_timeout(Some(AGAIN)).unwrap();
    let data: Vec<u8> = MARK.iter().copied().cycle().take(size).collect();
    let mut heard = vec![0; size + 1];
    lab::eventually(DEADLINE, &format!("{size} bytes arrive"), || {
        sender.send_to(&data, receiver.local_addr().unwrap()).unwrap();
        let length = receiver.recv(&mut heard).ok()?;
        assert!(heard[..length] == data);
        Some(())
    })
    .unwrap();
}

fn cross_in_tunnels(test: &str, ipv6: bool, mtu: u32) {
    let it = Sealed::over(test, ipv6, mtu);
    let (a, b) = (it.site.workload(0, 1, 2), it.site.workload(1, 2, 2));
    let mut specs = it.site.specs(&[&a, &b], &[(1, 2), (2, 1)]);
    for (host, spec) in specs.iter().enumerate() {
        it.converge(host, spec);
    }
    let tap = Capture::start(&it.site.hosts[0], "under", MARK).unwrap();
    a.reaches(&b);
    crosses(&a, &b, 500);
    lab::eventually(DEADLINE, "the mark is on the cable", || (tap.matching() > 0).then_some(()))
        .unwrap();
    // The second time a generation takes over from another.
    let taps = [[1].as_slice(), &[1, 2], &[2]].map(|generations| {
        it.seal(&mut specs, generations);
        let tap = Capture::start(&it.site.hosts[0], "under", MARK).unwrap();
        a.reaches(&b);
        for size in [500, 1300, 3000] {
            crosses(&a, &b, size);
        }
        transfer::run(&a.end(), &b.end(), 16).unwrap();
        tap
    });
    // What a device takes that somebody else made: fragmented on the outside.
    a.netns.ip("link set eth0 mtu 9000").unwrap();
    crosses(&a, &b, 3000);
    for tap in &taps {
        lab::eventually(DEADLINE, "packets are read", || (tap.packets() > 10).then_some(()))
            .unwrap();
        assert_eq!(tap.matching(), 0);
    }
}

#[test]
fn packets_of_any_size_cross_in_tunnels() {
    cross_in_tunnels("seal", false, 1500);
}

#[test]
fn packets_cross_in_tunnels_over_ipv6_and_a_narrow_underlay() {
    cross_in_tunnels("seal6", true, 1400);
}

#[test]
fn packets_cross_in_tunnels_over_jumbo_frames() {
    cross_in_tunnels("seal9", false, 9000);
}

#[test]
fn without_a_tunnel_nothing_is_sent_to_a_sealed_host() {
    let site = Site::new("untunnel");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let tap = Capture::start(&site.hosts[0], "under", b"").unwrap();
    let vtep = site.underlay[1];
    site.at(0, |it| it.apply(&Step::Seal { vtep, generation: 1 }).unwrap_err());
    site.nothing_arrives((&a, &b), 0, "no-tunnel");
    // ARP between the hosts is all that may be there.
    assert!(tap.packets() < 3, "{}", tap.packets());
    site.at(0, |it| it.apply(&Step::Unseal(vtep)).unwrap());
    a.reaches(&b);
}

#[test]
fn what_a_sealed_host_sends_in_the_clear_is_refused_by_either_way_out_of_vxlan() {
    let site = Site::new("unseal");
    let (a, b) = (site.workload(0, 1, 2), site.workload(1, 2, 2));
    site.set_up(&[&a, &b], &[(1, 2), (2, 1)]);
    a.reaches(&b);
    let vtep = site.underlay[0];
    site.at(1, |it| it.apply(&Step::Seal { vtep, generation: 1 }).unwrap_err());
    site.nothing_arrives((&a, &b), 1, "unsealed");
    // In fragments it comes out of the kernel's own device.
    a.netns.ip("link set eth0 mtu 9000").unwrap();
    a.netns.sysctl("net/ipv4/ip_no_pmtu_disc", "1").unwrap();
    let before = site.verdicts(1)["unsealed"];
    let received = b.received();
    let socket = bound(&a.end());
    socket.send_to(&[7; 4000], (b.spec.address, 9)).unwrap();
    lab::eventually(DEADLINE, "it is counted", || {
        (site.verdicts(1)["unsealed"] > before).then_some(())
    })
    .unwrap();
    assert_eq!(b.received(), received);
}
