//! Many remote ports: how long it takes to put them into the maps, what a packet costs among them, and what they cost
//! the agent.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use datapath::{Host as Datapath, Setup};
use model::plan::{Step, plan};
use model::spec::{HostSpec, RouteKey, Target};
use serde_json::json;

use crate::api::{Client, NewNetwork};
use crate::bench::{self, Measured};
use crate::netns::Netns;
use crate::paths;
use crate::site::{Cabling, HOSTS, Medium, Pair, Site};

/// Entries of the cold fill, and of the path among many.
pub const ENTRIES: u32 = 1_000_000;

/// Remote ports of the agent whose memory is measured.
pub const PORTS: usize = 100_000;

/// In one call: as many as the agent sets.
const CHUNK: usize = 8192;

/// Of the path among many.
pub const NAME: &str = "kannas, 1,000,000 entries";

#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// Reading the kernel, planning, and setting them all.
    pub whole: Duration,
    /// Of it the calls that set them.
    pub setting: Duration,
}

/// From nothing to [`ENTRIES`] remote ports in the maps of a host that has nothing else.
///
/// # Errors
/// Not root; the kernel has no room.
pub fn cold_fill(prefix: &str) -> Result<Fill> {
    let [host, _other] = paths::hosts(&format!("{prefix}fill-"))?;
    let folder = crate::site::Folder::new(&format!("{prefix}fill"), Medium::Memory)?;
    let want = among_others();
    let fill = fill(&host, &folder.pins().join("host"), paths::UNDERLAY[0].into(), &want)?;
    ensure!(fill.setting <= fill.whole, "a part is less than the whole");
    Ok(fill)
}

/// CPU and throughput of a path among [`ENTRIES`] entries, beside one among a few.
///
/// # Errors
/// As [`bench::run`].
pub fn among_many(prefix: &str, rounds: usize, out: &mut impl Write) -> Result<Vec<Measured>> {
    let few = Pair::start(&format!("{prefix}few"), Cabling::Direct)?;
    let mut many = Pair::start(&format!("{prefix}many"), Cabling::Direct)?;
    few.peer()?;
    many.peer()?;
    let want = among_others();
    for (name, _) in HOSTS {
        // An agent would take away what it was not told of.
        let host = many.site.host_mut(name)?;
        host.stop()?;
        fill(&host.netns, host.pins(), host.underlay, &want)?;
    }
    let mut path = paths::kannas(&many);
    path.name = NAME.to_owned();
    bench::run(&[paths::kannas(&few), path], rounds, out)
}

/// What an agent has in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub ports: usize,
    /// Resident, of an agent that has no remote port.
    pub before: u64,
    /// Resident, with `ports` of them.
    pub with: u64,
    /// The most that was resident until then.
    pub most: u64,
}

/// An agent's memory without and with `ports` remote ports.
///
/// # Errors
/// The API refuses; the agent does not come up.
pub fn memory(prefix: &str, ports: usize, progress: &mut impl Write) -> Result<Memory> {
    let mut site = Site::start(&format!("{prefix}memory"), &HOSTS, Cabling::Direct)?;
    let admin = site.admin.clone();
    let network = NewNetwork { name: "big", zone: HOSTS[1].1, subnet: "10.0.0.0/8", router: None };
    let network = admin.make_network(network)?;
    let port = |host: &str, index: usize| {
        let index = u32::try_from(index)?;
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + index);
        let body = json!({
            "network": network, "host": host, "netns": format!("p{index}"), "address": address,
        });
        anyhow::Ok(body)
    };
    let (near, far) = (HOSTS[0].0, HOSTS[1].0);
    // So that nobody's kernel has to make the far ports.
    site.host_mut(far)?.stop()?;
    let workload = site.netns("near")?;
    let before = status(site.host(near)?.pid(), "VmRSS")?;
    site.host_mut(near)?.stop()?;
    make_ports(&admin, ports, &|index| port(far, index), progress)?;
    // Of the same network, so that all of them are its routes.
    let mut own = port(near, ports)?;
    own["netns"] = workload.name().into();
    admin.make_port(&own)?;
    site.host_mut(near)?.start()?;
    site.live(near)?;
    let pid = site.host(near)?.pid();
    Ok(Memory { ports, before, with: status(pid, "VmRSS")?, most: status(pid, "VmHWM")? })
}

