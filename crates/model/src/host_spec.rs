//! What one host must carry, from all that is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use uuid::Uuid;

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
            let it = port_spec(world, port, network, &reached);
            spec.ports.extend(it.map(|it| (port.uuid, it)));
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
    let peers = world.admitted_peers(network.uuid).filter_map(|peer| world.network(peer));
    found.extend(peers.map(|n| (n.uuid, &**n)));
    found.into_values().collect()
}

/// The same, and `network` itself.
pub(crate) fn around<'w>(
    world: &'w World,
    network: &'w Network,
) -> impl Iterator<Item = &'w Network> {
    reachable(world, network).into_iter().chain([network])
}

/// What [`host_spec`] has for `prefix` in the table of `from`, if `host` carries
/// that network, and no more work.
pub(crate) fn route(world: &World, host: Uuid, from: &Network, prefix: Prefix) -> Option<Target> {
    let to = holder(world, from, prefix);
    let connected = to.and_then(|to| {
        let port = port_behind(world, to, prefix);
        let target = port.and_then(|port| target_of(world, host, port, to));
        target.or_else(|| to.prefixes().any(|own| own == prefix).then_some(Target::Nobody))
    });
    connected.or_else(|| static_routes::one(world, host, from, prefix))
}

/// The network that `prefix` lies in, of those that `from` may reach: at most one.
fn holder<'w>(world: &'w World, from: &'w Network, prefix: Prefix) -> Option<&'w Network> {
    if from.prefixes().any(|own| own.net().contains(&prefix.net())) {
        return Some(from);
    }
    let beside = from.router.into_iter().flat_map(|router| world.covering(router, prefix));
    let peers = world.covering(from.uuid, prefix).into_iter();
    let mut all = beside.chain(peers.filter(|peer| world.admits(from.uuid, *peer)));
    all.find_map(|it| world.network(it).map(|n| &**n))
}

fn port_behind<'w>(world: &'w World, network: &Network, prefix: Prefix) -> Option<&'w Port> {
    let at = || world.ports.get(&world.port_at(network.uuid, prefix.address())?);
    let own = prefix.is_host().then(at).flatten();
    let behind = || world.segments_on(network.uuid).find(|it| it.prefixes.contains(&prefix));
    own.or_else(behind).map(|port| &**port)
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

/// None of a port that has no address of its network.
pub(crate) fn port_spec(
    world: &World,
    port: &Port,
    network: &Network,
    reached: &[&Network],
) -> Option<PortSpec> {
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
        dhcp: dhcp::offer(world, network, port),
    };
    if matches!(port.attachment, Attachment::Netns { .. }) {
        it.routes = routes_inside(&it, network, reached);
        it.routes.extend(static_routes::inside(world, network, &it));
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

#[cfg(test)]
#[path = "host_spec_properties.rs"]
mod properties;

#[cfg(test)]
#[path = "host_spec_tests.rs"]
mod tests;
