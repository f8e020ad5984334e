//! The server of a site, which may be killed and started again.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::{Folder, PATIENCE, kannas};
use crate::api::Client;
use crate::eventually::eventually;
use crate::process::Process;

/// The limit of leases in milliseconds, unless a test is about it: agents on a machine that builds are late, not dead.
const PATIENT_MS: &str = "20000";

#[derive(Debug)]
pub struct Server {
    process: Process,
    pub api: SocketAddr,
    pub agents: SocketAddr,
    /// How it is started from now on, beside what it needs.
    pub flags: Vec<String>,
    data: PathBuf,
    log: PathBuf,
}

impl Server {
    pub(super) fn start(folder: &Folder) -> Result<Self> {
        Self::start_as(folder, "", &[])
    }

    /// One of several, whose data and log have `suffix` to their names.
    pub(super) fn start_as(folder: &Folder, suffix: &str, more: &[String]) -> Result<Self> {
        let data = folder.path().join(format!("data{suffix}"));
        let log = folder.path().join(format!("server{suffix}.log"));
        let [api, agents] = [free_address()?, free_address()?];
        // A bench makes more routers than anybody has.
        let mut flags = ["--max-routers", "100000000"].map(str::to_owned).to_vec();
        if !more.iter().any(|flag| flag == "--lease-ms") {
            flags.extend(["--lease-ms", PATIENT_MS].map(str::to_owned));
        }
        flags.extend_from_slice(more);
        let process = launch([api, agents], &flags, &data, &log)?;
        let mut server = Self { process, api, agents, flags, data, log };
        server.ready()?;
        Ok(server)
    }

    /// Where the administrator's password is.
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.data.join("admin-password")
    }

    pub(super) fn admin(&self) -> Result<Client> {
        let path = self.password_file();
        let password = std::fs::read_to_string(&path).context(path.display().to_string())?;
        Ok(Client::new(self.api, "admin", password.trim_end()))
    }

    /// Where it keeps what it remembers.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// As [`Process::pause`].
    ///
    /// # Errors
    /// As [`Process::pause`].
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// As [`Process::resume`].
    ///
    /// # Errors
    /// As [`Process::resume`].
    pub fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }

    /// As a crash would.
    ///
    /// # Errors
    /// As [`Process::kill9`].
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill9()
    }

    /// Asks it to stop, and waits until it has, however long it drains.
    ///
    /// # Errors
    /// It does not, or not in peace.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.end(PATIENCE)?;
        ensure!(status.success(), "{status}: {}", self.process.log_tail());
        Ok(())
    }

    /// Starts it again with the same data at the same addresses, and waits until it answers.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.process = launch([self.api, self.agents], &self.flags, &self.data, &self.log)?;
        self.ready()
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it has said, each time that it ran.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).context("the server's log")
    }

    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    fn ready(&mut self) -> Result<()> {
        let anyone = Client::new(self.api, "", "");
        let start = Instant::now();
        let process = &mut self.process;
        let answers = || {
            let ready = anyone.get("/readyz").is_ok();
            (ready || !process.alive()).then_some(ready)
        };
        let ready = eventually(PATIENCE, "the server answers", answers);
        if ready.as_ref().is_ok_and(|ready| *ready) {
            return Ok(());
        }
        bail!("no server after {:?}; its log:\n{}", start.elapsed(), self.process.log_tail());
    }
}

static CONFINEMENT: OnceLock<Confinement> = OnceLock::new();

/// What programs are started by: words before theirs, which run them with less than root has.
#[derive(Clone, Debug, Default)]
pub struct Confinement {
    pub server: Vec<String>,
    pub agent: Vec<String>,
}

/// For whatever is started from now on; said once.
///
/// # Errors
/// It was said before.
pub fn confine(by: Confinement) -> Result<()> {
    CONFINEMENT.set(by).ok().context("confined already")
}

/// The words that start a server, or an agent, up to the program.
pub(super) fn words(of: fn(&Confinement) -> &Vec<String>) -> Result<Vec<OsString>> {
    let before = CONFINEMENT.get().map(of).into_iter().flatten().map(OsString::from);
    Ok(before.chain([kannas()?.into_os_string()]).collect())
}

fn launch(at: [SocketAddr; 2], flags: &[String], data: &Path, log: &Path) -> Result<Process> {
    let [api, agents] = at;
    let words = words(|it| &it.server)?;
    let mut command = clean(Command::new(&words[0]));
    command.args(&words[1..]).arg("server").arg("--data-dir").arg(data);
    command.args(flags).args(["--listen", &api.to_string(), "--agent-listen", &agents.to_string()]);
    Process::start("kannas server", command, log)
}

static SAY_ALL: AtomicBool = AtomicBool::new(false);

/// Whatever is started from now on says all that it can.
pub fn say_all() {
    SAY_ALL.store(true, Ordering::Relaxed);
}

/// The developer's own settings are not the test's.
pub(super) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KANNAS_") {
            command.env_remove(name);
        }
    }
    if SAY_ALL.load(Ordering::Relaxed) {
        command.env("RUST_LOG", "trace");
    }
    command
}

/// A free address on loopback that stays free until the server takes it, and while the server is down: below the
/// ports that the kernel gives to outgoing connections (32768 and up, ip-sysctl "ip_local_port_range").
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    // Runs at the same time begin at different ports.
    let own = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (own.wrapping_mul(16).wrapping_add(step)) % COUNT;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().context("address");
        }
    }
    bail!("no port from {FIRST} on is free")
}
