//! The counters of pairs of networks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use aya::Ebpf;
use aya::maps::{MapData, MapError, PerCpuHashMap, PerCpuValues};
use model::flow::{Flow, Traffic};
use model::ids::Vni;

use crate::abi::{FlowKey, TrafficValue};
use crate::error::Error;
use crate::verdict::VERDICTS;

const NAME: &str = "FLOWS";

fn failed(source: MapError) -> Error {
    Error::Map { name: NAME, source }
}

pub(crate) struct Flows {
    map: PerCpuHashMap<MapData, FlowKey, TrafficValue>,
}

impl Flows {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let map = ebpf.take_map(NAME).ok_or(Error::Lacks("a map of the program that was built"))?;
        Ok(Self { map: map.try_into().map_err(failed)? })
    }

    /// Those in a directory of pinned maps; None when that has none.
    pub(crate) fn pinned(maps: &Path) -> Result<Option<Self>, Error> {
        if !maps.join(NAME).exists() {
            return Ok(None);
        }
        Ok(Some(Self { map: crate::pins::pinned(maps, NAME)? }))
    }

    fn keys(&self) -> Result<Vec<FlowKey>, Error> {
        self.map.keys().collect::<Result<_, _>>().map_err(failed)
    }

    /// By processor; None when it is gone.
    fn counted(&self, key: &FlowKey) -> Result<Option<Vec<TrafficValue>>, Error> {
        match self.map.get(key, 0) {
            Ok(values) => Ok(Some(values.to_vec())),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn read(&self) -> Result<BTreeMap<Flow, Traffic>, Error> {
        let mut read = BTreeMap::new();
        for key in self.keys()? {
            let Some((flow, values)) = key.flow().zip(self.counted(&key)?) else { continue };
            let sum = values.iter().fold(Traffic::default(), |mut sum, value| {
                sum.add(Traffic { packets: value.packets, bytes: value.bytes });
                sum
            });
            read.insert(flow, sum);
        }
        Ok(read)
    }

    /// Forgets the pairs of networks that are not among `kept`.
    pub(crate) fn keep(&mut self, kept: &BTreeSet<(Vni, Vni)>) -> Result<(), Error> {
        let alone: BTreeSet<Vni> = kept.iter().map(|(from, _)| *from).collect();
        for key in self.keys()? {
            let here = match (Vni::try_from(key.from), Vni::try_from(key.to)) {
                (Ok(from), Ok(to)) => kept.contains(&(from, to)) || kept.contains(&(to, from)),
                (Ok(one), Err(_)) | (Err(_), Ok(one)) => alone.contains(&one),
                (Err(_), Err(_)) => false,
            };
            if !here {
                match self.map.remove(&key) {
                    Ok(()) | Err(MapError::KeyNotFound) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(())
    }
}

/// The counters of an earlier agent's maps, and how much of them ours hold.
pub(crate) struct Old {
    flows: Flows,
    carried: BTreeMap<FlowKey, Vec<TrafficValue>>,
}

impl Old {
    pub(crate) fn of(flows: Flows) -> Self {
        Self { flows, carried: BTreeMap::new() }
    }

    /// Adds what was counted there and is not in `to` yet.
    pub(crate) fn carry(&mut self, to: &mut Flows) -> Result<(), Error> {
        for key in self.flows.keys()? {
            let Some(old) = self.flows.counted(&key)? else { continue };
            let none = || vec![TrafficValue::default(); old.len()];
            let new = to.counted(&key)?.unwrap_or_else(none);
            let had = self.carried.get(&key).cloned().unwrap_or_else(none);
            let sums = new.iter().zip(&old).zip(&had).map(|((new, old), had)| TrafficValue {
                packets: new.packets + old.packets - had.packets,
                bytes: new.bytes + old.bytes - had.bytes,
            });
            let sums = PerCpuValues::try_from(sums.collect::<Vec<_>>());
            let sums = sums.map_err(|error| failed(MapError::IoError(error)))?;
            to.map.insert(key, sums, 0).map_err(failed)?;
            self.carried.insert(key, old);
        }
        Ok(())
    }
}

impl FlowKey {
    /// None for what our program never writes.
    fn flow(self) -> Option<Flow> {
        let verdict = VERDICTS.get(usize::try_from(self.verdict).ok()?)?;
        let vni = |n| Vni::try_from(n).ok();
        Some(Flow { from: vni(self.from), to: vni(self.to), verdict: (*verdict).to_owned() })
    }
}
