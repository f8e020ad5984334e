//! What can keep a host from carrying packets.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use aya::EbpfError;
use aya::maps::MapError;
use aya::pin::PinError;
use aya::programs::ProgramError;
use model::ids::Malformed;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this kernel lacks {0}")]
    Lacks(&'static str),
    #[error(
        "not allowed to use BPF and the network: run as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN"
    )]
    NotAllowed(#[source] io::Error),
    #[error("cannot use {} as a directory of BPF objects", .0.display())]
    Pins(PathBuf, #[source] io::Error),
    #[error("{} is not on a BPF file system (mount -t bpf bpf DIR)", .0.display())]
    NoBpffs(PathBuf),
    #[error("cannot load the BPF programs")]
    Load(#[source] EbpfError),
    #[error("cannot use the BPF program {name}")]
    Program { name: &'static str, source: ProgramError },
    #[error("cannot attach a BPF program to {device}")]
    Attach { device: String, source: ProgramError },
    #[error("cannot keep the program on {device}")]
    Pin { device: String, source: PinError },
    #[error("cannot use the BPF map {name}")]
    Map { name: &'static str, source: MapError },
    #[error("cannot use the entries of the BPF map {name}")]
    Entries { name: &'static str, source: io::Error },
    #[error("cannot {what}")]
    Netlink { what: String, source: io::Error },
    #[error("there is no network namespace {name}")]
    NoNetns { name: String, source: io::Error },
    #[error("cannot make or remove the network namespace {name}")]
    MakeNetns { name: String, source: io::Error },
    #[error("cannot enter the network namespace {name}")]
    Enter { name: String, source: io::Error },
    #[error("cannot use {} as a directory of keys", .dir.display())]
    Keys { dir: PathBuf, source: io::Error },
    #[error("cannot have {device} encrypt")]
    Tunnel { device: String, source: io::Error },
    #[error("there is no tunnel of generation {0}")]
    NoTunnel(u64),
    #[error("there is no device {0}")]
    NoDevice(String),
    #[error("the device {0} has that name, and it is not ours")]
    NotOurs(String),
    #[error("no device of this host has the underlay address {0}")]
    NoUnderlay(IpAddr),
    #[error("the underlay's MTU is too small")]
    UnderlayMtu(#[source] Malformed),
    #[error("that is the VNI of no network")]
    Vni(#[source] Malformed),
    #[error("the route to port {0} has no device")]
    NoPort(uuid::Uuid),
}
