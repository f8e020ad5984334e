//! Compares packet paths on this machine. Needs root; all packets stay in namespaces made for it.

use std::io;

use clap::Parser;
use lab::{bench, netns, paths, table};

#[derive(Parser)]
#[command(
    about = "Compares packet paths: CPU per packet, throughput of a core, round-trip time. Needs root."
)]
struct Arguments {
    /// How often every path is measured; one round takes about a second per path.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    netns::sweep_abandoned("kb")?;
    let paths = paths::baselines(&netns::prefix("kb"))?;
    let measured = bench::run(&paths, arguments.rounds, &mut io::stderr().lock())?;
    table::write(&measured, paths::BRIDGE_VXLAN, &mut io::stdout().lock())?;
    Ok(())
}
