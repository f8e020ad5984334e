//! Many remote ports: filling the maps, packets among them, the agent's memory. Needs root; all packets stay in
//! namespaces made for it.

use std::io;

use clap::Parser;
use lab::site::sweep_abandoned;
use lab::{netns, paths, scale, table};

#[derive(Parser)]
#[command(about = "What many remote ports cost. Needs root.")]
struct Arguments {
    /// How often each of the two paths is measured.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Remote ports of the agent whose memory is measured.
    #[arg(long, default_value_t = scale::PORTS)]
    ports: usize,
}

fn main() -> anyhow::Result<()> {
    let Arguments { rounds, ports } = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let prefix = netns::prefix("kb");
    let fill = scale::cold_fill(&prefix)?;
    let memory = scale::memory(&prefix, ports, &mut progress)?;
    scale::write(&fill, &memory, &mut out)?;
    let measured = scale::among_many(&prefix, rounds, &mut progress)?;
    table::write(&measured, paths::KANNAS, &mut out)?;
    Ok(())
}
