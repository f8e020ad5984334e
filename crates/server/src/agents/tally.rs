//! What hosts have counted, as they last told of it.

use std::collections::BTreeMap;

use model::flow::{Counted, Exchange, Flows};
use model::ids::Vni;
use model::world::World;
use uuid::Uuid;

/// By host. A host that is away is remembered for as long as it exists.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Uuid, Host>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    flows: Flows,
    pub(crate) verdicts: BTreeMap<String, u64>,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

impl Tally {
    pub(crate) fn take(&mut self, world: &World, host: Uuid, mut counted: Counted, at: i64) {
        self.0.retain(|host, _| world.hosts.contains_key(host));
        let known = self.0.entry(host).or_default();
        known.verdicts = std::mem::take(&mut counted.verdicts);
        known.at = at;
        counted.apply(&mut known.flows);
    }

    pub(crate) fn of(&self, host: Uuid) -> Option<&Host> {
        self.0.get(&host)
    }

    /// Between two networks, over all hosts, and when one last told of any.
    pub(crate) fn between(&self, local: Vni, peer: Vni) -> (Exchange, Option<i64>) {
        let mut exchange = Exchange::default();
        for host in self.0.values() {
            exchange.add(&host.flows, local, peer);
        }
        (exchange, self.0.values().map(|host| host.at).max())
    }
}
