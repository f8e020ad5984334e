//! Many agents on one server: real connections over HTTP/2 with mutual TLS, each with its own slice, and nothing behind
//! them. How soon a change reaches those that it concerns, what they cost at rest, and how they come back at once.

mod agent;
mod land;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::cpu::ran;
use crate::eventually::eventually;
use crate::site::{Cabling, Medium, Site};
use agent::{Agent, Sight, Slept, sleeper};
use land::{HUB_HOSTS, Land};

/// A herd on two cores takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

/// For how long they rest to be measured.
const REST: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub agents: u32,
    pub lease_ms: u64,
    /// Prefix changes that are measured.
    pub changes: usize,
    /// Ports that every slice has beside those of its own network.
    pub far_ports: u32,
    /// Writes that pass while one reader sleeps.
    pub asleep: usize,
}

/// A server with its herd.
struct Herd {
    site: Site,
    land: Land,
    runtime: Runtime,
    sights: Vec<Arc<Sight>>,
    running: JoinSet<Result<()>>,
    compare: watch::Sender<bool>,
    begun: Instant,
}

/// Measures it all; sites and folders are named after `prefix`.
///
/// # Errors
/// Not root; too few files may be open; the server does not come up; an agent has missed something.
pub fn run(
    prefix: &str,
    plan: Plan,
    out: &mut impl Write,
    progress: &mut impl Write,
) -> Result<()> {
    let mut herd = Herd::start(prefix, plan, progress)?;
    writeln!(
        out,
        "\n| {} agents, {} routes each | |\n|---|---|",
        plan.agents,
        plan.far_ports + 11
    )?;
    herd.gather(plan, out)?;
    herd.rest(out)?;
    herd.changes(plan, out)?;
    herd.asleep(plan, out)?;
    herd.stampede(out)?;
    herd.compare(out)
}

