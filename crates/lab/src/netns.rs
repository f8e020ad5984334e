//! A network namespace that stands for a host or a machine behind it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};

/// Where iproute2 keeps named namespaces; ip-netns(8).
const FOLDER: &str = "/run/netns";

/// Seconds that one call of iproute2 may take. On a machine that is very busy the kernel's lock on network devices has
/// been seen to be held for 22 s.
const IP_SECONDS: &str = "60";

/// `<family>-<pid>-`: what the names of this process's namespaces begin with.
#[must_use]
pub fn prefix(family: &str) -> String {
    format!("{family}-{}-", std::process::id())
}

/// A named network namespace, deleted on drop.
///
/// The kernel keeps the namespace itself alive for as long as a process or a socket is in it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    handle: OwnedFd,
}

impl Netns {
    /// Makes the namespace as `ip netns add` does, and takes `lo` up in it.
    ///
    /// # Errors
    /// Not root; the name is in use; iproute2 is missing.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        checked("ip", ip_command().args(["netns", "add", &name]))?;
        let path = Path::new(FOLDER).join(&name);
        let opened = File::open(&path).with_context(|| format!("open {}", path.display()));
        let handle = match opened {
            Ok(file) => OwnedFd::from(file),
            Err(error) => {
                delete(&name)?;
                return Err(error);
            }
        };
        let netns = Self { name, handle };
        netns.ip("link set lo up")?;
        Ok(netns)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread of its own that has entered this namespace, and waits for it.
    ///
    /// What it opens stays in this namespace wherever it is used later. A panic of `work` goes on here.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        run_in(&self.handle, work).with_context(|| format!("enter namespace {}", self.name))
    }

    /// A command that will run in this namespace. Only the network differs: mounts stay as they are.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        match self.handle.try_clone() {
            Ok(handle) => enter_before_exec(&mut command, move || {
                setns(&handle, CloneFlags::CLONE_NEWNET).map_err(Into::into)
            }),
            // There is no Result to say it in: the spawn will.
            Err(error) => {
                let code = error.raw_os_error().unwrap_or(nix::libc::EMFILE);
                enter_before_exec(&mut command, move || Err(io::Error::from_raw_os_error(code)));
            }
        }
        command
    }

    /// Runs `ip <line>` here, the line split at white space; gives what it printed.
    ///
    /// # Errors
    /// iproute2 refused or took over a minute; the error is a transcript of the call.
    pub fn ip(&self, line: &str) -> Result<String> {
        self.bounded("ip", line)
    }

    /// Runs `bridge <line>` here; as [`Netns::ip`].
    ///
    /// # Errors
    /// As [`Netns::ip`].
    pub fn bridge(&self, line: &str) -> Result<String> {
        self.bounded("bridge", line)
    }

    /// Sets a kernel parameter of this namespace: `sysctl("net/ipv4/ip_forward", "1")`.
    ///
    /// # Errors
    /// There is no such parameter, or it does not take the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.run(|| std::fs::write(Path::new("/proc/sys").join(key), value))?
            .with_context(|| format!("[{}] sysctl {key} = {value}", self.name))
    }

    /// Another handle, for who must enter the namespace without borrowing it.
    pub(crate) fn handle(&self) -> Result<OwnedFd> {
        self.handle.try_clone().with_context(|| format!("handle of namespace {}", self.name))
    }

    fn bounded(&self, program: &str, line: &str) -> Result<String> {
        let mut command = self.command("timeout");
        command.args(["--signal=KILL", IP_SECONDS, program]).args(line.split_whitespace());
        checked(&format!("[{}] {program} {line}", self.name), &mut command)
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Nobody can be told. What stays has our prefix, so that a later sweep finds it.
        let _ = delete(&self.name);
    }
}

