//! What of hosts' slices a write may change: of each host the parts to look at
//! again, so that a change costs what it changes and not the slice.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::host_spec::around;
use crate::objects::{Network, Port};
use crate::seal::{Keys, Seal};
use crate::world::World;

/// A part of a host's slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// Routes to a port, in the table of the network `from`.
    Port { from: Uuid, port: Uuid },
    /// A port of this host.
    Own { port: Uuid },
    /// All that the network `from` reaches of the network `to`.
    Reach { from: Uuid, to: Uuid },
    /// Of it no more than the prefixes; it reached `to` all the while.
    Prefixes { from: Uuid, to: Uuid },
    /// The static routes that the network has.
    Static { from: Uuid },
    /// All of a network, which this host has come to carry or carries no more.
    Table { of: Uuid },
    /// All that is sent to another host.
    Host { other: Uuid },
}

/// What one host has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    Parts(BTreeSet<Touch>),
    /// All of its slice: of what is rare.
    Whole,
}

impl Default for Touched {
    fn default() -> Self {
        Self::Parts(BTreeSet::new())
    }
}

impl Touched {
    /// Parts that are kept of a host that does not read. Beyond that the whole
    /// slice is less work.
    const MOST: usize = 2048;

    pub fn merge(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::Parts(parts), Self::Parts(more)) => parts.extend(more),
            (_, Self::Whole) | (Self::Whole, Self::Parts(_)) => *self = Self::Whole,
        }
        self.bound();
    }

    fn bound(&mut self) {
        if let Self::Parts(parts) = self
            && parts.len() > Self::MOST
        {
            *self = Self::Whole;
        }
    }

    fn add(&mut self, touch: Touch) {
        match self {
            Self::Parts(parts) => drop(parts.insert(touch)),
            Self::Whole => {}
        }
        self.bound();
    }
}

/// What may differ between the slices of the two worlds, of which the second
/// is the first after `changes`, by host. May name too much, never too little.
///
/// Of `changes` no two are to the same object.
pub fn touched<'c>(
    before: &World,
    after: &World,
    changes: impl IntoIterator<Item = &'c Change>,
) -> BTreeMap<Uuid, Touched> {
    let mut all = All { worlds: [before, after], hosts: BTreeMap::new() };
    for change in changes {
        all.change(change);
    }
    for (from, to) in before.admitted_otherwise(after) {
        all.both(from, Touch::Reach { from, to });
    }
    all.hosts
}

struct All<'w> {
    /// Before and after.
    worlds: [&'w World; 2],
    hosts: BTreeMap<Uuid, Touched>,
}

impl<'w> All<'w> {
    fn add(&mut self, host: Uuid, touch: Touch) {
        self.hosts.entry(host).or_default().add(touch);
    }

    /// On all hosts that carry `network` in `world`.
    fn on(&mut self, world: &World, network: Uuid, touch: Touch) {
        for host in world.hosts_of(network) {
            self.add(host, touch);
        }
    }

    fn both(&mut self, network: Uuid, touch: Touch) {
        for world in self.worlds {
            self.on(world, network, touch);
        }
    }

    fn whole(&mut self, host: Uuid) {
        self.hosts.insert(host, Touched::Whole);
    }

    fn zones(&mut self, zones: &[&str]) {
        let all = self.worlds[1].hosts.values().filter(|it| zones.contains(&it.zone.as_str()));
        all.for_each(|host| self.whole(host.uuid));
    }

