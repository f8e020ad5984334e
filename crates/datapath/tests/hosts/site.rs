//! Two hosts joined by an underlay, and workloads on them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datapath::{Host, Object, Setup};
use lab::ping::{Pinger, ping};
use lab::{Endpoint, Netns, netns, paths};
use model::ids::{Mac, Prefix, Vni};
use model::plan::plan;
use model::spec::{Attachment, HostSpec, HostState, Inet, PortSpec, RouteKey, Target};
use uuid::Uuid;

/// No wait of a test is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// What is sent in the hope that it does not arrive.
const PROBES: usize = 3;

pub(crate) struct Site {
    pub(crate) hosts: [Arc<Netns>; 2],
    pub(crate) prefix: String,
    pub(crate) underlay: [IpAddr; 2],
}

/// A workload with one NIC: network `n` has VNI `n`, 10.0.`n`.0/24 and fd00:`n`::/64.
pub(crate) struct Workload {
    pub(crate) netns: Arc<Netns>,
    pub(crate) uuid: Uuid,
    pub(crate) spec: PortSpec,
    pub(crate) host: usize,
}

pub(crate) fn vni(n: u8) -> Vni {
    Vni::try_from(u32::from(n)).unwrap()
}

pub(crate) fn subnet(n: u8) -> Prefix {
    format!("10.0.{n}.0/24").parse().unwrap()
}

impl Site {
    pub(crate) fn new(test: &str) -> Self {
        netns::sweep_abandoned("kt").unwrap();
        let prefix = format!("{}{test}-", netns::prefix("kt"));
        let hosts = paths::hosts(&prefix).unwrap();
        Self { hosts, prefix, underlay: paths::UNDERLAY.map(IpAddr::from) }
    }

    /// With an underlay of that family and MTU.
    pub(crate) fn over(test: &str, ipv6: bool, mtu: u32) -> Self {
        let mut it = Self::new(test);
        for (host, last) in it.hosts.iter().zip(1..) {
            host.ip(&format!("link set under mtu {mtu}")).unwrap();
            if ipv6 {
                let address = format!("fd01::{last}");
                host.ip(&format!("addr add {address}/64 dev under nodad")).unwrap();
                it.underlay[last - 1] = address.parse().unwrap();
            }
        }
        it
    }

    fn pins(&self, host: usize) -> PathBuf {
        PathBuf::from(format!("/sys/fs/bpf/kannas/{}{host}", self.prefix))
    }

    pub(crate) fn setup(&self, host: usize) -> Setup {
        Setup {
            underlay: self.underlay[host],
            vxlan_port: 4789,
            tunnels: None,
            pin_dir: self.pins(host),
            object: None,
        }
    }

    /// As an agent of another version has it.
    pub(crate) fn twin(&self, host: usize) -> Setup {
        let object = Object { file: lab::twin::object().unwrap(), layout: lab::twin::LAYOUT };
        Setup { object: Some(object), ..self.setup(host) }
    }

    /// Does something with a host's datapath, opened anew as a restart does.
    pub(crate) fn at<T: Send>(&self, host: usize, work: impl FnOnce(&mut Host) -> T + Send) -> T {
        let setup = self.setup(host);
        self.hosts[host].run(|| work(&mut Host::open(&setup).unwrap())).unwrap()
    }

    pub(crate) fn observe(&self, host: usize) -> HostState {
        self.at(host, |it| it.observe().unwrap())
    }

    /// Takes all steps towards `want`; then there must be nothing to do.
    pub(crate) fn converge(&self, host: usize, want: &HostSpec) -> Vec<String> {
        self.at(host, |it| {
            let steps = plan(want, &it.observe().unwrap());
            for step in &steps {
                it.apply(step).unwrap_or_else(|e| panic!("{step}: {}", chain(&e)));
            }
            assert_eq!(plan(want, &it.observe().unwrap()), [], "after {steps:#?}");
            steps.iter().map(ToString::to_string).collect()
        })
    }

    pub(crate) fn verdicts(&self, host: usize) -> BTreeMap<String, u64> {
        self.at(host, |it| it.verdicts().unwrap())
    }

