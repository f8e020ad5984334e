//! The maps, in the model's terms.

use std::collections::BTreeMap;
use std::path::Path;

use aya::Ebpf;
use aya::maps::lpm_trie::Key;
use aya::maps::{Array, HashMap, LpmTrie, Map, MapData, MapError, PerCpuArray};
use model::ids::Prefix;
use model::spec::{RouteKey, Target};
use uuid::Uuid;

use crate::abi::{HostKey, PortValue, TargetValue, VNI_BITS, VtepValue, bits};
use crate::error::Error;
use crate::verdict::VERDICTS;

pub(crate) struct Tables {
    /// By ifindex of the device on the host.
    ports: HashMap<MapData, u32, PortValue>,
    /// Routes to single addresses: nearly all there are, and faster to find.
    hosts: HashMap<MapData, HostKey, TargetValue>,
    /// All other routes.
    prefixes: LpmTrie<MapData, HostKey, TargetValue>,
    vtep: Array<MapData, VtepValue>,
    counts: PerCpuArray<MapData, u64>,
}

const PORTS: &str = "PORTS";
const HOSTS: &str = "HOSTS";
const PREFIXES: &str = "PREFIXES";
const VTEP: &str = "VTEP";
const COUNTS: &str = "COUNTS";

fn failed(name: &'static str) -> impl Fn(MapError) -> Error {
    move |source| Error::Map { name, source }
}

/// Gone already is gone.
fn removed(name: &'static str, result: Result<(), MapError>) -> Result<(), Error> {
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
        let mut map =
            |name| ebpf.take_map(name).ok_or(Error::Lacks("a map of the program that was built"));
        Ok(Self {
            ports: map(PORTS)?.try_into().map_err(failed(PORTS))?,
            hosts: map(HOSTS)?.try_into().map_err(failed(HOSTS))?,
            prefixes: map(PREFIXES)?.try_into().map_err(failed(PREFIXES))?,
            vtep: map(VTEP)?.try_into().map_err(failed(VTEP))?,
            counts: map(COUNTS)?.try_into().map_err(failed(COUNTS))?,
        })
    }

    pub(crate) fn ports(&self) -> Result<BTreeMap<u32, PortValue>, Error> {
        self.ports.iter().collect::<Result<_, _>>().map_err(failed(PORTS))
    }

    pub(crate) fn set_port(&mut self, ifindex: u32, port: &PortValue) -> Result<(), Error> {
        self.ports.insert(ifindex, port, 0).map_err(failed(PORTS))
    }

    pub(crate) fn remove_port(&mut self, ifindex: u32) -> Result<(), Error> {
        removed(PORTS, self.ports.remove(&ifindex))
    }

    pub(crate) fn vtep(&self) -> Result<VtepValue, Error> {
        self.vtep.get(&0, 0).map_err(failed(VTEP))
    }

    pub(crate) fn set_vtep(&mut self, vtep: VtepValue) -> Result<(), Error> {
        self.vtep.set(0, vtep, 0).map_err(failed(VTEP))
    }

    /// All routes; `port_at` says which port a device is.
    pub(crate) fn routes(
        &self,
        port_at: impl Fn(u32) -> Option<Uuid>,
    ) -> Result<BTreeMap<RouteKey, Target>, Error> {
        let mut routes = BTreeMap::new();
        for entry in self.hosts.iter() {
            let (key, value) = entry.map_err(failed(HOSTS))?;
            let route = key.route(VNI_BITS + 128).zip(value.target(&port_at));
            routes.extend(route);
        }
        for entry in self.prefixes.iter() {
            let (key, value) = entry.map_err(failed(PREFIXES))?;
            let (length, key) = (key.prefix_len(), key.data());
            routes.extend(key.route(length).zip(value.target(&port_at)));
        }
        Ok(routes)
    }

    pub(crate) fn set_route(
        &mut self,
        route: RouteKey,
        target: &Target,
        ifindex: u32,
    ) -> Result<(), Error> {
        let value = TargetValue::new(target, ifindex);
        match places(route) {
            Place::Host(key) => self.hosts.insert(key, value, 0).map_err(failed(HOSTS)),
            Place::Prefix(key) => self.prefixes.insert(&key, value, 0).map_err(failed(PREFIXES)),
        }
    }

    pub(crate) fn remove_route(&mut self, route: RouteKey) -> Result<(), Error> {
        match places(route) {
            Place::Host(key) => removed(HOSTS, self.hosts.remove(&key)),
            Place::Prefix(key) => removed(PREFIXES, self.prefixes.remove(&key)),
        }
    }

    /// Packets by verdict since the maps were made.
    pub(crate) fn verdicts(&self) -> Result<BTreeMap<String, u64>, Error> {
        named(&self.counts)
    }
}

/// The same, of the maps that are pinned in that directory.
pub(crate) fn pinned_verdicts(maps: &Path) -> Result<BTreeMap<String, u64>, Error> {
    let counts = MapData::from_pin(maps.join(COUNTS)).and_then(Map::from_map_data);
    let counts = counts.and_then(PerCpuArray::try_from).map_err(failed(COUNTS))?;
    named(&counts)
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
