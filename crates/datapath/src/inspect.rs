//! What there is of one port and of the routes between two addresses, for
//! somebody who is not the agent: read, and nothing made or changed.

use std::net::IpAddr;
use std::path::Path;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData, MapError};
use model::explain::{Look, Protocol, Service};
use model::ids::{DeviceName, NetnsName, Vni, mapped};
use model::spec::{Attachment, Target};

use crate::abi::{HostKey, PortValue, TargetValue, VNI_BITS, VtepValue};
use crate::error::Error;
use crate::netlink::Netlink;
use crate::netns::Netns;
use crate::pair::{self, Pair};
use crate::pins::{Holder, Pins, pinned};
use crate::{inet, link, maps_in_use, sys};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What is wrong, to go on after "on host X".
    pub fault: Option<String>,
    /// Where packets to the remote address, and to the local one, are sent.
    pub away: Option<Target>,
    pub home: Option<Target>,
    /// Of the port, in bytes.
    pub mtu: Option<u32>,
    /// Whether the workload listens; None: it is not in a namespace of ours.
    pub listens: Option<bool>,
}

/// Looks at what `look` names, in the network namespace of the thread.
///
/// # Errors
/// The maps or devices cannot be read.
pub fn inspect(pin_dir: &Path, look: &Look) -> Result<Inspection, Error> {
    let mut eye = Eye::open(pin_dir)?;
    let port = eye.port(look)?;
    let fault = match eye.host_fault()? {
        None => eye.port_fault(look, port.as_ref())?,
        fault => fault,
    };
    let (away, home) = (eye.route(look.vni, look.remote)?, eye.route(look.vni, look.local)?);
    let fault = match fault {
        None => eye.tunnel_fault(away)?,
        fault => fault,
    };
    let listens = match (&port, look.service) {
        (Some((index, _)), Some(service)) => eye.listens(*index, service)?,
        _ => None,
    };
    Ok(Inspection { fault, away, home, mtu: port.map(|(_, it)| it.mtu), listens })
}

struct Eye {
    seals: HashMap<MapData, [u8; 16], u32>,
    ports: HashMap<MapData, u32, PortValue>,
    hosts: HashMap<MapData, HostKey, TargetValue>,
    prefixes: LpmTrie<MapData, HostKey, TargetValue>,
    vtep: Array<MapData, VtepValue>,
    pins: Pins,
    netlink: Netlink,
}

impl Eye {
    fn open(pin_dir: &Path) -> Result<Self, Error> {
        let maps = maps_in_use(pin_dir)?;
        let what = || "open a netlink socket".to_owned();
        let netlink = Netlink::open().map_err(|source| Error::Netlink { what: what(), source })?;
        Ok(Self {
            ports: pinned(&maps, "PORTS")?,
            hosts: pinned(&maps, "HOSTS")?,
            prefixes: pinned(&maps, "PREFIXES")?,
            vtep: pinned(&maps, "VTEP")?,
            seals: pinned(&maps, "SEALS")?,
            pins: Pins::at(pin_dir),
            netlink,
        })
    }

    /// The port and its device.
    fn port(&self, look: &Look) -> Result<Option<(u32, PortValue)>, Error> {
        let failed = |source| Error::Map { name: "PORTS", source };
        for entry in self.ports.iter() {
            let (index, port) = entry.map_err(failed)?;
            if port.uuid() == look.port {
                return Ok(Some((index, port)));
            }
        }
        Ok(None)
    }

    fn route(&self, vni: Vni, to: IpAddr) -> Result<Option<Target>, Error> {
        let key = HostKey::new(vni, to);
        let found = match there("HOSTS", self.hosts.get(&key, 0))? {
            Some(target) => Some(target),
            None => there("PREFIXES", self.prefixes.get(&Key::new(VNI_BITS + 128, key), 0))?,
        };
        let port_at = |index| self.ports.get(&index, 0).ok().map(|port| port.uuid());
        Ok(found.and_then(|target| target.target(port_at)))
    }

    fn host_fault(&mut self) -> Result<Option<String>, Error> {
        let vtep = self.vtep.get(&0, 0).map_err(|source| Error::Map { name: "VTEP", source })?;
        for (what, index, holder) in [
            ("the VXLAN device", vtep.ifindex, Holder::Vtep),
            ("the underlay's device", vtep.underlay, Holder::Underlay),
        ] {
            if let Some(fault) = self.device_fault(what, index, holder)? {
                return Ok(Some(fault));
            }
        }
        // Others go on sending there for as long as they remember its MAC.
        let address = vtep.address();
        let has = inet::addresses(&mut self.netlink)?.iter().any(|(_, it, _)| *it == address);
        Ok((!has).then(|| format!("no device has the underlay address {address}")))
    }

