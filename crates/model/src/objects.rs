//! The things an account owns, as they are remembered.
//!
//! A `…since` field is the revision of the write that last made the thing so.
//! It is a fact of history that cannot be computed; states are computed from it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::certificate::Certificates;
use crate::change::Key;
use crate::ids::{Mac, NetnsName, Prefix, Revision, Vni};
use crate::label::Label;
use crate::policy::Quota;
use crate::spec::Attachment;
use crate::state::State;
use crate::terms::REMEMBERED;

/// Who may call. Keyed by name, which is the user of Basic authentication.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    /// PHC string of argon2id.
    pub password: String,
    /// May see and place hosts, and make accounts.
    pub admin: bool,
    #[serde(default)]
    pub quota: Quota,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    pub uuid: Uuid,
    pub account: String,
    pub name: String,
    pub labels: Vec<Label>,
    pub static_routes: Vec<StaticRoute>,
    pub revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticRoute {
    pub name: String,
    pub route: Prefix,
    /// None is the API's `no-nexthop`.
    pub nexthop: Option<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub uuid: Uuid,
    pub account: String,
    pub name: String,
    pub zone: String,
    pub vni: Vni,
    pub labels: Vec<Label>,
    pub router: Option<Uuid>,
    /// Has had a router, whichever it was, or has had none.
    pub router_since: Revision,
    pub subnets: Vec<Subnet>,
    pub subnets_since: Revision,
    pub revision: Revision,
}

impl Network {
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        self.subnets.iter().map(|s| s.prefix)
    }

    /// The subnet that `address` lies in.
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.prefix.contains(address))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// As it was given, host bits and all: the API echoes it byte for byte.
    pub address: String,
    pub prefix: Prefix,
    pub gateway: IpAddr,
    pub dhcp: bool,
    pub dhcp_default_route: bool,
    pub dhcp_dns: Vec<IpAddr>,
    /// `CIDR` or `CIDR-nexthop=IP`, as given.
    pub dhcp_routes: Vec<String>,
    pub dhcp_bootfile_url: Option<String>,
    pub auto_population: Option<AutoPopulation>,
}

impl Subnet {
    /// With what the API makes of all that is not said.
    pub fn plain(address: String, prefix: Prefix, gateway: IpAddr) -> Self {
        Self {
            address,
            prefix,
            gateway,
            dhcp: false,
            dhcp_default_route: false,
            dhcp_dns: Vec::new(),
            dhcp_routes: Vec::new(),
            dhcp_bootfile_url: None,
            auto_population: None,
        }
    }
}

/// `dhcp_routes_configuration.effective_routes_auto_population`: which routes
/// a network's DHCP hands out besides the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoPopulation {
    pub enabled: bool,
    pub exclude_by_source: Vec<String>,
    pub filter_by_destination: Vec<Prefix>,
    pub filter_by_route_type: Vec<String>,
}

/// One half: what one account wants between its network and another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    pub uuid: Uuid,
    pub account: String,
    pub name: String,
    pub configured: Configured,
    pub configured_since: Revision,
    pub network: Uuid,
    pub peer_network: Uuid,
    pub labels: Vec<Label>,
    /// For the owner of the peer network to read.
    #[serde(default)]
    pub note: Option<String>,
    /// When it was last offered to the peer network's owner, in seconds since
    /// 1970.
    #[serde(default)]
    pub offered: i64,
    /// By the peer network's owner, since it was last offered.
    #[serde(default)]
    pub declined: bool,
    /// The peering group that has made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Uuid>,
    pub revision: Revision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Configured {
    Active,
    Disabled,
}

/// A Linux machine with an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub uuid: Uuid,
    pub name: String,
    pub zone: String,
    /// Where other hosts send VXLAN packets to: its VTEP.
    pub underlay: IpAddr,
    #[serde(default)]
    pub certificates: Certificates,
}

/// Lets one machine become a host, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// SHA-256 of the secret, in hex: the secret itself is not kept.
    pub digest: String,
    pub zone: String,
    /// Seconds since 1970.
    pub expires: i64,
    /// It lets this host in again, and nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Uuid>,
}

/// A NIC of a workload on a network at a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub uuid: Uuid,
    pub account: String,
    pub network: Uuid,
    /// None for as long as its server has none, and on the provider's networks.
    pub host: Option<Uuid>,
    /// Its first: IPv4, if it has one.
    pub address: IpAddr,
    /// Its other ones, all of them IPv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<IpAddr>,
    /// What is behind its device, where several machines are: `address` and
    /// `further` are out of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<Prefix>,
    pub mac: Mac,
    pub attachment: Attachment,
    pub nic: Option<Nic>,
}

impl Port {
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(self.address).chain(self.further.iter().copied())
    }

    /// What packets to this port's device may be for.
    pub fn destinations(&self) -> impl Iterator<Item = Prefix> {
        self.addresses().map(Prefix::host).chain(self.prefixes.iter().copied())
    }
}

/// Which interface of which server a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    pub server: Uuid,
    pub index: u8,
}

/// A workload that is known by name. What it runs on is its owner's: all that
/// Kannas makes of it are its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub uuid: Uuid,
    pub account: String,
    pub title: String,
    pub hostname: String,
    pub zone: String,
    pub size: Size,
    pub labels: Vec<Label>,
    /// Attributes that are shown as they were given, and do nothing here.
    pub settings: BTreeMap<String, String>,
    /// As its owner said last: it changes nothing about its ports.
    pub started: bool,
    /// Seconds since 1970.
    pub created: i64,
    /// Where its ports are; None until a host of its zone was connected.
    pub host: Option<Uuid>,
    /// The namespace at that host that the ports' devices are in.
    pub netns: NetnsName,
    pub revision: Revision,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub plan: String,
    pub cores: u32,
    pub memory_mib: u32,
}

/// A zone that an administrator has added to the public ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    pub id: String,
    pub description: String,
}

/// What was done under an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub account: String,
    /// SHA-256 of the key, in hex.
    pub key: String,
    /// SHA-256 of the whole request, in hex.
    pub request: String,
    /// Seconds since 1970.
    pub since: i64,
    /// The UUID of what was made.
    pub made: Option<Uuid>,
    pub outcome: Outcome,
}

/// What the caller was told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer is not out yet, or the server died before it was.
    Unknown,
    Told {
        status: u16,
        body: String,
    },
    /// A secret, which is told once and not kept.
    Secret,
}

impl Done {
    pub fn expired(&self, now: i64) -> bool {
        now.saturating_sub(self.since) >= REMEMBERED
    }

    pub fn key(&self) -> Key {
        Key::Done { account: self.account.clone(), key: self.key.clone() }
    }
}

/// Where an account is told of the states of its peerings.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub account: String,
    pub url: String,
    /// Signs what is sent.
    pub secret: String,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook {:?} to {:?}", self.account, self.url)
    }
}

/// What was told last of a peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The account whose webhook it is.
    pub sink: String,
    pub peering: Uuid,
    pub state: State,
    pub sequence: u64,
}

impl Told {
    pub fn key(&self) -> Key {
        Key::Told { sink: self.sink.clone(), peering: self.peering }
    }
}

/// The certificate authority of the agents.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}
