//! What may be done to hosts and join tokens: by administrators,
//! and by a machine that holds a join token.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::certificate::{Certificate, Certificates};
use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::objects::{Host, JoinToken};
use crate::world::World;
use crate::zone;

impl World {
    pub fn host_named(&self, name: &str) -> Option<&Arc<Host>> {
        self.hosts.values().find(|h| h.name == name)
    }
}

/// A machine's wish to be a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// SHA-256 of the token's secret, in hex.
    pub digest: String,
    pub name: String,
    pub zone: String,
    pub underlay: IpAddr,
    /// Seconds since 1970.
    pub now: i64,
    /// That it is to have.
    pub certificate: Option<Certificate>,
}

/// # Errors
/// An unknown zone or host.
pub fn allow_join(world: &World, token: &JoinToken) -> Result<Vec<Change>, Rule> {
    zone::check(world, &token.zone)?;
    if let Some(host) = token.host.filter(|host| !world.hosts.contains_key(host)) {
        return Err(Rule::Absent(Noun::Host, host.to_string()));
    }
    Ok(vec![Change::Put(Object::JoinToken(token.clone()))])
}

/// Uses the token up. The host that it is for comes back as who it was;
/// another is `uuid`.
///
/// # Errors
/// [`Rule::JoinTokenInvalid`] also for a token of another zone; a name or an
/// underlay address that another host has.
pub fn join(world: &World, uuid: Uuid, wish: &Join) -> Result<Vec<Change>, Rule> {
    let token = world.join_tokens.get(&wish.digest);
    let good = |t: &&std::sync::Arc<JoinToken>| t.zone == wish.zone && t.expires > wish.now;
    let token = token.filter(good).ok_or(Rule::JoinTokenInvalid)?;
    if !(1..=63).contains(&wish.name.len())
        || !wish.name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
    {
        let why = "must be 1 to 63 letters, digits, hyphens and dots";
        return Err(Rule::bad(Subject::Name, "host.name", why));
    }
    check_underlay(wish.underlay)?;
    let back = token.host.map(|host| find(world, &host.to_string())).transpose()?;
    if let Some(host) = back.filter(|it| it.name != wish.name) {
        let why = format!("must be {}: the token is for that host", host.name);
        return Err(Rule::bad(Subject::Name, "host.name", why));
    }
    let uuid = back.map_or(uuid, |host| host.uuid);
    for other in world.hosts.values().filter(|it| it.uuid != uuid) {
        if other.name == wish.name {
            return Err(Rule::Exists(Noun::Host, wish.name.clone()));
        }
        if other.underlay.is_ipv4() != wish.underlay.is_ipv4() {
            let family = if other.underlay.is_ipv4() { "IPv4" } else { "IPv6" };
            let why = format!(
                "must be {family}, as that of the other hosts: packets go from host to host"
            );
            return Err(Rule::bad(Subject::IpAddress, "host.underlay", why));
        }
        if other.underlay == wish.underlay {
            return Err(Rule::Exists(Noun::Host, format!("at {}", wish.underlay)));
        }
    }
    let Join { name, zone, underlay, certificate, .. } = wish.clone();
    let host = Host { uuid, name, zone, underlay, certificates: Certificates::of(certificate) };
    Ok(vec![Change::Delete(Key::JoinToken(token.digest.clone())), Change::Put(Object::Host(host))])
}

fn check_underlay(address: IpAddr) -> Result<(), Rule> {
    let good = match address {
        IpAddr::V4(it) => !it.is_unspecified() && !it.is_multicast() && !it.is_broadcast(),
        // A link-local address needs a device to go with it, which no other host can name.
        IpAddr::V6(it) => {
            !it.is_unspecified()
                && !it.is_multicast()
                && !it.is_unicast_link_local()
                && it.to_ipv4_mapped().is_none()
        }
    };
    let why = "must be a unicast address of the host that the others reach";
    if good { Ok(()) } else { Err(Rule::bad(Subject::IpAddress, "host.underlay", why)) }
}

/// # Errors
/// [`Rule::HostNotEmpty`]; an unknown host.
pub fn delete(world: &World, id: &str) -> Result<Vec<Change>, Rule> {
    let host = find(world, id)?;
    let servers = || world.servers.values().any(|s| s.host == Some(host.uuid));
    if world.ports_at(host.uuid).next().is_some() || servers() {
        return Err(Rule::HostNotEmpty(host.name.clone()));
    }
    let lease = world.leases.get(&host.uuid).map(|_| Change::Delete(Key::Lease(host.uuid)));
    let keys = world.seals.keys(host.uuid).map(|_| Change::Delete(Key::Keys(host.uuid)));
    Ok([Change::Delete(Key::Host(host.uuid))].into_iter().chain(lease).chain(keys).collect())
}

/// The host of that UUID or name.
///
/// # Errors
/// [`Rule::Absent`].
pub fn find<'w>(world: &'w World, id: &str) -> Result<&'w Host, Rule> {
    let by_uuid = Uuid::try_parse(id).ok().and_then(|uuid| world.hosts.get(&uuid));
    let found = by_uuid.or_else(|| world.host_named(id));
    found.map(|h| &**h).ok_or_else(|| Rule::Absent(Noun::Host, id.to_owned()))
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
