//! Addresses and routes.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kernel's many attributes a few concern us"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::ids::Prefix;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Error;
use crate::netlink::{Mode, Netlink};

/// Our mark on routes (`proto 107` in ip-route(8)): free in
/// linux/rtnetlink.h and iproute2's rt_protos.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(107);

/// Ours stand behind a route of the workload's own to the same prefix, and
/// those of its first NIC before those of the next: two of one metric would be
/// one route.
const METRIC: u32 = 1000;

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Addresses and the lengths of their subnets, with the index of their device.
pub(crate) fn addresses(netlink: &mut Netlink) -> Result<Vec<(u32, IpAddr, u8)>, Error> {
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answers = netlink.dump("list addresses", request)?;
    let of = |answer| {
        let RouteNetlinkMessage::NewAddress(AddressMessage { header, attributes, .. }) = answer
        else {
            return None;
        };
        // Of a point-to-point device `Address` is the other end's.
        let pick = |local: bool| {
            attributes.iter().find_map(|a| match a {
                AddressAttribute::Local(ip) if local => Some(*ip),
                AddressAttribute::Address(ip) if !local => Some(*ip),
                _ => None,
            })
        };
        Some((header.index, pick(true).or_else(|| pick(false))?, header.prefix_len))
    };
    Ok(answers.into_iter().filter_map(of).collect())
}

pub(crate) fn set_address(
    netlink: &mut Netlink,
    device: u32,
    address: IpAddr,
    length: u8,
) -> Result<(), Error> {
    let message = address_message(device, address, length);
    let what = || format!("give the workload's device the address {address}/{length}");
    netlink.tell(what, Mode::Replace, RouteNetlinkMessage::NewAddress(message))
}

pub(crate) fn delete_address(
    netlink: &mut Netlink,
    device: u32,
    address: IpAddr,
    length: u8,
) -> Result<(), Error> {
    let message = address_message(device, address, length);
    let what = || format!("take the address {address}/{length} off the workload's device");
    netlink.tell(what, Mode::Change, RouteNetlinkMessage::DelAddress(message))
}

fn address_message(device: u32, address: IpAddr, length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = length;
    message.header.scope = AddressScope::Universe;
    message.header.index = device;
    // The server gives an address to one port, so nobody has to be asked
    // (RFC 4862 §5.4), and it is good at once.
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

/// Our routes over a device: prefixes with their next hop.
pub(crate) fn routes(
    netlink: &mut Netlink,
    device: u32,
) -> Result<BTreeSet<(Prefix, IpAddr)>, Error> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        let answers = netlink.dump("list routes", RouteNetlinkMessage::GetRoute(request))?;
        for answer in answers {
            let RouteNetlinkMessage::NewRoute(route) = answer else { continue };
            found.extend(ours(&route, device));
        }
    }
    Ok(found)
}

fn ours(route: &RouteMessage, device: u32) -> Option<(Prefix, IpAddr)> {
    let on = route.attributes.contains(&RouteAttribute::Oif(device));
    if route.header.protocol != PROTOCOL || !on {
        return None;
    }
    let (mut to, mut gateway) = (None, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip(address),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            _ => {}
        }
    }
    let gateway = gateway?;
    let to = to.unwrap_or_else(|| Prefix::everything(gateway).address());
    let length = route.header.destination_prefix_length;
    Some((format!("{to}/{length}").parse().ok()?, gateway))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(it) => Some((*it).into()),
        RouteAddress::Inet6(it) => Some((*it).into()),
        _ => None,
    }
}

pub(crate) fn set_route(
    netlink: &mut Netlink,
    device: u32,
    to: Prefix,
    gateway: IpAddr,
) -> Result<(), Error> {
    let message = RouteNetlinkMessage::NewRoute(route_message(device, to, gateway));
    netlink.tell(|| format!("give the workload a route to {to}"), Mode::Replace, message)
}

pub(crate) fn delete_route(
    netlink: &mut Netlink,
    device: u32,
    to: Prefix,
    gateway: IpAddr,
) -> Result<(), Error> {
    let message = RouteNetlinkMessage::DelRoute(route_message(device, to, gateway));
    netlink.tell(|| format!("take the workload's route to {to}"), Mode::Change, message)
}

fn route_message(device: u32, to: Prefix, gateway: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(to.address()),
        destination_prefix_length: to.len(),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: PROTOCOL,
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes = vec![
        RouteAttribute::Destination(to.address().into()),
        RouteAttribute::Gateway(gateway.into()),
        RouteAttribute::Oif(device),
        RouteAttribute::Priority(METRIC.saturating_add(device)),
    ];
    message
}