fn make_ports(
    admin: &Client,
    count: usize,
    body: &(impl Fn(usize) -> Result<serde_json::Value> + Sync),
    progress: &mut impl Write,
) -> Result<()> {
    const AT_ONCE: usize = 32;
    let next = AtomicUsize::new(0);
    let made = std::thread::scope(|scope| {
        let make = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return anyhow::Ok(());
                }
                admin.make_port(&body(index)?)?;
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(make)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().map_err(|_| anyhow!("a thread panicked"))?
        };
        threads.into_iter().try_for_each(join)
    });
    made?;
    writeln!(progress, "{count} ports made")?;
    Ok(())
}

/// A line of `/proc/PID/status`, which is in KiB, in bytes.
fn status(pid: Option<u32>, name: &str) -> Result<u64> {
    let path = format!("/proc/{}/status", pid.context("no agent")?);
    let text = std::fs::read_to_string(&path).context(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let number = line.trim_matches(|c: char| !c.is_ascii_digit());
    Ok(number.parse::<u64>().context("a number")? * 1024)
}

/// Remote ports of a network that nobody here has.
fn among_others() -> HostSpec {
    let vni = 7_000_000.try_into().expect("it has 24 bits");
    let vtep = Ipv4Addr::new(198, 18, 0, 2).into();
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    let route = |index| {
        let prefix = model::ids::Prefix::host(Ipv4Addr::from(first + index).into());
        (RouteKey { vni, prefix }, Target::Remote { vtep, vni })
    };
    HostSpec { revision: 1, routes: (0..ENTRIES).map(route).collect(), ..HostSpec::default() }
}

fn fill(host: &Arc<Netns>, pins: &FilePath, underlay: IpAddr, want: &HostSpec) -> Result<Fill> {
    let pin_dir = pins.to_owned();
    let setup = Setup { underlay, vxlan_port: 4789, pin_dir, tunnels: None, object: None };
    host.run(|| {
        let mut host = Datapath::open(&setup)?;
        let begun = Instant::now();
        // What is there stays: the wish is all of it and ours.
        let have = host.observe()?;
        let mut all = want.clone();
        all.routes.extend(have.routes.iter().map(|(key, target)| (*key, *target)));
        let steps = plan(&all, &have);
        let routes: Vec<(RouteKey, Target)> = steps.iter().filter_map(route_of).collect();
        let setting = Instant::now();
        for part in routes.chunks(CHUNK) {
            host.set_routes(part)?;
        }
        let fill = Fill { whole: begun.elapsed(), setting: setting.elapsed() };
        let there = host.observe()?.routes.len();
        ensure!(there >= want.routes.len(), "{there} routes of {}", want.routes.len());
        Ok(fill)
    })?
}

fn route_of(step: &Step) -> Option<(RouteKey, Target)> {
    match step {
        Step::SetRoute { key, target } => Some((*key, *target)),
        Step::RemoveRoute(_) | Step::RemovePort(_) => None,
        Step::EnsureVtep | Step::EnsurePort { .. } => None,
        Step::EnsureTunnel { .. } | Step::RemoveTunnel(_) => None,
        Step::SetPeer { .. } | Step::RemovePeer(_) => None,
        Step::Seal { .. } | Step::Unseal(_) => None,
    }
}

/// # Errors
/// `out` cannot be written.
pub fn write(fill: &Fill, memory: &Memory, out: &mut impl Write) -> io::Result<()> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let Memory { ports, before, with, most } = *memory;
    let each = with.saturating_sub(before) / u64::try_from(ports.max(1)).unwrap_or(1);
    writeln!(out, "\n| many remote ports | |\n|---|---|")?;
    writeln!(
        out,
        "| cold fill of {ENTRIES}, with reading and planning | {:.2} s |",
        fill.whole.as_secs_f64()
    )?;
    writeln!(out, "| of it setting the entries | {:.2} s |", fill.setting.as_secs_f64())?;
    writeln!(out, "| agent's memory without remote ports | {} MiB |", mib(before))?;
    writeln!(
        out,
        "| with {ports} | {} MiB, {each} bytes a port; at most {} MiB |",
        mib(with),
        mib(most)
    )
}
