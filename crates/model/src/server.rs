//! What may be done to a server, and where it is placed.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule, Subject};
use crate::ids::NetnsName;
use crate::label::{self, Label};
use crate::objects::{Host, Port, Server, Size};
use crate::world::World;
use crate::{host, interface, port, provided, zone};

/// Servers that are placed by one write at most; bounds how long it takes.
const PLACED_AT_ONCE: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub title: String,
    pub hostname: String,
    pub zone: String,
    pub size: Size,
    pub labels: Vec<Label>,
    pub settings: BTreeMap<String, String>,
    /// UUID or name; None takes the roomiest of the zone that is live.
    pub host: Option<String>,
    /// None makes one of the server's UUID.
    pub netns: Option<NetnsName>,
    pub interfaces: Vec<interface::Create>,
    /// Seconds since 1970.
    pub now: i64,
    /// Hosts that are connected.
    pub live: BTreeSet<Uuid>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modify {
    pub title: Option<String>,
    pub hostname: Option<String>,
    pub size: Option<Size>,
    pub labels: Option<Vec<Label>>,
    pub settings: BTreeMap<String, String>,
    /// Where to move it: UUID or name.
    pub host: Option<String>,
    pub power: Option<Power>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    Start,
    Stop,
    Restart,
}

/// # Errors
/// The first faulty attribute; an unknown zone or host, a host in another
/// zone; as [`interface::create`].
pub fn create(
    world: &World,
    account: &str,
    uuid: Uuid,
    wish: &Create,
) -> Result<Vec<Change>, Rule> {
    zone::check(world, &wish.zone)?;
    let host = match &wish.host {
        Some(id) => Some(host_in(world, id, &wish.zone)?.uuid),
        None => Load::of(world, &wish.live).roomiest(&wish.zone),
    };
    let it = Server {
        uuid,
        account: account.to_owned(),
        title: wish.title.clone(),
        hostname: wish.hostname.clone(),
        zone: wish.zone.clone(),
        size: wish.size.clone(),
        labels: wish.labels.clone(),
        settings: wish.settings.clone(),
        started: true,
        created: wish.now,
        host,
        netns: wish.netns.clone().unwrap_or_else(|| netns_of(uuid)),
        revision: world.next_revision(),
    };
    check(&it)?;
    let mut changes = vec![put(it.clone())];
    // Each interface is made in the world that has those before it.
    let mut scratch = world.clone();
    for wish in &wish.interfaces {
        let made = interface::create(&scratch, &it, wish)?;
        scratch.commit(&made);
        changes.extend(made);
    }
    Ok(changes)
}

/// # Errors
/// [`Rule::Absent`] also for somebody else's; [`Rule::ServerState`]; a host to
/// move to where a device of the server's is taken; else as [`create`].
pub fn modify(
    world: &World,
    account: &str,
    uuid: Uuid,
    wish: &Modify,
) -> Result<Vec<Change>, Rule> {
    let old = own(world, account, uuid)?;
    let mut it = old.clone();
    it.revision = world.next_revision();
    it.title = wish.title.clone().unwrap_or(it.title);
    it.hostname = wish.hostname.clone().unwrap_or(it.hostname);
    it.size = wish.size.clone().unwrap_or(it.size);
    it.labels = wish.labels.clone().unwrap_or(it.labels);
    it.settings.extend(wish.settings.clone());
    it.started = powered(old, wish.power)?;
    check(&it)?;
    let Some(host) = &wish.host else { return Ok(vec![put(it)]) };
    let host = host_in(world, host, &it.zone)?.uuid;
    if it.host == Some(host) {
        return Ok(vec![put(it)]);
    }
    placed(world, it, host)
}

/// Takes its interfaces along.
///
/// # Errors
/// As [`modify`].
pub fn delete(world: &World, account: &str, uuid: Uuid) -> Result<Vec<Change>, Rule> {
    let it = own(world, account, uuid)?;
    let ports = world.nics_of(it.uuid).map(|(_, port)| Change::Delete(Key::Port(port.uuid)));
    Ok(ports.chain([Change::Delete(Key::Server(it.uuid))]).collect())
}

/// # Errors
/// [`Rule::Absent`] when there is none or it is not theirs.
pub fn own<'w>(world: &'w World, account: &str, uuid: Uuid) -> Result<&'w Server, Rule> {
    let own = world.servers.get(&uuid).filter(|s| s.account == account);
    own.map(|s| &**s).ok_or_else(|| Rule::Absent(Noun::Server, uuid.to_string()))
}

