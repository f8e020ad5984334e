//! Work in the network namespace of a workload.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use model::ids::NetnsName;
use nix::sched::{CloneFlags, setns};

use crate::error::Error;
use crate::netlink::Netlink;

/// Where iproute2 keeps named namespaces (ip-netns(8)).
const FOLDER: &str = "/run/netns";

pub(crate) struct Netns {
    name: String,
    file: File,
}

impl Netns {
    pub(crate) fn open(name: &NetnsName) -> Result<Self, Error> {
        let path = Path::new(FOLDER).join(name.as_str());
        let name = name.to_string();
        match File::open(path) {
            Ok(file) => Ok(Self { name, file }),
            Err(source) => Err(Error::NoNetns { name, source }),
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// On a thread of its own that ends with the work: setns(2) moves one
    /// thread, and nothing else may find itself in there.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce(&mut Netlink) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        let failed = |source| Error::Enter { name: self.name.clone(), source };
        let inside = || {
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|e| failed(e.into()))?;
            work(&mut Netlink::open().map_err(failed)?)
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
