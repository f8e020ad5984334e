//! The kernel of one host: BPF programs, their maps, and the devices they hang on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use model::plan::Step;
use model::spec::HostState;

/// What a host's datapath needs to know of its host.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Address of this host that VXLAN packets leave from and come to.
    pub underlay: IpAddr,
    /// UDP port of VXLAN, the same on every host (4789: RFC 7348 §5).
    pub vxlan_port: u16,
    /// Directory in a BPF file system that is ours alone.
    pub pin_dir: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not built yet")]
    Unfinished,
}

/// One network namespace's datapath. Dropping it leaves everything in place.
pub struct Host {}

impl Host {
    pub fn open(_setup: &Setup) -> Result<Self, Error> {
        Err(Error::Unfinished)
    }

    pub fn observe(&mut self) -> Result<HostState, Error> {
        Err(Error::Unfinished)
    }

    pub fn apply(&mut self, _step: &Step) -> Result<(), Error> {
        Err(Error::Unfinished)
    }

    pub fn verdicts(&mut self) -> Result<BTreeMap<String, u64>, Error> {
        Err(Error::Unfinished)
    }
}
