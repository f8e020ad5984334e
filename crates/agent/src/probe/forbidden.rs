//! Probes that must not cross: from a network of this host to one that it does
//! not reach. All that is tried is in this host's slice, so it is told of
//! nobody's network for this.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use model::ids::{Prefix, Vni};
use model::spec::{HostSpec, PortSpec, RouteKey, Target};
use model::wire::agent::Fault;

use super::{INTERVAL, LOST_AFTER};

/// How often one is tried.
const EVERY: Duration = Duration::from_secs(1);

/// As many are tried in turn.
const MOST: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trial {
    pub(crate) from: (Vni, IpAddr),
    pub(crate) to: (Vni, IpAddr),
    /// Sent to that host as if there was a route; None: as a workload's packet.
    pub(crate) forced: Option<IpAddr>,
}

#[derive(Debug, Default)]
pub(crate) struct Forbidden {
    trials: BTreeSet<Trial>,
    last: Option<Trial>,
    /// Those that were answered, and how many were not since.
    open: BTreeMap<Trial, u32>,
    pub(crate) due: Duration,
}

impl Forbidden {
    pub(crate) fn adopt(&mut self, trials: BTreeSet<Trial>) {
        self.trials = trials;
        self.open.retain(|trial, _| self.trials.contains(trial));
    }

    /// The next, when it is due.
    pub(crate) fn send(&mut self, now: Duration) -> Option<Trial> {
        self.due = now + if self.open.is_empty() { EVERY } else { INTERVAL };
        let after = self.last.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let all =
            if self.open.is_empty() { &self.trials } else { &self.open.keys().copied().collect() };
        let next = all.range((after, std::ops::Bound::Unbounded)).next().or_else(|| all.first());
        self.last = next.copied();
        self.last
    }

    /// True when that is news.
    pub(crate) fn answered(&mut self, trial: Trial) -> bool {
        self.trials.contains(&trial) && self.open.insert(trial, 0).is_none()
    }

    /// True when one that was answered is no more.
    pub(crate) fn refused(&mut self, trial: Trial) -> bool {
        let Some(missed) = self.open.get_mut(&trial) else { return false };
        *missed += 1;
        *missed >= LOST_AFTER && self.open.remove(&trial).is_some()
    }

    /// One for each of the two networks.
    pub(crate) fn faults(&self) -> impl Iterator<Item = Fault> {
        self.open.keys().flat_map(|trial| {
            let ((from, a), (to, b)) = (trial.from, trial.to);
            let message = format!("packets of VNI {from} cross from {a} to {b} of VNI {to}");
            let fault = |vni| Fault { vni: Some(vni), message: message.clone(), breach: true };
            [fault(from), fault(to)]
        })
    }
}

/// What the routes of `slice` say about each of its networks.
struct Networks<'s> {
    slice: &'s HostSpec,
    /// One address of each, and of each family.
    here: BTreeMap<(Vni, bool), IpAddr>,
    reaches: BTreeMap<Vni, BTreeSet<Vni>>,
}

impl<'s> Networks<'s> {
    fn of(slice: &'s HostSpec) -> Self {
        let inets = |port: &'s PortSpec| port.inets().map(|inet| (port.vni, inet.address));
        let all = slice.ports.values().flat_map(inets);
        let here = all.map(|(vni, it)| ((vni, it.is_ipv4()), it)).collect();
        let mut reaches: BTreeMap<Vni, BTreeSet<Vni>> = BTreeMap::new();
        for (key, target) in &slice.routes {
            if let Target::Local { vni, .. } | Target::Remote { vni, .. } = target {
                reaches.entry(key.vni).or_default().insert(*vni);
            }
        }
        Self { slice, here, reaches }
    }

    fn reaches(&self, from: Vni, to: Vni) -> bool {
        from == to || self.reaches.get(&from).is_some_and(|all| all.contains(&to))
    }

    /// A network that reaches `to` has that address here, too: at the other
    /// host they are told apart by nothing.
    fn passes_for(&self, from: (Vni, IpAddr), to: Vni) -> bool {
        let has = |port: &PortSpec| port.inets().any(|inet| inet.address == from.1);
        let mut others = self.slice.ports.values().filter(|port| port.vni != from.0);
        others.any(|port| has(port) && self.reaches(port.vni, to))
    }

    /// A route of its own covers the address.
    fn covers(&self, from: Vni, address: IpAddr) -> bool {
        let all = std::iter::successors(Some(Prefix::host(address).net()), |net| net.supernet());
        let mut keys = all.map(|net| RouteKey { vni: from, prefix: Prefix::containing(net) });
        keys.any(|key| self.slice.routes.contains_key(&key))
    }
}

