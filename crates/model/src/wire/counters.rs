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

/// Packets of a host by what became of them.
#[derive(Debug, Serialize)]
pub struct HostView {
    pub packets: BTreeMap<String, u64>,
    pub counted_at: Option<String>,
}
