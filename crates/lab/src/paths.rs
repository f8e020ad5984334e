//! The paths that are compared: made of namespaces, without any way out.
//!
//! A path is four namespaces in a row, `a - hostA - hostB - b`, joined by veth pairs; the direct one has only the
//! ends. Add another by giving a [`Path`] the endpoints of what [`hosts`] and [`guest`] build.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::eventually::eventually;
use crate::netns::{Netns, link};
use crate::site::Pair;
use crate::traffic::tcp_pair;
use crate::tunnels::Tunnel;

pub const BRIDGE_VXLAN: &str = "kernel bridge + VXLAN";
pub const KANNAS: &str = "Kannas";

/// Where a client or server runs: a namespace and its address there.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub netns: Arc<Netns>,
    pub address: IpAddr,
}

/// Two endpoints and what must stay alive for them to reach each other.
#[derive(Clone, Debug)]
pub struct Path {
    pub name: String,
    /// Processes that carry its packets; None where the kernel does.
    pub tunnel: Option<Arc<Tunnel>>,
    pub client: Endpoint,
    pub server: Endpoint,
    /// The namespaces between.
    pub between: Vec<Arc<Netns>>,
}

/// The underlay of the two hosts: interface `under`, MTU 1500.
pub const UNDERLAY: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)];

impl Path {
    /// Processes whose time is the path's.
    pub(crate) fn helpers(&self) -> Vec<u32> {
        self.tunnel.as_ref().map(|tunnel| tunnel.pids()).unwrap_or_default()
    }

    /// Waits until the client can connect to the server.
    ///
    /// # Errors
    /// It cannot within `deadline`.
    pub fn ready(&self, deadline: Duration) -> Result<()> {
        let mut last = None;
        let connected =
            || tcp_pair(&self.client, &self.server).map_err(|error| last = Some(error)).ok();
        let result = eventually(deadline, &format!("a connection over {}", self.name), connected);
        match (result, last) {
            (Ok(_), _) => Ok(()),
            (Err(late), Some(cause)) => Err(cause.context(late.to_string())),
            (Err(late), None) => Err(late),
        }
    }
}

/// Two hosts `<prefix>hostA` and `<prefix>hostB`, joined by `under` with the addresses [`UNDERLAY`]/30.
///
/// # Errors
/// As [`Netns::new`] and [`Netns::ip`]; so for all of this file.
pub fn hosts(prefix: &str) -> Result<[Arc<Netns>; 2]> {
    let [a, b] = [Netns::new(format!("{prefix}hostA"))?, Netns::new(format!("{prefix}hostB"))?];
    link(&a, "under", &b, "under")?;
    for (host, address) in [&a, &b].into_iter().zip(UNDERLAY) {
        host.ip(&format!("addr add {address}/30 dev under"))?;
    }
    Ok([Arc::new(a), Arc::new(b)])
}

/// A machine behind a host: `eth0` inside, `port` on the host, with no address on either.
///
/// # Errors
/// The port's name is taken.
pub fn guest(name: &str, host: &Netns, port: &str) -> Result<Arc<Netns>> {
    let guest = Netns::new(name)?;
    link(&guest, "eth0", host, port)?;
    Ok(Arc::new(guest))
}

/// The three paths that Kannas is compared with.
///
/// # Errors
/// As [`hosts`].
pub fn baselines(prefix: &str) -> Result<Vec<Path>> {
    Ok(vec![direct(prefix)?, routing(prefix)?, bridge_vxlan(prefix)?])
}

/// One veth pair: the ceiling.
///
/// # Errors
/// As [`hosts`].
pub fn direct(prefix: &str) -> Result<Path> {
    let b = Arc::new(Netns::new(format!("{prefix}direct-b"))?);
    let a = guest(&format!("{prefix}direct-a"), &b, "eth0")?;
    a.ip("addr add 10.0.0.1/24 dev eth0")?;
    b.ip("addr add 10.0.0.2/24 dev eth0")?;
    Ok(path("direct veth", [a, b], [[10, 0, 0, 1], [10, 0, 0, 2]], Vec::new()))
}

/// Both hosts forward between the guest's subnet and the underlay: what any peering does at least.
///
/// # Errors
/// As [`hosts`].
pub fn routing(prefix: &str) -> Result<Path> {
    let path = forwarding("plain routing", &format!("{prefix}route-"))?;
    for (host, there) in path.between.iter().zip([1, 0]) {
        host.ip(&format!("route add 10.0.{there}.0/24 via {}", UNDERLAY[there]))?;
    }
    Ok(path)
}

