//! Interfaces of servers (contract section 5.7).

use serde::Serialize;
use uuid::Uuid;

use super::{Fields, yes_no};
use crate::error::{Rule, Subject};
use crate::ids::Mac;
use crate::interface::{Address, Create, Link, Modify};
use crate::objects::Port;
use crate::provided::{self, Kind};

pub const ENVELOPE: &str = "interface";

/// What clients send and what changes nothing here.
const IGNORED: [&str; 2] = ["bootable", "mac"];

impl Create {
    /// `port` is the UUID of the port that is to be made.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8], port: Uuid) -> Result<Self, Rule> {
        Self::of_fields(Fields::of_body(body, ENVELOPE)?, port)
    }

    pub(super) fn of_fields(mut fields: Fields, port: Uuid) -> Result<Self, Rule> {
        let link = link(&mut fields)?;
        let it = Self {
            port,
            link: link.ok_or_else(|| fields.bad(Subject::Request, "type", "is required"))?,
            index: index(&mut fields)?,
            address: address(&mut fields)?.unwrap_or(Address::AnyIpv4),
        };
        finish(fields)?;
        Ok(it)
    }
}

impl Modify {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Self {
            link: link(&mut fields)?,
            index: index(&mut fields)?,
            address: address(&mut fields)?,
        };
        finish(fields)?;
        Ok(it)
    }
}

/// `type` and `network`; a network alone is one of the account's.
fn link(fields: &mut Fields) -> Result<Option<Link>, Rule> {
    let kind = fields.string("type", Subject::Request)?;
    let network = fields.string("network", Subject::Network)?.filter(|n| !n.is_empty());
    match (kind.as_deref(), network) {
        (None, None) => Ok(None),
        (None | Some("private"), Some(network)) => Ok(Some(Link::Private(network))),
        (Some("private"), None) => Err(fields.bad(Subject::Network, "network", "is required")),
        // Which of the provider's networks it is follows from the zone.
        (Some("public"), _) => Ok(Some(Link::Provided(Kind::Public))),
        (Some("utility"), _) => Ok(Some(Link::Provided(Kind::Utility))),
        (Some(_), _) => {
            let why = "must be \"private\", \"public\" or \"utility\"";
            Err(fields.bad(Subject::Request, "type", why))
        }
    }
}

/// 0 is how the Go SDK says nothing.
fn index(fields: &mut Fields) -> Result<Option<u8>, Rule> {
    Ok(fields.number("index", Subject::Request)?.filter(|index| *index != 0))
}

/// `ip_addresses.ip_address`: one entry, or none at all.
fn address(fields: &mut Fields) -> Result<Option<Address>, Rule> {
    let outer = fields.object("ip_addresses", Subject::IpAddress)?;
    let Some(mut outer) = outer else { return Ok(None) };
    let at = outer.path("ip_address");
    let mut entries = outer.array("ip_address", Subject::IpAddress)?.unwrap_or_default();
    outer.finish()?;
    if entries.len() > 1 {
        let why = "must have one entry: an interface has one address here";
        return Err(Rule::bad(Subject::IpAddress, at, why));
    }
    let Some(mut entry) = entries.pop() else { return Ok(None) };
    let family = entry.string("family", Subject::IpAddress)?;
    let given = entry.string("address", Subject::IpAddress)?.filter(|a| !a.is_empty());
    let given = given.map(|text| {
        let refuse = |_| entry.bad(Subject::IpAddress, "address", "must be an IP address");
        text.parse().map(Address::Given).map_err(refuse)
    });
    let address = match (given.transpose()?, family.as_deref()) {
        (None, None | Some("IPv4")) => Address::AnyIpv4,
        (None, Some("IPv6")) => Address::AnyIpv6,
        (Some(given), None) => given,
        (Some(given @ Address::Given(ip)), Some("IPv4")) if ip.is_ipv4() => given,
        (Some(given @ Address::Given(ip)), Some("IPv6")) if ip.is_ipv6() => given,
        (_, Some(_)) => {
            let why = "must be \"IPv4\" or \"IPv6\", and that of the address";
            return Err(entry.bad(Subject::IpAddress, "family", why));
        }
    };
    entry.ignore(&["access", "dhcp_provided", "floating", "part_of_plan"]);
    entry.finish()?;
    Ok(Some(address))
}

/// That packets are from whom they say is always checked here, so who asks for
/// less is told that it is not to be had.
fn finish(mut fields: Fields) -> Result<(), Rule> {
    if fields.yes_no("source_ip_filtering")? == Some(false) {
        let why = "must be \"yes\": the source of packets is always checked here";
        return Err(fields.bad(Subject::Request, "source_ip_filtering", why));
    }
    fields.ignore(&IGNORED);
    fields.finish()
}

#[derive(Serialize)]
pub struct View {
    index: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    network: Uuid,
    mac: Mac,
    bootable: &'static str,
    source_ip_filtering: &'static str,
    ip_addresses: Addresses,
}

#[derive(Serialize)]
struct Addresses {
    ip_address: [AddressView; 1],
}

#[derive(Serialize)]
struct AddressView {
    address: std::net::IpAddr,
    family: &'static str,
    floating: &'static str,
    dhcp_provided: &'static str,
}

impl View {
    pub fn new(index: u8, it: &Port) -> Self {
        let address = AddressView {
            address: it.address,
            family: family(it),
            floating: yes_no(false),
            dhcp_provided: yes_no(true),
        };
        Self {
            index,
            kind: kind(it),
            network: it.network,
            mac: it.mac,
            bootable: yes_no(false),
            source_ip_filtering: yes_no(true),
            ip_addresses: Addresses { ip_address: [address] },
        }
    }
}

/// Of the network that it is on, in the API's words.
pub(super) fn kind(it: &Port) -> &'static str {
    provided::get(it.network).map_or("private", |n| n.kind.as_str())
}

pub(super) fn family(it: &Port) -> &'static str {
    if it.address.is_ipv4() { "IPv4" } else { "IPv6" }
}

#[derive(Serialize)]
pub struct One {
    pub interface: View,
}
