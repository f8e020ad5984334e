//! A program under test: its own process group, its output in a file, never outliving the test.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getppid};

use crate::eventually::eventually;

/// What a process gets to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Lines of the log that are worth showing with a failure.
const TAIL_LINES: usize = 40;

#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the command with stdout and stderr **appended** to `log`, so that a restart keeps what was said before.
    ///
    /// The kernel kills the process (SIGKILL) when we end in any way, `kill -9` included; its children are spared.
    /// A namespace comes from [`crate::Netns::command`], not from being inside [`crate::Netns::run`]: another thread
    /// does the fork.
    ///
    /// # Errors
    /// The log cannot be opened, the program not started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let out = open().with_context(|| format!("log of {name}: {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("log of {name}"))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        die_with_us(&mut command);
        let child = spawn(command).with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the process to end (SIGTERM) and kills it if it does not within 5 s.
    ///
    /// # Errors
    /// It had to be killed; or was not to be killed.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        match self.wait(GRACE) {
            Ok(status) => Ok(status),
            Err(late) => {
                self.kill9()?;
                Err(late.context("SIGTERM was not obeyed; killed"))
            }
        }
    }

    /// Asks the process to end (SIGTERM), and waits.
    ///
    /// # Errors
    /// It does not end before `deadline`.
    pub fn end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(deadline)
    }

    /// SIGKILL to the whole group, as a crash would be; back when the process is gone.
    ///
    /// # Errors
    /// It is still there after 5 s.
    pub fn kill9(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(GRACE).map(drop)
    }

    /// As a machine that stands still: not ended, and not heard of.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Goes on after [`Process::pause`].
    ///
    /// # Errors
    /// It cannot be told.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// It runs on after `deadline`; the error has the tail of its log.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        eventually(deadline, &what, || child.try_wait().transpose())
            .with_context(|| format!("log of {}:\n{}", self.name, tail_of(&self.log)))?
            .with_context(|| format!("wait for {}", self.name))
    }

    /// The last 40 lines of the log, or why they cannot be read.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail_of(&self.log)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // Once reaped, its number may be another's.
        if !self.alive() {
            return Ok(());
        }
        let group = Pid::from_raw(i32::try_from(self.child.id()).context("pid")?);
        killpg(group, signal).with_context(|| format!("{signal} to {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // stop() kills what does not obey; nobody is left to tell.
        let _ = self.stop();
    }
}

#[expect(
    unsafe_code,
    reason = "pre_exec: the closure makes three system calls and allocates nothing"
)]
fn die_with_us(command: &mut Command) {
    let us = Pid::this();
    let arm = move || {
        // We may have blocked some, which is inherited.
        SigSet::empty().thread_set_mask()?;
        set_pdeathsig(Signal::SIGKILL)?;
        // We may have ended before the line above.
        if getppid() == us { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; sigprocmask(2), prctl(2) and getppid(2)
    // are bare system calls.
    unsafe { command.pre_exec(arm) };
}

/// Forks from one thread that lives as long as we do: the death signal comes when the *thread* that forked ends,
/// prctl(2), and the threads of tests end early.
fn spawn(command: Command) -> Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static FORKER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Who asked waits below and cannot be gone.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = mpsc::channel();
    let orders = forker.lock().map_err(|_| anyhow!("the forking thread's queue is poisoned"))?;
    orders.send((command, answer)).context("the forking thread is gone")?;
    drop(orders);
    Ok(child.recv().context("the forking thread is gone")??)
}

fn tail_of(log: &Path) -> String {
    match File::open(log).and_then(io::read_to_string) {
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
        Err(error) => format!("({}: {error})", log.display()),
    }
}

/// Bytes of memory that a process has resident.
///
/// # Errors
/// There is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/statm");
    let text = std::fs::read_to_string(&path).context(path)?;
    let pages = text.split_whitespace().nth(1).context("a line of numbers")?;
    Ok(pages.parse::<u64>().context("a number")? * 4096)
}

