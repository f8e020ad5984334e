//! `plan`: what a write would do, as far as the one who asks may know it.
//!
//! It holds what the caller would be told by reading its own things after the
//! write, and for administrators what every host would have to do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::network_view::dhcp_effective_routes;
use crate::forecast::{Forecast, HostChange, Import, Imports, Tally, Through, Verdict};
use crate::ids::{Prefix, Revision};
use crate::objects::Network;
use crate::op;
use crate::policy::Limits;
use crate::reasons::Reason;
use crate::scope::Scope;
use crate::spec::Dhcp;
use crate::state::State;
use crate::world::World;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'w> {
    pub world: &'w World,
    pub account: &'w str,
    pub scope: Scope<'w>,
    /// No sub-account.
    pub main: bool,
    pub limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct One {
    pub plan: View,
}

/// Everything by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Of the world that it was judged at.
    pub revision: Revision,
    pub peerings: Vec<PeeringView>,
    pub clashes: Vec<ClashView>,
    pub networks: Vec<NetworkView>,
    pub hosts: Vec<HostView>,
    pub warnings: Vec<WarningView>,
    pub limits: Vec<LimitView>,
}

/// A half that becomes another, or whose state does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringView {
    /// None of one that is not made yet.
    pub uuid: Option<Uuid>,
    pub name: String,
    pub network: Uuid,
    pub peer_network: Uuid,
    /// None: it is new, or it goes.
    pub before: Option<State>,
    pub after: Option<State>,
    /// It works, is not what is written, and would not work any more.
    pub breaks: bool,
    pub reasons: Vec<Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub code: String,
    pub message: String,
}

/// Which half gives way, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClashView {
    pub peering: Option<Uuid>,
    pub message: String,
}

/// A network that reaches more or less than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    pub uuid: Option<Uuid>,
    pub name: String,
    pub gains: Vec<ImportView>,
    pub loses: Vec<ImportView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportView {
    pub prefix: Prefix,
    pub through: Way,
    pub uuid: Option<Uuid>,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    Peering,
    Router,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    pub name: String,
    pub routes_added: usize,
    pub routes_changed: usize,
    pub routes_removed: usize,
    pub ports_changed: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningView {
    pub peering: Option<Uuid>,
    pub code: String,
    pub message: String,
}

/// Four fifths of what there may be are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    pub limit: String,
    pub used: usize,
    pub most: usize,
}

/// That many warnings are told of.
const MOST_WARNINGS: usize = 100;

impl View {
    pub fn new(it: &Forecast, viewer: Viewer<'_>) -> Self {
        let told = Teller { it, viewer };
        let mut verdicts: Vec<&Verdict> =
            it.verdicts.iter().filter(|v| told.sees_half(v)).collect();
        verdicts.sort_by_key(|it| (&it.half.name, it.half.uuid));
        let clashes = verdicts.iter().filter_map(|v| told.clash(v)).collect();
        let warnings = verdicts.iter().flat_map(|v| told.warnings(v)).take(MOST_WARNINGS);
        let mut imports: Vec<&Imports> =
            it.imports.iter().filter(|it| told.sees(&it.network)).collect();
        imports.sort_by_key(|it| (&it.network.name, it.network.uuid));
        let mut hosts: Vec<HostView> = it.hosts.iter().filter_map(|it| told.host(it)).collect();
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            revision: it.revision,
            peerings: verdicts.iter().map(|v| told.peering(v)).collect(),
            clashes,
            networks: imports.into_iter().map(|it| told.network(it)).collect(),
            hosts,
            warnings: warnings.collect(),
            limits: told.limits(),
        }
    }
}

struct Teller<'a> {
    it: &'a Forecast,
    viewer: Viewer<'a>,
}

