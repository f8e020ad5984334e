//! A host's slice in lines: all of it, or what of it is another than before,
//! without making the slice. What it is says [`crate::host_spec::host_spec`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use uuid::Uuid;

use crate::host_spec::{around, port_spec, reachable, route, target_of};
use crate::ids::Prefix;
use crate::objects::{Host, Network};
use crate::seal::{self, Sealing};
use crate::spec::{PortSpec, RouteKey, Target};
use crate::static_routes;
use crate::touch::Touch;
use crate::wire::agent::{Line, sealing_lines};
use crate::world::World;

/// All of the slice of `host`, each line made when it is asked for: so a host
/// that reads slowly holds no slice.
pub fn lines(world: &World, host: Uuid) -> impl Iterator<Item = Line> {
    let networks: Vec<&Network> = world.carried_by(host).map(|n| &**n).collect();
    let ports = networks.clone().into_iter().flat_map(move |network| {
        let reached = reachable(world, network);
        world.ports_of(network.uuid, host).filter_map(move |port| {
            let spec = port_spec(world, port, network, &reached)?;
            Some(Line::Port { uuid: port.uuid, spec })
        })
    });
    let routes = networks.into_iter().flat_map(move |from| table(world, host, from));
    let routes = routes.map(|(key, target)| Line::Route { key, target });
    ports.chain(sealing_lines(&Sealing::default(), &sealing(world, host, None))).chain(routes)
}

/// The routes of one network.
fn table<'w>(
    world: &'w World,
    host: Uuid,
    from: &'w Network,
) -> impl Iterator<Item = (RouteKey, Target)> + 'w {
    let key = |prefix| RouteKey { vni: from.vni, prefix };
    // An address that is a network's prefix as well goes to its port.
    let prefixes = around(world, from).flat_map(|to| to.prefixes());
    let prefixes = prefixes.map(move |prefix| (key(prefix), Target::Nobody));
    let ports = around(world, from).flat_map(move |to| {
        world.ports_on(to.uuid).filter_map(move |p| Some((p, target_of(world, host, p, to)?)))
    });
    let ports = ports.flat_map(move |(port, target)| {
        port.destinations().map(move |prefix| (key(prefix), target))
    });
    let fixed = static_routes::of(world, from)
        .iter()
        .filter_map(move |it| Some((key(it.route), route(world, host, from, it.route)?)));
    prefixes.chain(ports).chain(fixed)
}

/// What turns the slice of `host` in the world `before` into that in `after`,
/// where nothing of it differs but what was touched.
pub fn delta(before: &World, after: &World, host: Uuid, touches: &BTreeSet<Touch>) -> Vec<Line> {
    let mut parts = Parts { host, ..Parts::default() };
    for world in [before, after] {
        touches.iter().for_each(|touch| parts.gather([before, after], world, *touch));
    }
    let mut lines = parts.ports(before, after);
    let (routes, vteps) = parts.routes(before, after);
    lines.extend(parts.sealing(before, after, vteps));
    lines.extend(routes);
    lines
}

/// What is to be compared.
#[derive(Debug, Default)]
struct Parts {
    host: Uuid,
    ports: BTreeSet<Uuid>,
    /// By the network whose table it is in.
    routes: BTreeMap<Uuid, BTreeSet<Prefix>>,
    /// Hosts that may be others to encrypt for.
    others: BTreeSet<Uuid>,
}

impl Parts {
    fn gather(&mut self, both: [&World; 2], world: &World, touch: Touch) {
        match touch {
            Touch::Port { from, port } => {
                let port = world.ports.get(&port);
                let destinations = port.into_iter().flat_map(|port| port.destinations());
                self.routes.entry(from).or_default().extend(destinations);
            }
            Touch::Own { port } => drop(self.ports.insert(port)),
            Touch::Reach { from, to } => {
                self.specs(world, from);
                let keys = self.routes.entry(from).or_default();
                let prefixes = world.network(to).into_iter().flat_map(|it| it.prefixes());
                keys.extend(prefixes);
                keys.extend(world.ports_on(to).flat_map(|port| port.destinations()));
            }
            Touch::Prefixes { from, to } => {
                self.specs(world, from);
                let prefixes = world.network(to).into_iter().flat_map(|it| it.prefixes());
                self.routes.entry(from).or_default().extend(prefixes);
            }
            Touch::Static { from } => {
                self.specs(world, from);
                self.statics(world, from);
            }
            Touch::Table { of } => {
                let Some(network) = world.network(of).filter(|_| world.carries(of, self.host))
                else {
                    return;
                };
                for to in around(world, network) {
                    self.gather(both, world, Touch::Reach { from: of, to: to.uuid });
                }
                self.statics(world, of);
            }
            Touch::Host { other } => {
                self.others.insert(other);
                let [before, after] = both.map(|world| Sent::of(world, self.host, other));
                if before != after {
                    self.ports_at(world, other);
                }
            }
        }
    }

    fn specs(&mut self, world: &World, network: Uuid) {
        self.ports.extend(world.ports_of(network, self.host).map(|port| port.uuid));
    }

    fn statics(&mut self, world: &World, network: Uuid) {
        let Some(it) = world.network(network) else { return };
        let all = static_routes::of(world, it).iter().map(|it| it.route);
        self.routes.entry(network).or_default().extend(all);
    }