impl Herd {
    fn start(prefix: &str, plan: Plan, progress: &mut impl Write) -> Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit of files")?;
        let need = u64::from(plan.agents) + 4096;
        ensure!(most >= need, "{need} files must be open at a time; the limit is {most}");
        setrlimit(Resource::RLIMIT_NOFILE, need.min(most), most).context("the limit of files")?;
        let mut site = Site::open(Medium::Disk, &format!("{prefix}herd"), 2, Cabling::Direct)?;
        let flags = &mut site.server.flags;
        let lease = flags.iter().position(|it| it == "--lease-ms").context("the site's lease")?;
        flags[lease + 1] = plan.lease_ms.to_string();
        flags.extend(["--host-grace", "600"].map(str::to_owned));
        site.server.kill9()?;
        let runtime = Runtime::new().context("a runtime")?;
        let begun = Instant::now();
        let land = runtime.block_on(Land::make(site.server.data(), plan))?;
        writeln!(progress, "{} hosts in the store after {:.1?}", plan.agents, begun.elapsed())?;
        site.server.restart()?;
        let (sights, running) = (Vec::new(), JoinSet::new());
        let compare = watch::channel(false).0;
        Ok(Self { site, land, runtime, sights, running, compare, begun: Instant::now() })
    }

    fn agent(&self, n: usize) -> Result<Agent> {
        let (host, key_pem, certificate_pem) = self.land.identities[n].clone();
        let (sight, compare) = (Arc::new(Sight::new(self.begun)), self.compare.subscribe());
        let authority_pem = self.land.authority_pem.clone();
        let (name, at) = ("https://localhost:1".parse()?, self.site.server.agents);
        Ok(Agent { host, name, at, authority_pem, key_pem, certificate_pem, sight, compare })
    }

    /// All connect.
    fn gather(&mut self, plan: Plan, out: &mut impl Write) -> Result<()> {
        let (memory, cpu, begun) = (self.memory()?, self.cpu()?, Instant::now());
        for n in 0..usize::try_from(plan.agents)? {
            let agent = self.agent(n)?;
            self.sights.push(agent.sight.clone());
            self.running.spawn_on(agent.run(), self.runtime.handle());
        }
        self.until("all agents have their slice", |sight| sight.sessions() > 0)?;
        let (took, cpu) = (begun.elapsed(), self.cpu()?.saturating_sub(cpu));
        writeln!(
            out,
            "| all connect and have their slices | {took:.2?}, {cpu:.2?} CPU of the server |"
        )?;
        let each = self.memory()?.saturating_sub(memory) / u64::from(plan.agents.max(1));
        Ok(writeln!(out, "| memory of the server, for each | {:.1} KiB |", kib(each))?)
    }

    /// Nothing changes.
    fn rest(&self, out: &mut impl Write) -> Result<()> {
        let renewals = || self.sum(|sight| &sight.renewals);
        let (cpu, before, begun) = (self.cpu()?, renewals(), Instant::now());
        eventually(REST * 2, "they rest", || (begun.elapsed() >= REST).then_some(()))?;
        let (cpu, count) = (self.cpu()?.saturating_sub(cpu), renewals() - before);
        let seconds = begun.elapsed().as_secs_f64();
        let share = cpu.as_secs_f64() / seconds;
        let agents = self.sights.len() as f64;
        writeln!(
            out,
            "| CPU of the server at rest | {:.1} % of a core, {:.2} us a second for each |",
            share * 100.0,
            share * 1e6 / agents
        )?;
        let each = cpu.as_secs_f64() * 1e6 / (count.max(1) as f64);
        Ok(writeln!(
            out,
            "| of that are renewals | {:.0} a second; {each:.0} us each at most |",
            count as f64 / seconds
        )?)
    }

    /// A prefix of a network changes that a thousand hosts reach.
    fn changes(&self, plan: Plan, out: &mut impl Write) -> Result<()> {
        let (mut all, mut last): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        let (counters, cpu) = (self.counters()?, self.cpu()?);
        for n in 0..plan.changes {
            let hub = n % self.land.hubs.len();
            let took = self.change(hub, n / self.land.hubs.len())?;
            last.extend(took.iter().max());
            all.extend(took);
        }
        let cpu = self.cpu()?.saturating_sub(cpu) / u32::try_from(plan.changes.max(1))?;
        all.sort_unstable();
        writeln!(
            out,
            "| a prefix change that concerns {} reaches them ({} times) | p50 {:.1?}, p99 {:.1?}, last {:.1?} (aim: p99 < 1 s) |",
            self.of_hub(0).count(),
            plan.changes,
            percentile(&all, 50),
            percentile(&all, 99),
            last.iter().max().copied().unwrap_or_default()
        )?;
        writeln!(out, "| CPU of the server for one | {cpu:.1?} |")?;
        let anew = number(&self.counters()?, "recomputed") - number(&counters, "recomputed");
        Ok(writeln!(out, "| slices made anew meanwhile | {anew} |")?)
    }

    /// How long until each that it concerns has heard of a change.
    fn change(&self, hub: usize, to: usize) -> Result<Vec<Duration>> {
        let marks = |it: &Arc<Sight>| it.marks.load(Ordering::Relaxed);
        let before: Vec<u64> = self.of_hub(hub).map(marks).collect();
        let sent = self.begun.elapsed();
        self.land.renumber(&self.site.admin, hub, to)?;
        let told = || {
            let mut both = self.of_hub(hub).zip(&before);
            both.all(|(it, had)| marks(it) > *had).then_some(())
        };
        eventually(PATIENCE, "all that a change concerns are told", told)?;
        Ok(self.of_hub(hub).map(|it| it.at().saturating_sub(sent)).collect())
    }

    /// One reads nothing while much is written that concerns it.
    fn asleep(&self, plan: Plan, out: &mut impl Write) -> Result<()> {
        let agent = self.agent(self.land.sleeper)?;
        let ((slept, asleep), (wake, woken)) = (oneshot::channel(), oneshot::channel());
        let sleeping = self.runtime.spawn(sleeper(agent, slept, woken));
        self.runtime.block_on(asleep).context("the sleeper")?;
        let before = self.memory()?;
        self.land.disturb(&self.site.admin, plan.asleep)?;
        let with = self.memory()?;
        // It has ended by itself if nobody hears.
        let _ = wake.send(());
        let slept = self.runtime.block_on(sleeping).context("the sleeper")??;
        let fared = match slept {
            Slept::Caught => "caught up, with the slice that who begins is told",
            Slept::GivenUp => "was given up after 30 s",
        };
        let more = kib(with.saturating_sub(before));
        Ok(writeln!(
            out,
            "| a reader that reads nothing while {} writes concern it | {fared}; the server has {more:.0} KiB more |",
            plan.asleep
        )?)
    }

    /// The server is killed and started: all come at once.
    fn stampede(&mut self, out: &mut impl Write) -> Result<()> {
        let sessions: Vec<u64> = self.sights.iter().map(|it| it.sessions()).collect();
        self.site.server.kill9()?;
        // So that all that they know is old.
        self.site.server.restart()?;
        let back = self.begun.elapsed();
        self.land.renumber(&self.site.admin, 0, 1000)?;
        let all = || {
            let mut both = self.sights.iter().zip(&sessions);
            both.all(|(it, had)| it.sessions() > *had).then_some(())
        };
        eventually(PATIENCE, "all are back", all)?;
        let mut times: Vec<Duration> =
            self.sights.iter().map(|it| it.at().saturating_sub(back)).collect();
        times.sort_unstable();
        writeln!(
            out,
            "| server killed and started: agents have their slices again | p50 {:.2?}, p99 {:.2?}, all {:.2?}; {:.2?} CPU of the server |",
            percentile(&times, 50),
            percentile(&times, 99),
            self.begun.elapsed().saturating_sub(back),
            self.cpu()?
        )?;
        Ok(writeln!(
            out,
            "| memory of the server then | {:.0} MiB |",
            kib(self.memory()?) / 1024.0
        )?)
    }

    /// Every slice is what a fresh one would be.
    fn compare(&mut self, out: &mut impl Write) -> Result<()> {
        // Whoever has heard of these has heard of all before.
        for hub in 0..self.land.hubs.len() {
            self.change(hub, 2000)?;
        }
        self.compare.send_replace(true);
        let running = &mut self.running;
        let all = async {
            while let Some(ended) = running.join_next().await {
                ended.context("an agent")??;
            }
            anyhow::Ok(())
        };
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, all).await.context("comparing") })??;
        let same = self.sights.iter().filter(|it| it.same.load(Ordering::Relaxed)).count();
        let count = self.sights.len();
        writeln!(out, "| slices that are those of who begins | {same} of {count} |")?;
        writeln!(out, "\nThe server's counters: {}", self.counters()?)?;
        ensure!(same == count, "{} agents have missed something", count - same);
        Ok(())
    }

    fn of_hub(&self, hub: usize) -> impl Iterator<Item = &Arc<Sight>> {
        self.sights.iter().skip(hub * HUB_HOSTS).take(HUB_HOSTS)
    }

    fn sum(&self, of: impl Fn(&Sight) -> &AtomicU64) -> u64 {
        self.sights.iter().map(|it| of(it).load(Ordering::Relaxed)).sum()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Sight) -> bool) -> Result<()> {
        eventually(PATIENCE, what, || self.sights.iter().all(|it| is_so(it)).then_some(()))
    }

    fn cpu(&self) -> Result<Duration> {
        ran(self.site.server.pid())
    }

    fn memory(&self) -> Result<u64> {
        crate::process::resident(self.site.server.pid())
    }

    fn counters(&self) -> Result<Value> {
        Ok(self.site.admin.get("/kannas/v1/counters")?["counters"]["watch"].clone())
    }
}

fn number(counters: &Value, name: &str) -> u64 {
    counters[name].as_u64().unwrap_or_default()
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// Of what is sorted.
fn percentile(all: &[Duration], percent: usize) -> Duration {
    let at = (all.len() * percent).div_ceil(100).saturating_sub(1);
    all.get(at).copied().unwrap_or_default()
}