/// Two hosts that forward between their guest's subnet, 10.0.0.0/24 and 10.0.1.0/24, and whatever is added; nothing
/// joins the two yet.
///
/// # Errors
/// As [`hosts`].
pub fn forwarding(name: &str, prefix: &str) -> Result<Path> {
    let hosts = hosts(prefix)?;
    let mut guests = Vec::new();
    for (here, host) in hosts.iter().enumerate() {
        let guest = guest(&format!("{prefix}{here}"), host, "port")?;
        host.sysctl("net/ipv4/ip_forward", "1")?;
        host.ip(&format!("addr add 10.0.{here}.1/24 dev port"))?;
        guest.ip(&format!("addr add 10.0.{here}.2/24 dev eth0"))?;
        guest.ip(&format!("route add default via 10.0.{here}.1"))?;
        guests.push(guest);
    }
    let [a, b] = [0, 1].map(|i| Arc::clone(&guests[i]));
    Ok(path(name, [a, b], [[10, 0, 0, 2], [10, 0, 1, 2]], hosts.into()))
}

/// A bridge and a VXLAN device on each host, one subnet across both, everything that can be static or off is so:
/// no learning, no STP, no multicast snooping, no netfilter on the bridge, permanent neighbours, no UDP checksum.
///
/// # Errors
/// As [`hosts`].
pub fn bridge_vxlan(prefix: &str) -> Result<Path> {
    let hosts = hosts(&format!("{prefix}vxlan-"))?;
    let mut guests = Vec::new();
    for here in [0, 1] {
        guests.push(bridged_guest(&format!("{prefix}vxlan-{here}"), &hosts[here], here)?);
    }
    for (here, there) in [(0, 1), (1, 0)] {
        let mac = bridged_mac(there);
        hosts[here].bridge(&format!("fdb add {mac} dev vx master static"))?;
        hosts[here].bridge(&format!("fdb add {mac} dev vx self static dst {}", UNDERLAY[there]))?;
        hosts[here].bridge(&format!("fdb replace {} dev port master static", bridged_mac(here)))?;
        guests[here]
            .ip(&format!("neigh add 10.0.0.{} lladdr {mac} nud permanent dev eth0", there + 1))?;
    }
    let [a, b] = [0, 1].map(|i| Arc::clone(&guests[i]));
    Ok(path(BRIDGE_VXLAN, [a, b], [[10, 0, 0, 1], [10, 0, 0, 2]], hosts.into()))
}

/// What a pair of hosts under Kannas carries; `pair` must be kept, its networks peered.
#[must_use]
pub fn kannas(pair: &Pair) -> Path {
    kannas_as(KANNAS, pair)
}

/// The same under another name: of a pair that is set up otherwise.
#[must_use]
pub fn kannas_as(name: &str, pair: &Pair) -> Path {
    let [client, server] = pair.machines.each_ref().map(|machine| machine.end.clone());
    let between = pair.site.hosts.values().map(|host| Arc::clone(&host.netns)).collect();
    Path { name: name.to_owned(), tunnel: None, client, server, between }
}

fn bridged_guest(name: &str, host: &Netns, here: usize) -> Result<Arc<Netns>> {
    let guest = guest(name, host, "port")?;
    let (local, remote) = (UNDERLAY[here], UNDERLAY[1 - here]);
    host.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")?;
    // `remote` takes what has no entry: ARP of a stranger.
    host.ip(&format!(
        "link add vx type vxlan id 5001 local {local} remote {remote} dev under dstport 4789 nolearning noudpcsum"
    ))?;
    for port in ["vx", "port"] {
        host.ip(&format!("link set {port} mtu 1450 master br0"))?;
        host.ip(&format!("link set {port} type bridge_slave learning off"))?;
    }
    for device in ["vx", "br0"] {
        host.ip(&format!("link set {device} up"))?;
    }
    for tables in ["iptables", "ip6tables", "arptables"] {
        host.sysctl(&format!("net/bridge/bridge-nf-call-{tables}"), "0")?;
    }
    guest.ip(&format!("link set eth0 mtu 1450 address {}", bridged_mac(here)))?;
    guest.ip(&format!("addr add 10.0.0.{}/24 dev eth0", here + 1))?;
    Ok(guest)
}

fn bridged_mac(here: usize) -> String {
    format!("02:00:00:00:00:0{}", here + 1)
}

fn path(
    name: &str,
    ends: [Arc<Netns>; 2],
    addresses: [[u8; 4]; 2],
    between: Vec<Arc<Netns>>,
) -> Path {
    let [client, server] = ends;
    Path {
        name: name.to_owned(),
        tunnel: None,
        client: Endpoint { netns: client, address: addresses[0].into() },
        server: Endpoint { netns: server, address: addresses[1].into() },
        between,
    }
}
