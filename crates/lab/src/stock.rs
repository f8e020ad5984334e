//! Fills the store of a server that is down: what would take hours by the API, by the same rules.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context, Result};
use model::ids::Prefix;
use model::objects::{Configured, JoinToken, Subnet};
use model::op::{Op, Wish};
use model::spec::Attachment;
use model::{host, network, peering, port, router};
use store::Store;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Whose everything is.
pub const OWNER: &str = "admin";

/// All are in one zone.
pub const ZONE: &str = "fi-hel1";

/// Writes under way at a time: as many as share a commit.
const AT_ONCE: usize = 512;

/// An open store.
pub struct Stock(pub Store);

impl Stock {
    /// # Errors
    /// The server runs, or it is not its folder.
    pub fn open(data: &Path) -> Result<Self> {
        Ok(Self(Store::open(data).context("the server's store")?))
    }

    /// Writes them all, in no order among each other.
    ///
    /// # Errors
    /// One is refused.
    pub async fn write(&self, ops: impl IntoIterator<Item = Op>) -> Result<()> {
        let mut running = JoinSet::new();
        for op in ops {
            if running.len() >= AT_ONCE {
                done(running.join_next().await)?;
            }
            let store = self.0.clone();
            running.spawn(async move { store.write(op).await.map(drop) });
        }
        while !running.is_empty() {
            done(running.join_next().await)?;
        }
        Ok(())
    }

    /// Joins hosts with those numbers.
    ///
    /// # Errors
    /// As [`Stock::write`].
    pub async fn join(&self, hosts: impl Iterator<Item = u32> + Clone) -> Result<()> {
        let token = |n: u32| {
            let token = JoinToken {
                digest: n.to_string(),
                zone: ZONE.to_owned(),
                expires: i64::MAX,
                host: None,
            };
            Op::AllowJoin { by: OWNER.to_owned(), token }
        };
        self.write(hosts.clone().map(token)).await?;
        let join = |n: u32| {
            let (digest, name) = (n.to_string(), format!("stock{n}"));
            // Shared addresses (RFC 6598), which no site uses: nobody is asked for them on a cable.
            let underlay = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 1)) + n).into();
            let wish = host::Join {
                digest,
                name,
                zone: ZONE.to_owned(),
                underlay,
                now: 0,
                certificate: None,
            };
            Op::Join { uuid: host_of(n), wish }
        };
        self.write(hosts.map(join)).await
    }

    /// Makes networks, each with a router, out of the numbers and their subnets.
    ///
    /// # Errors
    /// As [`Stock::write`].
    pub async fn networks(&self, all: impl Iterator<Item = (u32, Prefix)> + Clone) -> Result<()> {
        let routers = all.clone().map(|(n, _)| {
            let wish =
                router::Create { name: format!("r{n}"), labels: vec![], static_routes: vec![] };
            Op::Router { by: OWNER.to_owned(), uuid: router_of(n), wish: Wish::Create(wish) }
        });
        self.write(routers).await?;
        let networks = all.map(|(n, prefix)| {
            let wish = network::Create {
                name: format!("n{n}"),
                zone: ZONE.to_owned(),
                labels: vec![],
                router: Some(router_of(n).to_string()),
                subnets: vec![subnet(prefix)],
            };
            Op::Network { by: OWNER.to_owned(), uuid: network_of(n), wish: Wish::Create(wish) }
        });
        self.write(networks).await
    }
}

fn done(
    joined: Option<Result<Result<(), store::WriteError>, tokio::task::JoinError>>,
) -> Result<()> {
    joined.context("a write")?.context("a write panicked")?.context("a write is refused")
}

fn numbered(kind: u128, n: u32) -> Uuid {
    Uuid::from_u128(kind << 120 | 0x5_70c4 << 64 | u128::from(n))
}

#[must_use]
pub fn host_of(n: u32) -> Uuid {
    numbered(0xaa, n)
}

#[must_use]
pub fn network_of(n: u32) -> Uuid {
    numbered(0x03, n)
}

fn router_of(n: u32) -> Uuid {
    numbered(0x04, n)
}

/// Both halves of a peering.
#[must_use]
pub fn peer(a: u32, b: u32) -> [Op; 2] {
    [(a, b), (b, a)].map(|(from, to)| half(network_of(from), network_of(to)))
}

/// One half.
#[must_use]
pub fn half(network: Uuid, peer_network: Uuid) -> Op {
    let wish = peering::Create {
        name: "stock".to_owned(),
        configured: Configured::Active,
        network,
        peer_network,
        labels: vec![],
        note: None,
    };
    let mut uuid = Uuid::new_v4().into_bytes();
    uuid[0] = 0x0f;
    Op::Peering { by: OWNER.to_owned(), uuid: Uuid::from_bytes(uuid), wish: Wish::Create(wish) }
}

/// A port of a network at a host, with that address.
///
/// # Errors
/// There is no such name of a device.
pub fn port(network: u32, at: u32, address: IpAddr) -> Result<Op> {
    let text = match address {
        IpAddr::V4(it) => format!("{:08x}", u32::from(it)),
        IpAddr::V6(it) => format!("{:x}", u128::from(it) & 0xffff_ffff),
    };
    let device = format!("t{text}").parse().context("a device")?;
    let wish = port::Create {
        network: network_of(network).to_string(),
        host: host_of(at).to_string(),
        addresses: vec![address],
        prefixes: vec![],
        mac: None,
        attachment: Attachment::Device { device },
    };
    let mut uuid = Uuid::new_v4().into_bytes();
    uuid[0] = 0x05;
    Ok(Op::CreatePort { by: OWNER.to_owned(), uuid: Uuid::from_bytes(uuid), wish })
}

/// The `n`-th address of a prefix of IPv4.
#[must_use]
pub fn address(prefix: Prefix, n: u32) -> IpAddr {
    match prefix.address() {
        IpAddr::V4(it) => Ipv4Addr::from(u32::from(it) + n).into(),
        it @ IpAddr::V6(_) => it,
    }
}

fn subnet(prefix: Prefix) -> Subnet {
    Subnet { dhcp: true, ..Subnet::plain(prefix.to_string(), prefix, address(prefix, 1)) }
}
