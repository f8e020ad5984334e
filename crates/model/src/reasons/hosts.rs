//! Hosts, in words that say no more than an owner may know.

use uuid::Uuid;

use super::Owner;
use crate::health::Arrives;
use crate::state::HostError;

impl Owner<'_> {
    /// True when the owner has ports of the peering's networks there.
    pub(super) fn has_ports_at(&self, host: Uuid) -> bool {
        let networks = [self.it.network, self.it.peer_network];
        let own = networks.into_iter().filter(|n| self.owns(*n));
        own.into_iter().any(|n| self.world.hosts_of(n).contains(&host))
    }

    pub(super) fn name(&self, host: Uuid) -> String {
        let name = self.world.hosts.get(&host).map(|h| h.name.clone());
        format!("host {}", name.unwrap_or_else(|| host.to_string()))
    }

    /// Two hosts, in an order that does not depend on who speaks.
    pub(super) fn pair(&self, mut hosts: [Uuid; 2]) -> [String; 2] {
        hosts.sort_by_key(|host| self.world.hosts.get(host).map(|h| h.name.clone()));
        hosts.map(|host| self.named(host))
    }

    pub(super) fn named(&self, host: Uuid) -> String {
        if self.has_ports_at(host) {
            self.name(host)
        } else {
            format!("a host that carries network {}", self.it.peer_network)
        }
    }

    pub(super) fn no_path(
        &self,
        [here, there]: [Uuid; 2],
        arrives: Arrives,
        stopped: Option<&str>,
    ) -> String {
        let [from, to] = [here, there].map(|host| self.named(host));
        if let Some(verdict) = stopped {
            return format!("{} sends nothing to {to}: {verdict}.", capital(&from));
        }
        match arrives {
            Arrives::Nothing => {
                let [a, b] = self.pair([here, there]);
                format!("No packets cross between {a} and {b}.")
            }
            Arrives::FromHere => {
                format!("Packets from {to} to {from} are lost; those the other way arrive.")
            }
            Arrives::FromThere => {
                format!("Packets from {from} to {to} are lost; those the other way arrive.")
            }
        }
    }

    /// To end a sentence about the host. What the other network is, is not for
    /// everybody.
    pub(super) fn breach(&self, error: &HostError) -> String {
        match error.network.filter(|n| self.owns(*n)) {
            Some(network) => format!(
                "lets packets cross between network {network} and one that it must not reach."
            ),
            None => "does not keep networks apart.".to_owned(),
        }
    }
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