pub(super) fn trials(slice: &HostSpec) -> BTreeSet<Trial> {
    let networks = Networks::of(slice);
    let mut targets: BTreeMap<(Vni, Option<IpAddr>, bool), IpAddr> = BTreeMap::new();
    for (key, target) in slice.routes.iter().filter(|(key, _)| key.prefix.is_host()) {
        let address = key.prefix.address();
        if let Target::Remote { vtep, vni } = target {
            targets.entry((*vni, Some(*vtep), address.is_ipv4())).or_insert(address);
        }
    }
    targets.extend(networks.here.iter().map(|((vni, family), it)| ((*vni, None, *family), *it)));
    let mut trials = BTreeSet::new();
    for ((from, family), local) in networks.here.iter().take(MOST) {
        for ((to, vtep, _), address) in targets.iter().filter(|(t, _)| t.2 == *family).take(MOST) {
            if trials.len() >= MOST {
                return trials;
            }
            if networks.reaches(*from, *to) {
                continue;
            }
            let trial = Trial { from: (*from, *local), to: (*to, *address), forced: *vtep };
            if vtep.is_some() && !networks.passes_for(trial.from, *to) {
                trials.insert(trial);
            }
            if !networks.covers(*from, *address) {
                trials.insert(Trial { forced: None, ..trial });
            }
        }
    }
    trials
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::sample::{port, vni};
    use super::*;

    const THERE: [u8; 4] = [192, 0, 2, 9];

    /// Networks 1 and 3 here, of which 1 reaches network 2 at another host.
    fn slice(third: [u8; 4]) -> HostSpec {
        let mut slice = HostSpec::default();
        for (n, address) in [(1, [10, 0, 1, 2]), (3, third)] {
            let port = port(n, address, "10.0.0.0/8");
            slice.ports.insert(Uuid::from_u128(n.into()), port);
        }
        let key = RouteKey { vni: vni(1), prefix: Prefix::host([10, 0, 2, 2].into()) };
        slice.routes.insert(key, Target::Remote { vtep: THERE.into(), vni: vni(2) });
        slice
    }

    fn forced(slice: &HostSpec) -> Vec<Trial> {
        trials(slice).into_iter().filter(|trial| trial.forced.is_some()).collect()
    }

    #[test]
    fn what_one_network_reaches_is_tried_from_the_others() {
        let slice = slice([10, 0, 3, 2]);
        let all = trials(&slice);
        let trial = Trial {
            from: (vni(3), [10, 0, 3, 2].into()),
            to: (vni(2), [10, 0, 2, 2].into()),
            forced: Some(THERE.into()),
        };
        assert_eq!(forced(&slice), [trial]);
        assert!(all.contains(&Trial { forced: None, ..trial }));
        assert!(!all.iter().any(|it| it.from.0 == vni(1) && it.to.0 == vni(2)), "{all:?}");
        let here = |from, to| all.iter().any(|it| it.from.0 == vni(from) && it.to.0 == vni(to));
        assert!(here(1, 3) && here(3, 1), "{all:?}");
    }

    #[test]
    fn an_address_that_two_networks_have_is_not_tried() {
        assert_eq!(forced(&slice([10, 0, 1, 2])), []);
        let mut slice = slice([10, 0, 3, 2]);
        let everything = RouteKey { vni: vni(3), prefix: "10.0.2.0/24".parse().unwrap() };
        slice.routes.insert(everything, Target::Nobody);
        let plain = trials(&slice).into_iter().filter(|it| it.forced.is_none());
        assert!(!plain.into_iter().any(|it| it.from.0 == vni(3) && it.to.0 == vni(2)));
    }

    #[test]
    fn a_breach_is_told_until_it_is_refused_several_times() {
        let mut it = Forbidden::default();
        it.adopt(trials(&slice([10, 0, 3, 2])));
        let trial = it.send(Duration::ZERO).unwrap();
        assert!(it.answered(trial));
        assert!(!it.answered(trial));
        assert!(it.faults().all(|fault| fault.breach) && it.faults().count() == 2);
        assert_eq!(it.send(Duration::from_secs(1)), Some(trial), "it is watched");
        assert!(!it.refused(trial) && !it.refused(trial));
        assert!(it.refused(trial));
        assert_eq!(it.faults().count(), 0);
    }

    #[test]
    fn all_take_turns() {
        let mut it = Forbidden::default();
        it.adopt(trials(&slice([10, 0, 3, 2])));
        let count = it.trials.len();
        let seen: BTreeSet<Trial> = (0..count).filter_map(|_| it.send(Duration::ZERO)).collect();
        assert_eq!(seen, it.trials);
    }
}
