//! The tunnels in which packets to other hosts are encrypted: for each
//! generation of keys a device of layer 3 with a key of its own. No route leads
//! to it and it has no address; packets come to it from `from_port` alone, in
//! the same VXLAN as in the clear, and its peers' are the underlay's addresses.
//!
//! WireGuard is the kernel's where it has it, else that of a process of ours,
//! which outlives the agent.

mod device;
mod kernel;
mod key;
mod process;
mod uapi;
mod wireguard;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use model::ids::Mtu;
use model::seal::{End, Generation, PeerKey};
use model::spec::Condition;

use crate::Host;
use crate::error::Error;
use crate::link::{self, Link, Wish};
use crate::pins::Holder;
use crate::vtep;
use device::{Maker, Tunnel};
use wireguard::{Change, Standing};

/// Where and how a host encrypts.
#[derive(Debug, Clone)]
pub struct TunnelSetup {
    /// For keys, and sockets of processes; only its owner may enter it.
    pub dir: PathBuf,
    /// A program with the subcommand `tunnel`, for kernels without WireGuard.
    pub program: PathBuf,
    /// First of the two UDP ports that peers send to.
    pub port: u16,
}

/// What there is of it, as last seen.
pub(crate) struct Tunnels {
    setup: TunnelSetup,
    maker: Maker,
    made: BTreeMap<Generation, Tunnel>,
}

impl Tunnels {
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn open(setup: &TunnelSetup) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&setup.dir);
        made.map_err(|source| Error::Keys { dir: setup.dir.clone(), source })?;
        let maker = Maker::new(setup);
        Ok(Self { setup: setup.clone(), maker, made: BTreeMap::new() })
    }

    /// Of their devices.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u32> {
        self.made.values().map(|it| it.index)
    }

    /// Bytes of the largest packet that all of them take; None without any.
    fn mtu(&self) -> Option<u32> {
        self.made.values().map(|it| it.mtu).min()
    }

    fn port(&self, generation: Generation) -> u16 {
        self.setup.port.saturating_add(u16::from(device::slot(generation)))
    }

    fn private(&self, generation: Generation) -> Result<Option<[u8; 32]>, Error> {
        let failed = |source| Error::Keys { dir: self.setup.dir.clone(), source };
        key::load(&self.setup.dir, generation).map_err(failed)
    }

    fn end(&self, generation: Generation) -> Result<Option<End>, Error> {
        let private = self.private(generation)?;
        let port = self.port(generation);
        Ok(private.map(|private| End { key: key::public_of(private), port }))
    }
}

/// All of it that was read.
#[derive(Default)]
pub(crate) struct Observed {
    pub(crate) tunnels: BTreeMap<Generation, Condition<()>>,
    pub(crate) peers: BTreeMap<PeerKey, End>,
    pub(crate) seals: BTreeMap<IpAddr, Generation>,
}

