//! Which hosts a write may concern.

use std::collections::BTreeSet;

use model::change::{Change, Key, Object};
use model::host_spec::hosts_near;
use model::objects::{Network, Peering};
use model::seal::{Keys, Seal};
use model::world::World;
use uuid::Uuid;

/// The hosts whose slice may differ between the two worlds, of which the
/// second is the first after `changes`. May name too many, never too few.
///
/// Of `changes` no two are to the same object: so what a chain of peerings
/// between the two worlds reached is reached from its last link that is
/// another now.
pub(crate) fn concerned<'c>(
    before: &World,
    after: &World,
    changes: impl IntoIterator<Item = &'c Change>,
) -> BTreeSet<Uuid> {
    let mut hosts = BTreeSet::new();
    for change in changes {
        match touched(before, change) {
            Touched::Nothing => {}
            Touched::Host(uuid) => drop(hosts.insert(uuid)),
            Touched::EveryHost => hosts.extend(after.hosts.keys().copied()),
            Touched::Routes(host) => {
                hosts.insert(host);
                let networks: BTreeSet<Uuid> = after.ports_at(host).map(|p| p.network).collect();
                hosts.extend(networks.into_iter().flat_map(|network| hosts_near(after, network)));
            }
            Touched::Zones(zones) => {
                let of_them = after.hosts.values().filter(|host| zones.contains(&host.zone));
                hosts.extend(of_them.map(|host| host.uuid));
            }
            Touched::Port(networks) => {
                for network in networks {
                    hosts.extend(hosts_near(before, network));
                    hosts.extend(hosts_near(after, network));
                }
            }
            Touched::Admission(networks) => {
                hosts.extend(hosts_connected(before, &networks));
                hosts.extend(hosts_connected(after, &networks));
            }
        }
    }
    hosts
}

enum Touched {
    Nothing,
    Host(Uuid),
    EveryHost,
    /// All that is sent to this host.
    Routes(Uuid),
    /// A port of these networks, or what is behind it, came, went or is another.
    Port(Vec<Uuid>),
    /// What these zones' hosts encrypt.
    Zones(Vec<String>),
    /// What these networks may exchange packets with may be another.
    Admission(Vec<Uuid>),
}

fn touched(before: &World, change: &Change) -> Touched {
    match change {
        Change::Put(Object::Port(new)) => {
            let old = before.ports.get(&new.uuid).map(|p| p.network);
            Touched::Port(old.into_iter().chain([new.network]).collect())
        }
        Change::Delete(Key::Port(uuid)) => {
            Touched::Port(before.ports.get(uuid).map(|p| p.network).into_iter().collect())
        }
        Change::Put(Object::Network(new)) => match before.network(new.uuid) {
            Some(old) if same_network(old, new) => Touched::Nothing,
            Some(_) | None => Touched::Admission(vec![new.uuid]),
        },
        Change::Delete(Key::Network(uuid)) => Touched::Admission(vec![*uuid]),
        Change::Put(Object::Peering(new)) => match before.peerings.get(&new.uuid) {
            Some(old) if same_peering(old, new) => Touched::Nothing,
            Some(_) | None => Touched::Admission(vec![new.network, new.peer_network]),
        },
        Change::Delete(Key::Peering(uuid)) => {
            let old = before.peerings.get(uuid);
            Touched::Admission(old.into_iter().flat_map(|p| [p.network, p.peer_network]).collect())
        }
        Change::Put(Object::Host(new)) => match before.hosts.get(&new.uuid) {
            Some(old) if old.underlay != new.underlay => Touched::EveryHost,
            Some(_) | None => Touched::Host(new.uuid),
        },
        Change::Delete(Key::Host(uuid)) => Touched::Host(*uuid),
        Change::Put(Object::Lease(new)) if before.is_lost(new.host) != new.lost.is_some() => {
            Touched::Routes(new.host)
        }
        Change::Delete(Key::Lease(host)) if before.is_lost(*host) => Touched::Routes(*host),
        Change::Put(Object::Lease(_)) | Change::Delete(Key::Lease(_)) => Touched::Nothing,
        Change::Put(Object::Router(new)) => {
            let old = before.routers.get(&new.uuid);
            if old.is_some_and(|old| old.static_routes != new.static_routes) {
                Touched::Port(before.networks_on(new.uuid).map(|n| n.uuid).collect())
            } else {
                Touched::Nothing
            }
        }
        Change::Put(Object::Keys(Keys { host, .. })) | Change::Delete(Key::Keys(host)) => {
            Touched::Routes(*host)
        }
        Change::Put(Object::Seal(Seal { zones, .. })) | Change::Delete(Key::Seal(zones)) => {
            Touched::Zones(vec![zones.0.clone(), zones.1.clone()])
        }
        Change::Put(Object::Rotation(_)) | Change::Delete(Key::Rotation) => sealed_zones(before),
        // Nothing is on a router that goes, and a server is no more than its
        // ports.
        Change::Put(Object::Server(_))
        | Change::Delete(Key::Router(_) | Key::Server(_))
        | Change::Put(
            Object::Account(_) | Object::Authority(_) | Object::Done(_) | Object::JoinToken(_),
        )
        | Change::Put(Object::SubAccount(_) | Object::Token(_) | Object::PeeringGroup(_))
        | Change::Put(Object::Told(_) | Object::Webhook(_) | Object::Node(_))
        | Change::Delete(Key::Told { .. } | Key::Webhook(_) | Key::Node(_))
        | Change::Delete(Key::SubAccount(_) | Key::Token(_) | Key::PeeringGroup(_))
        | Change::Put(Object::Zone(_) | Object::NextVni { .. })
        | Change::Delete(Key::Account(_) | Key::Authority | Key::Done { .. } | Key::JoinToken(_))
        | Change::Delete(Key::Zone(_) | Key::NextVni) => Touched::Nothing,
    }
}

fn sealed_zones(world: &World) -> Touched {
    let zones = world.seals.pairs().map(|it| it.zones.clone());
    Touched::Zones(zones.flat_map(|(a, b)| [a, b]).collect())
}

/// True when they differ at most in what no packet can tell.
fn same_network(old: &Network, new: &Network) -> bool {
    let seen = |n: &Network| (n.vni, n.router, n.router_since, n.subnets_since);
    seen(old) == seen(new) && old.subnets == new.subnets
}

fn same_peering(old: &Peering, new: &Peering) -> bool {
    let seen = |p: &Peering| (p.network, p.peer_network, p.configured, p.configured_since);
    seen(old) == seen(new)
}

/// Hosts of every network that peerings and routers connect with one of
/// `start`, however far: that a peering is admitted or not decides over the
/// next, so a change can reach along the whole chain.
fn hosts_connected(world: &World, start: &[Uuid]) -> BTreeSet<Uuid> {
    let mut found: BTreeSet<Uuid> = start.iter().copied().collect();
    let mut open: Vec<Uuid> = start.to_vec();
    let mut hosts = BTreeSet::new();
    while let Some(network) = open.pop() {
        hosts.extend(world.hosts_of(network));
        let beside = world.network(network).into_iter().flat_map(|n| world.neighbours(n));
        let peers = world.halves_of(network).map(|h| h.peer_network);
        let peered = world.halves_towards(network).map(|h| h.network);
        for next in beside.map(|n| n.uuid).chain(peers).chain(peered) {
            if found.insert(next) {
                open.push(next);
            }
        }
    }
    hosts
}

#[cfg(test)]
#[path = "concern_tests.rs"]
mod tests;
