//! The maps, in the model's terms.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuValues};
use model::ids::{Prefix, Vni, mapped, unmapped};
use model::spec::{RouteKey, Routes, Target};
use uuid::Uuid;

use crate::abi::{HostKey, PortValue, TargetValue, VNI_BITS, VtepValue, bits};
use crate::dhcp::Offers;
use crate::error::Error;
use crate::flows::{self, Flows};
use crate::pins::{pinned, pinned_map};
use crate::table::Table;
use crate::verdict::VERDICTS;

pub(crate) struct Tables {
    /// By ifindex of the device on the host.
    ports: HashMap<MapData, u32, PortValue>,
    /// Routes to single addresses: nearly all there are, and faster to find.
    hosts: Table<HostKey, TargetValue>,
    /// All other routes.
    prefixes: Table<Key<HostKey>, TargetValue>,
    vtep: Array<MapData, VtepValue>,
    /// By address: ifindex of the tunnel, 0 when it is gone.
    seals: HashMap<MapData, [u8; 16], u32>,
    counts: PerCpuArray<MapData, u64>,
    flows: Flows,
    /// What DHCP answers to ports, by ifindex as these.
    pub(crate) offers: Offers,
    /// Whose device is which, as last seen: `PORTS` the other way round.
    devices: BTreeSet<(Uuid, u32)>,
}

const PORTS: &str = "PORTS";
const HOSTS: &str = "HOSTS";
const PREFIXES: &str = "PREFIXES";
const VTEP: &str = "VTEP";
const SEALS: &str = "SEALS";
const COUNTS: &str = "COUNTS";

fn failed(name: &'static str) -> impl Fn(MapError) -> Error {
    move |source| Error::Map { name, source }
}

/// Gone already is gone.
pub(crate) fn removed(name: &'static str, result: Result<(), MapError>) -> Result<(), Error> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        result => result.map_err(failed(name)),
    }
}

