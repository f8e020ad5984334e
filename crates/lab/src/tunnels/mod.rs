//! Tunnels of other projects that carry packets in a process on each host, as Debian has them: run, never copied.
//!
//! Two hosts forward between their guest's subnet and the tunnel, as plain routing does with the underlay. Ciphers,
//! threads and queues are what the packages come with; the processes are pinned to the core of the measure, so that
//! all that a packet costs is spent there (see `cpu.rs`).

mod nebula;
mod sealed;
mod tinc;
mod wireguard;

use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::cpu::last_core;
use crate::eventually::eventually;
use crate::netns::Netns;
use crate::paths::{Path, UNDERLAY, forwarding};
use crate::process::Process;
use crate::site::{Folder, Medium};
use crate::snmp::counter;

/// Until a tunnel carries packets; tinc sends them over TCP for some seconds first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds that a program may take that makes keys.
const KEY_SECONDS: &str = "60";

pub use sealed::{SEALED, sealed};

/// Both ends of one.
#[derive(Debug)]
pub enum Tunnel {
    /// Of others: they end when it is dropped, and their keys after them.
    Foreign(Vec<Process>, Folder),
    /// What Kannas has started to encrypt.
    Ours(Vec<u32>),
}

impl Tunnel {
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self {
            Self::Foreign(daemons, _) => daemons.iter().map(Process::pid).collect(),
            Self::Ours(pids) => pids.clone(),
        }
    }

    /// True of one that the bench can do without.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(..))
    }
}

/// A project's tunnel.
struct Kind {
    name: &'static str,
    /// Programs, each with the Debian package that has it.
    needs: &'static [(&'static str, &'static str)],
    /// Bytes of the largest packet that it carries in one over an underlay of 1500: its own default.
    mtu: u32,
    start: fn(&Ground) -> Result<Vec<Started>>,
}

/// One end: its process, and the device that it has made.
struct Started {
    daemon: Process,
    device: String,
}

/// What a tunnel is made on.
struct Ground {
    hosts: Vec<Arc<Netns>>,
    folder: PathBuf,
}

const KINDS: [&Kind; 3] = [&nebula::KIND, &tinc::KIND, &wireguard::KIND];

/// A path through each of them, once it carries packets over UDP. What is not installed or does not come up is left
/// out, and `out` says so.
///
/// # Errors
/// `out` cannot be written.
pub fn all(prefix: &str, out: &mut impl Write) -> Result<Vec<Path>> {
    let mut paths = Vec::new();
    for kind in KINDS {
        if let Some((program, package)) = kind.needs.iter().find(|(program, _)| !is_there(program))
        {
            writeln!(
                out,
                "{}: left out, as there is no {program}; .ci/deps bench installs it (Debian: {package})",
                kind.name
            )?;
            continue;
        }
        match path(kind, prefix) {
            Ok(path) => paths.push(path),
            Err(error) => writeln!(out, "{}: left out: {error:#}", kind.name)?,
        }
    }
    Ok(paths)
}

fn path(kind: &Kind, prefix: &str) -> Result<Path> {
    let word = kind.name.split(' ').next().unwrap_or(kind.name);
    let mut path = forwarding(kind.name, &format!("{prefix}{word}-"))?;
    let folder = Folder::new(&format!("{prefix}{word}"), Medium::Memory)?;
    let ground = Ground { hosts: path.between.clone(), folder: folder.path().to_owned() };
    let mut daemons = Vec::new();
    for (here, started) in (kind.start)(&ground)?.into_iter().enumerate() {
        let Started { daemon, device } = started;
        daemons.push(daemon);
        let host = &ground.hosts[here];
        host.ip(&format!("link set {device} mtu {} up", kind.mtu))?;
        host.ip(&format!("route replace 10.0.{}.0/24 dev {device}", 1 - here))?;
    }
    for end in [&path.client, &path.server] {
        end.netns.ip(&format!("link set eth0 mtu {}", kind.mtu))?;
    }
    let logs = || daemons.iter().map(Process::log_tail).collect::<Vec<_>>().join("\n--\n");
    eventually(PATIENCE, "packets cross in UDP", || crosses(&path).ok().filter(|over| *over))
        .with_context(logs)?;
    path.tunnel = Some(Arc::new(Tunnel::Foreign(daemons, folder)));
    Ok(path)
}

/// True when large datagrams arrive, and each comes to the far host in a datagram.
fn crosses(path: &Path) -> Result<bool> {
    const COUNT: u64 = 20;
    let [client, server] = [&path.client, &path.server];
    let open = |end: &crate::Endpoint| -> Result<UdpSocket> {
        let socket = end.netns.run(|| UdpSocket::bind((end.address, 0)))??;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        Ok(socket)
    };
    let (sender, receiver) = (open(client)?, open(server)?);
    let to = receiver.local_addr()?;
    let host = path.between.last().context("no host")?;
    let before = counter(host, "Udp", "InDatagrams")?;
    for _ in 0..COUNT {
        sender.send_to(&[0; 1000], to)?;
        receiver.recv(&mut [0; 1000])?;
    }
    Ok(counter(host, "Udp", "InDatagrams")? >= before + COUNT)
}

impl Ground {
    /// Starts one end's process, on the core that paths are measured on.
    fn start(&self, name: &str, here: usize, program: &str, args: &[&str]) -> Result<Process> {
        let core = last_core()?.to_string();
        // It becomes the program: the same process.
        let mut command = self.hosts[here].command("taskset");
        command.args(["-c", &core, program]).args(args);
        Process::start(name, command, &self.folder.join(format!("{here}.log")))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// Waits until the process has made its device.
    fn has_device(&self, here: usize, device: &str, daemon: &mut Process) -> Result<()> {
        let host = &self.hosts[here];
        let made = || {
            let there = host.ip(&format!("link show dev {device}")).is_ok();
            (there || !daemon.alive()).then_some(there)
        };
        let there = eventually(PATIENCE, &format!("{device} is there"), made)?;
        ensure!(there, "it has ended: {}", daemon.log_tail());
        Ok(())
    }
}

/// What a program prints that ends by itself.
fn run(program: &str, args: &[&str], folder: &FilePath) -> Result<String> {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", KEY_SECONDS, program]).args(args).current_dir(folder);
    let done = command.stdin(std::process::Stdio::null()).output().context("timeout")?;
    if !done.status.success() {
        bail!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

/// The underlay's address of the other end.
fn other(here: usize) -> std::net::Ipv4Addr {
    UNDERLAY[1 - here]
}
