//! Fills a server: pairs of networks with a router each, peered both ways.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use serde_json::json;

use super::connection::Connection;
use super::{Ours, uuid_of};
use crate::api::PEERINGS;

/// At once, so that they share the disk's commits.
const CLIENTS: usize = 64;

/// Makes so many pairs, and gives the UUID of a half.
pub(super) fn pairs(ours: &Ours, count: usize) -> Result<String> {
    let next = AtomicUsize::new(0);
    let mut one = String::new();
    std::thread::scope(|scope| {
        let work = || {
            let mut connection = Connection::open(ours.target.address)?;
            let mut last = None;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return anyhow::Ok(last);
                }
                last = Some(pair(ours, &mut connection, n)?);
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        for client in clients {
            let made = client.join().map_err(|_| anyhow!("a client panicked"))??;
            one = made.unwrap_or(one.clone());
        }
        anyhow::Ok(())
    })?;
    Ok(one)
}

fn pair(ours: &Ours, connection: &mut Connection, n: usize) -> Result<String> {
    let mut post = |path: &str, noun: &str, body: serde_json::Value| {
        let body = json!({noun: body}).to_string();
        uuid_of(connection.ask(&ours.ask("POST", path, &body))?, noun)
    };
    let mut ends = Vec::new();
    for side in 0..2 {
        let router = post("/1.3/router", "router", json!({"name": format!("router {n}")}))?;
        let at = 2 * n + side;
        let (high, middle, low) = (at >> 12 & 255, at >> 4 & 255, (at & 15) << 4);
        let subnet = json!({"address": format!("10.{high}.{middle}.{low}/28"), "family": "IPv4"});
        let network = json!({
            "name": format!("network {n}"), "zone": "fi-hel1", "router": router,
            "ip_networks": {"ip_network": [subnet]},
        });
        ends.push(post("/1.3/network", "network", network)?);
    }
    let mut half = |from: &str, to: &str| {
        let labels = json!([
            {"key": "env", "value": "prod"}, {"key": "batch", "value": (n / 10).to_string()},
        ]);
        let body = json!({
            "name": format!("peering {n}"), "labels": labels,
            "network": {"uuid": from}, "peer_network": {"uuid": to},
        });
        post(PEERINGS, "network_peering", body)
    };
    half(&ends[0], &ends[1])?;
    half(&ends[1], &ends[0])
}