    /// Routes to ports at another host, out of every table of this one.
    fn ports_at(&mut self, world: &World, other: Uuid) {
        for to in world.carried_by(other) {
            let host = self.host;
            for from in around(world, to).filter(|from| world.carries(from.uuid, host)) {
                let ports = world.ports_of(to.uuid, other);
                let keys = self.routes.entry(from.uuid).or_default();
                keys.extend(ports.flat_map(|port| port.destinations()));
                self.statics(world, from.uuid);
            }
        }
    }

    fn ports(&self, before: &World, after: &World) -> Vec<Line> {
        let [mut old, mut new] = [before, after].map(|world| Specs::new(world, self.host));
        let line = |uuid: &Uuid| match (old.of(*uuid), new.of(*uuid)) {
            (old, Some(spec)) if old.as_ref() != Some(&spec) => {
                Some(Line::Port { uuid: *uuid, spec })
            }
            (Some(_), None) => Some(Line::NoPort { uuid: *uuid }),
            (_, _) => None,
        };
        self.ports.iter().filter_map(line).collect()
    }

    /// And the addresses of hosts that a route leads to or has led to.
    fn routes(&self, before: &World, after: &World) -> (Vec<Line>, BTreeSet<IpAddr>) {
        let (mut lines, mut vteps) = (Vec::new(), BTreeSet::new());
        for (from, prefixes) in &self.routes {
            let tables = [before, after].map(|world| (world, self.carried(world, *from)));
            for prefix in prefixes {
                let [old, new] = tables.map(|(world, network)| {
                    let network = network?;
                    let target = route(world, self.host, network, *prefix)?;
                    Some((RouteKey { vni: network.vni, prefix: *prefix }, target))
                });
                if old == new {
                    continue;
                }
                let gone = old.filter(|(key, _)| new.is_none_or(|(of, _)| of != *key));
                lines.extend(gone.map(|(key, _)| Line::NoRoute { key }));
                lines.extend(new.map(|(key, target)| Line::Route { key, target }));
                vteps.extend([old, new].into_iter().flatten().filter_map(|(_, it)| it.vtep()));
            }
        }
        (lines, vteps)
    }

    fn carried<'w>(&self, world: &'w World, network: Uuid) -> Option<&'w Network> {
        world.network(network).filter(|_| world.carries(network, self.host)).map(|n| &**n)
    }

    fn sealing(&self, before: &World, after: &World, vteps: BTreeSet<IpAddr>) -> Vec<Line> {
        let seals = |world: &World| {
            let zone = world.hosts.get(&self.host).map(|host| host.zone.as_str());
            zone.is_some_and(|zone| world.seals.concerns(zone))
        };
        if !seals(before) && !seals(after) {
            return Vec::new();
        }
        let hosts = after.hosts.values().chain(before.hosts.values());
        let at = hosts.filter(|it| vteps.contains(&it.underlay)).map(|it| it.uuid);
        let others: BTreeSet<Uuid> = at.chain(self.others.iter().copied()).collect();
        let [old, new] = [before, after].map(|world| sealing(world, self.host, Some(&others)));
        sealing_lines(&old, &new)
    }
}

/// Whether and where packets go to a host.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    lost: bool,
    may: bool,
    vtep: Option<IpAddr>,
}

impl Sent {
    fn of(world: &World, from: Uuid, to: Uuid) -> Self {
        let vtep = world.hosts.get(&to).map(|host| host.underlay);
        Self { lost: world.is_lost(to), may: seal::may_send(world, from, to), vtep }
    }
}

/// The ports of a host in one world.
struct Specs<'w> {
    world: &'w World,
    host: Uuid,
    reached: BTreeMap<Uuid, Vec<&'w Network>>,
}

impl<'w> Specs<'w> {
    fn new(world: &'w World, host: Uuid) -> Self {
        Self { world, host, reached: BTreeMap::new() }
    }

    fn of(&mut self, port: Uuid) -> Option<PortSpec> {
        let world = self.world;
        let port = world.ports.get(&port).filter(|port| port.host == Some(self.host))?;
        let network = world.network(port.network)?;
        let reached = self.reached.entry(network.uuid);
        port_spec(world, port, network, reached.or_insert_with(|| reachable(world, network)))
    }
}

/// What `host` must do to encrypt, for all hosts or for some.
fn sealing(world: &World, host: Uuid, others: Option<&BTreeSet<Uuid>>) -> Sealing {
    let zone = world.hosts.get(&host).map(|host| host.zone.as_str());
    if !zone.is_some_and(|zone| world.seals.concerns(zone)) {
        return Sealing::default();
    }
    let of_these = |it: &&Host| others.is_none_or(|others| others.contains(&it.uuid));
    let all = world.hosts.values().map(|it| &**it).filter(of_these);
    seal::sealing_for(world, host, all.filter(|it| leads(world, host, it.uuid)))
}

/// True when a route of `host` leads to `other`.
fn leads(world: &World, host: Uuid, other: Uuid) -> bool {
    let reaches = |to: &Network| around(world, to).any(|from| world.carries(from.uuid, host));
    host != other
        && !world.is_lost(other)
        && seal::may_send(world, host, other)
        && world.carried_by(other).any(|to| reaches(to))
}

#[cfg(test)]
#[path = "slice_tests.rs"]
mod tests;
