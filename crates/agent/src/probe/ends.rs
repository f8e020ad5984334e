//! Which ways there are, and where their probes start and end.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use model::ids::Vni;
use model::spec::{HostSpec, Target};
use model::way::Way;

use super::{ENDS, HOSTS};

/// Addresses of two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
}

/// All ways that the host of `slice` is to probe, with some of their ends.
pub(crate) fn ways(slice: &HostSpec, seed: u64) -> BTreeMap<Way, Vec<Ends>> {
    let mut locals: BTreeMap<Vni, Addresses> = BTreeMap::new();
    for port in slice.ports.values() {
        for inet in port.inets() {
            locals.entry(port.vni).or_default().offer(inet.address, seed);
        }
    }
    let mut remotes: BTreeMap<Way, Addresses> = BTreeMap::new();
    for (key, target) in &slice.routes {
        let from = key.vni;
        let way = match target {
            Target::Nobody => continue,
            Target::Local { vni, .. } if *vni == from => continue,
            Target::Local { vni, .. } => Way { from, to: *vni, vtep: None },
            Target::Remote { vtep, vni } => Way { from, to: *vni, vtep: Some(*vtep) },
        };
        let address = key.prefix.address();
        if key.prefix.is_host() && locals.contains_key(&from) {
            remotes.entry(way).or_default().offer(address, seed);
        }
    }
    let mut hosts: BTreeMap<(Vni, Vni), Chosen<Option<IpAddr>>> = BTreeMap::new();
    for way in remotes.keys() {
        hosts.entry((way.from, way.to)).or_default().offer(way.vtep, seed, HOSTS);
    }
    let chosen =
        |way: &Way| hosts.get(&(way.from, way.to)).is_some_and(|hosts| hosts.has(way.vtep, seed));
    let probed = remotes.into_iter().filter(|(way, _)| chosen(way));
    let ends = |way: &Way, remotes: &Addresses| ends(locals.get(&way.from)?, remotes);
    let all = probed.filter_map(|(way, remotes)| Some((way, ends(&way, &remotes)?)));
    all.collect()
}

/// Some of a network's addresses, of each family.
#[derive(Debug, Default)]
struct Addresses([Chosen<IpAddr>; 2]);

impl Addresses {
    fn offer(&mut self, address: IpAddr, seed: u64) {
        let [ipv4, ipv6] = &mut self.0;
        let of = if address.is_ipv4() { ipv4 } else { ipv6 };
        of.offer(address, seed, ENDS);
    }
}

/// Every address of either side, in pairs of one family; None when there is
/// no such pair.
fn ends(locals: &Addresses, remotes: &Addresses) -> Option<Vec<Ends>> {
    let mut all = Vec::new();
    for (locals, remotes) in locals.0.iter().zip(&remotes.0) {
        let [locals, remotes] = [locals, remotes].map(|it| it.all().collect::<Vec<_>>());
        if locals.is_empty() || remotes.is_empty() {
            continue;
        }
        let turns = locals.iter().cycle().zip(remotes.iter().cycle());
        let pairs = turns.map(|(local, remote)| Ends { local: *local, remote: *remote });
        all.extend(pairs.take(locals.len().max(remotes.len())));
    }
    (!all.is_empty()).then_some(all)
}

/// The few of many that have the least hashes: the same for as long as they
/// are there, whoever comes and goes, and others for another seed.
#[derive(Debug)]
struct Chosen<T>(BTreeSet<(u64, T)>);

impl<T> Default for Chosen<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Hash + Ord + Copy> Chosen<T> {
    fn offer(&mut self, it: T, seed: u64, most: usize) {
        self.0.insert((hash(it, seed), it));
        if self.0.len() > most {
            self.0.pop_last();
        }
    }

    fn has(&self, it: T, seed: u64) -> bool {
        self.0.contains(&(hash(it, seed), it))
    }

    fn all(&self) -> impl Iterator<Item = T> {
        self.0.iter().map(|(_, it)| *it)
    }
}

pub(crate) fn hash(it: impl Hash, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, it).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use model::ids::Prefix;
    use model::spec::RouteKey;
    use uuid::Uuid;

    use super::super::sample::{port, vni};
    use super::*;

    /// A port on network 1, and routes to a port of network 2 at each of many hosts.
    fn slice(hosts: u8) -> HostSpec {
        let mut slice = HostSpec::default();
        let port = port(1, [10, 0, 1, 2], "10.0.1.0/24");
        slice.ports.insert(Uuid::from_u128(1), port);
        for n in 0..hosts {
            let prefix = Prefix::host([10, 0, 2, n].into());
            let target = Target::Remote { vtep: [192, 0, 2, n].into(), vni: vni(2) };
            slice.routes.insert(RouteKey { vni: vni(1), prefix }, target);
        }
        slice
    }

    #[test]
    fn a_way_goes_from_a_port_to_addresses_behind_each_host() {
        let mut slice = slice(2);
        let key = |prefix: &str| RouteKey { vni: vni(1), prefix: prefix.parse().unwrap() };
        slice.routes.insert(key("10.0.2.0/24"), Target::Nobody);
        slice.routes.insert(
            key("10.0.1.2/32"),
            Target::Local { port: Uuid::from_u128(1), vni: vni(1), via: None },
        );
        slice.routes.insert(
            key("10.0.3.2/32"),
            Target::Local { port: Uuid::from_u128(3), vni: vni(3), via: None },
        );
        // Of a network that has no port here.
        let elsewhere = RouteKey { vni: vni(9), ..key("10.0.2.1/32") };
        let there = Target::Remote { vtep: [192, 0, 2, 1].into(), vni: vni(2) };
        slice.routes.insert(elsewhere, there);
        let found = ways(&slice, 7);
        let way = |to, vtep: Option<[u8; 4]>| Way {
            from: vni(1),
            to: vni(to),
            vtep: vtep.map(IpAddr::from),
        };
        let ends =
            |remote: [u8; 4]| vec![Ends { local: [10, 0, 1, 2].into(), remote: remote.into() }];
        let want = [
            (way(2, Some([192, 0, 2, 0])), ends([10, 0, 2, 0])),
            (way(2, Some([192, 0, 2, 1])), ends([10, 0, 2, 1])),
            (way(3, None), ends([10, 0, 3, 2])),
        ];
        assert_eq!(found, want.into());
    }

    #[test]
    fn of_many_hosts_a_few_are_probed_and_by_another_host_others() {
        let slice = slice(200);
        let [mine, mine_again, theirs] = [7, 7, 8].map(|seed| ways(&slice, seed));
        assert_eq!(mine.len(), HOSTS);
        assert_eq!(mine, mine_again);
        assert_ne!(mine, theirs);
    }

    #[test]
    fn a_host_that_goes_changes_little() {
        let all = ways(&slice(200), 7);
        let fewer = ways(&slice(199), 7);
        let kept = all.keys().filter(|way| fewer.contains_key(way)).count();
        assert!(kept + 1 >= HOSTS, "{kept}");
    }
}
