//! What a piece of work cost in CPU time, softirqs included.
//!
//! A packet that is sent through veth pairs is carried by its sender: the far end's receive path runs as a softirq
//! on the same core, at the end of the sending system call. So with **one** thread, pinned to one core, that both
//! sends and receives, the whole path runs on that core, and what the core spends is the path's cost.
//!
//! The core is shared with whatever else the machine does, so wall-clock is not the cost yet. Used is
//!
//! `wall - (time our thread waited for the core) + (time of this core's ksoftirqd)`
//!
//! - the waiting is `run_delay` of `/proc/thread-self/schedstat`, in ns, and takes other programs out;
//! - ksoftirqd gets softirqs when there are too many at once: work of ours that our thread had to wait for.
//!
//! `/proc/stat` is no use here: its unit of 10 ms is 4 % of a round, and it counts everybody's work. The thread's
//! own clock would do on this kernel, but leaves softirqs out under CONFIG_IRQ_TIME_ACCOUNTING (most distributions).
//! The formula needs a thread that never sleeps; sleeping would count as spent.
//!
//! A tunnel in user space is carried by processes. They are pinned to the same core, so our thread waits while they
//! run, and what they ran is added. (Under CONFIG_IRQ_TIME_ACCOUNTING the softirqs that run in their place are missed:
//! there they look cheaper than they are.)
//!
//! Whether the work did stay on the core is measured each time: [`Spent::elsewhere`].

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// What was spent between two moments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    pub wall: Duration,
    /// On the pinned core, for us.
    pub cpu: Duration,
    /// Of all packets that the kernel received meanwhile in any namespace, the part (0 to 1) that other cores
    /// handled. What is not other programs' traffic is work of ours that `cpu` has missed.
    pub elsewhere: f64,
}

/// Runs `work` on a thread of its own that is pinned to one core.
pub(crate) fn pinned<T: Send>(work: impl FnOnce(&Core) -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(|| work(&Core::pin()?)).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The core that the current thread is pinned to.
pub(crate) struct Core {
    number: usize,
    ksoftirqd: String,
}

pub(crate) struct Meter<'a> {
    core: &'a Core,
    helpers: &'a [u32],
    start: Reading,
}

struct Reading {
    at: Instant,
    waited: Duration,
    ksoftirqd: Duration,
    helpers: Duration,
    /// Packets since boot: on this core, on the others. The kernel's counters are 32 bits and wrap.
    packets: [u32; 2],
}

impl Core {
    fn pin() -> Result<Self> {
        let number = last_core()?;
        let mut one = CpuSet::new();
        one.set(number).context("core number")?;
        sched_setaffinity(Pid::from_raw(0), &one).context("sched_setaffinity")?;
        Ok(Self { number, ksoftirqd: schedstat_of_ksoftirqd(number)? })
    }

    /// `helpers` are processes on this core that carry packets.
    pub(crate) fn meter<'a>(&'a self, helpers: &'a [u32]) -> Result<Meter<'a>> {
        Ok(Meter { core: self, helpers, start: self.read(helpers)? })
    }

    fn read(&self, helpers: &[u32]) -> Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            waited: schedstat("/proc/thread-self/schedstat")?[1],
            ksoftirqd: schedstat(&self.ksoftirqd)?[0],
            helpers: helpers.iter().map(|pid| ran(*pid)).sum::<Result<_>>()?,
            packets: packets(self.number)?,
        })
    }
}

impl Meter<'_> {
    pub(crate) fn stop(&self) -> Result<Spent> {
        let (start, end) = (&self.start, self.core.read(self.helpers)?);
        let wall = end.at - start.at;
        let waited = end.waited.saturating_sub(start.waited);
        let others = end.ksoftirqd.saturating_sub(start.ksoftirqd)
            + end.helpers.saturating_sub(start.helpers);
        let cpu = wall.saturating_sub(waited) + others;
        let [here, others] =
            [0, 1].map(|i| f64::from(end.packets[i].wrapping_sub(start.packets[i])));
        Ok(Spent { wall, cpu, elsewhere: others / (here + others).max(1.0) })
    }
}

/// The last core allowed: the first one has more of the machine's interrupts.
pub(crate) fn last_core() -> Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity")?;
    let is_allowed = |core: &usize| allowed.is_set(*core).unwrap_or(false);
    (0..CpuSet::count()).rev().find(is_allowed).context("no core is allowed")
}

/// What the threads of a process have run; those that have ended meanwhile are left out.
pub(crate) fn ran(pid: u32) -> Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(&tasks).context(tasks)?.flatten() {
        let path = thread.path().join("schedstat");
        sum += schedstat(&path.to_string_lossy()).map_or(Duration::ZERO, |[ran, _]| ran);
    }
    Ok(sum)
}

