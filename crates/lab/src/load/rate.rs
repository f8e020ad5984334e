//! How many requests a second a server answers, and what they cost it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use super::connection::{Ask, Connection};

/// A server that is a process of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) pid: u32,
}

/// What was answered in some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    /// For each answer: when it came, since the start, and how long it took.
    pub(super) samples: Vec<(Duration, Duration)>,
    pub(super) wall: Duration,
    /// Of the server.
    pub(super) cpu: Duration,
}

impl Target {
    /// On CPUs, since it began.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn cpu(self) -> Result<Duration> {
        let pid = Pid::from_raw(i32::try_from(self.pid).context("pid")?);
        let now = clock_getcpuclockid(pid).and_then(nix::time::ClockId::now);
        now.map(Duration::from).with_context(|| format!("CPU time of process {pid}"))
    }

    /// So many connections ask, each again when it was answered.
    ///
    /// # Errors
    /// Something else than a 2xx was answered.
    pub(super) fn answers(self, ask: &Ask, connections: usize, time: Duration) -> Result<Answered> {
        let mut open = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::open(self.address)?;
            connection.ask(ask)?;
            open.push(connection);
        }
        let cpu = self.cpu()?;
        let start = Instant::now();
        let mut samples = Vec::new();
        std::thread::scope(|scope| {
            let loads: Vec<_> = open
                .into_iter()
                .map(|it| scope.spawn(move || load(it, ask, start, time)))
                .collect();
            for load in loads {
                samples.extend(load.join().map_err(|_| anyhow!("a client panicked"))??);
            }
            anyhow::Ok(())
        })?;
        let cpu = self.cpu()?.saturating_sub(cpu);
        Ok(Answered { samples, wall: start.elapsed(), cpu })
    }
}

fn load(
    mut connection: Connection,
    ask: &Ask,
    start: Instant,
    time: Duration,
) -> Result<Vec<(Duration, Duration)>> {
    let mut samples = Vec::new();
    loop {
        let asked = start.elapsed();
        if asked >= time {
            return Ok(samples);
        }
        connection.ask(ask)?;
        let answered = start.elapsed();
        samples.push((answered, answered - asked));
    }
}

impl Answered {
    #[must_use]
    pub(super) fn per_second(&self) -> f64 {
        self.samples.len() as f64 / self.wall.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// What one answer cost the server.
    #[must_use]
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.samples.len() as f64).max(1.0)
    }

    /// How long `percent` of the answers took at most, in milliseconds.
    #[must_use]
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut took: Vec<Duration> = self.samples.iter().map(|(_, took)| *took).collect();
        took.sort_unstable();
        let at = took.len().saturating_sub(1) * percent / 100;
        took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }

    /// The fewest answers in a whole second.
    #[must_use]
    pub(super) fn least_in_a_second(&self) -> usize {
        let mut by_second = vec![0; usize::try_from(self.wall.as_secs()).unwrap_or(0)];
        for (at, _) in &self.samples {
            let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
            if let Some(count) = by_second.get_mut(second) {
                *count += 1;
            }
        }
        by_second.into_iter().min().unwrap_or(0)
    }
}

/// The middle one; of an even number the upper of the two.
#[must_use]
pub(super) fn median(all: impl IntoIterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.into_iter().collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_counted() {
        let ms = Duration::from_millis;
        let samples = (0..100).map(|n| (ms(n * 20), ms(n + 1))).collect();
        let it = Answered { samples, wall: ms(2000), cpu: ms(1) };
        assert_eq!((it.per_second(), it.cpu_us()), (50.0, 10.0));
        assert_eq!((it.percentile_ms(50), it.percentile_ms(99)), (50.0, 99.0));
        assert_eq!(it.least_in_a_second(), 50);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn the_cpu_time_of_a_process_is_seen_and_of_none_an_error() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let own = Target { address, pid: std::process::id() };
        assert!(own.cpu().unwrap() > Duration::ZERO);
        // Above the kernel's limit of process numbers (2^22).
        assert!(Target { address, pid: 4_194_999 }.cpu().is_err());
    }
}