impl Host {
    /// The public keys of the tunnels that were there when last observed.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn ends(&self) -> Result<BTreeMap<Generation, End>, Error> {
        let Some(it) = &self.tunnels else { return Ok(BTreeMap::new()) };
        let end = |generation: &Generation| Ok(it.end(*generation)?.map(|end| (*generation, end)));
        it.made.keys().filter_map(|generation| end(generation).transpose()).collect()
    }

    /// Bytes of the largest packet that the underlay's packets may be, as it
    /// has `outer`: less where any of them is encrypted.
    pub(crate) fn narrowed(&self, outer: u32) -> u32 {
        self.tunnels.as_ref().and_then(Tunnels::mtu).map_or(outer, |mtu| mtu.min(outer))
    }

    pub(crate) fn observe_tunnels(&mut self) -> Result<Observed, Error> {
        let mut seen = Observed::default();
        if let Some(it) = &mut self.tunnels {
            it.maker.reap();
            it.made.clear();
        }
        for link in device::all(&mut self.netlink)? {
            let Some(generation) = device::generation_of(&link) else { continue };
            let standing = self.standing(generation, &link)?;
            let condition = match &standing {
                Ok(standing) => {
                    seen.peers.extend(peers_of(generation, standing));
                    let fault = self.fault(generation, &link)?;
                    fault.map_or(Condition::Whole(()), Condition::Broken)
                }
                Err(fault) => Condition::Broken(fault.clone()),
            };
            if let Some(it) = &mut self.tunnels {
                it.made.insert(generation, Tunnel::of(&link));
            }
            seen.tunnels.insert(generation, condition);
        }
        let made = self.tunnels.as_ref().map(|it| it.made.clone()).unwrap_or_default();
        let by = |index| made.iter().find(|(_, it)| it.index == index).map_or(0, |(by, _)| *by);
        let seals = self.tables.seals()?;
        seen.seals = seals.into_iter().map(|(vtep, index)| (vtep, by(index))).collect();
        Ok(seen)
    }

    /// What the tunnel does, if it is one that encrypts with our key; else what
    /// is wrong, in words.
    fn standing(
        &mut self,
        generation: Generation,
        link: &Link,
    ) -> Result<Result<Standing, String>, Error> {
        let Some(it) = &mut self.tunnels else { return Ok(Err("is nobody's".to_owned())) };
        let (private, port) = (it.private(generation)?, it.port(generation));
        let standing = match it.maker.of(link).get(&link.name) {
            Ok(standing) => standing,
            Err(error) => return Ok(Err(format!("does not answer: {error}"))),
        };
        if private.is_none() || standing.private != private || standing.port != port {
            return Ok(Err("has another key or port".to_owned()));
        }
        Ok(Ok(standing))
    }

    /// What else is wrong with it.
    fn fault(&mut self, generation: Generation, link: &Link) -> Result<Option<String>, Error> {
        if !link.up {
            return Ok(Some("is down".to_owned()));
        }
        match self.tunnel_mtu(link) {
            Ok(mtu) if mtu == link.mtu => {}
            Ok(_) => return Ok(Some(format!("has MTU {}", link.mtu))),
            Err(error @ Error::NoUnderlay(_)) => return Ok(Some(error.to_string())),
            Err(error) => return Err(error),
        }
        let runs = self.programs.runs(Holder::Tunnel(device::slot(generation)), &link.name)?;
        Ok((!runs).then(|| format!("the program on {} does not run", link.name)))
    }

    fn tunnel_mtu(&mut self, link: &Link) -> Result<u32, Error> {
        let underlay = self.setup.underlay;
        let outer = vtep::underlay(&mut self.netlink, underlay)?.mtu;
        Ok(device::mtu(link, outer, underlay))
    }

    pub(crate) fn ensure_tunnel(&mut self, generation: Generation) -> Result<(), Error> {
        let it = self.tunnels.as_mut().ok_or(Error::Lacks("a directory for keys"))?;
        let failed = |source| Error::Keys { dir: it.setup.dir.clone(), source };
        let private = key::ensure(&it.setup.dir, generation).map_err(failed)?;
        let port = it.port(generation);
        let link = it.maker.ensure(&mut self.netlink, generation)?;
        let own = Change::Own { private, port };
        let told = it.maker.of(&link).set(&link.name, &own);
        told.map_err(|source| Error::Tunnel { device: link.name.clone(), source })?;
        let mtu = self.tunnel_mtu(&link)?;
        self.programs.ensure(Holder::Tunnel(device::slot(generation)), &link.name)?;
        let wish = Wish {
            alias: Some(device::alias(generation)),
            mtu: Some(mtu),
            up: true,
            silent: true,
            ..Wish::default()
        };
        link::set(&mut self.netlink, &link, &wish)?;
        self.watch_device(link.index);
        let mut tunnel = Tunnel::of(&link);
        tunnel.mtu = mtu;
        if let Some(it) = &mut self.tunnels {
            it.made.insert(generation, tunnel);
        }
        Ok(())
    }

    pub(crate) fn set_peer(&mut self, at: PeerKey, end: End) -> Result<(), Error> {
        // The key of before would keep the address.
        self.remove_peer(at, Some(end))?;
        let endpoint = SocketAddr::new(at.vtep, end.port);
        self.tell(at, &Change::Peer { key: end.key, endpoint, allowed: at.vtep })
    }

    /// All keys that speak for the host, but for that of `kept`.
    pub(crate) fn remove_peer(&mut self, at: PeerKey, kept: Option<End>) -> Result<(), Error> {
        let Some(it) = &mut self.tunnels else { return Ok(()) };
        let Some(tunnel) = it.made.get(&at.generation) else { return Ok(()) };
        let name = tunnel.name.clone();
        let failed = |source| Error::Tunnel { device: name.clone(), source };
        let standing = it.maker.at(tunnel).get(&name).map_err(failed)?;
        let of_it = |peer: &&wireguard::Peer| peer.allowed.contains(&at.vtep);
        let others = standing.peers.iter().filter(of_it).map(|peer| peer.key);
        for key in others.filter(|key| kept.is_none_or(|kept| kept.key != *key)) {
            self.tell(at, &Change::Forget(key))?;
        }
        Ok(())
    }

    fn tell(&mut self, at: PeerKey, change: &Change) -> Result<(), Error> {
        let it = self.tunnels.as_mut().ok_or(Error::NoTunnel(at.generation))?;
        let tunnel = it.made.get(&at.generation).ok_or(Error::NoTunnel(at.generation))?;
        let told = it.maker.at(tunnel).set(&tunnel.name, change);
        told.map_err(|source| Error::Tunnel { device: tunnel.name.clone(), source })
    }

    /// # Errors
    /// There is no such tunnel: then nothing is sent to the host.
    pub(crate) fn seal(&mut self, vtep: IpAddr, by: Generation) -> Result<(), Error> {
        let tunnel = self.tunnels.as_ref().and_then(|it| it.made.get(&by));
        let index = tunnel.map(|it| it.index);
        self.tables.seal(vtep, index.unwrap_or(0))?;
        index.map(drop).ok_or(Error::NoTunnel(by))
    }

    pub(crate) fn remove_tunnel(&mut self, generation: Generation) -> Result<(), Error> {
        for link in device::all(&mut self.netlink)? {
            if device::generation_of(&link) == Some(generation) {
                self.programs.detach(Holder::Tunnel(device::slot(generation)))?;
                // Its process ends with it.
                link::delete(&mut self.netlink, &link)?;
            }
        }
        let Some(it) = &mut self.tunnels else { return Ok(()) };
        it.made.remove(&generation);
        let failed = |source| Error::Keys { dir: it.setup.dir.clone(), source };
        key::remove(&it.setup.dir, generation).map_err(failed)
    }
}

/// Each by the address that it speaks for.
fn peers_of(generation: Generation, standing: &Standing) -> BTreeMap<PeerKey, End> {
    let mut twice = BTreeSet::new();
    let mut peers = BTreeMap::new();
    for peer in &standing.peers {
        let Some(endpoint) = peer.endpoint else { continue };
        for vtep in &peer.allowed {
            let key = PeerKey { generation, vtep: *vtep };
            if peers.insert(key, End { key: peer.key, port: endpoint.port() }).is_some() {
                twice.insert(key);
            }
        }
    }
    // Set anew, which makes it one.
    peers.retain(|key, _| !twice.contains(key));
    peers
}

/// As [`Mtu`], what is left for a port inside VXLAN.
pub(crate) fn inside(outer: u32, underlay: IpAddr) -> Result<Mtu, Error> {
    let outer = Mtu::try_from(outer.min(u32::from(u16::MAX)));
    outer.and_then(|outer| outer.inside_vxlan(underlay)).map_err(Error::UnderlayMtu)
}
