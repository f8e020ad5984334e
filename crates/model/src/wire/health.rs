//! `health`: what was measured of the packets' way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admission::Pair;
use crate::health::{Health, sights};
use crate::ids::Mtu;
use crate::objects::Host;
use crate::state::Presence;
use crate::way::{Measured, Passage};
use crate::world::World;

/// Numbers that were not measured are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HealthView {
    pub measured: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// Of the last probes, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Bytes of the largest packet of a workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<Mtu>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_packet_ms: Option<u32>,
}

impl HealthView {
    pub fn of(it: Health) -> Self {
        if !it.measured {
            return Self::default();
        }
        Self {
            measured: true,
            reachable: Some(it.reachable),
            loss: Some(f32::from(it.loss) / 1000.0),
            rtt_us: it.rtt_us,
            path_mtu: it.path_mtu,
            measured_at: it.at.map(super::rfc3339),
            time_to_first_packet_ms: it.first_ms,
        }
    }

    /// Of a peering: nothing is measured of one that may carry no traffic.
    pub fn of_pair(world: &World, presence: &Presence, pair: Option<Pair<'_>>) -> Self {
        let sights = pair.map(|pair| sights(world, presence, pair));
        Self::of(Health::of(sights.iter().flatten().map(|sight| sight.measured)))
    }
}

/// Two hosts, as the first one measures the way to the second and back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostPairView {
    pub host: String,
    pub host_uuid: Uuid,
    pub peer: String,
    pub peer_uuid: Uuid,
    /// Pairs of networks that are measured, and how many of them do not cross.
    pub ways: usize,
    pub closed: usize,
    /// Probes of the peer arrive at the host.
    pub heard: bool,
    /// Bytes of the largest packet that the host's link to the underlay takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_mtu: Option<Mtu>,
    pub health: HealthView,
}

impl HostPairView {
    /// All that `host` measures, by peer.
    pub fn all_of(world: &World, presence: &Presence, host: Uuid) -> Vec<Self> {
        let Some((here, standing)) = world.hosts.get(&host).zip(presence.get(&host)) else {
            return Vec::new();
        };
        let mut by_vtep: BTreeMap<IpAddr, Vec<&Measured>> = BTreeMap::new();
        for (way, measured) in &standing.ways {
            if let Some(vtep) = way.vtep {
                by_vtep.entry(vtep).or_default().push(measured);
            }
        }
        let closed = |m: &&&Measured| m.measure.passage != Passage::Open;
        let view = |peer: &Arc<Host>| {
            let ways = by_vtep.get(&peer.underlay)?;
            Some(Self {
                host: here.name.clone(),
                host_uuid: host,
                peer: peer.name.clone(),
                peer_uuid: peer.uuid,
                ways: ways.len(),
                closed: ways.iter().filter(closed).count(),
                heard: ways.iter().any(|m| m.measure.heard),
                link_mtu: ways.iter().filter_map(|m| m.measure.link_mtu).max(),
                health: HealthView::of(Health::of(ways.iter().copied())),
            })
        };
        world.hosts.values().filter_map(view).collect()
    }
}
