//! What may be done to a port, and the addresses of servers.

use std::net::IpAddr;

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::Mac;
use crate::objects::{Port, Subnet};
use crate::spec::Attachment;
use crate::world::World;
use crate::{host, network};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub network: String,
    /// UUID or name.
    pub host: String,
    /// None takes the lowest that is free.
    pub address: Option<IpAddr>,
    /// None makes one of the port's UUID.
    pub mac: Option<Mac>,
    pub attachment: Attachment,
}

/// # Errors
/// Unknown network or host, another zone, an address that is taken, the
/// gateway's or outside the network, a device that has a port already.
pub fn create(
    world: &World,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    let network = network::own(world, account, &wish.network)?;
    let host = host::find(world, &wish.host)?;
    if network.zone != host.zone {
        let (network_zone, host_zone) = (network.zone.clone(), host.zone.clone());
        return Err(Rule::ZoneMismatch(Noun::Network, network_zone, Noun::Host, host_zone));
    }
    check_attachment(world, host.uuid, &wish.attachment)?;
    let room = Room { world, network: network.uuid, subnets: &network.subnets };
    Ok(vec![Change::Put(Object::Port(Port {
        uuid,
        account: account.to_owned(),
        network: network.uuid,
        host: Some(host.uuid),
        address: room.address(wish.address, "port.address")?,
        mac: wish.mac.unwrap_or_else(|| mac_of(uuid)),
        attachment: wish.attachment.clone(),
        nic: None,
    }))])
}

/// # Errors
/// [`Rule::AttachmentTaken`].
pub fn check_attachment(world: &World, host: Uuid, it: &Attachment) -> Result<(), Rule> {
    if world.ports_at(host).any(|p| p.attachment == *it) {
        return Err(Rule::AttachmentTaken(it.to_string()));
    }
    Ok(())
}

/// The MAC address of a port that none was given for.
pub fn mac_of(port: Uuid) -> Mac {
    let bytes = port.as_bytes();
    Mac::local([bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]])
}

/// # Errors
/// [`Rule::Absent`] also for somebody else's.
pub fn delete(world: &World, account: &str, uuid: Uuid) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, &uuid.to_string())?;
    Ok(vec![Change::Delete(Key::Port(it.uuid))])
}

/// # Errors
/// [`Rule::Absent`] when it is not a UUID, there is none, or it is not theirs.
pub fn own<'w>(world: &'w World, account: &str, id: &str) -> Result<&'w Port, Rule> {
    let found = Uuid::try_parse(id).ok().and_then(|uuid| world.ports.get(&uuid));
    let own = found.filter(|p| p.account == account);
    own.map(|p| &**p).ok_or_else(|| Rule::Absent(Noun::Port, id.to_owned()))
}

/// The addresses of a network, to give one out of.
pub struct Room<'w> {
    pub world: &'w World,
    pub network: Uuid,
    pub subnets: &'w [Subnet],
}

impl Room<'_> {
    /// The one that is wanted, or the lowest that is free. `at` is the
    /// attribute that wants it.
    ///
    /// # Errors
    /// Taken, the gateway's, or outside of every subnet; none is left.
    pub fn address(&self, wanted: Option<IpAddr>, at: &str) -> Result<IpAddr, Rule> {
        match wanted {
            Some(address) => self.given(address, at),
            None => self.lowest_free().ok_or(Rule::NoFreeAddress(self.network)),
        }
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
        if self.is_taken(address) {
            return Err(Rule::AddressTaken(address));
        }
        Ok(address)
    }

    /// Neither the gateway's nor, in IPv4, the subnet's first (itself) or last
    /// (broadcast, RFC 919 §7).
    fn lowest_free(&self) -> Option<IpAddr> {
        let subnet = self.subnets.first()?;
        // One more candidate than there are ports plus gateway is always
        // enough, and hosts() is lazy, so a /64 costs nothing.
        let free = |a: &IpAddr| *a != subnet.gateway && !self.is_taken(*a);
        subnet.prefix.net().hosts().find(|a| free(a) && usable(subnet, *a))
    }

    fn is_taken(&self, address: IpAddr) -> bool {
        self.world.port_at(self.network, address).is_some()
    }
}

/// Whether a host may have `address`, a gateway for one.
pub(crate) fn usable(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.prefix.net();
    // An IPv6 subnet's first is its routers' (RFC 4291 §2.6.1).
    address != net.network() && !(address.is_ipv4() && address == net.broadcast())
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
