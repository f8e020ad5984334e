//! Compares packet paths on this machine, and the HTTP API with a bare handler. Needs root; all packets stay in
//! namespaces made for it, or on loopback.

use std::io;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use lab::site::{Cabling, HOSTS, Medium, Pair, Site, sweep_abandoned};
use lab::{bench, first_packet, load, netns, paths, table, tunnels};

#[derive(Parser)]
#[command(
    about = "Compares packet paths: CPU per packet, throughput of a core, round-trip time; and the HTTP API with a \
             bare handler: requests per second, durable writes. Needs root."
)]
struct Arguments {
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// How often every path is measured; one round takes about a second per path.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// How many peerings are made to time their first packets.
    #[arg(long, default_value_t = 100)]
    peerings: usize,
    /// For how long the API takes durable writes.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Paths,
    First,
    Api,
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|first| first == load::BARE) {
        return load::serve_bare(&PathBuf::from(words.next().unwrap_or_default()));
    }
    let arguments = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let prefix = netns::prefix("kb");
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Paths) {
        let pair = Pair::start(&format!("{prefix}kannas"), Cabling::Direct)?;
        let sealed = Pair::start(&format!("{prefix}sealed"), Cabling::Direct)?;
        for pair in [&pair, &sealed] {
            pair.peer()?;
        }
        let mut paths = paths::baselines(&prefix)?;
        paths.push(paths::kannas(&pair));
        paths.push(tunnels::sealed(&sealed)?);
        paths.extend(tunnels::all(&prefix, &mut progress)?);
        let measured = bench::run(&paths, arguments.rounds, &mut progress)?;
        table::write(&measured, paths::BRIDGE_VXLAN, &mut out)?;
    }
    if wanted(Part::First) {
        let name = format!("{prefix}first");
        let site = Site::start_on(Medium::Disk, &name, &HOSTS, Cabling::Direct)?;
        let measured = first_packet::run(&site, arguments.peerings, &mut progress)?;
        first_packet::write(&measured, &mut out)?;
    }
    if wanted(Part::Api) {
        let plan = load::Plan { rounds: arguments.rounds, seconds: arguments.seconds };
        load::run(&prefix, plan, &mut out, &mut progress)?;
    }
    Ok(())
}
