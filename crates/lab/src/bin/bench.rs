//! Compares packet paths on this machine. Needs root; all packets stay in namespaces made for it.

use std::io;

use clap::Parser;
use lab::site::{Cabling, HOSTS, Medium, Pair, Site, sweep_abandoned};
use lab::{bench, first_packet, netns, paths, table};

#[derive(Parser)]
#[command(
    about = "Compares packet paths: CPU per packet, throughput of a core, round-trip time. Needs root."
)]
struct Arguments {
    /// How often every path is measured; one round takes about a second per path.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// How many peerings are made to time their first packets.
    #[arg(long, default_value_t = 100)]
    peerings: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let prefix = netns::prefix("kb");
    {
        let pair = Pair::start(&format!("{prefix}kannas"), Cabling::Direct)?;
        pair.peer()?;
        let mut paths = paths::baselines(&prefix)?;
        paths.push(paths::kannas(&pair));
        let measured = bench::run(&paths, arguments.rounds, &mut progress)?;
        table::write(&measured, paths::BRIDGE_VXLAN, &mut out)?;
    }
    let site = Site::start_on(Medium::Disk, &format!("{prefix}first"), &HOSTS, Cabling::Direct)?;
    let measured = first_packet::run(&site, arguments.peerings, &mut progress)?;
    first_packet::write(&measured, &mut out)?;
    Ok(())
}