impl Tables {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let flows = Flows::take(ebpf)?;
        let offers = Offers::take(ebpf)?;
        let mut map =
            |name| ebpf.take_map(name).ok_or(Error::Lacks("a map of the program that was built"));
        let mut it = Self {
            ports: map(PORTS)?.try_into().map_err(failed(PORTS))?,
            hosts: Table::of(HOSTS, map(HOSTS)?)?,
            prefixes: Table::of(PREFIXES, map(PREFIXES)?)?,
            vtep: map(VTEP)?.try_into().map_err(failed(VTEP))?,
            seals: map(SEALS)?.try_into().map_err(failed(SEALS))?,
            counts: map(COUNTS)?.try_into().map_err(failed(COUNTS))?,
            flows,
            offers,
            devices: BTreeSet::new(),
        };
        it.learn(&it.ports()?);
        Ok(it)
    }

    /// By which a program tells that it uses these maps.
    pub(crate) fn id(&self) -> Result<u32, Error> {
        self.hosts.id()
    }

    pub(crate) fn ports(&self) -> Result<BTreeMap<u32, PortValue>, Error> {
        self.ports.iter().collect::<Result<_, _>>().map_err(failed(PORTS))
    }

    pub(crate) fn set_port(&mut self, ifindex: u32, port: &PortValue) -> Result<(), Error> {
        self.ports.insert(ifindex, port, 0).map_err(failed(PORTS))?;
        self.devices.insert((port.uuid(), ifindex));
        Ok(())
    }

    /// Takes in what was read.
    pub(crate) fn learn(&mut self, ports: &BTreeMap<u32, PortValue>) {
        self.devices = ports.iter().map(|(ifindex, port)| (port.uuid(), *ifindex)).collect();
    }

    /// Where the port has an entry.
    pub(crate) fn devices_of(&self, port: Uuid) -> Vec<u32> {
        let all = self.devices.range((port, 0)..=(port, u32::MAX));
        all.map(|(_, ifindex)| *ifindex).collect()
    }

    pub(crate) fn remove_port(&mut self, port: Uuid, ifindex: u32) -> Result<(), Error> {
        removed(PORTS, self.ports.remove(&ifindex))?;
        self.offers.set(ifindex, None)?;
        self.devices.remove(&(port, ifindex));
        Ok(())
    }

    pub(crate) fn vtep(&self) -> Result<VtepValue, Error> {
        self.vtep.get(&0, 0).map_err(failed(VTEP))
    }

    /// Whether anything is sealed is told by what is, not by `vtep`.
    pub(crate) fn set_vtep(&mut self, vtep: VtepValue) -> Result<(), Error> {
        let sealed = self.is_sealing()?;
        self.vtep.set(0, vtep.sealing(sealed), 0).map_err(failed(VTEP))
    }

    pub(crate) fn is_sealing(&self) -> Result<bool, Error> {
        Ok(self.seals.keys().next().transpose().map_err(failed(SEALS))?.is_some())
    }

    /// Hosts that are sent to encrypted only, and the ifindex of the tunnel.
    pub(crate) fn seals(&self) -> Result<BTreeMap<IpAddr, u32>, Error> {
        let seals = self.seals.iter().map(|it| it.map(|(key, value)| (unmapped(key), value)));
        seals.collect::<Result<_, _>>().map_err(failed(SEALS))
    }

    pub(crate) fn seal(&mut self, vtep: IpAddr, ifindex: u32) -> Result<(), Error> {
        self.seals.insert(mapped(vtep), ifindex, 0).map_err(failed(SEALS))?;
        self.set_vtep(self.vtep()?)
    }

    pub(crate) fn unseal(&mut self, vtep: IpAddr) -> Result<(), Error> {
        removed(SEALS, self.seals.remove(&mapped(vtep)))?;
        self.set_vtep(self.vtep()?)
    }

    /// All routes; `port_at` says which port a device is. They share memory
    /// with `near` as far as they are those, which nearly all are.
    pub(crate) fn routes(
        &self,
        port_at: impl Fn(u32) -> Option<Uuid>,
        near: &Routes,
    ) -> Result<Routes, Error> {
        let mut all = Vec::with_capacity(near.len() + 64);
        self.each_route(&port_at, |key, target| all.push((key, target)))?;
        // To look each up in `near` takes five times as long: a hash has no order.
        all.sort_unstable_by_key(|(key, _)| *key);
        Ok(near_to(near, &all))
    }

    fn each_route(
        &self,
        port_at: &impl Fn(u32) -> Option<Uuid>,
        mut take: impl FnMut(RouteKey, Target),
    ) -> Result<(), Error> {
        self.hosts.each(|key, value| {
            if let Some((key, target)) = key.route(VNI_BITS + 128).zip(value.target(port_at)) {
                take(key, target);
            }
        })?;
        self.prefixes.each(|key, value| {
            let (length, key) = (key.prefix_len(), key.data());
            if let Some((key, target)) = key.route(length).zip(value.target(port_at)) {
                take(key, target);
            }
        })
    }

    pub(crate) fn set_route(
        &mut self,
        route: RouteKey,
        target: &Target,
        ifindex: u32,
    ) -> Result<(), Error> {
        let value = TargetValue::new(target, ifindex);
        match places(route) {
            Place::Host(key) => self.hosts.insert(&key, &value),
            Place::Prefix(key) => self.prefixes.insert(&key, &value),
        }
    }

    /// As [`Self::set_route`], of many.
    pub(crate) fn set_routes(
        &mut self,
        routes: impl Iterator<Item = (RouteKey, Target, u32)>,
    ) -> Result<(), Error> {
        let (mut hosts, mut prefixes) = (Vec::new(), Vec::new());
        for (route, target, ifindex) in routes {
            let value = TargetValue::new(&target, ifindex);
            match places(route) {
                Place::Host(key) => hosts.push((key, value)),
                Place::Prefix(key) => prefixes.push((key, value)),
            }
        }
        self.hosts.insert_all(&hosts)?;
        self.prefixes.insert_all(&prefixes)
    }

    pub(crate) fn remove_route(&mut self, route: RouteKey) -> Result<(), Error> {
        match places(route) {
            Place::Host(key) => self.hosts.remove(&key),
            Place::Prefix(key) => self.prefixes.remove(&key),
        }
    }

    /// Forgets the counters of pairs of networks that are not among `kept`.
    pub(crate) fn keep_flows(&mut self, kept: &BTreeSet<(Vni, Vni)>) -> Result<(), Error> {
        self.flows.keep(kept)
    }

    /// Packets by verdict since the maps were made.
    pub(crate) fn verdicts(&self) -> Result<BTreeMap<String, u64>, Error> {
        named(&self.counts)
    }
}

/// `all`, which are in order, by as few changes of `near` as there can be.
fn near_to(near: &Routes, all: &[(RouteKey, Target)]) -> Routes {
    let mut routes = near.clone();
    let mut there = all.iter().peekable();
    for (key, target) in near {
        while let Some((other, to)) = there.next_if(|(other, _)| other < key) {
            routes.insert(*other, *to);
        }
        match there.next_if(|(other, _)| other == key) {
            Some((_, to)) if to == target => {}
            Some((_, to)) => routes[key] = *to,
            None => {
                routes.remove(key);
            }
        }
    }
    routes.extend(there.copied());
    routes
}

