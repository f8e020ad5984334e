//! What the HTTP API takes and costs, beside a bare handler that answers the same bytes, in one run.
//!
//! Client, server and rival share the machine, so a figure by itself says little: each is measured in turns with what
//! it is compared with, and the ratio is the median of the ratios of the turns.

mod bare;
mod connection;
mod durable;
mod furnish;
mod rate;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

pub use bare::{ARGUMENT as BARE, serve as serve_bare};

use crate::api::{PEERINGS, text};
use crate::site::{Cabling, Medium, Site};
use bare::Bare;
use connection::{Ask, Connection};
use rate::{Answered, Target, median};

/// How long one measure takes.
const TURN: Duration = Duration::from_secs(1);

/// Connections that read at the same time.
const READERS: usize = 8;

/// Halves of the list that a page of 100 is taken from, and those of the long list.
const FEW: usize = 100;
const MANY: usize = 20_000;

/// How often the long list is asked for.
const LISTS: u32 = 20;

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub rounds: usize,
    /// Of durable writes, each.
    pub seconds: u64,
}

/// A server with an administrator, and how the load calls it.
struct Ours {
    site: Site,
    target: Target,
    basic: String,
}

impl Ours {
    fn start(name: &str) -> Result<Self> {
        let site = Site::open(Medium::Disk, name, 2, Cabling::Direct)?;
        let password = std::fs::read_to_string(site.server.password_file())?;
        let pair = BASE64_STANDARD.encode(format!("admin:{}", password.trim_end()));
        let target = Target { address: site.server.api, pid: site.server.pid() };
        Ok(Self { site, target, basic: format!("Basic {pair}") })
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Ask {
        Ask::new(method, path, &self.basic, body)
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let mut connection = Connection::open(self.target.address)?;
        Ok(connection.ask(&self.ask("GET", path, ""))?.to_vec())
    }
}

/// Measures it all, in about `rounds * 10 + seconds * 2` seconds; tells `progress` what it does. Sites and folders are
/// named after `prefix`.
///
/// # Errors
/// Not root; the server does not come up or refuses.
pub fn run(
    prefix: &str,
    plan: Plan,
    out: &mut impl Write,
    progress: &mut impl Write,
) -> Result<()> {
    let ours = Ours::start(&format!("{prefix}reads"))?;
    writeln!(progress, "{FEW} peerings")?;
    let one = furnish::pairs(&ours, FEW / 2)?;
    reads(&ours, &one, plan.rounds, out)?;
    credentials(&ours, plan.rounds, out)?;
    writeln!(progress, "{MANY} peerings")?;
    furnish::pairs(&ours, (MANY - FEW) / 2)?;
    lists(&ours, out)?;
    drop(ours);
    durable::run(prefix, plan, out, progress)
}

/// GET of one peering, and of a list of them.
fn reads(ours: &Ours, one: &str, rounds: usize, out: &mut impl Write) -> Result<()> {
    let one = format!("{PEERINGS}/{one}");
    let answers: BTreeMap<&str, Vec<u8>> = [one.as_str(), PEERINGS]
        .into_iter()
        .map(|path| Ok((path, ours.bytes(path)?)))
        .collect::<Result<_>>()?;
    let folder = ours.site.folder().path().join("bare");
    let bare = Bare::start(&folder, &answers, b"{}")?;
    writeln!(
        out,
        "\n| {READERS} connections | requests/s | us CPU of the server | bare handler: requests/s | us CPU | ours / bare: requests/s, CPU | aim |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (what, path, aim) in
        [("GET one peering", one.as_str(), ">= 0.6"), ("GET list of 100", PEERINGS, "-")]
    {
        let ask = ours.ask("GET", path, "");
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            mine.push(ours.target.answers(&ask, READERS, TURN)?);
            others.push(bare.target().answers(&ask, READERS, TURN)?);
        }
        let line = [&mine, &others].map(|all| {
            let rate = median(all.iter().map(Answered::per_second));
            format!("{rate:.0} | {:.1}", median(all.iter().map(Answered::cpu_us)))
        });
        let rates = ratio(&mine, &others, Answered::per_second);
        let cpu = ratio(&mine, &others, Answered::cpu_us);
        writeln!(out, "| {what} | {} | {rates:.2}, {cpu:.2} | {aim} |", line.join(" | "))?;
    }
    Ok(())
}

/// The same call by a password that was checked before, and by a token.
fn credentials(ours: &Ours, rounds: usize, out: &mut impl Write) -> Result<()> {
    let wish = json!({"name": "bench", "expires_in": 3600});
    let made = ours.site.admin.ok("POST", "/1.3/account/tokens", Some(&wish))?;
    let bearer = format!("Bearer {}", text(&made["token"])?);
    let [basic, bearer] = [&ours.basic, &bearer].map(|by| Ask::new("GET", "/1.3/account", by, ""));
    let (mut by_basic, mut by_bearer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        by_basic.push(ours.target.answers(&basic, 1, TURN)?);
        by_bearer.push(ours.target.answers(&bearer, 1, TURN)?);
    }
    let cpu = |all: &[Answered]| median(all.iter().map(Answered::cpu_us));
    writeln!(
        out,
        "\nGET /1.3/account: {:.1} us CPU by Basic after the first call, {:.1} by Bearer; ratio {:.3} (aim <= 1.05)",
        cpu(&by_basic),
        cpu(&by_bearer),
        ratio(&by_basic, &by_bearer, Answered::cpu_us),
    )?;
    Ok(())
}

fn ratio(these: &[Answered], those: &[Answered], of: fn(&Answered) -> f64) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| of(this) / of(that)))
}

/// What the long list costs the server, whole and by a label that few have.
fn lists(ours: &Ours, out: &mut impl Write) -> Result<()> {
    let mut connection = Connection::open(ours.target.address)?;
    for (what, query) in [("all", ""), ("by label=batch=7", "?label=batch%3D7")] {
        let ask = ours.ask("GET", &format!("{PEERINGS}{query}"), "");
        connection.ask(&ask)?;
        let mut costs = Vec::new();
        let mut bytes = 0;
        for _ in 0..LISTS {
            let before = ours.target.cpu()?;
            bytes = connection.ask(&ask)?.len();
            costs.push(ours.target.cpu()?.saturating_sub(before).as_secs_f64() * 1e3);
        }
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        writeln!(
            out,
            "GET list of {MANY} peerings, {what}: {bytes} bytes, {:.1} ms CPU of the server (least {least:.1}; aim < 50)",
            median(costs)
        )?;
    }
    Ok(())
}

/// The UUID in the JSON of what was made.
fn uuid_of(answer: &[u8], noun: &str) -> Result<String> {
    let it: serde_json::Value = serde_json::from_slice(answer)?;
    text(&it[noun]["uuid"]).context("a UUID")
}
