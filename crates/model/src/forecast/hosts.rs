//! What hosts will have to do.

use std::collections::{BTreeMap, BTreeSet};

use imbl::ordmap::DiffItem;
use uuid::Uuid;

use crate::host_spec::slice_of;
use crate::ids::Vni;
use crate::spec::HostSpec;
use crate::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostChange {
    pub host: Uuid,
    pub name: String,
    /// By the network whose packets they are for; none without any change.
    pub networks: BTreeMap<Uuid, Tally>,
}

/// How many things of a host's slice come, change and go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub routes_added: usize,
    pub routes_changed: usize,
    pub routes_removed: usize,
    pub ports_changed: usize,
}

impl Tally {
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            routes_added: sum.routes_added + it.routes_added,
            routes_changed: sum.routes_changed + it.routes_changed,
            routes_removed: sum.routes_removed + it.routes_removed,
            ports_changed: sum.ports_changed + it.ports_changed,
        })
    }
}

/// `networks` are all that anything of may be another in a slice.
pub(super) fn changed(before: &World, after: &World, networks: &BTreeSet<Uuid>) -> Vec<HostChange> {
    let hosts: BTreeSet<Uuid> = networks.iter().flat_map(|n| after.hosts_of(*n)).collect();
    let change = |host: Uuid| {
        let slice = |world| slice_of(world, host, |network| networks.contains(&network));
        let networks = tallies(after, &slice(before), &slice(after));
        let name = after.hosts.get(&host).map(|it| it.name.clone()).unwrap_or_default();
        (!networks.is_empty()).then_some(HostChange { host, name, networks })
    };
    hosts.into_iter().filter_map(change).collect()
}

fn tallies(world: &World, old: &HostSpec, new: &HostSpec) -> BTreeMap<Uuid, Tally> {
    let mut by_vni: BTreeMap<Vni, Tally> = BTreeMap::new();
    for difference in old.routes.diff(&new.routes) {
        match difference {
            DiffItem::Add(key, _) => by_vni.entry(key.vni).or_default().routes_added += 1,
            DiffItem::Update { new: (key, _), .. } => {
                by_vni.entry(key.vni).or_default().routes_changed += 1;
            }
            DiffItem::Remove(key, _) => by_vni.entry(key.vni).or_default().routes_removed += 1,
        }
    }
    for (uuid, port) in &new.ports {
        if old.ports.get(uuid) != Some(port) {
            by_vni.entry(port.vni).or_default().ports_changed += 1;
        }
    }
    let ports = old.ports.keys().chain(new.ports.keys());
    let networks: BTreeMap<Vni, Uuid> = ports
        .filter_map(|port| world.network(world.ports.get(port)?.network))
        .map(|network| (network.vni, network.uuid))
        .collect();
    by_vni.into_iter().filter_map(|(vni, it)| Some((*networks.get(&vni)?, it))).collect()
}
