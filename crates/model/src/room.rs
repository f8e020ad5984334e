//! The addresses of a network, to give some out of.

use std::net::IpAddr;

use uuid::Uuid;

use crate::error::{Rule, Subject};
use crate::ids::Prefix;
use crate::objects::Subnet;
use crate::spec::{Attachment, MOST_IPV6};
use crate::world::World;

pub struct Room<'w> {
    pub world: &'w World,
    pub network: Uuid,
    pub subnets: &'w [Subnet],
}

/// What of a network somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    This(IpAddr),
    /// The lowest of the family that is free.
    AnyIpv4,
    AnyIpv6,
}

impl Room<'_> {
    /// One address. `at` is the attribute that wants it.
    ///
    /// # Errors
    /// Taken, the gateway's, or outside of every subnet; none is left.
    pub fn address(&self, wanted: Wanted, at: &str) -> Result<IpAddr, Rule> {
        let any = |ipv4| self.lowest_free(ipv4, &[]).ok_or(Rule::NoFreeAddress(self.network));
        match wanted {
            Wanted::This(address) => self.given(address, at),
            Wanted::AnyIpv4 => any(true),
            Wanted::AnyIpv6 => any(false),
        }
    }

    /// All those of a port: what is wanted, and one of each family that the
    /// network has besides, out of `prefixes` where there is one.
    ///
    /// # Errors
    /// As [`Self::address`]; more of a family than a port may have.
    pub fn addresses(
        &self,
        wanted: &[IpAddr],
        prefixes: &[Prefix],
    ) -> Result<(IpAddr, Vec<IpAddr>), Rule> {
        let mut found = Vec::new();
        for (i, address) in wanted.iter().enumerate() {
            let at = format!("port.addresses.{i}");
            if found.contains(address) {
                return Err(Rule::AddressTaken(*address));
            }
            found.push(self.given(*address, &at)?);
        }
        let count = |ipv4| wanted.iter().filter(|a| a.is_ipv4() == ipv4).count();
        if count(true) > 1 || count(false) > MOST_IPV6 {
            let why = format!("must be one IPv4 and {MOST_IPV6} IPv6 addresses at most");
            return Err(Rule::bad(Subject::IpAddress, "port.addresses", why));
        }
        for ipv4 in self.subnets.iter().map(|s| s.gateway.is_ipv4()) {
            if count(ipv4) == 0 {
                let free = self.lowest_free(ipv4, prefixes);
                found.push(free.ok_or(Rule::NoFreeAddress(self.network))?);
            }
        }
        // Stable: further ones stay in the order they were given in.
        found.sort_by_key(IpAddr::is_ipv6);
        let (first, further) = found.split_first().ok_or(Rule::NoFreeAddress(self.network))?;
        Ok((*first, further.to_vec()))
    }

    fn given(&self, address: IpAddr, at: &str) -> Result<IpAddr, Rule> {
        let bad = |why: String| Err(Rule::bad(Subject::IpAddress, at, why));
        let Some(subnet) = self.subnets.iter().find(|s| s.prefix.contains(address)) else {
            let all: Vec<String> = self.subnets.iter().map(|s| s.prefix.to_string()).collect();
            return bad(format!("must lie in {}", all.join(" or ")));
        };
        if address == subnet.gateway {
            return bad("is the gateway's".to_owned());
        }
        if !usable(subnet, address) {
            return bad("is the subnet's own or its broadcast address".to_owned());
        }
        if self.is_taken(address) || self.blocks().iter().any(|b| b.contains(address)) {
            return Err(Rule::AddressTaken(address));
        }
        Ok(address)
    }

    /// Neither the gateway's nor, in IPv4, the subnet's first (itself) or last
    /// (broadcast, RFC 919 §7).
    fn lowest_free(&self, ipv4: bool, prefixes: &[Prefix]) -> Option<IpAddr> {
        let subnet = self.subnets.iter().find(|s| s.gateway.is_ipv4() == ipv4)?;
        let within = prefixes.iter().find(|p| p.address().is_ipv4() == ipv4);
        let within = within.copied().unwrap_or(subnet.prefix);
        let blocks = self.blocks();
        let mut at = within.address();
        // Each step passes something that has an address, so a /64 costs nothing.
        while within.contains(at) {
            let mut end = at;
            if let Some(block) = blocks.iter().find(|b| b.contains(at)) {
                end = block.net().broadcast();
            } else if at != subnet.gateway && usable(subnet, at) && !self.is_taken(at) {
                return Some(at);
            }
            at = next(end)?;
        }
        None
    }

    fn is_taken(&self, address: IpAddr) -> bool {
        self.world.port_at(self.network, address).is_some()
    }

    /// What other ports have behind them.
    fn blocks(&self) -> Vec<Prefix> {
        let ports = self.world.segments_on(self.network);
        ports.flat_map(|p| p.prefixes.iter().copied()).collect()
    }

    /// # Errors
    /// A prefix that is not the network's, or holds an address of somebody
    /// else; a device that has one machine behind it.
    pub fn check_prefixes(&self, prefixes: &[Prefix], place: &Attachment) -> Result<(), Rule> {
        for (i, prefix) in prefixes.iter().enumerate() {
            let bad =
                |why: String| Err(Rule::bad(Subject::IpAddress, format!("port.prefixes.{i}"), why));
            if matches!(place, Attachment::Netns { .. }) {
                return bad("needs a device of the host's: a namespace is one machine".to_owned());
            }
            if !self.subnets.iter().any(|s| s.prefix.net().contains(&prefix.net())) {
                let all: Vec<String> = self.subnets.iter().map(|s| s.prefix.to_string()).collect();
                return bad(format!("must lie in {}", all.join(" or ")));
            }
            let ipv4 = prefix.address().is_ipv4();
            if prefixes[..i].iter().any(|p| p.address().is_ipv4() == ipv4) {
                return bad("must be one of a family at most".to_owned());
            }
            let blocks = self.blocks();
            if let Some(other) = blocks.iter().find(|b| b.overlaps(*prefix)) {
                return bad(format!("overlaps {other}, which is behind another port"));
            }
            let taken =
                self.world.ports_on(self.network).flat_map(|p| p.addresses().collect::<Vec<_>>());
            if let Some(address) = { taken }.find(|a| prefix.contains(*a)) {
                return Err(Rule::AddressTaken(address));
            }
        }
        Ok(())
    }
}

fn next(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => {
            it.to_bits().checked_add(1).map(|n| std::net::Ipv4Addr::from_bits(n).into())
        }
        IpAddr::V6(it) => {
            it.to_bits().checked_add(1).map(|n| std::net::Ipv6Addr::from_bits(n).into())
        }
    }
}

/// Whether a host may have `address`, a gateway for one.
pub(crate) fn usable(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.prefix.net();
    // An IPv6 subnet's first is its routers' (RFC 4291 §2.6.1).
    address != net.network() && !(address.is_ipv4() && address == net.broadcast())
}
