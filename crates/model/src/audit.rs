//! Who changed what: the record that is kept of each write.
//!
//! Secrets and their digests are blank in it, and what is only bookkeeping has
//! its name without its body.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::change::{Change, Key, Object};
use crate::ids::Revision;
use crate::world::World;

/// Where a write came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A user's name, `host UUID`, or `kannas` for the server itself.
    pub who: String,
    /// The address it was asked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// What was asked, as `POST /1.3/router`, or what happened.
    pub cause: String,
}

/// The server itself, for a reason that its code knows.
pub const KANNAS: &str = "kannas";

impl Origin {
    pub fn kannas(cause: &str) -> Self {
        Self { who: KANNAS.to_owned(), from: None, cause: cause.to_owned() }
    }

    pub fn host(uuid: uuid::Uuid, cause: &str) -> Self {
        Self { who: format!("host {uuid}"), from: None, cause: cause.to_owned() }
    }
}

/// What a write did. The JSON of this is what the store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub origin: Origin,
    pub edits: Vec<Edit>,
}

/// One object, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub key: Key,
    /// It is there after the write.
    pub stays: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Object>,
}

/// A record with its place in the one order of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub revision: Revision,
    /// Milliseconds since 1970, never less than those of the one before.
    pub at_ms: i64,
    pub record: Record,
}

/// What `changes` do to the world `before` them.
pub fn record(before: &World, origin: &Origin, changes: &[Change]) -> Record {
    let edit = |change: &Change| {
        let key = change.key();
        let before = body_of(before, &key).map(blank);
        let (stays, after) = match change {
            Change::Put(object) => (true, has_body(&key).then(|| blank(object.clone()))),
            Change::Delete(_) => (false, None),
        };
        Edit { key, stays, before, after }
    };
    Record { origin: origin.clone(), edits: changes.iter().map(edit).collect() }
}

impl Edit {
    /// The account whose object it is, or that it says something of.
    pub fn account(&self) -> Option<&str> {
        match self.after.as_ref().or(self.before.as_ref())? {
            Object::Account(it) => Some(&it.name),
            Object::Network(it) => Some(&it.account),
            Object::Peering(it) => Some(&it.account),
            Object::PeeringGroup(it) => Some(&it.account),
            Object::Port(it) => Some(&it.account),
            Object::Router(it) => Some(&it.account),
            Object::Server(it) => Some(&it.account),
            Object::SubAccount(it) => Some(&it.main),
            Object::Token(it) => Some(&it.user),
            Object::Webhook(it) => Some(&it.account),
            Object::Authority(_) | Object::Done(_) | Object::Host(_) | Object::JoinToken(_) => None,
            Object::Keys(_) | Object::Lease(_) | Object::Rotation(_) | Object::Seal(_) => None,
            Object::Told(_) | Object::Zone(_) | Object::NextVni { .. } => None,
            Object::Node(_) => None,
        }
    }
}

/// Of the rest, what is written down says nothing that anybody asks about.
fn has_body(key: &Key) -> bool {
    !matches!(key, Key::Done { .. } | Key::Told { .. } | Key::NextVni)
}

fn body_of(world: &World, key: &Key) -> Option<Object> {
    Some(match key {
        Key::Account(name) => Object::Account(world.accounts.get(name)?.as_ref().clone()),
        Key::Authority => Object::Authority(world.authority()?.as_ref().clone()),
        Key::Host(uuid) => Object::Host(world.hosts.get(uuid)?.as_ref().clone()),
        Key::JoinToken(digest) => {
            Object::JoinToken(world.join_tokens.get(digest)?.as_ref().clone())
        }
        Key::Keys(host) => Object::Keys(world.seals.keys(*host)?.as_ref().clone()),
        Key::Rotation => Object::Rotation(world.seals.rotation()?),
        Key::Seal(zones) => Object::Seal(world.seals.pair(&zones.0, &zones.1)?.as_ref().clone()),
        Key::Lease(host) => Object::Lease(world.leases.get(host)?.as_ref().clone()),
        Key::Network(uuid) => Object::Network(world.networks.get(uuid)?.as_ref().clone()),
        Key::Node(id) => Object::Node(world.nodes.get(id)?.as_ref().clone()),
        Key::Peering(uuid) => Object::Peering(world.peerings.get(uuid)?.as_ref().clone()),
        Key::PeeringGroup(uuid) => {
            Object::PeeringGroup(world.peering_groups.get(uuid)?.as_ref().clone())
        }
        Key::Port(uuid) => Object::Port(world.ports.get(uuid)?.as_ref().clone()),
        Key::Router(uuid) => Object::Router(world.routers.get(uuid)?.as_ref().clone()),
        Key::Server(uuid) => Object::Server(Box::new(world.servers.get(uuid)?.as_ref().clone())),
        Key::SubAccount(name) => {
            Object::SubAccount(Box::new(world.credentials().sub(name)?.as_ref().clone()))
        }
        Key::Token(id) => Object::Token(world.credentials().token(*id)?.as_ref().clone()),
        Key::Webhook(account) => Object::Webhook(world.webhooks.get(account)?.as_ref().clone()),
        Key::Zone(id) => Object::Zone(world.zones.get(id)?.as_ref().clone()),
        Key::Done { .. } | Key::Told { .. } | Key::NextVni => return None,
    })
}

/// Without what is secret, or could be guessed from.
fn blank(mut object: Object) -> Object {
    match &mut object {
        Object::Account(it) => it.password.clear(),
        Object::Authority(it) => it.key_pem.clear(),
        Object::SubAccount(it) => it.password.clear(),
        Object::Token(it) => it.digest.clear(),
        Object::Webhook(it) => it.secret.clear(),
        Object::JoinToken(_) | Object::Done(_) | Object::Host(_) | Object::Keys(_) => {}
        Object::Lease(_) | Object::Network(_) | Object::Peering(_) | Object::Port(_) => {}
        Object::Rotation(_) | Object::Router(_) | Object::Seal(_) | Object::Server(_) => {}
        Object::PeeringGroup(_) | Object::Told(_) | Object::Zone(_) => {}
        Object::NextVni { .. } | Object::Node(_) => {}
    }
    object
}

impl World {
    /// As it was after `revision`, by undoing `later` entries, the newest
    /// first. What the entries are blank of is blank in it too.
    pub fn rewound<'e>(
        &self,
        revision: Revision,
        later: impl IntoIterator<Item = &'e Entry>,
    ) -> Self {
        let mut world = self.clone();
        for entry in later {
            let back = entry.record.edits.iter().rev().filter(|edit| has_body(&edit.key));
            let back: Vec<Change> = back
                .map(|edit| match &edit.before {
                    Some(object) => Change::Put(object.clone()),
                    None => Change::Delete(edit.key.clone()),
                })
                .collect();
            world.commit(&back);
        }
        world.at(revision)
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
