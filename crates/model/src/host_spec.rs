//! What one host must carry, from all that is remembered.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::admission;
use crate::ids::Prefix;
use crate::objects::{Network, Port};
use crate::spec::{Attachment, HostSpec, PortSpec, RouteKey, Target};
use crate::world::World;

/// The slice of `host`: its ports, and for each network they are on the
/// addresses that network may reach. Nothing of anybody else.
pub fn host_spec(world: &World, host: Uuid) -> HostSpec {
    let ports: Vec<&Port> = world.ports_at(host).map(|p| &**p).collect();
    let mut networks: BTreeMap<Uuid, &Network> = BTreeMap::new();
    for port in &ports {
        networks.extend(world.network(port.network).map(|n| (n.uuid, &**n)));
    }
    let mut spec = HostSpec { revision: world.revision(), ..HostSpec::default() };
    for network in networks.values() {
        let reached = reachable(world, network);
        add_routes(world, host, network, &reached, &mut spec.routes);
        let mine = ports.iter().filter(|p| p.network == network.uuid);
        spec.ports.extend(mine.filter_map(|p| Some((p.uuid, port_spec(p, network, &reached)?))));
    }
    spec
}

/// The other networks that `network` exchanges packets with: its router's, and
/// the peers of its admitted peerings. Never theirs in turn.
pub fn reachable<'w>(world: &'w World, network: &'w Network) -> Vec<&'w Network> {
    let mut found: BTreeMap<Uuid, &Network> = BTreeMap::new();
    found.extend(world.neighbours(network).map(|n| (n.uuid, &**n)));
    for half in world.halves_of(network.uuid) {
        if !found.contains_key(&half.peer_network) && admission::admitted(world, half) {
            found.extend(world.network(half.peer_network).map(|n| (n.uuid, &**n)));
        }
    }
    found.into_values().collect()
}

fn add_routes(
    world: &World,
    host: Uuid,
    from: &Network,
    reached: &[&Network],
    routes: &mut BTreeMap<RouteKey, Target>,
) {
    for to in reached.iter().copied().chain([from]) {
        let key = |prefix| RouteKey { vni: from.vni, prefix };
        routes.extend(to.prefixes().map(|p| (key(p), Target::Nobody)));
        let ports = world.ports_on(to.uuid).filter_map(|port| {
            let at = port.host.filter(|at| *at == host || !world.is_lost(*at))?;
            let target = if at == host {
                Target::Local { port: port.uuid, vni: to.vni }
            } else {
                Target::Remote { vtep: world.hosts.get(&at)?.underlay, vni: to.vni }
            };
            Some((key(Prefix::host(port.address)), target))
        });
        routes.extend(ports);
    }
}

fn port_spec(port: &Port, network: &Network, reached: &[&Network]) -> Option<PortSpec> {
    let subnet = network.subnet_of(port.address)?;
    let ours = matches!(port.attachment, Attachment::Netns { .. });
    let same_family = |p: &Prefix| p.address().is_ipv4() == port.address.is_ipv4();
    let default = subnet.dhcp_default_route.then(|| Prefix::everything(port.address));
    let routes = reached.iter().flat_map(|n| n.prefixes()).filter(same_family).chain(default);
    Some(PortSpec {
        vni: network.vni,
        address: port.address,
        subnet: subnet.prefix,
        gateway: subnet.gateway,
        mac: port.mac,
        attachment: port.attachment.clone(),
        routes: routes.filter(|_| ours).collect(),
        further: Vec::new(),
        segment: false,
    })
}

/// The hosts whose slice may differ once `network` or something attached to it
/// changed: those that carry it, or anything it reaches.
pub fn hosts_near(world: &World, network: Uuid) -> std::collections::BTreeSet<Uuid> {
    let mut hosts = world.hosts_of(network);
    let Some(it) = world.network(network) else { return hosts };
    let peers = world.halves_of(network).map(|h| h.peer_network);
    for near in world.neighbours(it).map(|n| n.uuid).chain(peers) {
        hosts.extend(world.hosts_of(near));
    }
    hosts
}

#[cfg(test)]
#[path = "host_spec_properties.rs"]
mod properties;

#[cfg(test)]
#[path = "host_spec_tests.rs"]
mod tests;
