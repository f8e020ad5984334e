//! Static routes of routers: a prefix behind one of the addresses of their
//! networks.
//!
//! They are for the networks of that router alone. A peering is between two
//! networks, and what is behind one of them has not been agreed to: it would
//! be a third network, reached without a peering of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use uuid::Uuid;

use crate::host_spec::target_of;
use crate::ids::Prefix;
use crate::objects::{Network, Port, StaticRoute};
use crate::spec::{PortSpec, RouteKey, Routes, Target};
use crate::world::World;

/// Those of `from`'s router, as `host` has to know them. What is connected
/// goes before: a prefix that is a network's, an address that is a port's.
pub(crate) fn add(world: &World, host: Uuid, from: &Network, routes: &mut Routes) {
    for route in of(world, from) {
        let key = RouteKey { vni: from.vni, prefix: route.route };
        let target = route.nexthop.and_then(|hop| target(world, host, from, hop));
        routes.entry(key).or_insert(target.unwrap_or(Target::Nobody));
    }
}

/// Where the static route to exactly that prefix leads.
pub(crate) fn one(world: &World, host: Uuid, from: &Network, prefix: Prefix) -> Option<Target> {
    let route = of(world, from).iter().find(|it| it.route == prefix)?;
    let target = route.nexthop.and_then(|hop| target(world, host, from, hop));
    Some(target.unwrap_or(Target::Nobody))
}

/// The prefixes that a workload is to send to its gateway. Not those that come
/// back to itself.
pub(crate) fn inside(world: &World, network: &Network, port: &PortSpec) -> BTreeSet<Prefix> {
    let own = |hop: IpAddr| port.inets().any(|it| it.address == hop);
    let others = of(world, network).iter().filter(|r| r.nexthop.is_some_and(|hop| !own(hop)));
    let connected = |p: &Prefix| network.prefixes().any(|own| own == *p);
    let prefixes = others.map(|r| r.route).filter(|p| !connected(p));
    prefixes.filter(|to| port.gateway_for(*to).is_some()).collect()
}

pub(crate) fn of<'w>(world: &'w World, network: &Network) -> &'w [StaticRoute] {
    let router = network.router.and_then(|router| world.routers.get(&router));
    router.map_or(&[], |router| &router.static_routes)
}

/// The one that packets from `network` to `address` take, if nothing that is
/// connected has the address.
pub(crate) fn towards<'w>(
    world: &'w World,
    network: &Network,
    address: IpAddr,
) -> Option<&'w StaticRoute> {
    let fitting = of(world, network).iter().filter(|it| it.route.contains(address));
    fitting.max_by_key(|it| it.route.len())
}

/// Who has that address, or is the way to it, among the networks of `from`'s
/// router.
pub(crate) fn hop<'w>(
    world: &'w World,
    from: &'w Network,
    hop: IpAddr,
) -> Option<(&'w Network, &'w Port)> {
    let mut networks = world.neighbours(from).map(|n| &**n).chain([from]);
    networks.find_map(|n| Some((n, owner(world, n, hop)?)))
}

fn target(world: &World, host: Uuid, from: &Network, next: IpAddr) -> Option<Target> {
    let (network, port) = hop(world, from, next)?;
    match target_of(world, host, port, network)? {
        // Only the host of several machines has to tell them apart.
        Target::Local { port: uuid, vni, .. } if !port.prefixes.is_empty() => {
            Some(Target::Local { port: uuid, vni, via: Some(next) })
        }
        target @ (Target::Local { .. } | Target::Remote { .. } | Target::Nobody) => Some(target),
    }
}

/// The port of `network` that has the address, or the machine with it behind.
pub(crate) fn owner<'w>(world: &'w World, network: &Network, address: IpAddr) -> Option<&'w Port> {
    network.subnet_of(address)?;
    let own = world.port_at(network.uuid, address).and_then(|uuid| world.ports.get(&uuid));
    let behind = || {
        let mut ports = world.segments_on(network.uuid);
        ports.find(|p| p.prefixes.iter().any(|prefix| prefix.contains(address)))
    };
    own.or_else(behind).map(|port| &**port)
}

#[cfg(test)]
#[path = "static_routes_tests.rs"]
mod tests;
