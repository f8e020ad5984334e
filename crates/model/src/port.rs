//! What may be done to a port, and the addresses of servers.

use std::net::IpAddr;

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::Mac;
use crate::network;
use crate::objects::{Host, Network, Port, Subnet};
use crate::spec::Attachment;
use crate::world::World;

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
    let host = host(world, &wish.host)?;
    if network.zone != host.zone {
        let (network_zone, host_zone) = (network.zone.clone(), host.zone.clone());
        return Err(Rule::ZoneMismatch { network_zone, host_zone });
    }
    if world.ports_at(host.uuid).any(|p| p.attachment == wish.attachment) {
        return Err(Rule::AttachmentTaken(wish.attachment.to_string()));
    }
    let address = match wish.address {
        Some(address) => given(world, network, address)?,
        None => lowest_free(world, network).ok_or(Rule::NoFreeAddress(network.uuid))?,
    };
    let bytes = uuid.as_bytes();
    let mac = wish
        .mac
        .unwrap_or_else(|| Mac::local([bytes[11], bytes[12], bytes[13], bytes[14], bytes[15]]));
    Ok(vec![Change::Put(Object::Port(Port {
        uuid,
        account: account.to_owned(),
        network: network.uuid,
        host: host.uuid,
        address,
        mac,
        attachment: wish.attachment.clone(),
    }))])
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

fn host<'w>(world: &'w World, id: &str) -> Result<&'w Host, Rule> {
    let by_uuid = Uuid::try_parse(id).ok().and_then(|uuid| world.hosts.get(&uuid));
    let found = by_uuid.or_else(|| world.host_named(id));
    found.map(|h| &**h).ok_or_else(|| Rule::Absent(Noun::Host, id.to_owned()))
}

fn given(world: &World, network: &Network, address: IpAddr) -> Result<IpAddr, Rule> {
    let bad = |why: String| Err(Rule::bad(Subject::IpAddress, "port.address", why));
    let Some(subnet) = network.subnet_of(address) else {
        let all: Vec<String> = network.prefixes().map(|p| p.to_string()).collect();
        return bad(format!("must lie in {}", all.join(" or ")));
    };
    if address == subnet.gateway {
        return bad("is the gateway's".to_owned());
    }
    if !usable(subnet, address) {
        return bad("is the subnet's own or its broadcast address".to_owned());
    }
    if world.port_at(network.uuid, address).is_some() {
        return Err(Rule::AddressTaken(address));
    }
    Ok(address)
}

/// The lowest address that is free: neither the gateway's nor, in IPv4, the
/// subnet's first (itself) or last (broadcast, RFC 919 §7).
fn lowest_free(world: &World, network: &Network) -> Option<IpAddr> {
    let subnet = network.subnets.first()?;
    // One more candidate than there are ports plus gateway is always enough,
    // and hosts() is lazy, so a /64 costs nothing.
    let free = |a: &IpAddr| *a != subnet.gateway && world.port_at(network.uuid, *a).is_none();
    subnet.prefix.net().hosts().find(|a| free(a) && usable(subnet, *a))
}

fn usable(subnet: &Subnet, address: IpAddr) -> bool {
    let net = subnet.prefix.net();
    !(address.is_ipv4() && (address == net.network() || address == net.broadcast()))
}
