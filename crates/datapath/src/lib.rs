//! The kernel of one host: BPF programs, their maps, and the devices they hang
//! on. What packets go through is told in `bpf/kannas.bpf.c`.
//!
//! All that is ours carries a mark, is found again after a restart, and stays
//! when the agent ends:
//!
//! | what | mark |
//! |---|---|
//! | maps and the links of programs | the pin directory |
//! | the devices `kannas` (VXLAN) and `kannas-room` (a bridge that is down) | their aliases |
//! | the tunnels `kannas-wg0`, `kannas-wg1` | their aliases, with the generation of their keys |
//! | the pair `kannas-probe`, `kannas-probe-tx` | its aliases |
//! | the host's end of a workload's pair, `kn…` | its alias, with the port's UUID |
//! | routes in a workload's namespace | protocol 107 |

mod abi;
pub mod damage;
mod dhcp;
mod effort;
mod error;
mod flows;
mod headroom;
mod inet;
mod inspect;
mod layout;
mod link;
mod netlink;
mod netns;
mod offload;
mod onlink;
mod packet;
mod pair;
mod pins;
mod port;
mod probe;
mod prober;
mod programs;
mod sentinel;
mod sys;
mod table;
mod tables;
mod tunnel;
mod verdict;
mod vtep;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use model::flow::Flows;
use model::ids::{Mtu, Vni};
use model::plan::Step;
use model::spec::{Condition, HostSpec, HostState, RouteKey, Routes, Target};
use uuid::Uuid;

pub use effort::effort;
pub use error::Error;
pub use inspect::{Inspection, inspect};
pub use port::MTU_DIFFERS;
pub use probe::{Kind, Probe, Sighting};
pub use prober::Prober;
pub use sentinel::Sentinel;
pub use tunnel::TunnelSetup;
pub use verdict::VERDICTS;

use link::Wish;
use netlink::Netlink;
use pins::{Holder, Pins};
use port::Parts;
use programs::Programs;
use sentinel::Watched;
use tables::Tables;
use tunnel::{Observed, Tunnels};

/// What a host's datapath needs to know of its host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Address of this host that VXLAN packets leave from and come to.
    pub underlay: IpAddr,
    /// UDP port of VXLAN, the same on every host (4789: RFC 7348 §5).
    pub vxlan_port: u16,
    /// Directory in a BPF file system that is ours alone.
    pub pin_dir: PathBuf,
    /// None of a host that does not encrypt.
    pub tunnels: Option<TunnelSetup>,
    /// Programs other than those that were built in; for tests.
    pub object: Option<Object>,
}

/// A file with the programs of another version.
#[derive(Debug, Clone)]
pub struct Object {
    pub file: PathBuf,
    /// Of its maps: `LAYOUT` in `bpf/abi.h`.
    pub layout: u32,
}

/// Packets by verdict as a host with this pin directory counts them, without
/// being its agent: nothing is loaded, made or changed.
///
/// # Errors
/// There are no maps of ours, or we may not read them.
pub fn verdicts(pin_dir: &Path) -> Result<BTreeMap<String, u64>, Error> {
    tables::pinned_verdicts(&maps_in_use(pin_dir)?)
}

/// How many routes a host with this pin directory has in its maps; as
/// [`verdicts`].
///
/// # Errors
/// As [`verdicts`].
pub fn routes(pin_dir: &Path) -> Result<usize, Error> {
    tables::pinned_routes(&maps_in_use(pin_dir)?)
}

/// As [`verdicts`], for each pair of networks; nothing under programs that do
/// not count it.
///
/// # Errors
/// We may not read them.
pub fn flows(pin_dir: &Path) -> Result<Flows, Error> {
    let there = flows::Flows::pinned(&maps_in_use(pin_dir)?)?;
    there.map_or_else(|| Ok(Flows::new()), |flows| flows.read())
}

fn maps_in_use(pin_dir: &Path) -> Result<PathBuf, Error> {
    let pins = Pins::at(pin_dir);
    Ok(match pins.other_maps()?.pop() {
        // Its agent is of another version.
        Some(other) if !pins.maps().exists() => other,
        Some(_) | None => pins.maps(),
    })
}

/// The datapath of the network namespace it was opened in. Dropping it leaves
/// everything in place, and packets flow on.
pub struct Host {
    setup: Setup,
    netlink: Netlink,
    programs: Programs,
    tables: Tables,
    /// Ifindex of each port's device, as last seen.
    devices: BTreeMap<Uuid, u32>,
    /// Largest packets of networks, where a path carries less than the link.
    limits: BTreeMap<Vni, Mtu>,
    /// Of the underlay, as last seen.
    mtu: Option<Mtu>,
    _dhcp: Option<dhcp::Server>,
    tunnels: Option<Tunnels>,
    watched: Watched,
    /// Routes were changed, or may have been, since flows were kept.
    rerouted: bool,
}

