//! `/1.3/network`: what is shown (contract section 5.1).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use uuid::Uuid;

use super::network::dhcp_route;
use super::router::nexthop_text;
use super::yes_no;
use crate::admission::admitted;
use crate::ids::Prefix;
use crate::label::Label;
use crate::network::Seen;
use crate::objects::{AutoPopulation, Network, Subnet};
use crate::provided::Provided;
use crate::world::World;

#[derive(Serialize)]
pub struct View<'w> {
    uuid: Uuid,
    name: &'w str,
    #[serde(rename = "type")]
    kind: &'static str,
    zone: &'w str,
    labels: &'w [Label],
    #[serde(skip_serializing_if = "Option::is_none")]
    router: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    servers: Option<Servers<'w>>,
    ip_networks: Subnets<'w>,
    effective_routes: Vec<EffectiveRoute>,
}

#[derive(Serialize)]
struct Servers<'w> {
    server: Vec<ServerView<'w>>,
}

#[derive(Serialize)]
struct ServerView<'w> {
    uuid: Uuid,
    title: &'w str,
}

impl<'w> Servers<'w> {
    /// None when there is none: then the key is left out.
    fn on(world: &'w World, network: Uuid) -> Option<Self> {
        let servers = world.ports_on(network).filter_map(|p| world.servers.get(&p.nic?.server));
        let servers: BTreeMap<Uuid, &str> = servers.map(|s| (s.uuid, &*s.title)).collect();
        let server = servers.into_iter().map(|(uuid, title)| ServerView { uuid, title });
        (server.len() > 0).then(|| Self { server: server.collect() })
    }
}

#[derive(Serialize)]
struct Subnets<'w> {
    ip_network: Vec<SubnetView<'w>>,
}

#[derive(Serialize)]
struct SubnetView<'w> {
    address: &'w str,
    family: &'static str,
    dhcp: &'static str,
    dhcp_default_route: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dhcp_dns: &'w [IpAddr],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dhcp_routes: &'w [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp_bootfile_url: Option<&'w str>,
    gateway: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    dhcp_routes_configuration: Option<RoutesConfiguration<'w>>,
    dhcp_effective_routes: Vec<DhcpRoute>,
}

#[derive(Serialize)]
struct RoutesConfiguration<'w> {
    effective_routes_auto_population: AutoView<'w>,
}

#[derive(Serialize)]
struct AutoView<'w> {
    enabled: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    exclude_by_source: &'w [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    filter_by_destination: &'w [Prefix],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    filter_by_route_type: &'w [String],
}

#[derive(Serialize)]
struct EffectiveRoute {
    source: &'static str,
    route: Prefix,
    nexthop: String,
    #[serde(rename = "type")]
    kind: &'static str,
    source_resource_id: Uuid,
}

#[derive(Serialize)]
struct DhcpRoute {
    route: Prefix,
    nexthop: IpAddr,
    auto_populated: &'static str,
}

impl<'w> View<'w> {
    pub fn new(world: &'w World, it: Seen<'w>) -> Self {
        match it {
            Seen::Own(it) => Self::own(world, it),
            Seen::Provided(it) => Self::provided(it),
        }
    }

    fn provided(it: &'static Provided) -> Self {
        let ip_network = vec![SubnetView::new(&it.subnet, &[], &[])];
        Self {
            uuid: it.uuid,
            name: &it.name,
            kind: it.kind.as_str(),
            zone: it.zone,
            labels: &[],
            router: None,
            servers: None,
            ip_networks: Subnets { ip_network },
            effective_routes: Vec::new(),
        }
    }

    fn own(world: &'w World, it: &'w Network) -> Self {
        let effective_routes = effective_routes(world, it);
        let peered = peered_prefixes(world, it);
        let subnet = |s| SubnetView::new(s, &effective_routes, &peered);
        let ip_network = it.subnets.iter().map(subnet).collect();
        Self {
            uuid: it.uuid,
            name: &it.name,
            kind: "private",
            zone: &it.zone,
            labels: &it.labels,
            router: it.router,
            servers: Servers::on(world, it.uuid),
            ip_networks: Subnets { ip_network },
            effective_routes,
        }
    }
}

