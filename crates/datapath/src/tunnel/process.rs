//! Starts the process that does WireGuard where the kernel does not. It goes
//! on when the agent ends, and ends when its device is deleted.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::uapi::Processes;

/// A process that is not ready by then is ended.
const LIMIT: Duration = Duration::from_secs(10);

/// A process whose device was deleted ends within a tenth of this.
const ENDS: Duration = Duration::from_secs(1);

/// After a start the next is this late, then twice as late, up to the last; the
/// first again for one that has run for longer than that.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(30);

pub(crate) struct Launcher {
    /// That has the hidden subcommand `tunnel`.
    pub(crate) program: PathBuf,
    /// Children of this agent: looked after, so that none stays as a zombie.
    children: Vec<Child>,
    started: Option<Instant>,
    delay: Duration,
}

impl Launcher {
    pub(crate) fn new(program: PathBuf) -> Self {
        Self { program, children: Vec::new(), started: None, delay: FIRST }
    }

    /// Returns when the process has made its device and listens.
    ///
    /// # Errors
    /// It does not, or the one before was started too short a while ago.
    pub(crate) fn start(&mut self, processes: &Processes, device: &str) -> io::Result<()> {
        self.reap();
        let since = self.started.map(|at| at.elapsed());
        if since.is_some_and(|since| since < self.delay) {
            return Err(io::Error::other("it has ended soon after its last start"));
        }
        let calm = since.is_none_or(|since| since > LAST);
        self.delay = if calm { FIRST } else { (self.delay * 2).min(LAST) };
        self.started = Some(Instant::now());
        wait_for_end(&processes.socket(device))?;
        let mut log = OpenOptions::new();
        let log = log.write(true).create(true).truncate(true).mode(0o600);
        let log = log.open(processes.dir.join(format!("{device}.log")))?;
        let mut command = Command::new(&self.program);
        command.arg0("kannas").arg("tunnel").args(["--device", device]);
        command.arg("--socket").arg(processes.socket(device));
        // Not what the agent was told in secret.
        let log_level = std::env::var_os("RUST_LOG");
        command.env_clear().envs(log_level.map(|it| ("RUST_LOG", it)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // What a terminal sends to the agent's group is not for it.
        let mut child = command.process_group(0).spawn()?;
        let ready = is_ready(&mut child);
        if ready.is_err() {
            // It may have ended by itself.
            let _ = child.kill();
        }
        self.children.push(child);
        ready
    }

    pub(crate) fn reap(&mut self) {
        // One that cannot be waited for is gone.
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

/// Waits until nobody is behind that socket: a process whose device was deleted
/// has its port for a moment longer.
fn wait_for_end(socket: &Path) -> io::Result<()> {
    let Ok(mut stream) = UnixStream::connect(socket) else { return Ok(()) };
    stream.set_read_timeout(Some(ENDS))?;
    match stream.read(&mut [0; 1]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("another process has its socket"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Waits until it has said so.
fn is_ready(child: &mut Child) -> io::Result<()> {
    let Some(mut said) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let limit = PollTimeout::try_from(LIMIT).unwrap_or(PollTimeout::MAX);
    let heard = poll(&mut [PollFd::new(said.as_fd(), PollFlags::POLLIN)], limit)?;
    if heard == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut word = [0; 5];
    said.read_exact(&mut word).map_err(|_| io::Error::other("it ended; its log says why"))
}
