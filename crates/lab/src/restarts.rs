//! Agents that are restarted, killed, upgraded and put back, with a datagram each way per millisecond and many TCP
//! connections through them.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::eventually::eventually;
use crate::flows::{Fate, Flows};
use crate::site::{HOSTS, Host, PATIENCE, Pair, Streams};
use crate::stream::Tally;
use crate::twin;

/// What is done to an agent, in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Restart,
    Kill,
    /// To a version with other programs and another layout of the maps.
    Upgrade,
    Downgrade,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Restart, Self::Kill, Self::Upgrade, Self::Downgrade];

    fn name(self) -> &'static str {
        match self {
            Self::Restart => "stop and start",
            Self::Kill => "kill -9 and start",
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
        }
    }
}

/// One kind, all of its runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub runs: usize,
    pub sent: usize,
    pub lost: usize,
    /// The longest run of packets lost, one per millisecond.
    pub gap: usize,
    pub flows: Fate,
    /// From the end of the one agent to the first report of the next.
    pub longest: Duration,
}

/// Packets that are watched after an agent is back.
const AFTER: usize = 50;

/// Packets, one per millisecond, in which TCP has sent again what was lost.
const LATER: usize = 1000;

/// `runs` of them, one kind after the other, on one host after the other.
///
/// # Errors
/// The site does not come up; an agent does not come back, or not as the version it is to be.
pub fn run(
    pair: &mut Pair,
    connections: usize,
    runs: usize,
    progress: &mut impl Write,
) -> Result<[Outcome; 4]> {
    pair.peer()?;
    let streams = pair.streams(true)?;
    let [a, b] = &pair.machines;
    let flows = Flows::start(&a.end, &b.end, connections)?;
    let mut outcomes = [Outcome::default(); 4];
    for run in 0..runs {
        let kind = Kind::ALL[run % 4];
        // All four on one host, then on the other.
        let (name, _) = HOSTS[run / 4 % 2];
        let moment = Instant::now();
        let before = flows.fate()?;
        take(pair, name, kind).with_context(|| format!("{} of {name}", kind.name()))?;
        let took = moment.elapsed();
        let tallies = watch(&streams, moment, AFTER)?;
        // What is lost now is sent again later, and counts there; after the last run there is a while for it.
        let last = run + 1 == runs;
        watch(&streams, Instant::now(), if last { LATER } else { 0 })?;
        let fate = flows.fate()?.since(before);
        outcomes[run % 4].add(&tallies, fate, took);
        if run % 20 == 19 {
            writeln!(progress, "{} of {runs}", run + 1)?;
        }
    }
    let all: u64 = outcomes.iter().map(|it| it.flows.messages).sum();
    ensure!(all > 0, "no connection has said anything");
    flows.stop()?;
    Ok(outcomes)
}

impl Outcome {
    fn add(&mut self, tallies: &[Tally; 2], fate: Fate, took: Duration) {
        self.runs += 1;
        for tally in tallies {
            self.sent += tally.sent;
            self.lost += tally.lost();
            self.gap = self.gap.max(tally.gap);
        }
        self.flows.messages += fate.messages;
        self.flows.reset += fate.reset;
        self.flows.stalled += fate.stalled;
        self.flows.resent += fate.resent;
        self.longest = self.longest.max(took);
    }
}

/// What has become of all packets since `moment`, and of some more.
fn watch(Streams(both): &Streams, moment: Instant, more: usize) -> Result<[Tally; 2]> {
    let sent = both.iter().map(|stream| stream.since(moment).sent).max().unwrap_or_default();
    crate::stream::watch(both.each_ref(), moment, sent + more)
}

/// The agent is another when this is back, and the kernel works by what the new one has filled.
fn take(pair: &mut Pair, name: &str, kind: Kind) -> Result<()> {
    let host = pair.site.host_mut(name)?;
    let watches = host.watches();
    match kind {
        Kind::Kill => host.kill9()?,
        Kind::Restart | Kind::Upgrade | Kind::Downgrade => host.stop()?,
    }
    match kind {
        Kind::Restart | Kind::Kill => {}
        Kind::Upgrade => host.object = Some((twin::object()?, twin::LAYOUT)),
        Kind::Downgrade => host.object = None,
    }
    host.start()?;
    let back = || (host.watches() > watches).then_some(());
    eventually(PATIENCE, "the next agent watches", back)?;
    pair.site.live(name)?;
    let host = pair.site.host(name)?;
    eventually(PATIENCE, "its own programs run", || runs_its_own(host).ok().filter(|own| *own))?;
    Ok(())
}

/// Only the maps of the version that is to run are left.
fn runs_its_own(host: &Host) -> Result<bool> {
    let mut twins = Vec::new();
    for entry in std::fs::read_dir(host.pins())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(layout) = name.strip_prefix("layout-") {
            twins.push(layout == twin::LAYOUT.to_string());
        }
    }
    Ok(twins == [host.object.is_some()])
}

/// One line per kind.
///
/// # Errors
/// `out` cannot be written.
pub fn write(outcomes: &[Outcome; 4], flows: usize, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n| agent's | runs | packets | lost | longest gap ms | TCP messages over {flows} flows | reset | late by 190 ms | segments sent again | longest absence ms |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|")?;
    for (kind, it) in Kind::ALL.iter().zip(outcomes) {
        let Fate { messages, reset, stalled, resent } = it.flows;
        let Outcome { runs, sent, lost, gap, longest, .. } = it;
        let name = kind.name();
        writeln!(
            out,
            "| {name} | {runs} | {sent} | {lost} | {gap} | {messages} | {reset} | {stalled} | {resent} | {} |",
            longest.as_millis()
        )?;
    }
    Ok(())
}
