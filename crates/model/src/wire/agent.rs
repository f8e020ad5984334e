//! What server and agent say to each other, over HTTP/2 with mutual TLS.
//!
//! `POST /agent/v1/join` with [`Join`] is answered by [`Joined`]. Then
//! `GET /agent/v1/watch?revision=N` answers with one [`Line`] of JSON per line
//! and stays open: after `snapshot` everything the host is to carry, after
//! that what changes; each run ends with `mark`. A revision that is too old to
//! resume from is answered with a snapshot. `POST /agent/v1/report` carries
//! [`Report`].
//!
//! A host that names its `boot` in the watch, and the `epoch` of the lease it
//! has, is told of its lease first, and renews it by `POST /agent/v1/renew`
//! with [`Renewal`]: refused with 409 when it is lost, and then the watch ends.
//! The answer, [`Held`], says when the host's next certificate is due, which it
//! gets by `POST /agent/v1/certificate` with [`Renew`], answered by [`Renewed`].

use std::collections::BTreeMap;
use std::net::IpAddr;

use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::explain::{Found, Look};
use crate::ids::{Revision, Vni};
use crate::seal::{End, Generation, PeerKey, Sealing};
use crate::spec::{HostSpec, PortSpec, RouteKey, Target};
use crate::way::News;

/// The name in the server's certificate, whatever address it is reached at:
/// agents trust this authority for this name only.
pub const SERVER_NAME: &str = "server.kannas.internal";

#[derive(Clone, Serialize, Deserialize)]
pub struct Join {
    /// The token's secret half.
    pub secret: String,
    pub name: String,
    pub zone: String,
    pub underlay: IpAddr,
    /// Certificate request, PEM (RFC 2986). Only its key is taken.
    pub request_pem: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Joined {
    pub host: Uuid,
    pub certificate_pem: String,
    pub authority_pem: String,
}

/// A wish for the host's next certificate, by `POST /agent/v1/certificate`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renew {
    /// Certificate request, PEM, of a new key. Only that is taken.
    pub request_pem: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewed {
    pub certificate_pem: String,
}

/// What a renewal of the lease is answered with where there is something to
/// say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Held {
    /// The host is to ask for its next certificate.
    #[serde(default)]
    pub certificate_due: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "line")]
pub enum Line {
    /// What follows is under this lease; it is lost when it is not renewed
    /// for `limit_ms`.
    Lease {
        epoch: Revision,
        limit_ms: u64,
    },
    /// Forget what you have; the whole slice follows up to the mark.
    Snapshot,
    Port {
        uuid: Uuid,
        spec: PortSpec,
    },
    NoPort {
        uuid: Uuid,
    },
    Route {
        key: RouteKey,
        target: Target,
    },
    NoRoute {
        key: RouteKey,
    },
    /// To a host whose watch said `seals=true`: have a tunnel with a key of this
    /// generation.
    Tunnel {
        generation: Generation,
    },
    NoTunnel {
        generation: Generation,
    },
    Peer {
        #[serde(flatten)]
        key: PeerKey,
        end: End,
    },
    NoPeer {
        #[serde(flatten)]
        key: PeerKey,
    },
    Seal {
        vtep: IpAddr,
        generation: Generation,
    },
    NoSeal {
        vtep: IpAddr,
    },
    /// What came so far is the slice at this revision: act on it.
    Mark {
        revision: Revision,
    },
    /// Nothing new; the connection is alive.
    Idle,
    /// To a host whose watch said `answers=true`: look, and post an [`Answer`].
    Ask {
        id: u64,
        look: Look,
    },
}

/// A [`Line::Route`]: nearly all that there are.
#[derive(Deserialize)]
struct RouteLine {
    key: RouteKey,
    target: Target,
}

impl Line {
    /// It is for hosts that know of encryption.
    pub fn is_of_sealing(&self) -> bool {
        match self {
            Self::Tunnel { .. } | Self::NoTunnel { .. } | Self::Peer { .. } => true,
            Self::NoPeer { .. } | Self::Seal { .. } | Self::NoSeal { .. } => true,
            Self::Lease { .. } | Self::Snapshot | Self::Port { .. } | Self::NoPort { .. } => false,
            Self::Route { .. } | Self::NoRoute { .. } | Self::Mark { .. } => false,
            Self::Idle | Self::Ask { .. } => false,
        }
    }

    /// What it is in JSON. Three times as fast as its `Deserialize` for a route,
    /// as what a line is comes first: nothing has to be kept until that is read.
    ///
    /// # Errors
    /// It is no line.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        if text.starts_with(br#"{"line":"route","#) {
            let RouteLine { key, target } = serde_json::from_slice(text)?;
            return Ok(Self::Route { key, target });
        }
        serde_json::from_slice(text)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Of the lease under which the slice was given; None without one.
    #[serde(default)]
    pub epoch: Option<Revision>,
    /// The mark that was acted on.
    pub revision: Revision,
    pub errors: Vec<Fault>,
    /// Servers of versions before counters had a request of their own refuse a
    /// report without it.
    #[serde(default)]
    pub verdicts: Nothing,
    #[serde(default, skip_serializing_if = "Repairs::is_none")]
    pub repairs: Repairs,
    /// The public keys of its tunnels, by generation; None: they are not known,
    /// so they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<BTreeMap<Generation, End>>,
    /// What has changed of the ways it measures since its last report.
    #[serde(default, skip_serializing_if = "News::is_empty")]
    pub ways: News,
}

