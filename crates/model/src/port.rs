//! What may be done to a port, and the addresses of servers.

use std::net::IpAddr;

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule};
use crate::ids::{Mac, Prefix};
use crate::objects::Port;
use crate::room::Room;
use crate::spec::Attachment;
use crate::world::World;
use crate::{host, network};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub network: String,
    /// UUID or name.
    pub host: String,
    /// Of a family that the network has and none is given of, the lowest that
    /// is free is taken.
    pub addresses: Vec<IpAddr>,
    /// Parts of the network that are behind the device, each with machines of
    /// its own: docker's, libvirt's, a cable's.
    pub prefixes: Vec<Prefix>,
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
    room.check_prefixes(&wish.prefixes, &wish.attachment)?;
    let (address, further) = room.addresses(&wish.addresses, &wish.prefixes)?;
    Ok(vec![Change::Put(Object::Port(Port {
        uuid,
        account: account.to_owned(),
        network: network.uuid,
        host: Some(host.uuid),
        address,
        further,
        prefixes: wish.prefixes.clone(),
        mac: wish.mac.unwrap_or_else(|| mac_of(uuid)),
        attachment: wish.attachment.clone(),
        nic: None,
    }))])
}

/// # Errors
/// [`Rule::AttachmentTaken`].
pub fn check_attachment(world: &World, host: Uuid, it: &Attachment) -> Result<(), Rule> {
    if world.attached(host, it).is_some() {
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

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
