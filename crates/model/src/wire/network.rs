//! `/1.3/network`: bodies (contract section 5.1). The view is in
//! [`super::network_view`].

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Fields, labels};
use crate::error::{Rule, Subject};
use crate::ids::Prefix;
use crate::network::{Attach, Create, Modify};
use crate::objects::{AutoPopulation, Network, Subnet};

pub const ENVELOPE: &str = "network";

impl Create {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let kind = fields.string("type", Subject::NetworkType)?;
        if kind.is_some_and(|k| k != "private") {
            return Err(fields.bad(Subject::NetworkType, "type", "must be \"private\""));
        }
        let name = fields.required("name", Subject::NetworkNameMissing)?;
        let zone = fields.required("zone", Subject::ZoneMissing)?;
        let router = fields.string("router", Subject::Router)?.filter(|r| !r.is_empty());
        let labels = labels(&mut fields)?.unwrap_or_default();
        let subnets = subnets(&mut fields, &[])?;
        let subnets =
            subnets.ok_or_else(|| fields.bad(Subject::IpAddress, "ip_networks", "is required"))?;
        fields.finish()?;
        Ok(Self { name, zone, labels, router, subnets })
    }
}

impl Modify {
    /// Merged with what is there: only given attributes change, also inside
    /// an `ip_network`.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], now: &Network) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        // `"router": null` and `""` both detach.
        let router = fields.has("router").then_some(());
        let router = router.map(|()| fields.string("router", Subject::Router)).transpose()?;
        let router = router.map(|r| match r {
            Some(id) if !id.is_empty() => Attach::To(id),
            Some(_) | None => Attach::Nothing,
        });
        let it = Self {
            name: fields.string("name", Subject::NetworkName)?,
            zone: fields.string("zone", Subject::Zone)?,
            labels: labels(&mut fields)?,
            router,
            subnets: subnets(&mut fields, &now.subnets)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// `ip_networks.ip_network`: one entry of each family at most, an array or the
/// object alone. What is there of a family that no entry is about stays.
fn subnets(fields: &mut Fields, now: &[Subnet]) -> Result<Option<Vec<Subnet>>, Rule> {
    let Some(mut outer) = fields.object("ip_networks", Subject::IpAddress)? else {
        return Ok(None);
    };
    let entries = outer.array("ip_network", Subject::IpAddress)?.unwrap_or_default();
    let at = outer.path("ip_network");
    outer.finish()?;
    if !(1..=2).contains(&entries.len()) {
        let why = "must have one entry, or one of each family";
        return Err(Rule::bad(Subject::IpAddress, at, why));
    }
    let mut all = Vec::new();
    for entry in entries {
        let it = subnet(entry, now)?;
        if all.iter().any(|other| is_ipv4(other) == is_ipv4(&it)) {
            return Err(Rule::bad(Subject::IpAddress, at, "must have one entry of a family"));
        }
        all.push(it);
    }
    let untouched = now.iter().filter(|old| all.iter().all(|it| is_ipv4(it) != is_ipv4(old)));
    all.extend(untouched.cloned().collect::<Vec<_>>());
    all.sort_by_key(|it| !is_ipv4(it));
    Ok(Some(all))
}

fn is_ipv4(subnet: &Subnet) -> bool {
    subnet.gateway.is_ipv4()
}

/// Merged with what `now` has of its family; one without family or address is
/// about the first.
fn subnet(mut fields: Fields, now: &[Subnet]) -> Result<Subnet, Rule> {
    let family = fields.string("family", Subject::IpAddress)?;
    let address = fields.string("address", Subject::IpAddress)?;
    let ipv4 = match (family.as_deref(), &address) {
        (Some("IPv4"), _) => Some(true),
        (Some("IPv6"), _) => Some(false),
        (Some(_), _) => {
            let why = "must be \"IPv4\" or \"IPv6\"";
            return Err(fields.bad(Subject::IpAddress, "family", why));
        }
        (None, Some(address)) => Some(!address.contains(':')),
        (None, None) => None,
    };
    let now = now.iter().find(|s| ipv4.is_none_or(|ipv4| is_ipv4(s) == ipv4));
    let mut it = match (address, now) {
        (Some(address), now) => addressed(&fields, address, now)?,
        (None, Some(now)) => now.clone(),
        (None, None) => return Err(fields.bad(Subject::IpAddress, "address", "is required")),
    };
    if ipv4.is_some_and(|ipv4| is_ipv4(&it) != ipv4) {
        return Err(fields.bad(Subject::IpAddress, "family", "must be that of the address"));
    }
    it.dhcp = fields.yes_no("dhcp")?.unwrap_or(it.dhcp);
    it.dhcp_default_route = fields.yes_no("dhcp_default_route")?.unwrap_or(it.dhcp_default_route);
    it.dhcp_dns = fields.strings("dhcp_dns", Subject::IpAddress)?.unwrap_or(it.dhcp_dns);
    it.dhcp_bootfile_url =
        fields.string("dhcp_bootfile_url", Subject::Request)?.or(it.dhcp_bootfile_url);
    let gateway = fields.parsed::<IpAddr>("gateway", Subject::IpAddress)?.unwrap_or(it.gateway);
    if !inside(&it, gateway) {
        let why = format!("must be an address of a host in {}", it.prefix);
        return Err(fields.bad(Subject::IpAddress, "gateway", why));
    }
    it.gateway = gateway;
    if let Some(routes) = fields.strings::<String>("dhcp_routes", Subject::Route)? {
        for (i, route) in routes.iter().enumerate() {
            dhcp_route(route).ok_or_else(|| {
                let why = "must be CIDR or CIDR-nexthop=IP";
                fields.bad(Subject::Route, &format!("dhcp_routes.{i}"), why)
            })?;
        }
        it.dhcp_routes = routes;
    }
    it.auto_population = auto_population(&mut fields, it.auto_population)?;
    // Clients send back what they have read.
    fields.ignore(&["dhcp_effective_routes"]);
    fields.finish()?;
    Ok(it)
}

fn addressed(fields: &Fields, address: String, now: Option<&Subnet>) -> Result<Subnet, Rule> {
    let refuse = |why: &str| fields.bad(Subject::IpAddress, "address", why);
    let net: IpNet = address.parse().map_err(|_| refuse("must be a subnet like 10.0.0.0/24"))?;
    let ip = net.addr();
    if ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() {
        return Err(refuse("must not be a loopback, multicast or unspecified address"));
    }
    if let IpAddr::V6(ip) = ip
        && (ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some())
    {
        return Err(refuse("must not be of link-local or IPv4-mapped addresses"));
    }
    let room = if ip.is_ipv4() { 8..=29 } else { 48..=120 };
    if !room.contains(&net.prefix_len()) {
        return Err(refuse(&format!("must have a length of {} to {}", room.start(), room.end())));
    }
    let prefix = Prefix::containing(net);
    if let Some(now) = now {
        let gateway = if now.prefix == prefix { now.gateway } else { first_host(prefix) };
        return Ok(Subnet { address, prefix, gateway, ..now.clone() });
    }
    Ok(Subnet::plain(address, prefix, first_host(prefix)))
}

fn first_host(prefix: Prefix) -> IpAddr {
    // An IPv6 subnet's own address is one that all its routers have (RFC 4291 §2.6.1).
    let mut hosts = prefix.net().hosts();
    hosts.find(|a| *a != prefix.address()).unwrap_or_else(|| prefix.address())
}

fn inside(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.prefix.net();
    let edge = address == net.network() || address.is_ipv4() && address == net.broadcast();
    subnet.prefix.contains(address) && !edge
}

/// `CIDR` or `CIDR-nexthop=IP`.
pub(super) fn dhcp_route(text: &str) -> Option<(Prefix, Option<IpAddr>)> {
    let (cidr, nexthop) = match text.split_once("-nexthop=") {
        Some((cidr, ip)) => (cidr, Some(ip.parse().ok()?)),
        None => (text, None),
    };
    Some((Prefix::containing(cidr.parse().ok()?), nexthop))
}

fn auto_population(
    fields: &mut Fields,
    now: Option<AutoPopulation>,
) -> Result<Option<AutoPopulation>, Rule> {
    let Some(mut outer) = fields.object("dhcp_routes_configuration", Subject::Request)? else {
        return Ok(now);
    };
    let inner = outer.object("effective_routes_auto_population", Subject::Request)?;
    outer.finish()?;
    let Some(mut inner) = inner else { return Ok(now) };
    let mut it = now.unwrap_or_default();
    it.enabled = inner.yes_no("enabled")?.unwrap_or(it.enabled);
    if let Some(sources) =
        words(&mut inner, "exclude_by_source", &["static-route", "router-connected-networks"])?
    {
        it.exclude_by_source = sources;
    }
    if let Some(types) = words(&mut inner, "filter_by_route_type", &["service", "user"])? {
        it.filter_by_route_type = types;
    }
    if let Some(nets) = inner.strings::<IpNet>("filter_by_destination", Subject::Request)? {
        it.filter_by_destination = nets.into_iter().map(Prefix::containing).collect();
    }
    inner.finish()?;
    Ok(Some(it))
}

fn words(fields: &mut Fields, key: &str, known: &[&str]) -> Result<Option<Vec<String>>, Rule> {
    let Some(words) = fields.strings::<String>(key, Subject::Request)? else { return Ok(None) };
    match words.iter().position(|w| !known.contains(&w.as_str())) {
        None => Ok(Some(words)),
        Some(i) => {
            let why = format!("must be one of {}", known.join(", "));
            Err(fields.bad(Subject::Request, &format!("{key}.{i}"), why))
        }
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