/// True when the process ended by this signal.
#[must_use]
pub fn ended_by(status: ExitStatus, signal: Signal) -> bool {
    status.signal() == Some(signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// Names the folder to the test that is run as a program.
    const VICTIM: &str = "LAB_TEST_VICTIM";

    fn shell(script: &str, folder: &tempfile::TempDir) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command, &folder.path().join("log")).unwrap()
    }

    #[test]
    fn output_of_both_kinds_is_in_the_log_and_a_restart_appends() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            assert!(shell("echo out; echo err >&2", &folder).wait(SOON).unwrap().success());
        }
        assert_eq!(shell("true", &folder).log_tail(), "out\nerr\nout\nerr");
    }

    #[test]
    fn the_tail_has_forty_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell("seq 100", &folder);
        process.wait(SOON).unwrap();
        assert_eq!(process.log_tail().lines().collect::<Vec<_>>()[..2], ["61", "62"]);
    }

    #[test]
    fn a_process_that_obeys_ends_by_sigterm_and_one_that_does_not_is_seen_alive() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell("exec sleep 60", &folder);
        assert!(process.alive());
        assert!(ended_by(process.stop().unwrap(), Signal::SIGTERM));
        assert!(!process.alive());
    }

    #[test]
    fn a_signal_that_we_have_blocked_still_ends_a_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut blocking = Command::new("sleep");
        blocking.arg("60");
        let block = || Ok(SigSet::from_iter([Signal::SIGTERM]).thread_block()?);
        // SAFETY: as in `die_with_us`.
        #[expect(unsafe_code, reason = "as if we had blocked it, without doing so")]
        unsafe {
            blocking.pre_exec(block)
        };
        let mut process = Process::start("sleep", blocking, &folder.path().join("log")).unwrap();
        assert!(ended_by(process.stop().unwrap(), Signal::SIGTERM));
    }

    #[test]
    fn kill9_takes_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell("trap '' TERM; sleep 60 & echo $!; wait", &folder);
        let child = eventually(SOON, "the pid in the log", || {
            process.log_tail().trim().parse::<i32>().ok()
        })
        .unwrap();
        process.kill9().unwrap();
        eventually(SOON, "the grandchild is gone", || gone(&child.to_string()).then_some(()))
            .unwrap();
    }

    #[test]
    fn a_process_survives_the_thread_that_started_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = std::thread::scope(|scope| {
            scope.spawn(|| shell("exec sleep 60", &folder)).join().unwrap()
        });
        assert!(process.wait(Duration::from_millis(100)).is_err() && process.alive());
    }

    #[test]
    fn a_process_dies_with_us() {
        let folder = tempfile::tempdir().unwrap();
        let mut us = Command::new(std::env::current_exe().unwrap());
        us.args(["--exact", "process::tests::start_and_be_killed"]).env(VICTIM, folder.path());
        let status = us.stdout(Stdio::null()).status().unwrap();
        assert!(ended_by(status, Signal::SIGKILL), "{status}");
        let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
        eventually(SOON, "the orphan is gone", || gone(&pid).then_some(())).unwrap();
    }

    /// The other half of the test above; by itself it has nothing to do.
    #[test]
    fn start_and_be_killed() {
        let Some(folder) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
        let mut command = Command::new("sleep");
        command.arg("60");
        let process = Process::start("sleep", command, &folder.join("log")).unwrap();
        std::fs::write(folder.join("pid"), process.pid().to_string()).unwrap();
        nix::sys::signal::raise(Signal::SIGKILL).unwrap();
    }

    #[test]
    fn what_cannot_start_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Process::start("ghost", Command::new("/no/such"), &folder.path().join("log"))
            .unwrap_err();
        assert!(format!("{error:#}").starts_with("start ghost: "), "{error:#}");
    }

    fn gone(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    }
}