impl Host {
    /// Loads the programs, in place of those of an earlier agent.
    ///
    /// # Errors
    /// The kernel lacks something, or we are not allowed to use it; the error
    /// names what.
    pub fn open(setup: &Setup) -> Result<Self, Error> {
        let what = || "open a netlink socket".to_owned();
        let netlink = Netlink::open().map_err(|source| Error::Netlink { what: what(), source })?;
        let layout = setup.object.as_ref().map_or(pins::LAYOUT, |object| object.layout);
        let pins = Pins::open(&setup.pin_dir, layout)?;
        let (programs, tables) = Programs::load(pins, setup.object.as_ref())?;
        let dhcp = dhcp::Server::start(&programs.pins().maps());
        let entries = tables.ports()?;
        let devices = entries.into_iter().map(|(ifindex, port)| (port.uuid(), ifindex)).collect();
        Ok(Self {
            setup: setup.clone(),
            netlink,
            programs,
            tables,
            devices,
            _dhcp: dhcp,
            tunnels: setup.tunnels.as_ref().map(Tunnels::open).transpose()?,
            limits: BTreeMap::new(),
            mtu: None,
            watched: Watched::default(),
            rerouted: true,
        })
    }

    /// Everything of ours that is there.
    ///
    /// # Errors
    /// The kernel cannot be read.
    pub fn observe(&mut self) -> Result<HostState, Error> {
        self.observe_near(&Routes::new())
    }

