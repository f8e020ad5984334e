//! From the objects: who owns, who agreed, who is where.

use std::net::IpAddr;

use super::agreed::{self, Way};
use super::{End, Question, Step, Trail, Walk};
use crate::consent::Patience;
use crate::error::{Noun, Rule, Subject};
use crate::objects::{Network, Port};
use crate::port;
use crate::scope::{self, Scope};
use crate::state::Presence;
use crate::static_routes;
use crate::world::World;

/// What is known of the whole.
#[derive(Clone, Copy)]
pub struct Known<'w> {
    pub world: &'w World,
    pub presence: &'w Presence,
    pub patience: Patience,
    /// Who asks, and what of its account's it may see.
    pub account: &'w str,
    pub scope: Scope<'w>,
}

/// # Errors
/// The source is no port of the caller's, the destination no address.
pub fn walk(known: Known<'_>, question: &Question) -> Result<Walk, Rule> {
    let to = match question.destination.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => known.port(&question.destination)?.address,
    };
    let (port, address) = match question.source.parse::<IpAddr>() {
        Ok(address) => (known.port_with(address)?, Some(address)),
        Err(_) => (Some(known.port(&question.source)?), None),
    };
    let mut steps = Vec::new();
    let Some(port) = port else {
        let source = &question.source;
        let message = format!(
            "No port of yours has the address {source}: what a workload sends from it is dropped (spoofed-source)."
        );
        let fix = "Send from an address of the port, or make a port with that one.";
        steps.push(Step::bad("source", message, fix));
        return Ok(Walk { steps, trail: None });
    };
    let trail = known.steps((port, address), to, question, &mut steps);
    Ok(Walk { steps, trail })
}

