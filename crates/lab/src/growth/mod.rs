//! What a change costs in a world of ten ports and in one of a hundred thousand: calls, the first packet, CPU.
//!
//! In each world two real hosts stand among others that nobody plays. The near one's network is peered with up to a
//! thousand networks beside the one that is measured.

mod plot;
mod storm;

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use model::ids::Prefix;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::api::text;
use crate::cpu::ran;
use crate::site::{Cabling, HOSTS, PATIENCE, Site, Workload, add_machine};
use crate::stock::{Stock, address, half, host_of, network_of, peer, port};
use crate::stream::Stream;
use plot::{Axes, Series, svg};

/// Ports in all of a world.
pub const SIZES: [u32; 5] = [10, 100, 1000, 10_000, 100_000];

/// On one network; so a hundred thousand are on two thousand networks.
const TOGETHER: u32 = 50;

/// Peerings of a network: of two thousand networks twenty thousand halves.
const EACH: u32 = 5;

/// Of the near network.
const PEERS: u32 = 1000;

/// Ports of one of the hosts that nobody plays.
const AT_ONE: u32 = 1000;

/// One world and what was measured in it.
#[derive(Debug, Default)]
struct World {
    ports: u32,
    halves: usize,
    /// Halves of the near network.
    near: u32,
    post: Vec<Duration>,
    packet: Vec<Duration>,
    patch: Vec<Duration>,
    delete: Vec<Duration>,
    port: Vec<Duration>,
    no_port: Vec<Duration>,
    /// Of the server and of the near agent, for one port.
    cpu: [Duration; 2],
    recomputed: u64,
}

/// A site in a world of that size.
struct Place {
    site: Site,
    near: (Workload, String),
    far: (Workload, String),
}

/// Measures it all, draws it to `plot`, and lets storms pass in the world before the last.
///
/// # Errors
/// Not root; the API refuses; a packet does not arrive.
pub fn run(
    prefix: &str,
    (sizes, rounds): (&[u32], usize),
    plot: &Path,
    out: &mut impl Write,
    progress: &mut impl Write,
) -> Result<()> {
    let mut worlds = Vec::new();
    for size in sizes {
        writeln!(progress, "a world of {size} ports")?;
        let place = Place::new(&format!("{prefix}g{size}"), *size)?;
        worlds.push(place.measure(*size, rounds)?);
        if *size == 10_000 {
            writeln!(progress, "storms")?;
            storm::run(place, out)?;
        }
    }
    write(&worlds, out)?;
    let folder = plot.parent().context("a file in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(plot, drawing(&worlds)).with_context(|| plot.display().to_string())?;
    Ok(writeln!(out, "\ndrawn in {}", plot.display())?)
}

impl Place {
    fn new(name: &str, ports: u32) -> Result<Self> {
        let mut site = Site::start(name, &HOSTS, Cabling::Direct)?;
        let machine =
            |at: usize, name, subnet| add_machine(&site, &site.admin, HOSTS[at], (name, subnet));
        let near = machine(0, "near", "10.1.0.0/16")?;
        let far = machine(1, "far", "10.2.0.0/24")?;
        site.server.kill9()?;
        let made = fill(site.server.data(), ports, near.1.parse().context("a UUID")?);
        Runtime::new().context("a runtime")?.block_on(made)?;
        site.server.restart()?;
        for (host, _) in HOSTS {
            site.live(host)?;
        }
        Ok(Self { site, near, far })
    }

    fn measure(&self, ports: u32, rounds: usize) -> Result<World> {
        let near = networks(ports).min(PEERS);
        let halves = pairs(networks(ports)).count() * 2;
        let mut it = World { ports, halves, near, ..World::default() };
        let before = self.recomputed()?;
        self.peerings(rounds, &mut it)?;
        self.ports(rounds, &mut it)?;
        it.recomputed = self.recomputed()? - before;
        Ok(it)
    }

    fn peerings(&self, rounds: usize, it: &mut World) -> Result<()> {
        let ((near, a), (far, b)) = (&self.near, &self.far);
        let admin = &self.site.admin;
        admin.make_peering(b, a)?;
        for _ in 0..rounds {
            let stream = Stream::start(&near.end, &far.end)?;
            stream.watch_sent(Instant::now(), 1)?;
            let sent = Instant::now();
            let made = admin.make_peering(a, b)?;
            it.post.push(sent.elapsed());
            it.packet.push(stream.arrival_since(sent, PATIENCE)? - sent);
            self.site.active(admin, &made)?;
            let uuid = text(&made["uuid"])?;
            for state in ["disabled", "active"] {
                let sent = Instant::now();
                admin.change_peering(&uuid, &json!({"configured_status": state}))?;
                it.patch.push(sent.elapsed());
            }
            let sent = Instant::now();
            admin.delete_peering(&uuid)?;
            it.delete.push(sent.elapsed());
        }
        Ok(())
    }

    /// On the near network, at a host that nobody plays: the near host is told of each.
    fn ports(&self, rounds: usize, it: &mut World) -> Result<()> {
        let admin = &self.site.admin;
        let before = self.cpu()?;
        for n in 0..rounds {
            let wish =
                json!({"network": self.near.1, "host": host_of(0), "device": format!("m{n}")});
            let sent = Instant::now();
            let made = admin.make_port(&wish)?;
            it.port.push(sent.elapsed());
            let path = format!("/kannas/v1/ports/{}", text(&made["uuid"])?);
            let sent = Instant::now();
            admin.ok("DELETE", &path, None)?;
            it.no_port.push(sent.elapsed());
        }
        let count = u32::try_from(2 * rounds.max(1))?;
        let after = self.cpu()?;
        it.cpu = [0, 1].map(|n| after[n].saturating_sub(before[n]) / count);
        Ok(())
    }

    fn cpu(&self) -> Result<[Duration; 2]> {
        let agent = self.site.host(HOSTS[0].0)?.pid().context("no agent")?;
        Ok([ran(self.site.server.pid())?, ran(agent)?])
    }

    fn counters(&self) -> Result<Value> {
        Ok(self.site.admin.get("/kannas/v1/counters")?["counters"]["watch"].clone())
    }

    fn recomputed(&self) -> Result<u64> {
        self.counters()?["recomputed"].as_u64().context("a counter")
    }
}

fn networks(ports: u32) -> u32 {
    ports.div_ceil(TOGETHER)
}

/// Each network with those that follow it.
fn pairs(count: u32) -> impl Iterator<Item = (u32, u32)> {
    let all = (0..count).flat_map(move |a| (1..=EACH).map(move |step| (a, (a + step) % count)));
    all.filter(move |_| count > 2 * EACH)
}

async fn fill(data: &Path, ports: u32, near: Uuid) -> Result<()> {
    let stock = Stock::open(data)?;
    let count = networks(ports);
    stock.join(0..ports.div_ceil(AT_ONE)).await?;
    let prefix = |n: u32| {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + (n << 8));
        Prefix::new(address.into(), 24).context("a prefix")
    };
    let all: Vec<(u32, Prefix)> = (0..count).map(|n| Ok((n, prefix(n)?))).collect::<Result<_>>()?;
    stock.networks(all.iter().copied()).await?;
    let made = (0..ports).map(|n| {
        let (network, prefix) = all[usize::try_from(n / TOGETHER)?];
        port(network, n / AT_ONE, address(prefix, 2 + n % TOGETHER))
    });
    stock.write(made.collect::<Result<Vec<_>>>()?).await?;
    stock.write(pairs(count).flat_map(|(a, b)| peer(a, b))).await?;
    let with = (0..count.min(PEERS)).map(network_of);
    stock.write(with.flat_map(|it| [half(near, it), half(it, near)])).await?;
    ensure!(stock.0.world().ports.len() >= usize::try_from(ports)?, "ports are missing");
    Ok(())
}

