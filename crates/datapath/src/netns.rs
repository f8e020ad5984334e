//! Work in the network namespace of a workload.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use model::ids::NetnsName;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use crate::effort;
use crate::error::Error;
use crate::link::{self, Wish};
use crate::netlink::Netlink;

/// Where iproute2 keeps named namespaces (ip-netns(8)).
const FOLDER: &str = "/run/netns";

/// What the names of namespaces that we make and remove begin with: the mark.
/// All others are somebody else's.
const OURS: &str = "kannas-";

pub(crate) struct Netns {
    name: String,
    file: File,
}

fn path_of(name: &NetnsName) -> PathBuf {
    Path::new(FOLDER).join(name.as_str())
}

pub(crate) fn is_ours(name: &NetnsName) -> bool {
    name.as_str().starts_with(OURS)
}

/// Makes the namespace if it is one of ours and not there.
pub(crate) fn ensure(name: &NetnsName) -> Result<(), Error> {
    let path = path_of(name);
    if !is_ours(name) || File::open(&path).is_ok_and(|file| is_nsfs(&file)) {
        return Ok(());
    }
    make(&path).map_err(|source| Error::MakeNetns { name: name.to_string(), source })?;
    Netns::open(name)?.run(|netlink| {
        let lo = link::named(netlink, "lo")?.ok_or_else(|| Error::NoDevice("lo".to_owned()))?;
        link::set(netlink, &lo, &Wish { up: true, ..Wish::default() })
    })
}

/// Removes a namespace of ours; it lives on while a process is in it.
pub(crate) fn remove(name: &NetnsName) -> Result<(), Error> {
    if !is_ours(name) {
        return Ok(());
    }
    let path = path_of(name);
    // One that is not mounted is a file that was left half way.
    let _ = umount2(&path, MntFlags::MNT_DETACH);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::MakeNetns { name: name.to_string(), source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// As `ip netns add` does: a new namespace, mounted over a file.
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(FOLDER)?;
    OpenOptions::new().create(true).append(true).open(path)?;
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let here = Path::new("/proc/thread-self/ns/net");
            mount(Some(here), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        });
        match made.join() {
            Ok(result) => result.map_err(io::Error::from),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A file that nothing is mounted over is no namespace (ip-netns(8) makes the
/// file first).
fn is_nsfs(file: &File) -> bool {
    fstatfs(file).is_ok_and(|fs| fs.filesystem_type() == NSFS_MAGIC)
}

impl Netns {
    pub(crate) fn open(name: &NetnsName) -> Result<Self, Error> {
        let path = path_of(name);
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
        let measured = || (inside(), effort::own());
        std::thread::scope(|scope| match scope.spawn(measured).join() {
            Ok((result, cost)) => {
                effort::add(cost);
                result
            }
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}