    /// The same. Its routes share memory with `near` as far as they are those.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub fn observe_near(&mut self, near: &Routes) -> Result<HostState, Error> {
        let vtep = self.observe_vtep()?;
        let Observed { tunnels, peers, seals } = self.observe_tunnels()?;
        let own = self.own_devices();
        let link = self.link_mtu();
        let limits = self.limits.clone();
        let mtu = |vni| link.map(|link| limits.get(&vni).map_or(link, |most| link.min(*most)));
        self.mtu = link;
        let ports = port::observe(&mut self.parts(), mtu)?;
        let entries = self.tables.ports()?;
        self.tables.learn(&entries);
        self.devices = entries.iter().map(|(ifindex, port)| (port.uuid(), *ifindex)).collect();
        self.watch_devices(own);
        let port_at = |ifindex| entries.get(&ifindex).map(abi::PortValue::uuid);
        let routes = self.tables.routes(port_at, near)?;
        Ok(HostState { vtep, ports, tunnels, peers, seals, routes })
    }

    /// Takes one step; again is no harm.
    ///
    /// # Errors
    /// The kernel refused. What was done until then stays, and is seen by
    /// [`Self::observe`].
    pub fn apply(&mut self, step: &Step) -> Result<(), Error> {
        self.rerouted |= matches!(step, Step::RemoveRoute(_) | Step::SetRoute { .. });
        match step {
            Step::RemoveRoute(route) => self.tables.remove_route(*route),
            Step::RemovePort(uuid) => {
                self.devices.remove(uuid);
                port::remove(&mut self.parts(), *uuid)
            }
            Step::EnsureVtep => self.ensure_vtep(),
            Step::EnsureTunnel { generation, .. } => self.ensure_tunnel(*generation),
            Step::RemovePeer(key) => self.remove_peer(*key, None),
            Step::SetPeer { key, end } => self.set_peer(*key, *end),
            Step::Seal { vtep, generation } => self.seal(*vtep, *generation),
            Step::Unseal(vtep) => self.tables.unseal(*vtep),
            Step::RemoveTunnel(generation) => self.remove_tunnel(*generation),
            Step::EnsurePort { port, spec, .. } => {
                let most = self.limits.get(&spec.vni).copied();
                let link = self.mtu.map_or_else(|| self.inner_mtu(), Ok)?;
                let mtu = most.map_or(link, |most| link.min(most));
                let ifindex = port::ensure(&mut self.parts(), *port, spec, mtu)?;
                self.devices.insert(*port, ifindex);
                self.watch_device(ifindex);
                Ok(())
            }
            Step::SetRoute { key, target } => {
                let ifindex = match target {
                    Target::Local { port, .. } => {
                        *self.devices.get(port).ok_or(Error::NoPort(*port))?
                    }
                    Target::Remote { .. } | Target::Nobody => 0,
                };
                self.tables.set_route(*key, target, ifindex)
            }
        }
    }

    /// Takes one step for each of many routes, in fewer calls.
    ///
    /// # Errors
    /// Some of them cannot be set; take the steps one by one to see which.
    pub fn set_routes(&mut self, routes: &[(RouteKey, Target)]) -> Result<(), Error> {
        let devices = &self.devices;
        let ifindex = |target: &Target| match target {
            Target::Local { port, .. } => devices.get(port).copied().ok_or(Error::NoPort(*port)),
            Target::Remote { .. } | Target::Nobody => Ok(0),
        };
        let known: Result<Vec<_>, Error> =
            routes.iter().map(|(key, to)| Ok((*key, *to, ifindex(to)?))).collect();
        self.rerouted = true;
        self.tables.set_routes(known?.into_iter())
    }

    /// Sends probes of this host, and hears of all that come. There is one.
    ///
    /// # Errors
    /// It was given out already; the kernel refuses.
    pub fn prober(&mut self) -> Result<Prober, Error> {
        Prober::open(self.programs.take_probes())
    }

    /// Packets by verdict since the maps were made.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub fn verdicts(&mut self) -> Result<BTreeMap<String, u64>, Error> {
        self.tables.verdicts()
    }

    /// Bytes of the largest packet of a port that the link to the underlay
    /// takes; None when there is no such link.
    pub fn link_mtu(&mut self) -> Option<Mtu> {
        self.inner_mtu().ok()
    }

    /// The largest packets of these networks, where that is less; ports that
    /// have another MTU are seen as broken by [`Self::observe`].
    pub fn limit(&mut self, limits: BTreeMap<Vni, Mtu>) {
        self.limits = limits;
    }

    /// Forgets what was counted between networks that `spec` lets exchange
    /// nothing; no work when no route was changed since the last time.
    ///
    /// # Errors
    /// The counters cannot be read or changed.
    pub fn keep_flows(&mut self, spec: &HostSpec) -> Result<(), Error> {
        if !self.rerouted {
            return Ok(());
        }
        let pairs = spec.routes.iter().filter_map(|(key, target)| match target {
            Target::Local { vni, .. } | Target::Remote { vni, .. } => Some((key.vni, *vni)),
            Target::Nobody => None,
        });
        self.tables.keep_flows(&pairs.collect())?;
        self.rerouted = false;
        Ok(())
    }

    fn parts(&mut self) -> Parts<'_> {
        Parts { netlink: &mut self.netlink, programs: &mut self.programs, tables: &mut self.tables }
    }

    fn inner_mtu(&mut self) -> Result<Mtu, Error> {
        let outer = vtep::underlay(&mut self.netlink, self.setup.underlay)?.mtu;
        tunnel::inside(self.narrowed(outer), self.setup.underlay)
    }

    /// The VXLAN device's, the underlay's and the tunnels', as far as they are
    /// there.
    fn own_devices(&self) -> Vec<u32> {
        let both = self.tables.vtep().map(|it| [it.ifindex, it.underlay]).unwrap_or_default();
        both.into_iter().chain(self.tunnels.iter().flat_map(Tunnels::indices)).collect()
    }

    fn observe_vtep(&mut self) -> Result<Condition<()>, Error> {
        let Some(vxlan) = link::named(&mut self.netlink, vtep::DEVICE)? else {
            return Ok(Condition::Missing);
        };
        if let Some(fault) = vtep::fault(&vxlan, &self.setup) {
            return Ok(Condition::Broken(fault));
        }
        let underlay = match vtep::underlay(&mut self.netlink, self.setup.underlay) {
            Ok(underlay) => underlay,
            Err(error @ Error::NoUnderlay(_)) => return Ok(Condition::Broken(error.to_string())),
            Err(error) => return Err(error),
        };
        let room = headroom::find(&mut self.netlink)?;
        if room.is_none() || vxlan.bridge != room.map(|it| it.index) {
            return Ok(Condition::Broken("is not in the bridge for headroom".to_owned()));
        }
        let link = onlink::prefix(&mut self.netlink, &underlay, self.setup.underlay)?;
        let known = self.tables.vtep()?;
        let sealed = self.tables.is_sealing()?;
        if known != vtep::value(&vxlan, &underlay, link, &self.setup).sealing(sealed) {
            return Ok(Condition::Broken("is not the one in the map".to_owned()));
        }
        let Some(probe) = prober::device(&mut self.netlink)? else {
            return Ok(Condition::Broken("its device for probes is gone or down".to_owned()));
        };
        let holders = [Holder::Vtep, Holder::Underlay, Holder::Probe];
        for (holder, device) in holders.into_iter().zip([&vxlan, &underlay, &probe]) {
            if !self.programs.runs(holder, &device.name)? {
                let name = &device.name;
                return Ok(Condition::Broken(format!("the program on {name} does not run")));
            }
        }
        Ok(Condition::Whole(()))
    }

    fn ensure_vtep(&mut self) -> Result<(), Error> {
        let underlay = vtep::underlay(&mut self.netlink, self.setup.underlay)?;
        let vxlan = vtep::ensure(&mut self.netlink, &self.setup)?;
        self.programs.ensure(Holder::Vtep, &vxlan.name)?;
        let room = headroom::ensure(&mut self.netlink)?;
        let wish = Wish { up: true, bridge: Some(room.index), ..Wish::default() };
        link::set(&mut self.netlink, &vxlan, &wish)?;
        let link = onlink::prefix(&mut self.netlink, &underlay, self.setup.underlay)?;
        self.tables.set_vtep(vtep::value(&vxlan, &underlay, link, &self.setup))?;
        self.programs.ensure(Holder::Underlay, &underlay.name)?;
        let probe = prober::ensure_device(&mut self.netlink)?;
        self.programs.ensure(Holder::Probe, &probe.name)
    }
}
