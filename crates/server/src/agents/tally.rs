//! What hosts have counted, as they last told of it.

use std::collections::BTreeMap;

use model::flow::{Counted, Exchange, Flows};
use model::ids::Vni;
use model::wire::peer::{self, Counts};
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

    /// Between two networks.
    pub(crate) fn between(&self, local: Vni, peer: Vni) -> Counts {
        let counted = self.0.iter().map(|(host, it)| {
            let mut exchange = Exchange::default();
            exchange.add(&it.flows, local, peer);
            peer::Counted { host: *host, at: it.at, exchange }
        });
        let hosts = counted.filter(|it| !it.exchange.is_none()).collect();
        Counts { at: self.0.values().map(|host| host.at).max(), hosts }
    }
}
