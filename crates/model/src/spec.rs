//! What one host must carry, and what it was seen to carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{DeviceName, Mac, NetnsName, Prefix, Revision, Vni};
use crate::seal::{End, Generation, PeerKey, Sealing};

/// Where packets go. A copy costs nothing and shares what it has with the
/// original, as there may be a million: what was sent, what is wished for and
/// what the kernel has are mostly the same.
pub type Routes = OrdMap<RouteKey, Target>;

/// Everything one host must carry at one revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    pub revision: Revision,
    pub ports: BTreeMap<Uuid, PortSpec>,
    /// One table per VNI; the longest prefix wins.
    pub routes: Routes,
    #[serde(default, skip_serializing_if = "Sealing::is_none")]
    pub sealing: Sealing,
}

impl HostSpec {
    /// Where packets of that network to `address` go: by the longest prefix.
    pub(crate) fn target(&self, vni: Vni, address: IpAddr) -> Option<Target> {
        let table = self.routes.iter().filter(|(key, _)| key.vni == vni);
        let fitting = table.filter(|(key, _)| key.prefix.contains(address));
        fitting.max_by_key(|(key, _)| key.prefix.len()).map(|(_, target)| *target)
    }
}

/// A NIC of a workload on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    pub vni: Vni,
    /// An address that the workload may send from: IPv4, if it has one.
    pub address: IpAddr,
    /// The network's subnet that `address` lies in; every other address of it
    /// is answered for by the host.
    pub subnet: Prefix,
    /// The router's address in `subnet`: next hop of `routes`, source of ICMP.
    pub gateway: IpAddr,
    pub mac: Mac,
    pub attachment: Attachment,
    /// What the workload is to reach through `gateway`; none where the host
    /// does not own the device ([`Attachment::Device`]).
    pub routes: BTreeSet<Prefix>,
    /// Its other addresses, all of them IPv6 and in one subnet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Inet>,
    /// Behind the device are several machines, each with a MAC and addresses
    /// of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub segment: bool,
    /// Present when DHCP answers the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<Dhcp>,
}

/// What DHCP tells a port besides its IPv4 address (RFC 2132).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dhcp {
    pub dns: Vec<Ipv4Addr>,
    /// Prefixes with their next hop, the default route not among them.
    pub routes: Vec<(Prefix, Ipv4Addr)>,
    /// The gateway is the way to everything.
    pub default_route: bool,
    pub bootfile: Option<String>,
}

impl Dhcp {
    /// As many as an answer has room for.
    pub const MOST_ROUTES: usize = 64;
    pub const MOST_DNS: usize = 8;
}

/// How many IPv6 addresses a port may have.
pub const MOST_IPV6: usize = 4;

/// An address of a port, and its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inet {
    pub address: IpAddr,
    pub subnet: Prefix,
    pub gateway: IpAddr,
}

impl PortSpec {
    /// All its addresses.
    pub fn inets(&self) -> impl Iterator<Item = Inet> {
        let Self { address, subnet, gateway, .. } = *self;
        std::iter::once(Inet { address, subnet, gateway }).chain(self.further.iter().copied())
    }

    /// The next hop of the workload's route to `prefix`.
    pub fn gateway_for(&self, prefix: Prefix) -> Option<IpAddr> {
        let same = |it: &Inet| it.gateway.is_ipv4() == prefix.address().is_ipv4();
        self.inets().find(same).map(|it| it.gateway)
    }
}

/// Where the workload's NIC is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Attachment {
    /// A veth pair of ours: one end stays on the host, the other is `device`
    /// in the named namespace.
    Netns { netns: NetnsName, device: DeviceName },
    /// A tap, veth or bridge that somebody else made on the host.
    Device { device: DeviceName },
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netns { netns, device } => write!(f, "{netns}/{device}"),
            Self::Device { device } => write!(f, "{device}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteKey {
    /// The table: the network a packet comes from.
    pub vni: Vni,
    pub prefix: Prefix,
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vni {} {}", self.vni, self.prefix)
    }
}

/// Where packets to a prefix go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "to", try_from = "target::Fields")]
pub enum Target {
    /// A port of this host, whose network is `vni`.
    Local {
        port: Uuid,
        vni: Vni,
        /// Of the machines behind the port the one that passes them on; None:
        /// the one that they are for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<IpAddr>,
    },
    /// The host at `vtep`, in VXLAN with the destination network's `vni`.
    Remote { vtep: IpAddr, vni: Vni },
    /// Nobody has this address: drop and count as `no-port`.
    Nobody,
}

mod target;

impl Target {
    pub fn local(port: Uuid, vni: Vni) -> Self {
        Self::Local { port, vni, via: None }
    }

    /// The host it leads to, if another.
    pub(crate) fn vtep(&self) -> Option<IpAddr> {
        match self {
            Self::Remote { vtep, .. } => Some(*vtep),
            Self::Local { .. } | Self::Nobody => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { port, vni, via: None } => write!(f, "port {port} vni {vni}"),
            Self::Local { port, vni, via: Some(via) } => {
                write!(f, "port {port} vni {vni} via {via}")
            }
            Self::Remote { vtep, vni } => write!(f, "vtep {vtep} vni {vni}"),
            Self::Nobody => write!(f, "nobody"),
        }
    }
}

/// All of the kernel of one host that carries our mark, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// The VXLAN device and its program.
    pub vtep: Condition<()>,
    pub ports: BTreeMap<Uuid, Condition<PortSpec>>,
    /// The tunnels for encryption.
    pub tunnels: BTreeMap<Generation, Condition<()>>,
    pub peers: BTreeMap<PeerKey, End>,
    /// Through which tunnel packets to a host go; 0 is one that is gone.
    pub seals: BTreeMap<IpAddr, Generation>,
    /// Targets the kernel holds. A route to a port that is gone reads as
    /// `Local` with the nil UUID, which no wish has.
    pub routes: Routes,
}

/// An object that was read back from the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition<T> {
    #[default]
    Missing,
    /// There, but not as we make it; the text says what differs.
    Broken(String),
    Whole(T),
}
