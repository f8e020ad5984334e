//! Ports, hosts and join tokens of `/kannas/v1`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Fields;
use super::agent::Repairs;
use crate::error::{Rule, Subject};
use crate::ids::{DeviceName, Mac, Prefix};
use crate::objects::{Host, Port};
use crate::port::Create;
use crate::seal::{Generation, PublicKey};
use crate::spec::Attachment;
use crate::state::Presence;
use crate::world::World;

impl Create {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "port")?;
        let it = Self {
            network: fields.required("network", Subject::Network)?,
            host: fields.required("host", Subject::Request)?,
            addresses: addresses(&mut fields)?,
            prefixes: fields.strings("prefixes", Subject::IpAddress)?.unwrap_or_default(),
            mac: fields.parsed("mac", Subject::Request)?,
            attachment: attachment(&mut fields)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// `address`, or several as `addresses`.
fn addresses(fields: &mut Fields) -> Result<Vec<IpAddr>, Rule> {
    let one = fields.parsed("address", Subject::IpAddress)?;
    let many = fields.strings("addresses", Subject::IpAddress)?;
    match (one, many) {
        (Some(_), Some(_)) => {
            Err(fields.bad(Subject::IpAddress, "address", "cannot go with addresses"))
        }
        (one, many) => Ok(many.unwrap_or_else(|| one.into_iter().collect())),
    }
}

/// `netns` with an optional `device` (default eth0), or `device` alone.
fn attachment(fields: &mut Fields) -> Result<Attachment, Rule> {
    let netns = fields.parsed("netns", Subject::Request)?;
    let device: Option<DeviceName> = fields.parsed("device", Subject::Request)?;
    match (netns, device) {
        (Some(netns), Some(device)) => Ok(Attachment::Netns { netns, device }),
        (Some(netns), None) => {
            let device = "eth0"
                .parse()
                .map_err(|_| fields.bad(Subject::Request, "device", "is required"))?;
            Ok(Attachment::Netns { netns, device })
        }
        (None, Some(device)) => Ok(Attachment::Device { device }),
        (None, None) => Err(fields.bad(Subject::Request, "netns", "or device is required")),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PortView {
    pub uuid: Uuid,
    pub network: Uuid,
    /// Absent for a server's port that waits for a host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The server whose interface it is, and the interface's index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u8>,
    /// The first of `addresses`.
    pub address: IpAddr,
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// What is behind its device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<Prefix>,
    pub mac: Mac,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    pub device: String,
}

impl PortView {
    pub fn new(it: &Port, host: Option<&Host>) -> Self {
        let (netns, device) = match &it.attachment {
            Attachment::Netns { netns, device } => (Some(netns.to_string()), device),
            Attachment::Device { device } => (None, device),
        };
        Self {
            uuid: it.uuid,
            network: it.network,
            host: it.host,
            host_name: host.map(|h| h.name.clone()),
            server: it.nic.map(|n| n.server),
            index: it.nic.map(|n| n.index),
            address: it.address,
            addresses: it.addresses().collect(),
            prefixes: it.prefixes.clone(),
            mac: it.mac,
            netns,
            device: device.to_string(),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostView {
    pub uuid: Uuid,
    pub name: String,
    pub zone: String,
    pub underlay: IpAddr,
    /// An agent is connected and has reported.
    pub live: bool,
    /// It has not renewed its lease since, and nothing is sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<String>,
    /// Its certificates are good for nothing since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_since: Option<String>,
    /// When its newest certificate ends; none of a host that has one without
    /// an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_until: Option<String>,
    pub errors: Vec<String>,
    /// The public keys of its tunnels, by generation; none where nothing is
    /// encrypted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<Generation, PublicKey>,
    /// What others have changed in its kernel, and its agent has mended.
    #[serde(default, skip_serializing_if = "Repairs::is_none")]
    pub repairs: Repairs,
}

impl HostView {
    pub fn new(world: &World, it: &Host, presence: &Presence) -> Self {
        let lost = world.leases.get(&it.uuid).and_then(|lease| lease.lost);
        let standing = presence.get(&it.uuid);
        Self {
            uuid: it.uuid,
            name: it.name.clone(),
            zone: it.zone.clone(),
            underlay: it.underlay,
            live: standing.is_some(),
            keys: world.seals.keys(it.uuid).map(|keys| keys.public()).unwrap_or_default(),
            repairs: standing.map(|s| s.repairs.clone()).unwrap_or_default(),
            lost_since: lost.map(super::rfc3339),
            revoked_since: it.certificates.revoked().map(super::rfc3339),
            certificate_until: it.certificates.until().map(super::rfc3339),
            errors: standing
                .map(|s| s.errors.iter().map(|e| e.message.clone()).collect())
                .unwrap_or_default(),
        }
    }
}

/// A wish for a join token.
pub struct NewToken {
    /// None if the host says it.
    pub zone: Option<String>,
    pub valid_seconds: i64,
    /// UUID or name of the host that is to join again, and nobody else.
    pub host: Option<String>,
}

impl NewToken {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "host_token")?;
        let host = fields.string("host", Subject::Request)?;
        let zone = match host {
            Some(_) => fields.string("zone", Subject::Zone)?,
            None => Some(fields.required("zone", Subject::ZoneMissing)?),
        };
        let valid = fields.integer("valid_seconds", Subject::Request)?.unwrap_or(3600);
        if !(60..=30 * 86_400).contains(&valid) {
            return Err(fields.bad(Subject::Request, "valid_seconds", "must be 60 to 2592000"));
        }
        fields.finish()?;
        Ok(Self { zone, valid_seconds: valid, host })
    }
}

#[cfg(test)]
#[path = "port_tests.rs"]
mod tests;