impl<'w> Known<'w> {
    /// The caller's by its UUID.
    fn port(&self, text: &str) -> Result<&'w Port, Rule> {
        let it = port::own(self.world, self.account, text)?;
        scope::check(self.scope.has_port(it), Noun::Port, it.uuid)?;
        Ok(it)
    }

    fn port_with(&self, address: IpAddr) -> Result<Option<&'w Port>, Rule> {
        let mut found = self
            .world
            .ports_of_account(self.account)
            .filter(|port| self.scope.has_port(port) && port.addresses().any(|it| it == address));
        let first = found.next();
        if found.next().is_some() {
            let why = "is the address of several ports of yours: give a UUID";
            return Err(Rule::bad(Subject::IpAddress, "explain.source".to_owned(), why));
        }
        Ok(first.map(|it| &**it))
    }

    /// The caller may see what is told of it.
    fn has(&self, port: &Port) -> bool {
        port.account == self.account && self.scope.has_port(port)
    }

    /// None when a step was in the way, which is the last.
    fn steps(
        &self,
        (source, address): (&Port, Option<IpAddr>),
        to: IpAddr,
        question: &Question,
        steps: &mut Vec<Step>,
    ) -> Option<Trail> {
        let same = |it: &IpAddr| it.is_ipv4() == to.is_ipv4();
        let local = self.world.network(source.network)?;
        let asked = address.filter(same);
        let Some(address) = asked.or_else(|| source.addresses().find(same)) else {
            let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!("Port {} has no {family} address.", source.uuid);
            let fix = format!("Give network {} a subnet of that family.", local.uuid);
            steps.push(Step::bad("source", message, fix));
            return None;
        };
        let from = self.end("source", (source, address), local, steps)?;
        let (network, way) = self.destination(local, to, steps)?;
        agreed::steps(*self, (local, network), &way, steps)?;
        let hop = way.hop().unwrap_or(to);
        let Some(port) = static_routes::owner(self.world, network, hop) else {
            let message = format!("Nobody on network {} has the address {hop}.", network.uuid);
            let fix = "Make a port with that address, or mend the address.";
            steps.push(Step::bad("destination", message, fix));
            return None;
        };
        let to = self.end("destination", (port, to), network, steps)?;
        Some(Trail { from, to, size: question.size, service: question.service })
    }

    fn end(
        &self,
        step: &'static str,
        (port, address): (&Port, IpAddr),
        network: &Network,
        steps: &mut Vec<Step>,
    ) -> Option<End> {
        let own = self.has(port);
        let Network { uuid, vni, .. } = *network;
        let with = if port.addresses().any(|it| it == address) { "with" } else { "that leads to" };
        let what = if own {
            format!("Port {} {with} {address} on network {uuid}", port.uuid)
        } else {
            format!("The port {with} {address} on network {uuid}")
        };
        let Some(host) = port.host else {
            steps.push(Step::bad(step, format!("{what} is at no host."), "Give it a host."));
            return None;
        };
        let record = self.world.hosts.get(&host)?;
        let name = if own { record.name.as_str() } else { "of its owner" };
        if self.world.is_lost(host) {
            let fix = format!("See to the host {name}: its agent does not answer.");
            steps.push(Step::bad(step, format!("{what} is at host {name}, which is lost."), fix));
            return None;
        }
        if !self.presence.hosts.contains_key(&host) {
            let message = format!("{what} is at host {name}, whose agent is not connected.");
            let fix = "Start the agent there: what it was told last stays in the kernel.";
            steps.push(Step { fix: Some(fix.to_owned()), ..Step::unknown(step, message) });
        } else {
            steps.push(Step::good(step, format!("{what} is at host {name}, which is connected.")));
        }
        Some(End { port: port.uuid, network: uuid, vni, address, host, own })
    }

    fn destination(
        &self,
        local: &'w Network,
        to: IpAddr,
        steps: &mut Vec<Step>,
    ) -> Option<(&'w Network, Way<'w>)> {
        let has = |network: &Network| network.subnet_of(to).is_some();
        if has(local) {
            return Some((local, Way::Same));
        }
        let mut neighbours = self.world.neighbours(local);
        if let Some(near) = neighbours.find(|n| has(n)) {
            return Some((near, Way::Router(local.router?)));
        }
        let offered = |half: &'w std::sync::Arc<crate::objects::Peering>| {
            let peer = self.world.network(half.peer_network)?;
            let own = peer.account == self.account && self.scope.has_network(peer.uuid);
            let known = own || self.world.mirror(half).is_some();
            (known && has(peer)).then_some((half, &**peer))
        };
        if let Some((half, peer)) = self.world.halves_of(local.uuid).find_map(offered) {
            return Some((peer, Way::Peering(half)));
        }
        if let Some(route) = static_routes::towards(self.world, local, to) {
            let next = route.nexthop;
            let hop = next.and_then(|it| Some((it, static_routes::hop(self.world, local, it)?)));
            if let Some((next, (network, _))) = hop {
                return Some((network, Way::Static(route.route, next)));
            }
            let next = next.map_or("no next hop".to_owned(), |it| it.to_string());
            let route = route.route;
            let message = format!(
                "The router's static route to {route} leads to {next}, which is nobody on its networks."
            );
            let fix = "Make a port with that address, or mend the route.";
            steps.push(Step::bad("route", message, fix));
            return None;
        }
        steps.push(self.unreached(local, to));
        None
    }

    fn unreached(&self, local: &Network, to: IpAddr) -> Step {
        let uuid = local.uuid;
        let has = |network: &Network| network.subnet_of(to).is_some();
        let mut own = self.world.networks_of_account(self.account);
        let own = own.find(|n| has(n) && self.scope.has_network(n.uuid));
        let (message, fix) = match own {
            Some(own) => (
                format!(
                    "{to} is of your network {}, which network {uuid} does not reach.",
                    own.uuid
                ),
                format!("Create the peering from {uuid} to {} and its mirror.", own.uuid),
            ),
            None => (
                format!("No network that {uuid} reaches, or that answered it, has {to}."),
                format!("Create a peering from {uuid} to the network that has {to}."),
            ),
        };
        Step::bad("route", message, fix)
    }
}
