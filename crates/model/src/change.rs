//! What a write does to memory: objects put and keys deleted.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::credentials::{SubAccount, Token};
use crate::lease::Lease;
use crate::node::Node;
use crate::objects::{
    Account, Authority, Done, Host, JoinToken, Network, Peering, Port, Router, Server, Told,
    Webhook, Zone,
};
use crate::peering_group::PeeringGroup;
use crate::seal::{Keys, Rotation, Seal};

/// Anything that is remembered. The JSON of this is what the store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Object {
    Account(Account),
    Authority(Authority),
    Done(Done),
    Host(Host),
    JoinToken(JoinToken),
    Keys(Keys),
    Lease(Lease),
    Network(Network),
    Node(Node),
    Peering(Peering),
    PeeringGroup(PeeringGroup),
    Port(Port),
    Rotation(Rotation),
    Router(Router),
    Seal(Seal),
    Server(Box<Server>),
    Told(Told),
    Webhook(Webhook),
    SubAccount(Box<SubAccount>),
    Token(Token),
    Zone(Zone),
    /// The lowest VNI that was never given out. A number is not used twice,
    /// so that a host that was away cannot mistake a new network for an old.
    NextVni {
        vni: u32,
    },
}

/// The name of an object in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "id")]
pub enum Key {
    Account(String),
    Authority,
    Done {
        account: String,
        /// As [`Done::key`].
        key: String,
    },
    Host(Uuid),
    JoinToken(String),
    Keys(Uuid),
    Lease(Uuid),
    Network(Uuid),
    Node(Uuid),
    Peering(Uuid),
    PeeringGroup(Uuid),
    Port(Uuid),
    Rotation,
    Router(Uuid),
    /// Two zones, in order.
    Seal((String, String)),
    Server(Uuid),
    SubAccount(String),
    Token(Uuid),
    Told {
        sink: String,
        peering: Uuid,
    },
    Webhook(String),
    Zone(String),
    NextVni,
}

impl Change {
    pub fn key(&self) -> Key {
        match self {
            Self::Put(object) => object.key(),
            Self::Delete(key) => key.clone(),
        }
    }
}

impl Object {
    pub fn key(&self) -> Key {
        match self {
            Self::Account(it) => Key::Account(it.name.clone()),
            Self::Authority(_) => Key::Authority,
            Self::Done(it) => it.key(),
            Self::Host(it) => Key::Host(it.uuid),
            Self::JoinToken(it) => Key::JoinToken(it.digest.clone()),
            Self::Keys(it) => Key::Keys(it.host),
            Self::Lease(it) => Key::Lease(it.host),
            Self::Network(it) => Key::Network(it.uuid),
            Self::Node(it) => Key::Node(it.id),
            Self::Peering(it) => Key::Peering(it.uuid),
            Self::PeeringGroup(it) => Key::PeeringGroup(it.uuid),
            Self::Port(it) => Key::Port(it.uuid),
            Self::Rotation(_) => Key::Rotation,
            Self::Router(it) => Key::Router(it.uuid),
            Self::Seal(it) => Key::Seal(it.zones.clone()),
            Self::Server(it) => Key::Server(it.uuid),
            Self::SubAccount(it) => Key::SubAccount(it.name.clone()),
            Self::Token(it) => Key::Token(it.id),
            Self::Told(it) => it.key(),
            Self::Webhook(it) => Key::Webhook(it.account.clone()),
            Self::Zone(it) => Key::Zone(it.id.clone()),
            Self::NextVni { .. } => Key::NextVni,
        }
    }
}

impl Key {
    /// The two columns a store keeps a key in.
    pub fn columns(&self) -> (&'static str, String) {
        match self {
            Self::Account(name) => ("account", name.clone()),
            Self::Authority => ("authority", String::new()),
            Self::Done { account, key } => ("done", format!("{key} {account}")),
            Self::Host(uuid) => ("host", uuid.to_string()),
            Self::JoinToken(digest) => ("join-token", digest.clone()),
            Self::Keys(host) => ("keys", host.to_string()),
            Self::Lease(host) => ("lease", host.to_string()),
            Self::Network(uuid) => ("network", uuid.to_string()),
            Self::Node(id) => ("node", id.to_string()),
            Self::Peering(uuid) => ("peering", uuid.to_string()),
            Self::PeeringGroup(uuid) => ("peering-group", uuid.to_string()),
            Self::Port(uuid) => ("port", uuid.to_string()),
            Self::Rotation => ("rotation", String::new()),
            Self::Router(uuid) => ("router", uuid.to_string()),
            Self::Seal((a, b)) => ("seal", format!("{a} {b}")),
            Self::Server(uuid) => ("server", uuid.to_string()),
            Self::SubAccount(name) => ("sub-account", name.clone()),
            Self::Token(id) => ("token", id.to_string()),
            Self::Told { sink, peering } => ("told", format!("{peering} {sink}")),
            Self::Webhook(account) => ("webhook", account.clone()),
            Self::Zone(id) => ("zone", id.clone()),
            Self::NextVni => ("next-vni", String::new()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Put(Object),
    Delete(Key),
}
