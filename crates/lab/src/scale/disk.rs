//! A host that boots while the control plane is away, with many remote ports on its disk.
//!
//! All is as after a real reboot: nothing of ours is in the kernel, and the agent has its last slice. Into that slice
//! routes were put before, to ports of a network that nobody here has: to the maps and the agent they are as good as
//! others, and there are no ports behind them that somebody would have to make.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::Ipv4Addr;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use model::ids::{Prefix, Vni};
use model::spec::{RouteKey, Target};
use model::wire::agent::Line;

use super::{Filled, filled, status};
use crate::bench::{self, Measured};
use crate::eventually::eventually;
use crate::paths;
use crate::site::{Cabling, HOSTS, Host, PATIENCE, Pair};

/// Of the path among many.
pub const NAME: &str = "Kannas among many";

/// A network that nobody here has.
const VNI: u32 = 7_000_000;

/// Two hosts that have booted with many remote ports each.
#[derive(Debug)]
pub struct Reboot {
    pair: Pair,
    /// The slower one's.
    pub filled: Filled,
}

impl Reboot {
    /// # Errors
    /// The site does not come up, or an agent does not fill its maps.
    pub fn new(prefix: &str, ports: usize) -> Result<Self> {
        let mut pair = Pair::start(&format!("{prefix}many"), Cabling::Direct)?;
        pair.peer()?;
        let mut all = Vec::new();
        for (name, _) in HOSTS {
            all.push(status(pair.site.host(name)?, "VmRSS")?);
            pair.site.host_mut(name)?.stop()?;
        }
        pair.site.server.kill9()?;
        let mut filled = Vec::new();
        for ((name, _), before) in HOSTS.into_iter().zip(all) {
            filled.push(boot(pair.site.host_mut(name)?, ports, before)?);
        }
        let slower = filled.into_iter().max_by_key(|it| it.fill).context("two hosts")?;
        Ok(Self { pair, filled: slower })
    }

    /// CPU and throughput between the two, beside two others that have few.
    ///
    /// # Errors
    /// As [`bench::run`].
    pub fn measure(
        &self,
        prefix: &str,
        rounds: usize,
        progress: &mut impl Write,
    ) -> Result<Vec<Measured>> {
        let few = Pair::start(&format!("{prefix}few"), Cabling::Direct)?;
        few.peer()?;
        bench::run(&[paths::kannas(&few), paths::kannas_as(NAME, &self.pair)], rounds, progress)
    }
}

fn boot(host: &mut Host, ports: usize, before: u64) -> Result<Filled> {
    host.lose_kernel_state()?;
    add_routes(host, ports)?;
    let fills = host.fills();
    let begun = Instant::now();
    host.start()?;
    let (fill, cpu) = filled(host, fills, begun)?;
    let there = datapath::routes(host.pins()).context("the maps")?;
    ensure!(there >= ports, "{there} of {ports} routes are in the maps");
    let (with, most) = at_rest(host)?;
    Ok(Filled { ports: there, fill, cpu, again: None, before, with, most })
}

/// Resident, once that has not grown or shrunk for a second, and the most until then.
pub(super) fn at_rest(host: &Host) -> Result<(u64, u64)> {
    let mut last = (status(host, "VmRSS")?, Instant::now());
    let rests = || {
        let now = status(host, "VmRSS").ok()?;
        if now.abs_diff(last.0) > 1 << 20 {
            last = (now, Instant::now());
        }
        (last.1.elapsed().as_secs() >= 1).then_some(now)
    };
    let rest = eventually(PATIENCE, "the agent's memory rests", rests)?;
    Ok((rest, status(host, "VmHWM")?))
}

/// In front of the mark that ends the slice on disk.
fn add_routes(host: &Host, count: usize) -> Result<()> {
    let path = host.slice_file();
    let text = std::fs::read_to_string(&path).context("the slice")?;
    let (lines, mark) = text.trim_end().rsplit_once('\n').context("a slice of several lines")?;
    let [vtep] = paths::UNDERLAY.iter().filter(|it| host.underlay != **it).collect::<Vec<_>>()[..]
    else {
        anyhow::bail!("{} is not one of two", host.underlay)
    };
    let vni = Vni::try_from(VNI).context("a VNI")?;
    let mut out = BufWriter::new(File::create(&path).context("the slice")?);
    writeln!(out, "{lines}")?;
    for index in 0..u32::try_from(count).context("too many")? {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + index);
        let key = RouteKey { vni, prefix: Prefix::host(address.into()) };
        let target = Target::Remote { vtep: (*vtep).into(), vni };
        writeln!(out, "{}", serde_json::to_string(&Line::Route { key, target })?)?;
    }
    writeln!(out, "{mark}")?;
    out.flush().context("the slice")
}
