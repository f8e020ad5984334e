use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::ids::Vni;
use crate::oracle::{Oracle, are_in, on_one_router};
use crate::play::{Play, story_with_ports};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_packet_arrives_where_networks_routers_and_peerings_let_it_and_nowhere_else(
        steps in story_with_ports(),
    ) {
        let (play, oracle) = played(steps);
        let hosts = Hosts::of(&play.world);
        let connected = connected(&play.world, &oracle);
        let all = play.world.ports.values().map(|p| p.addresses().collect::<Vec<_>>());
        let addresses: BTreeSet<IpAddr> = all.flatten().collect();
        for from in play.world.ports.values() {
            for address in &addresses {
                // A port has one address of a family here.
                let mut own = from.addresses();
                let Some(source) = own.find(|a| a.is_ipv4() == address.is_ipv4()) else { continue };
                let known = |to: &&std::sync::Arc<Port>| {
                    to.addresses().any(|a| a == *address) && connected(from.network, to.network)
                };
                let want: Vec<Uuid> =
                    play.world.ports.values().filter(known).map(|p| p.uuid).collect();
                prop_assert!(want.len() <= 1, "{address} is two at once: {want:?}");
                let got = hosts.deliver((from, source), *address);
                prop_assert_eq!(got, want.first().copied(), "{:?} to {}", from, address);
                if let Some(to) = got {
                    let back = hosts.deliver((&play.world.ports[&to], *address), source);
                    prop_assert_eq!(back, Some(from.uuid), "and the answer comes back");
                }
            }
        }
    }

    #[test]
    fn what_is_asked_of_one_address_is_what_the_whole_slice_says(steps in story_with_ports()) {
        let world = &played(steps).0.world;
        let all = world.ports.values().flat_map(|p| p.addresses().collect::<Vec<_>>());
        let strangers = ["10.0.0.77", "10.9.9.9", "2001:db8::77"].map(|a| a.parse().unwrap());
        let addresses: BTreeSet<IpAddr> = all.chain(strangers).collect();
        for host in world.hosts.keys() {
            let spec = host_spec(world, *host);
            for port in world.ports_at(*host) {
                let network = world.network(port.network).unwrap();
                for address in &addresses {
                    let want = spec.target(network.vni, *address);
                    prop_assert_eq!(target(world, *host, network, *address), want);
                }
            }
        }
    }

    #[test]
    fn a_host_learns_nothing_of_networks_that_its_own_do_not_reach(
        steps in story_with_ports(),
    ) {
        let (play, oracle) = played(steps);
        let world = &play.world;
        let connected = connected(world, &oracle);
        for host in world.hosts.keys() {
            let spec = host_spec(world, *host);
            let own: Vec<&Port> =
                world.ports.values().map(|p| &**p).filter(|p| p.host == Some(*host)).collect();
            prop_assert_eq!(
                spec.ports.keys().copied().collect::<BTreeSet<_>>(),
                own.iter().map(|p| p.uuid).collect::<BTreeSet<_>>()
            );
            // All the keys there may be, for each network that has a port here.
            let mut want = BTreeSet::new();
            for from in own.iter().map(|p| p.network).collect::<BTreeSet<_>>() {
                let vni = world.networks[&from].vni;
                for to in world.networks.values().filter(|n| connected(from, n.uuid)) {
                    want.extend(to.subnets.iter().map(|s| RouteKey { vni, prefix: s.prefix }));
                    let there = world.ports.values().filter(|p| p.network == to.uuid);
                    let keys = |p: &std::sync::Arc<Port>| {
                        let hosts = p.addresses().map(Prefix::host);
                        hosts.map(|prefix| RouteKey { vni, prefix }).collect::<Vec<_>>()
                    };
                    want.extend(there.flat_map(keys));
                }
            }
            prop_assert_eq!(spec.routes.keys().copied().collect::<BTreeSet<_>>(), want);
        }
    }
}

fn played(steps: Vec<crate::op::Op>) -> (Play, Oracle) {
    let (mut play, mut oracle) = (Play::new(), Oracle::default());
    for op in steps {
        if play.op(&op).is_ok() {
            oracle.see(&play.world);
        }
    }
    (play, oracle)
}

/// Whether packets may flow between two networks: the whole promise.
fn connected<'w>(world: &'w World, oracle: &Oracle) -> impl Fn(Uuid, Uuid) -> bool + 'w {
    let admitted = oracle.admitted(world);
    move |a, b| a == b || on_one_router(world, a, b) || are_in(&admitted, a, b)
}

/// Hosts that carry what they are told, each on its own.
struct Hosts(BTreeMap<IpAddr, HostSpec>);

impl Hosts {
    fn of(world: &World) -> Self {
        let hosts = world.hosts.values();
        Self(hosts.map(|h| (h.underlay, host_spec(world, h.uuid))).collect())
    }

    /// The port that a packet of `from` arrives at: looked up where it starts,
    /// sent to another host if that is where it goes, looked up there, and
    /// delivered only if the receiver has a route back.
    fn deliver(&self, (from, source): (&Port, IpAddr), to: IpAddr) -> Option<Uuid> {
        let here = self.0.values().find(|spec| spec.ports.contains_key(&from.uuid))?;
        match here.target(here.ports[&from.uuid].vni, to)? {
            Target::Nobody => None,
            Target::Local { port, vni, .. } => take(here, port, vni, source),
            Target::Remote { vtep, vni } => {
                let there = self.0.get(&vtep)?;
                match there.target(vni, to)? {
                    Target::Local { port, vni: of, .. } if of == vni => {
                        take(there, port, vni, source)
                    }
                    Target::Local { .. } | Target::Remote { .. } | Target::Nobody => None,
                }
            }
        }
    }
}

fn take(host: &HostSpec, port: Uuid, vni: Vni, from: IpAddr) -> Option<Uuid> {
    let back = host.target(vni, from)?;
    let it = host.ports.get(&port)?;
    (it.vni == vni && back != Target::Nobody).then_some(port)
}
