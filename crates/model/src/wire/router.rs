//! `/1.3/router` (contract section 5.2).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use super::{Fields, Reference, labels};
use crate::error::{Rule, Subject};
use crate::ids::Prefix;
use crate::label::Label;
use crate::objects::{Router, StaticRoute};
use crate::router::{Create, Modify};
use crate::world::World;

pub const ENVELOPE: &str = "router";

impl Create {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Self {
            name: fields.required("name", Subject::RouterNameMissing)?,
            labels: labels(&mut fields)?.unwrap_or_default(),
            static_routes: static_routes(&mut fields)?.unwrap_or_default(),
        };
        fields.finish()?;
        Ok(it)
    }
}

impl Modify {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Self {
            name: fields.string("name", Subject::RouterName)?,
            labels: labels(&mut fields)?,
            static_routes: static_routes(&mut fields)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// Routes as users give them. Those of type `service` are the provider's:
/// clients send back what they have read, and it changes nothing.
fn static_routes(fields: &mut Fields) -> Result<Option<Vec<StaticRoute>>, Rule> {
    let Some(entries) = fields.array_or_null("static_routes", Subject::Route)? else {
        return Ok(None);
    };
    let mut routes = Vec::with_capacity(entries.len());
    for (index, mut entry) in entries.into_iter().enumerate() {
        let name = entry.string("name", Subject::Name)?.filter(|n| !n.is_empty());
        let route = entry.required("route", Subject::Route)?;
        let net: Result<IpNet, _> = route.parse();
        let net = net
            .map_err(|_| entry.bad(Subject::Route, "route", "must be a prefix like 10.0.0.0/8"))?;
        let nexthop = nexthop(&mut entry)?;
        entry.ignore(&["type"]);
        entry.finish()?;
        let name = name.unwrap_or_else(|| format!("static-route-{index}"));
        routes.push(StaticRoute { name, route: Prefix::containing(net), nexthop });
    }
    Ok(Some(routes))
}

fn nexthop(entry: &mut Fields) -> Result<Option<IpAddr>, Rule> {
    let text = entry.required("nexthop", Subject::Nexthop)?;
    if text == "no-nexthop" {
        return Ok(None);
    }
    let why = "must be an IP address or \"no-nexthop\"";
    text.parse().map(Some).map_err(|_| entry.bad(Subject::Nexthop, "nexthop", why))
}

#[derive(Serialize)]
pub struct View<'w> {
    uuid: Uuid,
    name: &'w str,
    #[serde(rename = "type")]
    kind: &'static str,
    labels: &'w [Label],
    attached_networks: Attached,
    attached_network_gateways: [(); 0],
    static_routes: Vec<RouteView<'w>>,
}

#[derive(Serialize)]
struct Attached {
    network: Vec<Reference>,
}

#[derive(Serialize)]
struct RouteView<'w> {
    name: &'w str,
    route: Prefix,
    nexthop: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'w> View<'w> {
    pub fn new(world: &World, it: &'w Router) -> Self {
        let route = |r: &'w StaticRoute| RouteView {
            name: &r.name,
            route: r.route,
            nexthop: nexthop_text(r),
            kind: "user",
        };
        let network = world.networks_on(it.uuid).map(|n| Reference { uuid: n.uuid }).collect();
        Self {
            uuid: it.uuid,
            name: &it.name,
            kind: "normal",
            labels: &it.labels,
            attached_networks: Attached { network },
            attached_network_gateways: [],
            static_routes: it.static_routes.iter().map(route).collect(),
        }
    }
}

/// An address, or the API's word for none.
pub(super) fn nexthop_text(route: &StaticRoute) -> String {
    route.nexthop.map_or_else(|| "no-nexthop".to_owned(), |n| n.to_string())
}

#[derive(Serialize)]
pub struct One<'w> {
    pub router: View<'w>,
}

#[derive(Serialize)]
pub struct Many<'w> {
    pub routers: ManyInner<'w>,
}

#[derive(Serialize)]
pub struct ManyInner<'w> {
    pub router: Vec<View<'w>>,
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
