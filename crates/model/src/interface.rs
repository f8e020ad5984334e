//! What may be done to a server's interfaces, each of which is a port.

use std::net::IpAddr;

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::DeviceName;
use crate::network;
use crate::objects::{Nic, Port, Server, Subnet};
use crate::port;
use crate::provided::{self, Kind};
use crate::room::{Room, Wanted};
use crate::spec::Attachment;
use crate::world::World;

/// The highest index of an interface; the lowest is 1.
pub const MAX_INDEX: u8 = 64;

/// Where a body has an interface's address.
const ADDRESS: &str = "interface.ip_addresses.ip_address.0.address";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// UUID of the port that is made.
    pub port: Uuid,
    pub link: Link,
    /// None takes the lowest that is free.
    pub index: Option<u8>,
    pub address: Address,
}

/// What an interface is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A network of the account's, its UUID as the body had it.
    Private(String),
    /// The provider's of that kind in the server's zone.
    Provided(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    Given(IpAddr),
    /// The lowest that is free.
    AnyIpv4,
    AnyIpv6,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub index: Option<u8>,
    pub link: Option<Link>,
    pub address: Option<Address>,
}

/// What is to be done to one of a server's interfaces, known by its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    Create(Create),
    Modify(u8, Modify),
    Delete(u8),
}

/// # Errors
/// As [`create`], [`modify`] and [`delete`].
pub fn decide(world: &World, server: &Server, wish: &Wish) -> Result<Vec<Change>, Rule> {
    match wish {
        Wish::Create(wish) => create(world, server, wish),
        Wish::Modify(index, wish) => modify(world, server, *index, wish),
        Wish::Delete(index) => delete(world, server, *index),
    }
}

/// # Errors
/// [`Rule::InterfaceExists`], [`Rule::InterfacesFull`]; a network that is not
/// there, not the account's or in another zone; as [`Room::address`].
pub fn create(world: &World, server: &Server, wish: &Create) -> Result<Vec<Change>, Rule> {
    let index = free_index(world, server, wish.index)?;
    let place = Place::of(world, server, wish)?;
    let address = match wish.address {
        Address::Given(address) => Wanted::This(address),
        Address::AnyIpv4 => Wanted::AnyIpv4,
        Address::AnyIpv6 => Wanted::AnyIpv6,
    };
    let room = Room { world, network: place.network, subnets: place.subnets };
    let attachment = Attachment::Netns { netns: server.netns.clone(), device: device(index) };
    if let Some(host) = place.host {
        port::check_attachment(world, host, &attachment)?;
    }
    Ok(vec![Change::Put(Object::Port(Port {
        uuid: wish.port,
        account: server.account.clone(),
        network: place.network,
        host: place.host,
        address: room.address(address, ADDRESS)?,
        further: Vec::new(),
        prefixes: Vec::new(),
        mac: port::mac_of(wish.port),
        attachment,
        nic: Some(Nic { server: server.uuid, index }),
    }))])
}

/// The port keeps its UUID and MAC address, and what is not given as long as
/// it goes with what is.
///
/// # Errors
/// [`Rule::Absent`]; else as [`create`].
pub fn modify(
    world: &World,
    server: &Server,
    index: u8,
    wish: &Modify,
) -> Result<Vec<Change>, Rule> {
    let old = find(world, server, index)?;
    let link = wish.link.clone().unwrap_or_else(|| link_of(old));
    let moves = link != link_of(old);
    let kept = if moves { Address::AnyIpv4 } else { Address::Given(old.address) };
    let new = Create {
        port: old.uuid,
        link,
        index: Some(wish.index.unwrap_or(index)),
        address: wish.address.unwrap_or(kept),
    };
    let mut without = world.clone();
    without.commit(&[Change::Delete(Key::Port(old.uuid))]);
    create(&without, server, &new)
}

/// # Errors
/// [`Rule::Absent`].
pub fn delete(world: &World, server: &Server, index: u8) -> Result<Vec<Change>, Rule> {
    let it = find(world, server, index)?;
    Ok(vec![Change::Delete(Key::Port(it.uuid))])
}

/// # Errors
/// [`Rule::Absent`].
pub fn find<'w>(world: &'w World, server: &Server, index: u8) -> Result<&'w Port, Rule> {
    let found = world.nic(server.uuid, index);
    found.map(|p| &**p).ok_or_else(|| Rule::Absent(Noun::Interface, index.to_string()))
}

fn link_of(port: &Port) -> Link {
    match provided::get(port.network) {
        Some(it) => Link::Provided(it.kind),
        None => Link::Private(port.network.to_string()),
    }
}

fn free_index(world: &World, server: &Server, wanted: Option<u8>) -> Result<u8, Rule> {
    let is_taken = |index| world.nic(server.uuid, index).is_some();
    match wanted {
        None => (1..=MAX_INDEX).find(|i| !is_taken(*i)).ok_or(Rule::InterfacesFull),
        Some(index) if !(1..=MAX_INDEX).contains(&index) => {
            let why = format!("must be 1 to {MAX_INDEX}");
            Err(Rule::bad(Subject::Request, "interface.index", why))
        }
        Some(index) if is_taken(index) => Err(Rule::InterfaceExists(index)),
        Some(index) => Ok(index),
    }
}

/// Interfaces count from 1, as UpCloud has it, and devices from 0.
fn device(index: u8) -> DeviceName {
    format!("eth{}", index - 1).parse().expect("at most five bytes, none of them a slash")
}

/// The network an interface is on, and the host that carries it there.
struct Place<'w> {
    network: Uuid,
    subnets: &'w [Subnet],
    host: Option<Uuid>,
}

impl<'w> Place<'w> {
    fn of(world: &'w World, server: &Server, wish: &Create) -> Result<Self, Rule> {
        let ipv4 = match wish.address {
            Address::Given(address) => address.is_ipv4(),
            Address::AnyIpv4 => true,
            Address::AnyIpv6 => false,
        };
        match &wish.link {
            Link::Private(id) => Self::private(world, server, id, ipv4),
            Link::Provided(kind) => {
                let it = provided::in_zone(&server.zone, *kind, ipv4);
                let absent = || {
                    let family = if ipv4 { "IPv4" } else { "IPv6" };
                    let what =
                        format!("for {} {family} addresses in zone {}", kind.as_str(), server.zone);
                    Rule::Absent(Noun::Network, what)
                };
                let it = it.ok_or_else(absent)?;
                Ok(Self { network: it.uuid, subnets: std::slice::from_ref(&it.subnet), host: None })
            }
        }
    }

    fn private(world: &'w World, server: &Server, id: &str, ipv4: bool) -> Result<Self, Rule> {
        let it = network::own(world, &server.account, id)?;
        if it.zone != server.zone {
            let (theirs, ours) = (it.zone.clone(), server.zone.clone());
            return Err(Rule::ZoneMismatch(Noun::Network, theirs, Noun::Server, ours));
        }
        if !it.prefixes().any(|p| p.address().is_ipv4() == ipv4) {
            let why = "must be of an address family that the network has";
            return Err(Rule::bad(Subject::IpAddress, "interface.ip_addresses", why));
        }
        Ok(Self { network: it.uuid, subnets: &it.subnets, host: server.host })
    }
}