impl<'w> SubnetView<'w> {
    fn new(it: &'w Subnet, effective: &[EffectiveRoute], peered: &[Prefix]) -> Self {
        Self {
            address: &it.address,
            family: if it.prefix.address().is_ipv4() { "IPv4" } else { "IPv6" },
            dhcp: yes_no(it.dhcp),
            dhcp_default_route: yes_no(it.dhcp_default_route),
            dhcp_dns: &it.dhcp_dns,
            dhcp_routes: &it.dhcp_routes,
            dhcp_bootfile_url: it.dhcp_bootfile_url.as_deref(),
            gateway: it.gateway,
            dhcp_routes_configuration: it.auto_population.as_ref().map(|a| RoutesConfiguration {
                effective_routes_auto_population: AutoView {
                    enabled: yes_no(a.enabled),
                    exclude_by_source: &a.exclude_by_source,
                    filter_by_destination: &a.filter_by_destination,
                    filter_by_route_type: &a.filter_by_route_type,
                },
            }),
            dhcp_effective_routes: dhcp_routes(it, effective, peered),
        }
    }
}

/// What DHCP hands out on `subnet` of `network`: each prefix with its next hop.
pub(crate) fn dhcp_effective_routes(
    world: &World,
    network: &Network,
    subnet: &Subnet,
) -> Vec<(Prefix, IpAddr)> {
    let effective = effective_routes(world, network);
    let routes = dhcp_routes(subnet, &effective, &peered_prefixes(world, network));
    routes.into_iter().map(|it| (it.route, it.nexthop)).collect()
}

fn effective_routes(world: &World, it: &Network) -> Vec<EffectiveRoute> {
    let Some(router) = it.router.and_then(|r| world.routers.get(&r)) else { return Vec::new() };
    let gateway = it.subnets.first().map_or_else(String::new, |s| s.gateway.to_string());
    let connected = world.neighbours(it).flat_map(|n| n.prefixes().map(|p| (p, n.uuid)));
    let connected = connected.map(|(route, network)| EffectiveRoute {
        source: "router-connected-networks",
        route,
        nexthop: gateway.clone(),
        kind: "user",
        source_resource_id: network,
    });
    let fixed = router.static_routes.iter().map(|r| EffectiveRoute {
        source: "static-route",
        route: r.route,
        nexthop: nexthop_text(r),
        kind: "user",
        source_resource_id: router.uuid,
    });
    connected.chain(fixed).collect()
}

fn peered_prefixes(world: &World, it: &Network) -> Vec<Prefix> {
    let halves = world.halves_of(it.uuid).filter(|h| admitted(world, h));
    let peers = halves.filter_map(|h| world.network(h.peer_network));
    peers.flat_map(|n| n.prefixes()).collect()
}

/// What DHCP hands out: routes taken over from the router when that is
/// enabled, those of the peerings always, and the user's own.
fn dhcp_routes(it: &Subnet, effective: &[EffectiveRoute], peered: &[Prefix]) -> Vec<DhcpRoute> {
    let wanted =
        |r: &&EffectiveRoute| it.auto_population.as_ref().is_some_and(|a| takes_over(a, r));
    let auto = effective.iter().filter(wanted).map(|r| r.route).chain(peered.iter().copied());
    let auto = auto.map(|route| DhcpRoute { route, nexthop: it.gateway, auto_populated: "yes" });
    let own = it.dhcp_routes.iter().filter_map(|text| dhcp_route(text));
    let own = own.map(|(route, nexthop)| DhcpRoute {
        route,
        nexthop: nexthop.unwrap_or(it.gateway),
        auto_populated: "no",
    });
    auto.chain(own).collect()
}

fn takes_over(config: &AutoPopulation, route: &EffectiveRoute) -> bool {
    let destinations = &config.filter_by_destination;
    let types = &config.filter_by_route_type;
    config.enabled
        && !config.exclude_by_source.iter().any(|s| s == route.source)
        && (destinations.is_empty()
            || destinations.iter().any(|d| d.net().contains(&route.route.net())))
        && (types.is_empty() || types.iter().any(|t| t == route.kind))
}

#[derive(Serialize)]
pub struct One<'w> {
    pub network: View<'w>,
}

#[derive(Serialize)]
pub struct Many<'w> {
    pub networks: ManyInner<'w>,
}

#[derive(Serialize)]
pub struct ManyInner<'w> {
    pub network: Vec<View<'w>>,
}

#[cfg(test)]
#[path = "network_view_tests.rs"]
mod tests;