    fn change(&mut self, change: &Change) {
        let [before, _] = self.worlds;
        match change {
            Change::Put(Object::Port(Port { uuid, .. })) | Change::Delete(Key::Port(uuid)) => {
                self.port(*uuid);
            }
            Change::Put(Object::Network(Network { uuid, .. }))
            | Change::Delete(Key::Network(uuid)) => self.network(*uuid),
            Change::Put(Object::Host(new)) => match before.hosts.get(&new.uuid) {
                Some(old) if (old.underlay, &old.zone) != (new.underlay, &new.zone) => {
                    self.worlds[1].hosts.keys().for_each(|host| self.whole(*host));
                }
                Some(_) => {}
                None => self.whole(new.uuid),
            },
            Change::Delete(Key::Host(uuid)) => self.whole(*uuid),
            Change::Put(Object::Lease(new)) => {
                if before.is_lost(new.host) != new.lost.is_some() {
                    self.routes_to(new.host);
                }
            }
            Change::Delete(Key::Lease(host)) if before.is_lost(*host) => self.routes_to(*host),
            Change::Put(Object::Router(new)) => {
                let old = before.routers.get(&new.uuid).map_or(&[][..], |it| &it.static_routes);
                if old != new.static_routes {
                    self.statics(new.uuid);
                }
            }
            Change::Put(Object::Keys(Keys { host, .. })) | Change::Delete(Key::Keys(host)) => {
                self.routes_to(*host);
                self.whole(*host);
            }
            Change::Put(Object::Seal(Seal { zones, .. })) | Change::Delete(Key::Seal(zones)) => {
                self.zones(&[&zones.0, &zones.1]);
            }
            Change::Put(Object::Rotation(_)) | Change::Delete(Key::Rotation) => {
                let pairs = before.seals.pairs();
                let zones: Vec<&str> =
                    pairs.flat_map(|it| [it.zones.0.as_str(), it.zones.1.as_str()]).collect();
                self.zones(&zones);
            }
            // Seen in what is admitted.
            Change::Put(Object::Peering(_)) | Change::Delete(Key::Peering(_)) => {}
            // Nothing is on a router that goes, and a server is no more than
            // its ports.
            Change::Put(Object::Server(_)) | Change::Delete(Key::Router(_) | Key::Server(_)) => {}
            Change::Put(
                Object::Account(_) | Object::Authority(_) | Object::Done(_) | Object::JoinToken(_),
            )
            | Change::Put(Object::SubAccount(_) | Object::Token(_) | Object::PeeringGroup(_))
            | Change::Put(Object::Told(_) | Object::Webhook(_) | Object::Node(_))
            | Change::Put(Object::Zone(_) | Object::NextVni { .. })
            | Change::Delete(Key::Told { .. } | Key::Webhook(_) | Key::Lease(_) | Key::Node(_))
            | Change::Delete(Key::SubAccount(_) | Key::Token(_) | Key::Authority)
            | Change::Delete(Key::PeeringGroup(_))
            | Change::Delete(Key::Account(_) | Key::Done { .. } | Key::JoinToken(_))
            | Change::Delete(Key::Zone(_) | Key::NextVni) => {}
        }
    }

    fn port(&mut self, uuid: Uuid) {
        for world in self.worlds {
            let Some(port) = world.ports.get(&uuid) else { continue };
            if let Some(host) = port.host {
                self.add(host, Touch::Own { port: uuid });
                let [before, after] = self.worlds.map(|it| it.carries(port.network, host));
                if before != after {
                    self.add(host, Touch::Table { of: port.network });
                }
            }
            let Some(network) = world.network(port.network) else { continue };
            for from in around(world, network) {
                self.on(world, from.uuid, Touch::Port { from: from.uuid, port: uuid });
            }
            let router = network.router.and_then(|router| world.routers.get(&router));
            let mut hops =
                router.iter().flat_map(|it| &it.static_routes).filter_map(|it| it.nexthop);
            if hops.any(|hop| port.destinations().any(|it| it.contains(hop))) {
                router.into_iter().for_each(|router| self.statics(router.uuid));
            }
        }
    }

    fn network(&mut self, uuid: Uuid) {
        let [old, new] = self.worlds.map(|world| world.network(uuid));
        let seen = |n: &Network| (n.vni, n.router, n.router_since, n.subnets_since);
        if let (Some(old), Some(new)) = (old, new)
            && seen(old) == seen(new)
            && old.subnets == new.subnets
        {
            return;
        }
        let stays =
            old.zip(new).is_some_and(|(old, new)| (old.vni, old.router) == (new.vni, new.router));
        for (world, it) in self.worlds.into_iter().zip([old, new]) {
            let Some(it) = it else { continue };
            for near in around(world, it).map(|near| near.uuid) {
                let (there, back) = ((uuid, near), (near, uuid));
                for (from, to) in [there, back] {
                    let prefixes = Touch::Prefixes { from, to };
                    let reach = Touch::Reach { from, to };
                    self.both(from, if stays { prefixes } else { reach });
                }
            }
            it.router.into_iter().for_each(|router| self.statics(router));
            if !stays {
                self.both(uuid, Touch::Table { of: uuid });
            }
        }
    }

    fn statics(&mut self, router: Uuid) {
        for world in self.worlds {
            for network in world.networks_on(router) {
                self.both(network.uuid, Touch::Static { from: network.uuid });
            }
        }
    }

    fn routes_to(&mut self, other: Uuid) {
        for world in self.worlds {
            for network in world.carried_by(other) {
                for from in around(world, network) {
                    self.on(world, from.uuid, Touch::Host { other });
                }
            }
        }
    }
}