/// The same, of the maps that are pinned in that directory.
pub(crate) fn pinned_verdicts(maps: &Path) -> Result<BTreeMap<String, u64>, Error> {
    named(&pinned_counts(maps)?)
}

/// How many routes there are in the maps that are pinned in that directory.
pub(crate) fn pinned_routes(maps: &Path) -> Result<usize, Error> {
    let mut count = 0;
    Table::<HostKey, TargetValue>::of(HOSTS, pinned_map(maps, HOSTS)?)?.each(|_, _| count += 1)?;
    let prefixes = Table::<Key<HostKey>, TargetValue>::of(PREFIXES, pinned_map(maps, PREFIXES)?)?;
    prefixes.each(|_, _| count += 1)?;
    Ok(count)
}

fn pinned_counts(maps: &Path) -> Result<PerCpuArray<MapData, u64>, Error> {
    pinned(maps, COUNTS)
}

/// The counters of maps that programs of an earlier agent use.
pub(crate) struct Old {
    counts: PerCpuArray<MapData, u64>,
    carried: Vec<Vec<u64>>,
    flows: Option<flows::Old>,
}

impl Old {
    pub(crate) fn open(maps: &Path) -> Result<Self, Error> {
        let flows = Flows::pinned(maps)?.map(flows::Old::of);
        Ok(Self { counts: pinned_counts(maps)?, carried: Vec::new(), flows })
    }

    /// Adds what was counted there and is not in `tables` yet. A verdict has
    /// the same number in every layout.
    pub(crate) fn carry(&mut self, tables: &mut Tables) -> Result<(), Error> {
        let both = self.counts.len().min(tables.counts.len());
        for index in 0..both {
            let old = self.counts.get(&index, 0).map_err(failed(COUNTS))?;
            let at = usize::try_from(index).unwrap_or(0);
            if self.carried.len() <= at {
                self.carried.push(vec![0; old.len()]);
            }
            let new = tables.counts.get(&index, 0).map_err(failed(COUNTS))?;
            let cpus = new.iter().zip(old.iter()).zip(&self.carried[at]);
            let sums: Vec<u64> = cpus.map(|((new, old), had)| new + old - had).collect();
            if sums != **new {
                let sums = PerCpuValues::try_from(sums);
                let sums = sums.map_err(|error| failed(COUNTS)(MapError::IoError(error)))?;
                tables.counts.set(index, sums, 0).map_err(failed(COUNTS))?;
            }
            self.carried[at] = old.to_vec();
        }
        self.flows.as_mut().map_or(Ok(()), |flows| flows.carry(&mut tables.flows))
    }
}

fn named(counts: &PerCpuArray<MapData, u64>) -> Result<BTreeMap<String, u64>, Error> {
    let mut named = BTreeMap::new();
    for (index, name) in (0_u32..).zip(VERDICTS) {
        let per_cpu = counts.get(&index, 0).map_err(failed(COUNTS))?;
        named.insert(name.to_owned(), per_cpu.iter().sum());
    }
    Ok(named)
}

enum Place {
    Host(HostKey),
    Prefix(Key<HostKey>),
}

fn places(RouteKey { vni, prefix }: RouteKey) -> Place {
    let key = HostKey::new(vni, Prefix::address(prefix));
    if prefix.is_host() {
        Place::Host(key)
    } else {
        Place::Prefix(Key::new(VNI_BITS + bits(prefix), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_is_there_however_near_it_was() {
        let vni = Vni::try_from(7).unwrap();
        let route = |n: u16, to: u8| {
            let [a, b] = n.to_be_bytes();
            let prefix = Prefix::host([10, 0, a, b].into());
            (RouteKey { vni, prefix }, Target::Remote { vtep: [192, 0, 2, to].into(), vni })
        };
        let near: Routes = (0..2000).map(|n| route(2 * n, 1)).collect();
        let all = |n: u16| match n % 200 {
            13 => Some(route(n, 1)),
            100 => None,
            150 => Some(route(n, 2)),
            even if even % 2 == 0 => Some(route(n, 1)),
            _ => None,
        };
        let there: Vec<_> = (0..4100).filter_map(all).collect();
        let read = near_to(&near, &there);
        assert!(read.iter().map(|(key, to)| (*key, *to)).eq(there.iter().copied()));
        assert_eq!(near_to(&read, &there), read);
        assert_eq!(near_to(&Routes::new(), &there), read);
        assert_eq!(near_to(&read, &[]), Routes::new());
        assert!(near_to(&read, &there).ptr_eq(&read), "the same is the same memory");
    }
}
