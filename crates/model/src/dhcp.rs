//! What DHCP tells a port of a network that has it.

use std::net::{IpAddr, Ipv4Addr};

use crate::ids::Prefix;
use crate::objects::{Network, Port};
use crate::spec::Dhcp;
use crate::wire::network_view::dhcp_effective_routes;
use crate::world::World;

/// None when nobody is to answer: without `dhcp`, without an IPv4 address, and
/// where several machines are behind the port, which have somebody of their own
/// to give them addresses.
pub(crate) fn offer(world: &World, network: &Network, port: &Port) -> Option<Dhcp> {
    let subnet = network.subnet_of(port.address)?;
    if !subnet.dhcp || !port.address.is_ipv4() || !port.prefixes.is_empty() {
        return None;
    }
    let mut routes: Vec<(Prefix, Ipv4Addr)> = Vec::new();
    for (to, via) in dhcp_effective_routes(world, network, subnet) {
        if let (true, Some(via)) = (to.address().is_ipv4(), ipv4(via)) {
            routes.push((to, via));
        }
    }
    // The first of a prefix is the one the network's owner sees first.
    let mut seen = std::collections::BTreeSet::new();
    routes.retain(|(to, _)| !to.is_everything() && seen.insert(*to));
    routes.truncate(Dhcp::MOST_ROUTES);
    let dns = subnet.dhcp_dns.iter().filter_map(|it| ipv4(*it)).take(Dhcp::MOST_DNS);
    Some(Dhcp {
        dns: dns.collect(),
        routes,
        default_route: subnet.dhcp_default_route,
        bootfile: subnet.dhcp_bootfile_url.clone().filter(|it| (1..=255).contains(&it.len())),
    })
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(it) => Some(it),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host_spec::host_spec;
    use crate::play::{
        Play, create_network, create_port, host_id, peer, port_id, router_op, subnet,
    };

    fn told(play: &Play, n: u128) -> Option<Dhcp> {
        host_spec(&play.world, host_id(0)).ports[&port_id(n)].dhcp.clone()
    }

    fn routes(play: &Play) -> Vec<String> {
        let it = told(play, 0).unwrap();
        it.routes.iter().map(|(to, via)| format!("{to} via {via}")).collect()
    }

    /// As a client sends it, with all that DHCP has to say.
    fn whole() -> Play {
        let mut play = Play::new();
        let mut it = subnet("10.0.0.0/24");
        it.dhcp_default_route = true;
        it.dhcp_dns = vec!["10.0.0.53".parse().unwrap(), "fd00::53".parse().unwrap()];
        it.dhcp_routes = vec!["10.8.0.0/16".to_owned(), "10.9.0.0/16-nexthop=10.0.0.9".to_owned()];
        it.dhcp_bootfile_url = Some("tftp://10.0.0.7/boot".to_owned());
        it.auto_population = Some(crate::objects::AutoPopulation {
            enabled: true,
            ..crate::objects::AutoPopulation::default()
        });
        let wish = crate::network::Create {
            name: "n".to_owned(),
            zone: crate::play::ZONE.to_owned(),
            labels: vec![],
            router: Some(crate::play::router_id(0).to_string()),
            subnets: vec![it],
        };
        play.must(crate::play::network_op(0, crate::op::Wish::Create(wish)));
        play.must(create_port(0, 0, 0));
        play
    }

    #[test]
    fn a_port_is_told_dns_and_the_routes_its_network_shows() {
        let mut play = whole();
        let it = told(&play, 0).unwrap();
        assert_eq!(it.dns, [Ipv4Addr::new(10, 0, 0, 53)], "DHCPv4 speaks of IPv4");
        assert!(it.default_route);
        assert_eq!(it.bootfile.as_deref(), Some("tftp://10.0.0.7/boot"));
        let own = ["10.8.0.0/16 via 10.0.0.1", "10.9.0.0/16 via 10.0.0.9"];
        assert_eq!(routes(&play), own);
        // Of its router, and of a peering for as long as packets flow.
        play.must(create_network(2, &["10.2.0.0/24", "fd00:2::/64"], Some(0)));
        play.must(create_network(1, &["10.1.0.0/24"], Some(1)));
        play.all(peer(0, 1));
        let all = [&["10.2.0.0/24 via 10.0.0.1", "10.1.0.0/24 via 10.0.0.1"][..], &own].concat();
        assert_eq!(routes(&play), all);
        play.must(crate::play::delete_half(1, 0));
        assert_eq!(routes(&play).len(), 3);
        let route = crate::objects::StaticRoute {
            name: String::new(),
            route: "192.168.0.0/16".parse().unwrap(),
            nexthop: Some([10, 2, 0, 9].into()),
        };
        let wish = crate::router::Modify { static_routes: Some(vec![route]), ..Default::default() };
        play.must(router_op(0, crate::op::Wish::Modify(wish)));
        assert!(routes(&play).contains(&"192.168.0.0/16 via 10.0.0.1".to_owned()));
    }

    #[test]
    fn nobody_is_answered_without_dhcp_or_ipv4() {
        let mut play = Play::new();
        let mut off = subnet("10.0.0.0/24");
        off.dhcp = false;
        let wish = crate::network::Modify { subnets: Some(vec![off]), ..Default::default() };
        play.all([
            create_network(0, &["10.0.0.0/24"], None),
            create_network(2, &["fd00::/64"], None),
            create_port(0, 0, 0),
            create_port(2, 2, 0),
        ]);
        assert_eq!(told(&play, 0), Some(Dhcp::default()));
        play.must(crate::play::modify_network(0, wish));
        assert_eq!(told(&play, 0), None);
        assert_eq!(told(&play, 2), None, "IPv6 only");
    }
}
