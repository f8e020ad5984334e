//! From the objects: who owns, who agreed, who is where.

use std::net::IpAddr;

use uuid::Uuid;

use super::{End, Question, Step, Trail, Walk};
use crate::consent::Patience;
use crate::error::{Noun, Rule, Subject};
use crate::objects::{Network, Peering, Port};
use crate::port;
use crate::state::{self, Presence, State};
use crate::world::World;

/// What is known of the whole.
#[derive(Clone, Copy)]
pub struct Known<'w> {
    pub world: &'w World,
    pub presence: &'w Presence,
    pub patience: Patience,
    /// Who asks.
    pub account: &'w str,
}

/// # Errors
/// The source is no port of the caller's, the destination no address.
pub fn walk(known: Known<'_>, question: &Question) -> Result<Walk, Rule> {
    let source = known.port("source", &question.source)?;
    let to = match question.destination.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => known.port("destination", &question.destination)?.address,
    };
    let mut steps = Vec::new();
    let trail = known.steps(source, to, question, &mut steps);
    Ok(Walk { steps, trail })
}

/// How the destination's network is reached.
enum Way<'w> {
    Same,
    Router(Uuid),
    Peering(&'w Peering),
}

impl<'w> Known<'w> {
    /// By UUID or address.
    fn port(&self, key: &str, text: &str) -> Result<&'w Port, Rule> {
        let Ok(address) = text.parse::<IpAddr>() else {
            return port::own(self.world, self.account, text);
        };
        let mut found = self
            .world
            .ports_of_account(self.account)
            .filter(|port| port.addresses().any(|it| it == address));
        let first = found.next().ok_or_else(|| Rule::Absent(Noun::Port, text.to_owned()))?;
        if found.next().is_some() {
            let why = "is the address of several ports of yours: give a UUID";
            return Err(Rule::bad(Subject::IpAddress, format!("explain.{key}"), why));
        }
        Ok(first)
    }

    /// None when a step was in the way, which is the last.
    fn steps(
        &self,
        source: &Port,
        to: IpAddr,
        question: &Question,
        steps: &mut Vec<Step>,
    ) -> Option<Trail> {
        let same = |it: &IpAddr| it.is_ipv4() == to.is_ipv4();
        let local = self.world.network(source.network)?;
        let Some(address) = source.addresses().find(same) else {
            let family = if to.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!("Port {} has no {family} address.", source.uuid);
            let fix = format!("Give network {} a subnet of that family.", local.uuid);
            steps.push(Step::bad("source", message, fix));
            return None;
        };
        let from = self.end("source", (source, address), local, steps)?;
        let (network, way) = self.destination(local, to, steps)?;
        self.agreed(local, network, &way, steps)?;
        let port = self.world.port_at(network.uuid, to);
        let Some(port) = port.and_then(|uuid| self.world.ports.get(&uuid)) else {
            let message = format!("Nobody on network {} has the address {to}.", network.uuid);
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
        let own = port.account == self.account;
        let Network { uuid, vni, .. } = *network;
        let what = if own {
            format!("Port {} with {address} on network {uuid}", port.uuid)
        } else {
            format!("The port with {address} on network {uuid}")
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
        if !self.presence.contains_key(&host) {
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
        let offered = |half: &'w std::sync::Arc<Peering>| {
            let peer = self.world.network(half.peer_network)?;
            let known = peer.account == self.account || self.world.mirror(half).is_some();
            (known && has(peer)).then_some((half, &**peer))
        };
        if let Some((half, peer)) = self.world.halves_of(local.uuid).find_map(offered) {
            return Some((peer, Way::Peering(half)));
        }
        let uuid = local.uuid;
        let own = self.world.networks_of_account(self.account).find(|n| has(n));
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
        steps.push(Step::bad("route", message, fix));
        None
    }

    fn agreed(
        &self,
        local: &Network,
        network: &Network,
        way: &Way<'_>,
        steps: &mut Vec<Step>,
    ) -> Option<()> {
        let half = match way {
            Way::Same => {
                steps.push(Step::good("route", "Both are on the same network."));
                return Some(());
            }
            Way::Router(router) => {
                let message = format!("Both networks are on router {router}.");
                steps.push(Step::good("route", message));
                return Some(());
            }
            Way::Peering(half) => half,
        };
        let (state, reasons) = state::judge(self.world, self.presence, self.patience, half);
        let name = format!("Peering {} ({})", half.name, half.uuid);
        let between = format!("from network {} to {}", local.uuid, network.uuid);
        let step = match state {
            State::Active | State::Provisioning | State::Error => {
                let message = format!("{name} {between} and its mirror are agreed and admitted.");
                steps.push(Step::good("peering", message));
                return Some(());
            }
            State::Disabled | State::DeletedPeerNetwork => "peering",
            State::PendingPeer | State::PeerDisabled => "mirror",
            State::MissingLocalRouter | State::MissingPeerRouter => "router",
            State::ConflictSubnet => "admission",
        };
        let because: Vec<String> = reasons.into_iter().map(|reason| reason.message).collect();
        let (message, fix) = if state == State::Disabled {
            (
                format!("{name} {between} is disabled."),
                format!("kannas peering enable {}", half.uuid),
            )
        } else {
            (format!("{name} {between} is not agreed."), because.join(" "))
        };
        steps.push(Step::bad(step, message, fix));
        None
    }
}