/// Joins two namespaces by a veth pair, both ends up. Interface names have at most 15 bytes.
///
/// # Errors
/// A name is taken or too long.
pub fn link(a: &Netns, a_if: &str, b: &Netns, b_if: &str) -> Result<()> {
    a.ip(&format!("link add {a_if} type veth peer name {b_if} netns {}", b.name))?;
    a.ip(&format!("link set {a_if} up"))?;
    b.ip(&format!("link set {b_if} up"))?;
    Ok(())
}

/// Deletes every namespace whose name begins with `prefix`, whoever made it; gives their names.
///
/// # Errors
/// The prefix is shorter than 3 bytes, which would mean nearly everything; a namespace cannot be deleted.
pub fn sweep(prefix: &str) -> Result<Vec<String>> {
    sweep_if(prefix, |_| true)
}

/// Deletes every namespace `<family>-<pid>-…` whose process is gone: a run that was killed could not.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_abandoned(family: &str) -> Result<Vec<String>> {
    sweep_if(&format!("{family}-"), is_abandoned)
}

/// True of `<pid>-…` when there is no such process.
pub(crate) fn is_abandoned(rest: &str) -> bool {
    match rest.split_once('-') {
        Some((pid, _)) => pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists(),
        None => false,
    }
}

/// Names of the namespaces that begin with `prefix`, in order.
///
/// # Errors
/// They cannot be listed.
pub fn named(prefix: &str) -> Result<Vec<String>> {
    names_in(Path::new(FOLDER), prefix)
}

/// Names in `folder` that begin with `prefix`, in order; none when there is no such folder.
pub(crate) fn names_in(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(folder.display().to_string()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.context(folder.display().to_string())?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    Ok(names)
}

fn sweep_if(prefix: &str, doomed: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    ensure!(prefix.len() >= 3, "prefix {prefix:?} is too short to sweep by");
    let mut swept = named(prefix)?;
    swept.retain(|name| doomed(&name[prefix.len()..]));
    for name in &swept {
        match delete(name) {
            // Another run swept it meanwhile.
            Err(_) if !Path::new(FOLDER).join(name).exists() => {}
            result => result?,
        }
    }
    Ok(swept)
}

/// A thread and not a fork, as `setns(CLONE_NEWNET)` moves one thread only; setns(2).
pub(crate) fn run_in<T: Send>(handle: &OwnedFd, work: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let inside =
            scope.spawn(|| setns(handle.as_fd(), CloneFlags::CLONE_NEWNET).map(|()| work()));
        match inside.join() {
            Ok(result) => result.context("setns (needs root)"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[expect(
    unsafe_code,
    reason = "pre_exec: the closures here make one system call and allocate nothing"
)]
fn enter_before_exec(
    command: &mut Command,
    enter: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; setns(2) is a bare system call.
    unsafe { command.pre_exec(enter) };
}

/// A process that encrypts outlives its agent, and keeps its namespace; it ends with its device.
const TUNNELS: [&str; 2] = ["kannas-wg0", "kannas-wg1"];

fn delete(name: &str) -> Result<()> {
    let handle = std::fs::File::open(Path::new(FOLDER).join(name)).map(OwnedFd::from);
    let devices = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap_or_default();
    let devices = handle.ok().and_then(|handle| run_in(&handle, devices).ok()).unwrap_or_default();
    for device in TUNNELS.into_iter().filter(|device| devices.contains(device)) {
        let words = ["-n", name, "link", "del", device];
        checked(&format!("ip -n {name} link del {device}"), ip_command().args(words))?;
    }
    checked(&format!("ip netns del {name}"), ip_command().args(["netns", "del", name])).map(drop)
}

fn ip_command() -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", IP_SECONDS, "ip"]);
    command
}

fn checked(what: &str, command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("$ {what}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if !status.success() {
        bail!("$ {what}\n{stdout}{stderr}({status})");
    }
    Ok(stdout.into_owned())
}

#[cfg(test)]
#[path = "netns_tests.rs"]
mod tests;
