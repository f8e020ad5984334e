//! What holds at every moment.

use std::collections::{BTreeMap, BTreeSet};

use model::host_spec::{host_spec, reachable};
use model::ids::Vni;
use model::seal::Sealing;
use model::spec::{Condition, HostSpec, PortSpec, Target};
use model::world::World;
use uuid::Uuid;

use super::host::{Host, Known};
use super::site::Site;

/// Milliseconds within which a host that is reached does as it was told: pieces
/// that are on their way, and a step of the schedule.
pub(super) const OBEYS: u64 = 2000;

type Pair = (Vni, Vni);

/// When packets from one network to another were last agreed upon.
#[derive(Default)]
pub(super) struct Consent(BTreeMap<Pair, u64>);

impl Consent {
    pub(super) fn see(&mut self, world: &World, now: u64) {
        self.0.extend(agreed(world).into_iter().map(|pair| (pair, now)));
    }

    /// No packet gets through that was not agreed upon for longer than a host
    /// that is reached needs to hear of it, if either end is reached.
    pub(super) fn check(&self, hosts: &[Host], now: u64) {
        for crossing in crossings(hosts) {
            let since = crossing.ends.map(|end| hosts[end].obeys_since);
            let told = since.into_iter().flatten().any(|since| since + OBEYS <= now);
            let agreed = self.0.get(&crossing.pair).is_some_and(|at| at + OBEYS >= now);
            let own = crossing.pair.0 == crossing.pair.1;
            assert!(!told || agreed || own, "at {now}: {crossing:?}");
        }
    }
}

/// A write was answered, and every host that is connected has acted on it.
pub(super) fn check_settled(site: &Site, hosts: &[Host]) {
    let (world, presence) = (site.world(), site.server().hub.presence());
    let agreed = agreed(&world);
    for crossing in crossings(hosts) {
        let live = crossing.ends.iter().any(|end| presence.hosts.contains_key(&hosts[*end].uuid));
        let own = crossing.pair.0 == crossing.pair.1;
        assert!(!live || own || agreed.contains(&crossing.pair), "it was answered: {crossing:?}");
    }
}

fn agreed(world: &World) -> BTreeSet<Pair> {
    let all = world.networks.values().flat_map(|network| {
        reachable(world, network).into_iter().map(|other| (network.vni, other.vni))
    });
    all.collect()
}

/// A packet that would be delivered: from a port of one host to one of another.
#[derive(Debug)]
struct Crossing {
    ends: [usize; 2],
    pair: Pair,
}

fn crossings(hosts: &[Host]) -> Vec<Crossing> {
    let mut found = Vec::new();
    for (x, from) in hosts.iter().enumerate() {
        for (y, to) in hosts.iter().enumerate() {
            for a in ports(from) {
                for b in ports(to) {
                    let there = from.way(a.1.vni, b.1.address);
                    let back = to.way(b.1.vni, a.1.address);
                    let crosses =
                        leads_to(there, (to, x == y), b) && leads_to(back, (from, x == y), a);
                    if a.0 != b.0 && crosses {
                        found.push(Crossing { ends: [x, y], pair: (a.1.vni, b.1.vni) });
                    }
                }
            }
        }
    }
    found
}

fn ports(host: &Host) -> impl Iterator<Item = (&Uuid, &PortSpec)> {
    host.kernel.ports.iter().filter_map(|(uuid, it)| match it {
        Condition::Whole(spec) => Some((uuid, spec)),
        Condition::Missing | Condition::Broken(_) => None,
    })
}

fn leads_to(way: Option<Target>, (host, same): (&Host, bool), port: (&Uuid, &PortSpec)) -> bool {
    match way {
        Some(Target::Local { port: there, .. }) => same && there == *port.0,
        Some(Target::Remote { vtep, vni }) => vtep == host.underlay && vni == port.1.vni,
        Some(Target::Nobody) | None => false,
    }
}

/// What a host is told is what it was to carry at that revision, and revisions
/// do not go back.
pub(super) fn check_told(site: &Site, host: &mut Host, got: &[Known]) {
    for (epoch, spec) in got {
        let world = site.worlds.get(&spec.revision);
        let world = world.unwrap_or_else(|| panic!("there was no revision {}", spec.revision));
        let want = HostSpec { sealing: Sealing::default(), ..host_spec(world, host.uuid) };
        assert_eq!(spec, &want, "host {}", host.uuid);
        let mark = (*epoch, spec.revision);
        assert!(host.last_mark <= Some(mark), "back from {:?} to {mark:?}", host.last_mark);
        host.last_mark = Some(mark);
    }
}

/// With nothing in the way, all is as it was wished.
pub(super) fn check_all_is_well(site: &Site, hosts: &[Host]) {
    let (world, presence) = (site.world(), site.server().hub.presence());
    for host in hosts {
        assert!(!world.is_lost(host.uuid), "{} is lost", host.uuid);
        assert!(presence.hosts.contains_key(&host.uuid), "{} is not live", host.uuid);
        let want = host_spec(&world, host.uuid);
        let has: BTreeMap<Uuid, &PortSpec> = ports(host).map(|(uuid, it)| (*uuid, it)).collect();
        assert_eq!(has, want.ports.iter().map(|(uuid, it)| (*uuid, it)).collect());
        assert_eq!(host.kernel.routes, want.routes, "host {}", host.uuid);
    }
}
