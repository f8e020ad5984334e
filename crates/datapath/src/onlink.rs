//! Which hosts are on the underlay's own link, so that a packet to them needs
//! no look into the kernel's routes.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kernel's many attributes a few concern us"
)]

use std::net::IpAddr;

use ipnet::IpNet;
use model::ids::Prefix;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::Error;
use crate::inet;
use crate::link::Link;
use crate::netlink::Netlink;

/// Priorities of the rules that every namespace has: tables local, main and
/// default (ip-rule(8)).
const COMMON_RULES: [u32; 3] = [0, 32766, 32767];

/// The prefix of `underlay` on its device; None when routes of that device or
/// rules may send a part of it another way.
pub(crate) fn prefix(
    netlink: &mut Netlink,
    device: &Link,
    underlay: IpAddr,
) -> Result<Option<Prefix>, Error> {
    let family = if underlay.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let addresses = inet::addresses(netlink)?.into_iter();
    let ours = addresses.filter(|(index, ip, _)| *index == device.index && *ip == underlay);
    let Some(length) = ours.map(|(.., length)| length).next() else { return Ok(None) };
    if has_rules(netlink, family)? || has_narrower(netlink, family, device.index, length)? {
        return Ok(None);
    }
    Ok(IpNet::new(underlay, length).ok().map(Prefix::containing))
}

fn has_rules(netlink: &mut Netlink, family: AddressFamily) -> Result<bool, Error> {
    let mut request = RuleMessage::default();
    request.header.family = family;
    let answers = netlink.dump("list routing rules", RouteNetlinkMessage::GetRule(request))?;
    let priority = |rule: &RuleMessage| {
        let given = rule.attributes.iter().find_map(|a| match a {
            RuleAttribute::Priority(priority) => Some(*priority),
            _ => None,
        });
        given.unwrap_or(0)
    };
    Ok(answers.iter().any(|answer| match answer {
        RouteNetlinkMessage::NewRule(rule) => !COMMON_RULES.contains(&priority(rule)),
        _ => false,
    }))
}

/// Routes to parts of what a prefix of `length` holds, but for the kernel's
/// own of the device's addresses.
fn has_narrower(
    netlink: &mut Netlink,
    family: AddressFamily,
    device: u32,
    length: u8,
) -> Result<bool, Error> {
    let mut request = RouteMessage::default();
    request.header.address_family = family;
    let answers = netlink.dump("list routes", RouteNetlinkMessage::GetRoute(request))?;
    Ok(answers.iter().any(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route) => {
            let on = route.attributes.contains(&RouteAttribute::Oif(device));
            let gateway = |a: &RouteAttribute| {
                matches!(a, RouteAttribute::Gateway(_) | RouteAttribute::Via(_))
            };
            on && route.header.destination_prefix_length > length
                && route.attributes.iter().any(gateway)
        }
        _ => false,
    }))
}