    /// Of the tunnel to the host that packets go to, where they are encrypted.
    fn tunnel_fault(&mut self, away: Option<Target>) -> Result<Option<String>, Error> {
        let Some(Target::Remote { vtep, .. }) = away else { return Ok(None) };
        let Some(index) = there("SEALS", self.seals.get(&mapped(vtep), 0))? else {
            return Ok(None);
        };
        let device = link::with_index(&mut self.netlink, index)?;
        let works = device.is_some_and(|it| index != 0 && it.up);
        Ok((!works).then(|| format!("the tunnel that encrypts what is for {vtep} is gone")))
    }

    fn port_fault(
        &mut self,
        look: &Look,
        port: Option<&(u32, PortValue)>,
    ) -> Result<Option<String>, Error> {
        let Some((index, entry)) = port else {
            return Ok(Some(format!("there is no port {}", look.port)));
        };
        let what = format!("the device of port {}", look.port);
        let fault = self.device_fault(&what, *index, Holder::Port(look.port))?;
        Ok(match fault {
            None => self.workload_fault(look, *index, entry)?,
            fault => fault,
        })
    }

    /// What keeps the workload from sending as the port, where its end is ours.
    fn workload_fault(
        &mut self,
        look: &Look,
        index: u32,
        entry: &PortValue,
    ) -> Result<Option<String>, Error> {
        let Some((netns, device)) = self.place(index)? else { return Ok(None) };
        let pair = Pair { uuid: look.port, netns: &netns, device: &device };
        let Some(inside) = pair.inside(index)? else {
            return Ok(Some(format!("the workload's end of port {} is gone", look.port)));
        };
        let end = format!("{device} of the workload in {netns}");
        if !inside.link.up {
            return Ok(Some(format!("{end} is down")));
        }
        if inside.link.mac != entry.mac {
            return Ok(Some(format!(
                "{end} has another MAC than port {}: what it sends is dropped (spoofed-mac)",
                look.port
            )));
        }
        let own = entry.inets().into_iter().flatten().any(|it| it.address == look.local);
        let has = inside.addresses.iter().any(|(it, _)| *it == look.local);
        Ok((own && !has).then(|| format!("{end} has not the address {}", look.local)))
    }

    fn device_fault(
        &mut self,
        what: &str,
        index: u32,
        holder: Holder,
    ) -> Result<Option<String>, Error> {
        let Some(device) = link::with_index(&mut self.netlink, index)? else {
            return Ok(Some(format!("{what} is gone")));
        };
        if !device.up {
            return Ok(Some(format!("{what}, {}, is down", device.name)));
        }
        let runs = sys::tcx_link(&self.pins.link(holder)).is_ok_and(|(on, _)| on == index);
        Ok((!runs).then(|| format!("no program of ours runs on {what}, {}", device.name)))
    }

    /// The workload's namespace and device, if we made them.
    fn place(&mut self, index: u32) -> Result<Option<(NetnsName, DeviceName)>, Error> {
        let device = link::with_index(&mut self.netlink, index)?;
        Ok(match device.and_then(|it| pair::parse_alias(&it.alias)) {
            Some((_, Attachment::Netns { netns, device })) => Some((netns, device)),
            Some((_, Attachment::Device { .. })) | None => None,
        })
    }

    fn listens(&mut self, index: u32, service: Service) -> Result<Option<bool>, Error> {
        let Some((netns, _)) = self.place(index)? else { return Ok(None) };
        let files = match service.protocol {
            Protocol::Tcp => ["tcp", "tcp6"],
            Protocol::Udp => ["udp", "udp6"],
        };
        Netns::open(&netns)?.run(|_| {
            let read = |file| std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
            // A kernel without IPv6 has no such file.
            let sockets = files.map(|file| read(file).unwrap_or_default());
            Ok(Some(sockets.iter().any(|text| listens_in(text, service))))
        })
    }
}

fn there<T>(name: &'static str, found: Result<T, MapError>) -> Result<Option<T>, Error> {
    match found {
        Ok(it) => Ok(Some(it)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(source) => Err(Error::Map { name, source }),
    }
}

/// In proc(5) net/tcp and its kin: the second column is the local address and
/// port, the fourth the state, 0A of who listens.
fn listens_in(text: &str, service: Service) -> bool {
    text.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let port =
            columns.next().and_then(|it| u16::from_str_radix(it.rsplit_once(':')?.1, 16).ok());
        let state = columns.nth(1);
        let waits = service.protocol == Protocol::Udp || state == Some("0A");
        port == Some(service.port) && waits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_told_from_who_is_connected() {
        let text = "  sl  local_address rem_address   st tx_queue\n   \
                    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000\n   \
                    1: 0100007F:1F91 0200007F:1F90 01 00000000:00000000 00:00000000\n";
        let tcp = |port| listens_in(text, Service { protocol: Protocol::Tcp, port });
        assert!(tcp(8080) && !tcp(8081) && !tcp(8082));
        assert!(listens_in(text, Service { protocol: Protocol::Udp, port: 8081 }));
    }
}