    pub(crate) fn workload(&self, host: usize, network: u8, last: u8) -> Workload {
        let name = format!("{}w{network}-{last}", self.prefix);
        let spec = PortSpec {
            vni: vni(network),
            address: [10, 0, network, last].into(),
            subnet: subnet(network),
            gateway: [10, 0, network, 1].into(),
            mac: Mac::local([0, 0, 0, network, last]),
            attachment: Attachment::Netns {
                netns: name.parse().unwrap(),
                device: "eth0".parse().unwrap(),
            },
            routes: ["10.0.0.0/8".parse().unwrap()].into(),
            further: Vec::new(),
            segment: false,
            dhcp: None,
        };
        let uuid = Uuid::from_bytes([5, network, last, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        let netns = Arc::new(Netns::new(name).unwrap());
        Workload { netns, uuid, spec, host }
    }

    /// With an IPv6 address besides.
    pub(crate) fn dual(&self, host: usize, network: u8, last: u8) -> Workload {
        let mut it = self.workload(host, network, last);
        let ip = |end: &str| format!("fd00:{network}::{end}");
        it.spec.further.push(Inet {
            address: ip(&last.to_string()).parse().unwrap(),
            subnet: ip("/64").parse().unwrap(),
            gateway: ip("1").parse().unwrap(),
        });
        it.spec.routes.insert("fd00::/16".parse().unwrap());
        it
    }

    /// What both hosts must carry for these workloads when `reach` says which
    /// network reaches which.
    pub(crate) fn specs(&self, workloads: &[&Workload], reach: &[(u8, u8)]) -> [HostSpec; 2] {
        [0, 1].map(|host| {
            let mut spec = HostSpec { revision: 1, ..HostSpec::default() };
            for it in workloads.iter().filter(|w| w.host == host) {
                spec.ports.insert(it.uuid, it.spec.clone());
            }
            let own = workloads.iter().map(|w| (w.network(), w.network()));
            for (from, to) in own.chain(reach.iter().copied()) {
                let key = |prefix| RouteKey { vni: vni(from), prefix };
                spec.routes.insert(key(subnet(to)), Target::Nobody);
                for it in workloads.iter().filter(|w| w.network() == to) {
                    for inet in it.spec.inets() {
                        spec.routes.insert(key(inet.subnet), Target::Nobody);
                        spec.routes.insert(key(Prefix::host(inet.address)), self.target(it, host));
                    }
                }
            }
            spec
        })
    }

    pub(crate) fn target(&self, it: &Workload, seen_from: usize) -> Target {
        if it.host == seen_from {
            Target::local(it.uuid, it.spec.vni)
        } else {
            Target::Remote { vtep: self.underlay[it.host], vni: it.spec.vni }
        }
    }

    /// Both hosts as [`Self::specs`] has them.
    pub(crate) fn set_up(&self, workloads: &[&Workload], reach: &[(u8, u8)]) -> [HostSpec; 2] {
        let specs = self.specs(workloads, reach);
        for (host, spec) in specs.iter().enumerate() {
            self.converge(host, spec);
        }
        specs
    }

    /// As `nothing_arrives`, in IPv6.
    pub(crate) fn nothing_arrives_ipv6(
        &self,
        (from, to): (&Workload, &Workload),
        host: usize,
        reason: &str,
    ) {
        self.unanswered((from, to), to.ipv6().address, (host, reason));
    }

    /// `reason` rises at `host` by what `from` sends to `to`, and nothing is
    /// answered.
    pub(crate) fn nothing_arrives(&self, ends: (&Workload, &Workload), host: usize, reason: &str) {
        self.unanswered(ends, ends.1.spec.address, (host, reason));
    }

    fn unanswered(
        &self,
        (from, to): (&Workload, &Workload),
        address: IpAddr,
        (host, reason): (usize, &str),
    ) {
        let before = self.verdicts(host);
        let pinger = Pinger::new(&from.netns, address).unwrap();
        let received = to.received();
        for _ in 0..PROBES {
            assert_eq!(pinger.once(56).unwrap(), None, "a reply came");
        }
        let after = self.verdicts(host);
        let rise = after[reason] - before[reason];
        assert!(rise >= 1, "{reason} rose by {rise}: {before:?} {after:?}");
        assert_eq!(to.received(), received, "something arrived");
    }
}

impl Workload {
    pub(crate) fn network(&self) -> u8 {
        u8::try_from(u32::from(self.spec.vni)).unwrap()
    }

    pub(crate) fn end(&self) -> Endpoint {
        Endpoint { netns: self.netns.clone(), address: self.spec.address }
    }

    pub(crate) fn reaches(&self, other: &Self) {
        ping(&self.end(), &other.end(), DEADLINE).unwrap();
    }

    /// Its first IPv6 address.
    pub(crate) fn ipv6(&self) -> Endpoint {
        let address = self.spec.further.first().unwrap().address;
        Endpoint { netns: self.netns.clone(), address }
    }

    pub(crate) fn reaches_ipv6(&self, other: &Self) {
        ping(&self.ipv6(), &other.ipv6(), DEADLINE).unwrap();
    }

    /// IPv4 packets that came, so without ARP, and pings of IPv6.
    pub(crate) fn received(&self) -> u64 {
        let read = || std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
        let text = self.netns.run(read).unwrap();
        let pings = text.lines().find_map(|l| l.strip_prefix("Icmp6InEchos")).unwrap();
        let pings: u64 = pings.trim().parse().unwrap();
        lab::snmp::counter(&self.netns, "Ip", "InReceives").unwrap() + pings
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for host in [0, 1] {
            // What stays is told by the next run's sweep of namespaces only.
            let _ = std::fs::remove_dir_all(self.pins(host));
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
