//! Many remote ports on a real agent: how long it takes to put them into the maps, what they cost it in memory, and
//! what a packet costs among them.

mod disk;
mod server;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cpu::ran;
use crate::eventually::eventually;
use crate::site::{Host, PATIENCE};

pub use disk::{NAME, Reboot};
pub use server::serve;

/// Remote ports that are on a host's disk when it boots.
pub const ON_DISK: usize = 1_000_000;

/// Remote ports that the server is asked for, one by one.
pub const BY_SERVER: usize = 100_000;

/// An agent that has filled its host's maps.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Routes to them, as the maps were found to hold.
    pub ports: usize,
    /// From the start of the process until they are all set.
    pub fill: Duration,
    /// Of it on a core: what is left on a machine that does nothing else.
    pub cpu: Duration,
    /// Started once more, with all of them in the kernel: until it has seen that. None where it was not.
    pub again: Option<Duration>,
    /// Bytes resident of an agent that has no remote port.
    pub before: u64,
    /// The same with all of them, once it rests.
    pub with: u64,
    /// The most that was resident until then.
    pub most: u64,
}

/// What an agent may have resident beside the ports, and for each.
const ALLOWED: (u64, u64) = (64 << 20, 256);

/// Waits until the agent, started at `begun`, has set all; how long it took, and how long on a core.
fn filled(host: &Host, fills: usize, begun: Instant) -> Result<(Duration, Duration)> {
    let all_set = || (host.fills() > fills).then(|| begun.elapsed());
    let took = eventually(PATIENCE, "all routes are set", all_set);
    Ok((took.with_context(|| host.log_tail())?, ran(host.pid().context("no agent")?)?))
}

/// A line of `/proc/PID/status`, which is in KiB, in bytes.
fn status(host: &Host, name: &str) -> Result<u64> {
    let path = format!("/proc/{}/status", host.pid().context("no agent")?);
    let text = std::fs::read_to_string(&path).context(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let number = line.trim_matches(|c: char| !c.is_ascii_digit());
    Ok(number.parse::<u64>().context("a number")? * 1024)
}

/// One column for each.
///
/// # Errors
/// `out` cannot be written.
pub fn write(filled: &[(&str, Filled)], out: &mut impl Write) -> io::Result<()> {
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let titles = filled.iter().map(|(title, _)| *title).collect::<Vec<_>>().join(" | ");
    writeln!(out, "\n| the agent itself fills its maps | {titles} |")?;
    writeln!(out, "|---|{}", "---|".repeat(filled.len()))?;
    let mut row = |name: &str, value: &dyn Fn(&Filled) -> String| -> io::Result<()> {
        let values: Vec<String> = filled.iter().map(|(_, it)| value(it)).collect();
        writeln!(out, "| {name} | {} |", values.join(" | "))
    };
    row("remote ports in the maps", &|it| it.ports.to_string())?;
    row("start of the process until all are set", &|it| seconds(it.fill))?;
    row("of it on a core", &|it| seconds(it.cpu))?;
    row("started again: until all are seen", &|it| it.again.map_or("-".to_owned(), seconds))?;
    row("memory without remote ports", &|it| mib(it.before))?;
    row("memory with them, at rest", &|it| mib(it.with))?;
    row("memory at most", &|it| mib(it.most))?;
    row("bytes a port, at rest", &|it| each(it).to_string())?;
    row("allowed: 64 MiB and 256 bytes a port", &|it| mib(allowed(it)))
}

fn count(it: &Filled) -> u64 {
    u64::try_from(it.ports.max(1)).unwrap_or(u64::MAX)
}

fn each(it: &Filled) -> u64 {
    it.with.saturating_sub(it.before) / count(it)
}

fn allowed(it: &Filled) -> u64 {
    ALLOWED.0 + ALLOWED.1 * count(it)
}