type Column = (&'static str, fn(&World) -> &[Duration]);

const COLUMNS: [Column; 6] = [
    ("POST peering", |it| &it.post),
    ("first packet", |it| &it.packet),
    ("PATCH peering", |it| &it.patch),
    ("DELETE peering", |it| &it.delete),
    ("POST port", |it| &it.port),
    ("DELETE port", |it| &it.no_port),
];

fn write(worlds: &[World], out: &mut impl Write) -> Result<()> {
    let titles = COLUMNS.map(|(name, _)| name).join(" | ");
    writeln!(
        out,
        "\n| ports (halves, of one network): ms p50, p99 | {titles} | CPU of server, agent for a port: us | made anew |"
    )?;
    writeln!(out, "|---|{}---|---|", "---|".repeat(COLUMNS.len()))?;
    for it in worlds {
        let times = COLUMNS
            .map(|(_, of)| format!("{:.1}, {:.1}", ms(of(it), 50), ms(of(it), 99)))
            .join(" | ");
        let [server, agent] = it.cpu.map(|it| it.as_micros());
        writeln!(
            out,
            "| {} ({}, {}) | {times} | {server}, {agent} | {} |",
            it.ports, it.halves, it.near, it.recomputed
        )?;
    }
    if let [first, .., last] = worlds {
        let ratio = ms(&last.packet, 50) / ms(&first.packet, 50);
        writeln!(
            out,
            "\nfirst packet, p50, of the largest to the smallest: {ratio:.2} (aim <= 1.2)"
        )?;
    }
    Ok(())
}

fn drawing(worlds: &[World]) -> String {
    let series = |name, colour, percent, of: fn(&World) -> &[Duration]| Series {
        name,
        colour,
        points: worlds.iter().map(|it| (f64::from(it.ports), ms(of(it), percent))).collect(),
    };
    let cpu = Series {
        name: "CPU of the server, one port",
        colour: "#888888",
        points: worlds
            .iter()
            .map(|it| (f64::from(it.ports), it.cpu[0].as_secs_f64() * 1e3))
            .collect(),
    };
    let all = [
        series("POST peering, p99", "#d1495b", 99, |it| &it.post),
        series("POST peering, p50", "#e9967a", 50, |it| &it.post),
        series("first packet, p50", "#3d8bd4", 50, |it| &it.packet),
        series("POST port, p99", "#2e9e6b", 99, |it| &it.port),
        series("POST port, p50", "#7cc47f", 50, |it| &it.port),
        cpu,
    ];
    let title = "What a change costs against the ports there are";
    svg(Axes { title, x: "ports in the world", y: "ms" }, &all)
}

fn ms(all: &[Duration], percent: usize) -> f64 {
    let mut all = all.to_vec();
    all.sort_unstable();
    let at = (all.len() * percent).div_ceil(100).saturating_sub(1);
    all.get(at).map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
}
