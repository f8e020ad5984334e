//! More changes than anybody has to be told of one by one.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::{Place, ms};
use crate::api::text;
use crate::eventually::eventually;
use crate::process::resident;
use crate::site::{HOSTS, PATIENCE};
use crate::stock::host_of;
use crate::stream::Stream;

/// Ports that are made, and how many a second.
const CREATED: usize = 5000;
const A_SECOND: u32 = 1000;

/// Of each storm.
const CALLERS: usize = 16;

const FLAPS: Duration = Duration::from_secs(5);

/// How often a host's agent is killed and started.
const RESTARTS: usize = 10;

pub(super) fn run(mut place: Place, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "\n| storm | writes | answers p50, p99 ms | marks told | made anew | server, MiB more | in the end |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    place.create(out)?;
    place.flap(out)?;
    place.restart(out)
}

/// What a storm has cost so far.
struct Cost {
    counters: Value,
    memory: u64,
}

impl Place {
    fn cost(&self) -> Result<Cost> {
        Ok(Cost { counters: self.counters()?, memory: resident(self.site.server.pid())? })
    }

    fn told(&self, before: &Cost) -> Result<String> {
        let now = self.cost()?;
        let more = |name: &str| {
            let of = |it: &Value| it[name].as_u64().unwrap_or_default();
            of(&now.counters) - of(&before.counters)
        };
        let mib = now.memory.saturating_sub(before.memory) >> 20;
        Ok(format!("{} | {} | {mib}", more("marks"), more("recomputed")))
    }

    fn routes(&self) -> Result<usize> {
        datapath::routes(self.site.host(HOSTS[0].0)?.pins()).context("the maps")
    }

    /// A thousand ports a second, of which the near host is to know.
    fn create(&self, out: &mut impl Write) -> Result<()> {
        let (before, routes) = (self.cost()?, self.routes()?);
        let (next, times, begun) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
        let make = || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= CREATED {
                    return anyhow::Ok(());
                }
                let due = begun + Duration::from_secs(u64::try_from(n)?) / A_SECOND;
                if let Some(early) = due.checked_duration_since(Instant::now()) {
                    std::thread::park_timeout(early);
                }
                let wish =
                    json!({"network": self.near.1, "host": host_of(0), "device": format!("s{n}")});
                let sent = Instant::now();
                self.site.admin.make_port(&wish)?;
                times.lock().map_err(|_| anyhow!("a thread panicked"))?.push(sent.elapsed());
            }
        };
        at_once(&make)?;
        let took = begun.elapsed().as_secs_f64();
        let all_there = || (self.routes().ok()? == routes + CREATED).then_some(());
        eventually(PATIENCE, "the near host has all routes", all_there)?;
        let times = times.into_inner().map_err(|_| anyhow!("a thread panicked"))?;
        let told = self.told(&before)?;
        let rate = CREATED as f64 / took;
        writeln!(
            out,
            "| ports made, {rate:.0} a second | {CREATED} | {:.1}, {:.1} | {told} | all routes are there |",
            ms(&times, 50),
            ms(&times, 99)
        )?;
        Ok(())
    }

    /// One peering off and on as fast as it is answered.
    fn flap(&self, out: &mut impl Write) -> Result<()> {
        let (admin, (near, a), (far, b)) = (&self.site.admin, &self.near, &self.far);
        let uuid = text(&admin.make_peering(a, b)?["uuid"])?;
        let (before, times, begun) = (self.cost()?, Mutex::new(Vec::new()), Instant::now());
        let flap = || {
            while begun.elapsed() < FLAPS {
                for state in ["disabled", "active"] {
                    let sent = Instant::now();
                    admin.change_peering(&uuid, &json!({"configured_status": state}))?;
                    times.lock().map_err(|_| anyhow!("a thread panicked"))?.push(sent.elapsed());
                }
            }
            anyhow::Ok(())
        };
        at_once(&flap)?;
        let last = admin.change_peering(&uuid, &json!({"configured_status": "active"}))?;
        self.site.active(admin, &last)?;
        let stream = Stream::start(&near.end, &far.end)?;
        stream.arrival_since(Instant::now(), PATIENCE)?;
        let times = times.into_inner().map_err(|_| anyhow!("a thread panicked"))?;
        let told = self.told(&before)?;
        writeln!(
            out,
            "| a peering off and on | {} | {:.1}, {:.1} | {told} | active, packets cross |",
            times.len(),
            ms(&times, 50),
            ms(&times, 99)
        )?;
        Ok(())
    }

    /// A host that comes and goes.
    fn restart(&mut self, out: &mut impl Write) -> Result<()> {
        let before = self.cost()?;
        let (far, _) = HOSTS[1];
        for _ in 0..RESTARTS {
            let watches = self.site.host(far)?.watches();
            let host = self.site.host_mut(far)?;
            host.kill9()?;
            host.start()?;
            let host = self.site.host(far)?;
            let back = || (host.watches() > watches).then_some(());
            eventually(PATIENCE, "the agent watches", back)?;
        }
        self.site.live(far)?;
        let stream = Stream::start(&self.near.0.end, &self.far.0.end)?;
        stream.arrival_since(Instant::now(), PATIENCE)?;
        let told = self.told(&before)?;
        writeln!(
            out,
            "| an agent killed and started | {RESTARTS} times | - | {told} | live, packets cross |"
        )?;
        ensure!(self.routes()? > 0, "no routes");
        Ok(())
    }
}

fn at_once(work: &(impl Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|it| it.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
}
