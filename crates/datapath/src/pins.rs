//! The directory in a BPF file system that holds what outlives the agent.
//!
//! `DIR/layout-N/NAME` are the maps, whose keys and values are those of layout
//! N; `DIR/links/vtep`, `…/underlay`, `…/probe`, `…/tunnel-0`,
//! `…/tunnel-1` and `…/UUID` hold the programs
//! on their devices.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aya::maps::{Map, MapData, MapError};
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use uuid::Uuid;

use crate::error::Error;

/// Where the BPF file system is mounted by custom; mounted there if it is not.
const MOUNT: &str = "/sys/fs/bpf";

/// Number of the layout in `bpf/abi.h`.
pub(crate) const LAYOUT: u32 = 3;

/// The map `name` of a directory of pinned maps.
pub(crate) fn pinned_map(maps: &Path, name: &'static str) -> Result<Map, Error> {
    let map = MapData::from_pin(maps.join(name)).and_then(Map::from_map_data);
    map.map_err(|source| Error::Map { name, source })
}

/// The same, of its kind.
pub(crate) fn pinned<T>(maps: &Path, name: &'static str) -> Result<T, Error>
where
    T: TryFrom<Map, Error = MapError>,
{
    pinned_map(maps, name)?.try_into().map_err(|source| Error::Map { name, source })
}

/// What the directories of maps begin with; the layout's number follows.
const MAPS: &str = "layout-";

const VTEP: &str = "vtep";
const UNDERLAY: &str = "underlay";
const PROBE: &str = "probe";
const TUNNELS: [&str; 2] = ["tunnel-0", "tunnel-1"];

/// Whose program a link holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    Vtep,
    Underlay,
    Probe,
    /// One of the two.
    Tunnel(u8),
    Port(Uuid),
}

#[derive(Debug, Clone)]
pub(crate) struct Pins {
    dir: PathBuf,
    layout: u32,
}

impl Pins {
    pub(crate) fn open(dir: &Path, layout: u32) -> Result<Self, Error> {
        let it = Self { layout, ..Self::at(dir) };
        it.on_bpffs()?;
        for part in [it.maps(), it.links()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&part)
                .map_err(|error| it.failed(error))?;
        }
        Ok(it)
    }

    /// The directory as it is, nothing made in it.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), layout: LAYOUT }
    }

    pub(crate) fn maps(&self) -> PathBuf {
        self.dir.join(format!("{MAPS}{}", self.layout))
    }

    /// Maps of other layouts, that an earlier agent or a later one has left.
    pub(crate) fn other_maps(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(|error| self.failed(error))? {
            let path = entry.map_err(|error| self.failed(error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(MAPS) && path != self.maps() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// What no program uses any more.
    pub(crate) fn remove_maps(&self, maps: &Path) -> Result<(), Error> {
        match fs::remove_dir_all(maps) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(crate) fn link(&self, holder: Holder) -> PathBuf {
        match holder {
            Holder::Vtep => self.links().join(VTEP),
            Holder::Underlay => self.links().join(UNDERLAY),
            Holder::Probe => self.links().join(PROBE),
            Holder::Tunnel(slot) => self.links().join(TUNNELS[usize::from(slot % 2)]),
            Holder::Port(uuid) => self.links().join(uuid.to_string()),
        }
    }

    /// Every link there is, in order.
    pub(crate) fn holders(&self) -> Result<Vec<Holder>, Error> {
        let mut holders = Vec::new();
        for entry in fs::read_dir(self.links()).map_err(|error| self.failed(error))? {
            let name = entry.map_err(|error| self.failed(error))?.file_name();
            let name = name.to_string_lossy();
            match Uuid::try_parse(&name) {
                Ok(uuid) => holders.push(Holder::Port(uuid)),
                Err(_) if name == VTEP => holders.push(Holder::Vtep),
                Err(_) if name == UNDERLAY => holders.push(Holder::Underlay),
                Err(_) if name == PROBE => holders.push(Holder::Probe),
                Err(_) if name == TUNNELS[0] => holders.push(Holder::Tunnel(0)),
                Err(_) if name == TUNNELS[1] => holders.push(Holder::Tunnel(1)),
                Err(_) => {}
            }
        }
        holders.sort();
        Ok(holders)
    }

    fn links(&self) -> PathBuf {
        self.dir.join("links")
    }

    fn failed(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Error::NotAllowed(error);
        }
        Error::Pins(self.dir.clone(), error)
    }

    fn on_bpffs(&self) -> Result<(), Error> {
        if self.dir.starts_with(MOUNT) && !is_bpffs(Path::new(MOUNT)) {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("bpf"), MOUNT, Some("bpf"), flags, Some("mode=700"))
                .map_err(|error| self.failed(error.into()))?;
        }
        let there = self.dir.ancestors().find(|dir| dir.exists());
        if there.is_some_and(is_bpffs) { Ok(()) } else { Err(Error::NoBpffs(self.dir.clone())) }
    }
}

fn is_bpffs(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|fs| fs.filesystem_type() == BPF_FS_MAGIC)
}
