//! What one host must carry, from all that is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use uuid::Uuid;

use crate::admission;
use crate::dhcp;
use crate::ids::Prefix;
use crate::objects::{Network, Port, Subnet};
use crate::seal;
use crate::spec::{Attachment, HostSpec, Inet, PortSpec, RouteKey, Routes, Target};
use crate::static_routes;
use crate::world::World;

/// The slice of `host`: its ports, and for each network they are on the
/// addresses that network may reach. Nothing of anybody else.
pub fn host_spec(world: &World, host: Uuid) -> HostSpec {
    let mut spec = slice_of(world, host, |_| true);
    spec.sealing = seal::sealing(world, host, &spec.routes);
    spec
}

/// Of [`host_spec`] the ports and routes of the networks that are wanted.
pub(crate) fn slice_of(world: &World, host: Uuid, is_wanted: impl Fn(Uuid) -> bool) -> HostSpec {
    let ports = world.ports_at(host).map(|p| &**p).filter(|p| is_wanted(p.network));
    let ports: Vec<&Port> = ports.collect();
    let mut networks: BTreeMap<Uuid, &Network> = BTreeMap::new();
    for port in &ports {
        networks.extend(world.network(port.network).map(|n| (n.uuid, &**n)));
    }
    let mut spec = HostSpec { revision: world.revision(), ..HostSpec::default() };
    for network in networks.values() {
        let reached = reachable(world, network);
        add_routes(world, host, (network, &reached), |_| true, &mut spec.routes);
        static_routes::add(world, host, network, &mut spec.routes);
        for port in ports.iter().filter(|p| p.network == network.uuid) {
            let Some(mut it) = port_spec(port, network, &reached) else { continue };
            it.dhcp = dhcp::offer(world, network, port);
            if matches!(it.attachment, Attachment::Netns { .. }) {
                it.routes.extend(static_routes::inside(world, network, &it));
            }
            spec.ports.insert(port.uuid, it);
        }
    }
    spec
}

/// Where `host`, which carries `network`, is to send that network's packets to
/// `address`: what [`host_spec`] has of it, and no more work.
pub fn target(world: &World, host: Uuid, network: &Network, address: IpAddr) -> Option<Target> {
    let mut it = HostSpec::default();
    let reached = reachable(world, network);
    let fits = |prefix: Prefix| prefix.contains(address);
    add_routes(world, host, (network, &reached), fits, &mut it.routes);
    static_routes::add(world, host, network, &mut it.routes);
    it.target(network.vni, address)
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
    (from, reached): (&Network, &[&Network]),
    wanted: impl Fn(Prefix) -> bool,
    routes: &mut Routes,
) {
    for to in reached.iter().copied().chain([from]) {
        let key = |prefix| RouteKey { vni: from.vni, prefix };
        routes.extend(to.prefixes().filter(|p| wanted(*p)).map(|p| (key(p), Target::Nobody)));
        for port in world.ports_on(to.uuid) {
            let mut destinations = port.destinations().filter(|p| wanted(*p)).peekable();
            if destinations.peek().is_none() {
                continue;
            }
            let Some(target) = target_of(world, host, port, to) else { continue };
            routes.extend(destinations.map(|prefix| (key(prefix), target)));
        }
    }
}

/// Where packets to `port`, which is on `network`, go from `host`.
pub(crate) fn target_of(
    world: &World,
    host: Uuid,
    port: &Port,
    network: &Network,
) -> Option<Target> {
    let at = port.host.filter(|at| *at == host || !world.is_lost(*at))?;
    if at == host {
        return Some(Target::local(port.uuid, network.vni));
    }
    // What cannot be encrypted is not sent.
    if !seal::may_send(world, host, at) {
        return None;
    }
    Some(Target::Remote { vtep: world.hosts.get(&at)?.underlay, vni: network.vni })
}

fn port_spec(port: &Port, network: &Network, reached: &[&Network]) -> Option<PortSpec> {
    let inet = |address| {
        let subnet = network.subnet_of(address)?;
        Some(Inet { address, subnet: subnet.prefix, gateway: subnet.gateway })
    };
    let first = inet(port.address)?;
    let further: Vec<Inet> = port.further.iter().filter_map(|a| inet(*a)).collect();
    let mut it = PortSpec {
        vni: network.vni,
        address: first.address,
        subnet: first.subnet,
        gateway: first.gateway,
        mac: port.mac,
        attachment: port.attachment.clone(),
        routes: BTreeSet::new(),
        further,
        segment: !port.prefixes.is_empty(),
        dhcp: None,
    };
    if matches!(port.attachment, Attachment::Netns { .. }) {
        it.routes = routes_inside(&it, network, reached);
    }
    Some(it)
}

/// What a workload is to reach through its gateways.
fn routes_inside(it: &PortSpec, network: &Network, reached: &[&Network]) -> BTreeSet<Prefix> {
    let default = |s: &Subnet| s.dhcp_default_route.then(|| Prefix::everything(s.gateway));
    let defaults = network.subnets.iter().filter_map(default);
    let routes = reached.iter().flat_map(|n| n.prefixes()).chain(defaults);
    routes.filter(|to| it.gateway_for(*to).is_some()).collect()
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
