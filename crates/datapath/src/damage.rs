//! What a foreign hand may do to a host's maps, for tests of whether that is
//! noticed. Nothing is loaded, made or replaced.

use std::net::IpAddr;
use std::path::Path;

use aya::maps::{HashMap, MapData};
use model::ids::{Malformed, Vni, mapped};
use model::spec::Target;

use crate::Error;
use crate::abi::{HostKey, TargetValue};
use crate::pins::{Pins, pinned};

const HOSTS: &str = "HOSTS";
const SEALS: &str = "SEALS";

fn hosts(pin_dir: &Path) -> Result<HashMap<MapData, HostKey, TargetValue>, Error> {
    pinned(&Pins::at(pin_dir).maps(), HOSTS)
}

fn key_of(vni: u32, address: IpAddr) -> Result<HostKey, Malformed> {
    Ok(HostKey::new(Vni::try_from(vni)?, address))
}

/// Takes the entry of one address, in the table of network `vni`, away from the
/// host with this pin directory.
///
/// # Errors
/// There is none; there are no maps.
pub fn remove_address(pin_dir: &Path, vni: u32, address: IpAddr) -> Result<(), Error> {
    let failed = |source| Error::Map { name: HOSTS, source };
    let key = key_of(vni, address).map_err(Error::Vni)?;
    hosts(pin_dir)?.remove(&key).map_err(failed)
}

/// Has the host with this pin directory send to `vtep` in the clear.
///
/// # Errors
/// It does so already; there are no maps.
pub fn unseal(pin_dir: &Path, vtep: IpAddr) -> Result<(), Error> {
    let failed = |source| Error::Map { name: SEALS, source };
    let mut seals: HashMap<MapData, [u8; 16], u32> = pinned(&Pins::at(pin_dir).maps(), SEALS)?;
    seals.remove(&mapped(vtep)).map_err(failed)
}

/// Sends what is for that address to network `to` at another host.
///
/// # Errors
/// There are no maps.
pub fn set_address(
    pin_dir: &Path,
    (vni, address): (u32, IpAddr),
    (to, vtep): (u32, IpAddr),
) -> Result<(), Error> {
    let failed = |source| Error::Map { name: HOSTS, source };
    let key = key_of(vni, address).map_err(Error::Vni)?;
    let vni = Vni::try_from(to).map_err(Error::Vni)?;
    let target = TargetValue::new(&Target::Remote { vtep, vni }, 0);
    hosts(pin_dir)?.insert(key, target, 0).map_err(failed)
}
