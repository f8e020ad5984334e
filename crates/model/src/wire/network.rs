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

/// `ip_networks.ip_network`: exactly one entry, an array or the object alone.
fn subnets(fields: &mut Fields, now: &[Subnet]) -> Result<Option<Vec<Subnet>>, Rule> {
    let Some(mut outer) = fields.object("ip_networks", Subject::IpAddress)? else {
        return Ok(None);
    };
    let entries = outer.array("ip_network", Subject::IpAddress)?.unwrap_or_default();
    let at = outer.path("ip_network");
    outer.finish()?;
    if entries.len() != 1 {
        return Err(Rule::bad(Subject::IpAddress, at, "must have exactly one entry"));
    }
    entries.into_iter().map(|e| subnet(e, now.first())).collect::<Result<_, _>>().map(Some)
}

fn subnet(mut fields: Fields, now: Option<&Subnet>) -> Result<Subnet, Rule> {
    let family = fields.string("family", Subject::IpAddress)?;
    let mut it = match (fields.string("address", Subject::IpAddress)?, now) {
        (Some(address), now) => addressed(&fields, address, now)?,
        (None, Some(now)) => now.clone(),
        (None, None) => return Err(fields.bad(Subject::IpAddress, "address", "is required")),
    };
    if family.is_some_and(|f| f != "IPv4") || !it.prefix.address().is_ipv4() {
        let why = "must be \"IPv4\", as must the address: IPv6 is not carried yet";
        return Err(fields.bad(Subject::IpAddress, "family", why));
    }
    it.dhcp = fields.yes_no("dhcp")?.unwrap_or(it.dhcp);
    it.dhcp_default_route = fields.yes_no("dhcp_default_route")?.unwrap_or(it.dhcp_default_route);
    it.dhcp_dns = fields.strings("dhcp_dns", Subject::IpAddress)?.unwrap_or(it.dhcp_dns);
    it.dhcp_bootfile_url =
        fields.string("dhcp_bootfile_url", Subject::Request)?.or(it.dhcp_bootfile_url);
    if let Some(gateway) = fields.parsed::<IpAddr>("gateway", Subject::IpAddress)? {
        it.gateway = gateway;
    }
    if !inside(&it, it.gateway) {
        let why = format!("must be an address of a host in {}", it.prefix);
        return Err(fields.bad(Subject::IpAddress, "gateway", why));
    }
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
    let room = if ip.is_ipv4() { 8..=29 } else { 48..=120 };
    if !room.contains(&net.prefix_len()) {
        return Err(refuse(&format!("must have a length of {} to {}", room.start(), room.end())));
    }
    let prefix = Prefix::containing(net);
    if let Some(now) = now {
        let gateway = if now.prefix == prefix { now.gateway } else { first_host(prefix) };
        return Ok(Subnet { address, prefix, gateway, ..now.clone() });
    }
    Ok(Subnet {
        address,
        prefix,
        gateway: first_host(prefix),
        dhcp: false,
        dhcp_default_route: false,
        dhcp_dns: Vec::new(),
        dhcp_routes: Vec::new(),
        dhcp_bootfile_url: None,
        auto_population: None,
    })
}

fn first_host(prefix: Prefix) -> IpAddr {
    prefix.net().hosts().next().unwrap_or_else(|| prefix.address())
}

fn inside(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.prefix.net();
    let edge = address.is_ipv4() && (address == net.network() || address == net.broadcast());
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
