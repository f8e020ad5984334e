//! What the herd's hosts carry: networks of ten hosts each, and of a hundred networks each a hub that all of these are
//! peered with. So a change at a hub concerns a thousand hosts.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use model::ids::Prefix;
use serde_json::json;
use uuid::Uuid;

use super::Plan;
use crate::api::{Client, text};
use crate::stock::{Stock, ZONE, address, host_of, network_of, peer, port};

/// Hosts on one network.
const TOGETHER: u32 = 10;

/// Hosts that a hub's networks have.
pub(super) const HUB_HOSTS: usize = 1000;

pub(super) struct Land {
    pub(super) authority_pem: Arc<str>,
    /// Host, key and certificate.
    pub(super) identities: Vec<(Uuid, String, String)>,
    pub(super) hubs: Vec<Uuid>,
    /// Of the identities: a host of its own, on a network of its own.
    pub(super) sleeper: usize,
    own: Uuid,
    far: Uuid,
}

impl Land {
    pub(super) async fn make(data: &Path, plan: Plan) -> Result<Self> {
        let stock = Stock::open(data)?;
        let networks = plan.agents.div_ceil(TOGETHER);
        let hubs = plan.agents.div_ceil(u32::try_from(HUB_HOSTS)?);
        // Agents, then the sleeper, then the host that nobody plays.
        let (sleeper, far) = (plan.agents, plan.agents + 1);
        stock.join(0..far + 1).await?;
        let own = networks + hubs;
        let leaf = |n: u32| {
            Ok::<_, anyhow::Error>((
                n,
                prefix(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + (n << 8), 24)?,
            ))
        };
        let hub = |n: u32| {
            Ok::<_, anyhow::Error>((
                networks + n,
                prefix(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + (n << 13), 19)?,
            ))
        };
        let leaves: Vec<_> = (0..networks).map(leaf).collect::<Result<_>>()?;
        let hubs: Vec<_> = (0..hubs).map(hub).collect::<Result<_>>()?;
        let alone = (own, prefix(u32::from(Ipv4Addr::new(192, 168, 0, 0)), 16)?);
        stock.networks(leaves.iter().chain(&hubs).copied().chain([alone])).await?;
        let ports = (0..plan.agents).map(|n| {
            let (network, prefix) = leaves[usize::try_from(n / TOGETHER)?];
            port(network, n, address(prefix, 2 + n % TOGETHER))
        });
        let at_hubs = hubs.iter().flat_map(|(network, prefix)| {
            (0..plan.far_ports).map(move |n| port(*network, far, address(*prefix, 2 + n)))
        });
        let alone = port(own, sleeper, address(alone.1, 2));
        stock.write(ports.chain(at_hubs).chain([alone]).collect::<Result<Vec<_>>>()?).await?;
        let each = u32::try_from(HUB_HOSTS)? / TOGETHER;
        stock.write((0..networks).flat_map(|n| peer(n, networks + n / each))).await?;
        let world = stock.0.world();
        let authority = world.authority().context("the server's authority")?;
        let identity = |n: u32| {
            let (key, certificate) = server::agents::issue_new(authority, host_of(n))?;
            anyhow::Ok((host_of(n), key, certificate))
        };
        Ok(Self {
            authority_pem: authority.certificate_pem.as_str().into(),
            identities: (0..=sleeper).map(identity).collect::<Result<_>>()?,
            hubs: hubs.iter().map(|(n, _)| network_of(*n)).collect(),
            sleeper: usize::try_from(sleeper)?,
            own: network_of(own),
            far: host_of(far),
        })
    }

    /// Gives a hub another prefix beside its first.
    pub(super) fn renumber(&self, admin: &Client, hub: usize, to: usize) -> Result<()> {
        let path = format!("/1.3/network/{}", self.hubs[hub]);
        let now = admin.get(&path)?;
        let first = now["network"]["ip_networks"]["ip_network"][0]["address"].clone();
        let subnets = json!([
            {"address": first, "family": "IPv4"},
            {"address": format!("fd00:{hub:x}:{to:x}::/64"), "family": "IPv6"},
        ]);
        let wish = json!({"network": {"ip_networks": {"ip_network": subnets}}});
        admin.ok("PUT", &path, Some(&wish)).map(drop)
    }

    /// So many writes that concern the sleeper: ports on its network that come and go.
    pub(super) fn disturb(&self, admin: &Client, writes: usize) -> Result<()> {
        const AT_ONCE: usize = 32;
        let one = |n: usize| {
            for round in 0..writes.div_ceil(2 * AT_ONCE) {
                let device = format!("d{n}x{round}");
                let wish = json!({"network": self.own, "host": self.far, "device": device});
                let made = admin.make_port(&wish)?;
                let path = format!("/kannas/v1/ports/{}", text(&made["uuid"])?);
                admin.ok("DELETE", &path, None)?;
            }
            anyhow::Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|n| scope.spawn(move || one(n))).collect();
            threads
                .into_iter()
                .try_for_each(|it| it.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
        })
    }
}

fn prefix(address: u32, len: u8) -> Result<Prefix> {
    let address = Ipv4Addr::from(address);
    Prefix::new(address.into(), len).with_context(|| format!("{address}/{len} in {ZONE}"))
}
