//! Durable writes through the API, beside a handler that makes a commit of each on the same disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::bare::Bare;
use super::rate::{Answered, Target};
use super::{Ours, Plan};

const CLIENTS: usize = 64;

/// For how long the disk alone is measured, each time.
const SYNCS: Duration = Duration::from_secs(3);

const BODY: &str = r#"{"router":{"name":"router of a client","labels":[{"key":"env","value":"prod"},{"key":"team","value":"7"}]}}"#;

/// Ours in one go, as only that tells what it sustains; the rival half before and half after, so that a disk that
/// changes its pace treats both alike.
pub(super) fn run(
    prefix: &str,
    plan: Plan,
    out: &mut impl Write,
    progress: &mut impl Write,
) -> Result<()> {
    let whole = Duration::from_secs(plan.seconds);
    let ours = Ours::start(&format!("{prefix}writes"))?;
    let folder = ours.site.folder().path();
    let ask = ours.ask("POST", "/1.3/router", BODY);
    let created = ours.target_created(&ask)?;
    let bare = Bare::start(&folder.join("bare"), &BTreeMap::new(), &created)?;
    let load = |of: Target, time| of.answers(&ask, CLIENTS, time);
    let mut disk = vec![syncs(folder)?];
    writeln!(progress, "a commit per request, {:?}", whole / 2)?;
    let mut others = vec![load(bare.target(), whole / 2)?];
    disk.push(syncs(folder)?);
    writeln!(progress, "ours, {whole:?}")?;
    let mine = load(ours.target, whole)?;
    disk.push(syncs(folder)?);
    writeln!(progress, "a commit per request, {:?}", whole / 2)?;
    others.push(load(bare.target(), whole / 2)?);
    disk.push(syncs(folder)?);

    let rates: Vec<String> = disk.iter().map(|it| format!("{:.0}", it.per_second())).collect();
    writeln!(
        out,
        "\n4 KiB append + fdatasync, one at a time, between the parts: {} /s",
        rates.join(", ")
    )?;
    writeln!(
        out,
        "| POST router, {CLIENTS} clients, {whole:?} each | per s | least in a second | p50 ms | p99 ms | longest ms | us CPU |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    row("append + fdatasync alone", &disk, out)?;
    row("bare handler, a commit each", &others, out)?;
    row("ours, by its API", std::slice::from_ref(&mine), out)?;
    let (mine, others) = (rate(std::slice::from_ref(&mine)), rate(&others));
    let data = folder.join("data/kannas.db");
    let mb = |path: &Path| std::fs::metadata(path).map_or(0, |it| it.len() / 1_000_000);
    writeln!(
        out,
        "ours / a commit each: {:.2} (aim >= 2.5; p99 < 10 ms). Database {} MB, its log {} MB.",
        mine / others,
        mb(&data),
        mb(&data.with_extension("db-wal")),
    )?;
    Ok(())
}

impl Ours {
    fn target_created(&self, ask: &super::Ask) -> Result<Vec<u8>> {
        let mut connection = super::Connection::open(self.target.address)?;
        Ok(connection.ask(ask)?.to_vec())
    }
}

/// Of one file that grows by 4 KiB each time, as a log does: one at a time.
fn syncs(folder: &Path) -> Result<Answered> {
    let path = folder.join("syncs");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < SYNCS {
        let asked = start.elapsed();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        let done = start.elapsed();
        samples.push((done, done - asked));
    }
    std::fs::remove_file(path)?;
    Ok(Answered { samples, wall: start.elapsed(), cpu: Duration::ZERO })
}

fn rate(runs: &[Answered]) -> f64 {
    let count: usize = runs.iter().map(|it| it.samples.len()).sum();
    let wall: Duration = runs.iter().map(|it| it.wall).sum();
    count as f64 / wall.as_secs_f64()
}

fn row(name: &str, runs: &[Answered], out: &mut impl Write) -> Result<()> {
    let least = runs.iter().map(Answered::least_in_a_second).min().unwrap_or(0);
    let all = Answered {
        samples: runs.iter().flat_map(|it| &it.samples).copied().collect(),
        wall: runs.iter().map(|it| it.wall).sum(),
        cpu: runs.iter().map(|it| it.cpu).sum(),
    };
    ensure!(!all.samples.is_empty(), "{name}: no write was answered");
    let [p50, p99, longest] = [50, 99, 100].map(|percent| all.percentile_ms(percent));
    let (rate, cpu) = (rate(runs), all.cpu_us());
    writeln!(
        out,
        "| {name} | {rate:.0} | {least} | {p50:.2} | {p99:.2} | {longest:.0} | {cpu:.0} |"
    )?;
    Ok(())
}
