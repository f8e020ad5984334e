//! `counters`: of a peering and of a host.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::flow::{Exchange, Traffic};

#[derive(Debug, Serialize)]
pub struct One<T> {
    pub counters: T,
}

/// Of a peering, from its local network's side.
#[derive(Debug, Serialize)]
pub struct PeeringView {
    /// To the peer network, when a host has sent it on.
    pub sent: Traffic,
    /// From the peer network, when a host has given it to a port.
    pub received: Traffic,
    /// Either way.
    pub dropped: Vec<Drop>,
    /// When a host has last told of it: RFC 3339, UTC; None before that.
    pub counted_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Drop {
    pub reason: String,
    #[serde(flatten)]
    pub traffic: Traffic,
}

impl PeeringView {
    pub fn new(exchange: Exchange, counted_at: Option<String>) -> Self {
        let Exchange { sent, received, dropped } = exchange;
        let dropped = dropped.into_iter().map(|(reason, traffic)| Drop { reason, traffic });
        Self { sent, received, dropped: dropped.collect(), counted_at }
    }
}

/// Of this server: what watching hosts cost it since it started.
#[derive(Debug, Serialize)]
pub struct WatchView {
    /// Hosts that watch.
    pub watching: usize,
    /// Whole slices told to hosts that had none.
    pub snapshots: u64,
    /// Hosts that went on from where they were.
    pub resumed: u64,
    /// Looks at what writes touched of a slice.
    pub looks: u64,
    /// Slices made anew after a write: of what is rare.
    pub recomputed: u64,
    /// Runs of lines told.
    pub marks: u64,
    pub lines: u64,
}

#[derive(Debug, Serialize)]
pub struct ServerView {
    pub watch: WatchView,
}

/// Packets of a host by what became of them.
#[derive(Debug, Serialize)]
pub struct HostView {
    pub packets: BTreeMap<String, u64>,
    pub counted_at: Option<String>,
}