impl Teller<'_> {
    fn sees_half(&self, it: &Verdict) -> bool {
        it.half.account == self.viewer.account && self.viewer.scope.has_peering(&it.half)
    }

    fn sees(&self, it: &Network) -> bool {
        it.account == self.viewer.account && self.viewer.scope.has_network(it.uuid)
    }

    /// Who makes what is asked for would get another UUID.
    fn if_there(&self, half: Uuid) -> Option<Uuid> {
        self.viewer.world.peerings.contains_key(&half).then_some(half)
    }

    fn peering(&self, it: &Verdict) -> PeeringView {
        PeeringView {
            uuid: self.if_there(it.half.uuid),
            name: it.half.name.clone(),
            network: it.half.network,
            peer_network: it.half.peer_network,
            before: it.before,
            after: it.after,
            breaks: it.breaks,
            reasons: it.reasons.iter().map(told).collect(),
        }
    }

    fn clash(&self, it: &Verdict) -> Option<ClashView> {
        let overlap = it.reasons.iter().find(|reason| reason.code == "subnet-overlap")?;
        let message = format!("The peering {} gives way: {}", it.half.name, overlap.message);
        Some(ClashView { peering: self.if_there(it.half.uuid), message })
    }

    fn warnings(&self, it: &Verdict) -> impl Iterator<Item = WarningView> {
        let peering = self.if_there(it.half.uuid);
        it.ahead.iter().map(move |reason| {
            let Told { code, message } = told(reason);
            WarningView { peering, code, message }
        })
    }

    fn network(&self, it: &Imports) -> NetworkView {
        let there = self.viewer.world.network(it.network.uuid);
        NetworkView {
            uuid: there.map(|it| it.uuid),
            name: it.network.name.clone(),
            gains: it.gains.iter().map(|it| self.import(it)).collect(),
            loses: it.loses.iter().map(|it| self.import(it)).collect(),
        }
    }

    fn import(&self, it: &Import) -> ImportView {
        let worlds = [&self.it.after, self.viewer.world];
        let (through, uuid, name) = match it.through {
            Through::Peering(uuid) => {
                let half = worlds.iter().find_map(|world| world.peerings.get(&uuid));
                (Way::Peering, self.if_there(uuid), half.map(|it| it.name.clone()))
            }
            Through::Router(uuid) => {
                let router = worlds.iter().find_map(|world| world.routers.get(&uuid));
                (Way::Router, Some(uuid), router.map(|it| it.name.clone()))
            }
        };
        ImportView { prefix: it.prefix, through, uuid, name: name.unwrap_or_default() }
    }

    fn host(&self, it: &HostChange) -> Option<HostView> {
        let Viewer { world, account, main, .. } = self.viewer;
        let operates = main && op::admin(world, account).is_ok();
        let is_told = |network: &Uuid| {
            let found = self.it.after.network(*network);
            operates || found.is_some_and(|network| self.sees(network))
        };
        let tallies = it.networks.iter().filter(|(network, _)| is_told(network));
        let sum = Tally::sum(tallies.map(|(_, tally)| *tally));
        (sum != Tally::default()).then(|| HostView {
            name: it.name.clone(),
            routes_added: sum.routes_added,
            routes_changed: sum.routes_changed,
            routes_removed: sum.routes_removed,
            ports_changed: sum.ports_changed,
        })
    }

    /// Of what there would be more of.
    fn limits(&self) -> Vec<LimitView> {
        let Viewer { world, account, limits, main, .. } = self.viewer;
        let count = |world: &World| {
            let owned = world.owned(account);
            owned.map_or([0; 3], |o| [o.networks.len(), o.peerings.len(), o.routers.len()])
        };
        let names = ["networks", "network_peerings", "routers"];
        let most = [limits.networks, limits.peerings, limits.routers];
        let (old, new) = (count(world), count(&self.it.after));
        // How much its main account has is not a sub-account's to know.
        let grown = (0..3).filter(|at| main && new[*at] > old[*at]);
        let near = grown
            .filter_map(|at| near(names[at].to_owned(), new[at], usize::try_from(most[at]).ok()?));
        let dhcp = self.it.imports.iter().filter(|it| !it.gains.is_empty());
        let dhcp = dhcp.filter(|it| self.sees(&it.network)).filter_map(|it| self.dhcp(&it.network));
        near.chain(dhcp).collect()
    }

    /// Routes that a network's DHCP is to hand out.
    fn dhcp(&self, network: &Arc<Network>) -> Option<LimitView> {
        let subnet = network.subnets.iter().find(|s| s.dhcp && s.gateway.is_ipv4())?;
        let routes = dhcp_effective_routes(&self.it.after, network, subnet).into_iter();
        let used = routes.filter(|(to, _)| to.address().is_ipv4() && !to.is_everything()).count();
        near(format!("DHCP routes of network {}", network.name), used, Dhcp::MOST_ROUTES)
    }
}

fn near(limit: String, used: usize, most: usize) -> Option<LimitView> {
    (used.saturating_mul(5) >= most.saturating_mul(4)).then_some(LimitView { limit, used, most })
}

fn told(reason: &Reason) -> Told {
    Told { code: reason.code.to_owned(), message: reason.message.clone() }
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