/// An object of which nobody reads anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// What others have changed in a host's kernel since its agent started, and the
/// agent has mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    pub count: u64,
    /// The newest of them, oldest first.
    pub last: Vec<String>,
}

impl Repairs {
    /// That are told of.
    const LAST: usize = 16;

    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    pub fn add(&mut self, what: &str) {
        self.count += 1;
        if self.last.len() >= Self::LAST {
            self.last.remove(0);
        }
        self.last.push(what.to_owned());
    }
}

/// The host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    pub epoch: Revision,
}

/// `POST /agent/v1/answer`: to the question with that number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
    pub found: Found,
}

/// Something the host could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The network whose port or route it was, as a host knows networks; None
    /// concerns the whole host.
    pub vni: Option<Vni>,
    pub message: String,
    /// Packets reach a network that they must not reach.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub breach: bool,
}

impl Fault {
    pub fn new(vni: Option<Vni>, message: impl Into<String>) -> Self {
        Self { vni, message: message.into(), breach: false }
    }
}

/// The lines that turn a host that has `old` into one that has `new`.
pub fn changes<'a>(old: &'a HostSpec, new: &'a HostSpec) -> impl Iterator<Item = Line> + 'a {
    let ports = differences(&old.ports, &new.ports);
    let ports = ports.map(|(uuid, spec)| match spec {
        Some(spec) => Line::Port { uuid: *uuid, spec: spec.clone() },
        None => Line::NoPort { uuid: *uuid },
    });
    let routes = old.routes.diff(&new.routes).map(|difference| match difference {
        DiffItem::Add(key, target) | DiffItem::Update { new: (key, target), .. } => {
            Line::Route { key: *key, target: *target }
        }
        DiffItem::Remove(key, _) => Line::NoRoute { key: *key },
    });
    ports.chain(sealing_lines(&old.sealing, &new.sealing)).chain(routes)
}

pub(crate) fn sealing_lines(old: &Sealing, new: &Sealing) -> Vec<Line> {
    let gone = old.tunnels.difference(&new.tunnels);
    let gone = gone.map(|generation| Line::NoTunnel { generation: *generation });
    let made = new.tunnels.difference(&old.tunnels);
    let made = made.map(|generation| Line::Tunnel { generation: *generation });
    let peers = differences(&old.peers, &new.peers).map(|(key, end)| match end {
        Some(end) => Line::Peer { key: *key, end: *end },
        None => Line::NoPeer { key: *key },
    });
    let seals = differences(&old.seals, &new.seals).map(|(vtep, by)| match by {
        Some(generation) => Line::Seal { vtep: *vtep, generation: *generation },
        None => Line::NoSeal { vtep: *vtep },
    });
    gone.chain(made).chain(peers).chain(seals).collect()
}

/// Keys whose value is gone (None), new or another.
fn differences<'a, K: Ord, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (&'a K, Option<&'a V>)> {
    let gone = old.keys().filter(|k| !new.contains_key(k)).map(|k| (k, None));
    let set = new.iter().filter(|(k, v)| old.get(k) != Some(v)).map(|(k, v)| (k, Some(v)));
    gone.chain(set)
}

/// Puts lines together to slices: what an agent makes of a watch.
#[derive(Debug, Default)]
pub struct Assembly {
    slice: HostSpec,
}

impl Assembly {
    /// Starts from a slice that is known already.
    pub fn from(slice: HostSpec) -> Self {
        Self { slice }
    }

    /// The slice as far as it has come.
    pub fn into_slice(self) -> HostSpec {
        self.slice
    }

    fn sealing(&mut self) -> &mut Sealing {
        &mut self.slice.sealing
    }

    /// Takes a line; a mark completes a slice.
    pub fn take(&mut self, line: Line) -> Option<&HostSpec> {
        match line {
            Line::Snapshot => self.slice = HostSpec::default(),
            Line::Port { uuid, spec } => drop(self.slice.ports.insert(uuid, spec)),
            Line::NoPort { uuid } => drop(self.slice.ports.remove(&uuid)),
            Line::Route { key, target } => drop(self.slice.routes.insert(key, target)),
            Line::NoRoute { key } => drop(self.slice.routes.remove(&key)),
            Line::Tunnel { generation } => drop(self.sealing().tunnels.insert(generation)),
            Line::NoTunnel { generation } => drop(self.sealing().tunnels.remove(&generation)),
            Line::Peer { key, end } => drop(self.sealing().peers.insert(key, end)),
            Line::NoPeer { key } => drop(self.sealing().peers.remove(&key)),
            Line::Seal { vtep, generation } => {
                self.sealing().seals.insert(vtep, generation);
            }
            Line::NoSeal { vtep } => drop(self.sealing().seals.remove(&vtep)),
            Line::Mark { revision } => {
                self.slice.revision = revision;
                return Some(&self.slice);
            }
            Line::Lease { .. } | Line::Idle | Line::Ask { .. } => {}
        }
        None
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