/// Time on the core, time waiting for it; Documentation/scheduler/sched-stats.rst.
fn schedstat(path: &str) -> Result<[Duration; 2]> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{path} (needs CONFIG_SCHED_INFO)"))?;
    let mut numbers =
        text.split_whitespace().map(|number| number.parse().map(Duration::from_nanos));
    match (numbers.next(), numbers.next()) {
        (Some(Ok(ran)), Some(Ok(waited))) => Ok([ran, waited]),
        _ => bail!("{path} has {text:?}"),
    }
}

fn schedstat_of_ksoftirqd(core: usize) -> Result<String> {
    let wanted = format!("ksoftirqd/{core}\n");
    for entry in fs::read_dir("/proc").context("/proc")?.flatten() {
        // Processes end while we look at them.
        if fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name == wanted) {
            return Ok(entry.path().join("schedstat").to_string_lossy().into_owned());
        }
    }
    bail!("no process ksoftirqd/{core}: is this a process namespace of its own?")
}

/// One line per core: the first column is packets received, the 13th the core's number; net/core/net-procfs.c.
fn packets(core: usize) -> Result<[u32; 2]> {
    let path = "/proc/net/softnet_stat";
    let text = fs::read_to_string(path).context(path)?;
    let mut sum = [0_u32; 2];
    for line in text.lines() {
        let column = |n| line.split(' ').nth(n).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let (Some(received), Some(of)) = (column(0), column(12)) else {
            bail!("{path} has {line:?}")
        };
        let other = usize::from(usize::try_from(of).is_ok_and(|of| of != core));
        sum[other] = sum[other].wrapping_add(received);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::process::Command;

    use nix::time::{ClockId, clock_gettime};

    use super::*;
    use crate::netns::{Netns, prefix};

    fn thread_clock() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
    }

    #[test]
    fn spent_is_what_the_thread_ran_however_busy_the_core_is() {
        let (spent, ran) = pinned(|core| {
            std::thread::scope(|scope| {
                // Inherits the pinning, so it takes about half of the core.
                scope.spawn(|| spin(Duration::from_millis(200)));
                let before = thread_clock();
                let meter = core.meter(&[])?;
                spin(Duration::from_millis(200));
                Ok((meter.stop()?, thread_clock() - before))
            })
        })
        .unwrap();
        let ratio = spent.cpu.as_secs_f64() / ran.as_secs_f64();
        assert!((0.9..1.1).contains(&ratio), "spent {spent:?}, ran {ran:?}");
        assert!(spent.cpu < spent.wall.mul_f64(0.9), "the rival was not seen: {spent:?}");
    }

    #[test]
    fn what_a_helper_runs_on_the_core_is_spent() {
        let (spent, [ours, helped]) = pinned(|core| {
            // Inherits the pinning.
            let mut helper = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
            let pids = [helper.id()];
            let before = (thread_clock(), ran(pids[0])?);
            let meter = core.meter(&pids)?;
            spin(Duration::from_millis(300));
            let spent = meter.stop()?;
            let both = [thread_clock() - before.0, ran(pids[0])? - before.1];
            helper.kill()?;
            helper.wait()?;
            Ok((spent, both))
        })
        .unwrap();
        let ratio = spent.cpu.as_secs_f64() / (ours + helped).as_secs_f64();
        assert!((0.9..1.1).contains(&ratio), "spent {spent:?}, ran {ours:?} and {helped:?}");
        assert!(helped > Duration::from_millis(20), "{helped:?}");
    }

    #[test]
    fn packets_on_another_core_are_seen() {
        // Other programs' traffic on the pinned core hides it for a while.
        let mut seen = (0..10).map(|_| share_elsewhere(20_000));
        assert!(seen.any(|elsewhere| elsewhere > 0.5), "needs two cores, and no other traffic");
    }

    fn share_elsewhere(packets: usize) -> f64 {
        let spent = pinned(|core| {
            std::thread::scope(|scope| {
                let meter = core.meter(&[])?;
                scope.spawn(|| send_on_first_core(packets)).join().expect("sender")?;
                meter.stop()
            })
        });
        spent.unwrap().elsewhere
    }

    fn send_on_first_core(packets: usize) -> Result<()> {
        let mut first = CpuSet::new();
        first.set(0)?;
        sched_setaffinity(Pid::from_raw(0), &first)?;
        let netns = Netns::new(format!("{}elsewhere", prefix("kt")))?;
        let socket = netns.run(|| UdpSocket::bind("127.0.0.1:0"))??;
        for _ in 0..packets {
            socket.send_to(&[0], socket.local_addr()?)?;
        }
        Ok(())
    }

    fn spin(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }
}