/// Gives servers that have no host the roomiest of their zone that is `live`,
/// as many as one write should. A server that no host has room for waits on.
pub fn place(world: &World, live: &BTreeSet<Uuid>) -> Vec<Change> {
    let mut load = Load::of(world, live);
    let mut changes = Vec::new();
    let mut scratch = world.clone();
    for server in world.unplaced().take(PLACED_AT_ONCE) {
        let Some(host) = load.roomiest(&server.zone) else { continue };
        let it = Server { revision: world.next_revision(), ..Server::clone(server) };
        // Its namespace may be somebody's there.
        let Ok(made) = placed(&scratch, it, host) else { continue };
        load.add(host, made.len() - 1);
        scratch.commit(&made);
        changes.extend(made);
    }
    changes
}

/// The server and its ports at `host`.
fn placed(world: &World, it: Server, host: Uuid) -> Result<Vec<Change>, Rule> {
    let nics = world.nics_of(it.uuid).map(|(_, port)| port);
    let carried = nics.filter(|port| provided::get(port.network).is_none());
    let ports = carried.map(|port| {
        port::check_attachment(world, host, &port.attachment)?;
        Ok(Change::Put(Object::Port(Port { host: Some(host), ..Port::clone(port) })))
    });
    let mut changes = ports.collect::<Result<Vec<_>, Rule>>()?;
    changes.push(put(Server { host: Some(host), ..it }));
    Ok(changes)
}

fn put(it: Server) -> Change {
    Change::Put(Object::Server(Box::new(it)))
}

/// How many ports each live host carries.
struct Load<'w> {
    world: &'w World,
    ports: BTreeMap<Uuid, usize>,
}

impl<'w> Load<'w> {
    fn of(world: &'w World, live: &BTreeSet<Uuid>) -> Self {
        let known = live.iter().filter(|uuid| world.hosts.contains_key(*uuid));
        let ports = known.map(|uuid| (*uuid, world.ports_at(*uuid).count())).collect();
        Self { world, ports }
    }

    fn roomiest(&self, zone: &str) -> Option<Uuid> {
        let is_there = |uuid: &Uuid| self.world.hosts.get(uuid).is_some_and(|h| h.zone == zone);
        let there = self.ports.iter().filter(|(uuid, _)| is_there(uuid));
        there.min_by_key(|(uuid, ports)| (**ports, **uuid)).map(|(uuid, _)| *uuid)
    }

    fn add(&mut self, host: Uuid, ports: usize) {
        *self.ports.entry(host).or_default() += ports;
    }
}

fn host_in<'w>(world: &'w World, id: &str, zone: &str) -> Result<&'w Host, Rule> {
    let host = host::find(world, id)?;
    if host.zone != zone {
        let (ours, theirs) = (zone.to_owned(), host.zone.clone());
        return Err(Rule::ZoneMismatch(Noun::Server, ours, Noun::Host, theirs));
    }
    Ok(host)
}

fn netns_of(uuid: Uuid) -> NetnsName {
    format!("kannas-{uuid}").parse().expect("43 bytes, none of them a slash")
}

fn powered(it: &Server, power: Option<Power>) -> Result<bool, Rule> {
    let wrong = |state| Err(Rule::ServerState { uuid: it.uuid, state });
    match (power, it.started) {
        (None, started) => Ok(started),
        (Some(Power::Start), true) => wrong("started"),
        (Some(Power::Stop | Power::Restart), false) => wrong("stopped"),
        (Some(Power::Stop), true) => Ok(false),
        (Some(Power::Start), false) | (Some(Power::Restart), true) => Ok(true),
    }
}

fn check(it: &Server) -> Result<(), Rule> {
    if !(1..=255).contains(&it.title.chars().count()) {
        let why = "must be 1 to 255 characters";
        return Err(Rule::bad(Subject::ServerTitle, "server.title", why));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if !(1..=128).contains(&it.hostname.len()) || !it.hostname.chars().all(plain) {
        let why = "must be 1 to 128 letters, digits, hyphens, dots and underscores";
        return Err(Rule::bad(Subject::Hostname, "server.hostname", why));
    }
    if !(1..=1024).contains(&it.size.cores) {
        return Err(Rule::bad(Subject::Cores, "server.core_number", "must be 1 to 1024"));
    }
    if !(1..=1 << 24).contains(&it.size.memory_mib) {
        let why = "must be 1 to 16777216 MiB";
        return Err(Rule::bad(Subject::Memory, "server.memory_amount", why));
    }
    label::check(&it.labels, "server.labels")
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
