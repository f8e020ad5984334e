//! What ports are told, by ifindex of their device.

use std::path::Path;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use model::spec::Dhcp;

use crate::abi::Offer;
use crate::error::Error;
use crate::tables::removed;

const NAME: &str = "OFFERS";

fn failed(source: MapError) -> Error {
    Error::Map { name: NAME, source }
}

pub(crate) struct Offers {
    map: HashMap<MapData, u32, Offer>,
}

impl Offers {
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, Error> {
        let map = ebpf.take_map(NAME).ok_or(Error::Lacks("a map of the program that was built"))?;
        Ok(Self { map: map.try_into().map_err(failed)? })
    }

    /// Those in a directory of pinned maps.
    pub(crate) fn pinned(maps: &Path) -> Result<Self, Error> {
        Ok(Self { map: crate::pins::pinned(maps, NAME)? })
    }

    /// None for what we never write.
    pub(crate) fn get(&self, ifindex: u32) -> Result<Option<Dhcp>, Error> {
        match self.map.get(&ifindex, 0) {
            Ok(Offer { length, text }) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Ok(text.get(..length).and_then(|text| serde_json::from_slice(text).ok()))
            }
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn set(&mut self, ifindex: u32, offer: Option<&Dhcp>) -> Result<(), Error> {
        let Some(offer) = offer else { return removed(NAME, self.map.remove(&ifindex)) };
        let mut value = Offer { length: 0, text: [0; 4092] };
        let text = serde_json::to_vec(offer).map_err(|_| Error::Lacks("room for an offer"))?;
        let room = value.text.get_mut(..text.len()).ok_or(Error::Lacks("room for an offer"))?;
        room.copy_from_slice(&text);
        value.length = u32::try_from(text.len()).unwrap_or_default();
        self.map.insert(ifindex, value, 0).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_offer_there_may_be_has_room() {
        let (prefix, hop) = ("255.255.255.0/24".parse().unwrap(), [255, 255, 255, 255].into());
        let offer = Dhcp {
            dns: vec![[255, 255, 255, 255].into(); Dhcp::MOST_DNS],
            routes: vec![(prefix, hop); Dhcp::MOST_ROUTES],
            default_route: false,
            bootfile: Some("\"".repeat(255)),
        };
        assert!(serde_json::to_vec(&offer).unwrap().len() <= 4092);
    }
}
