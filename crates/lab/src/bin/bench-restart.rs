//! Restarts, kills, upgrades and downgrades of agents with packets flowing. Needs root; all packets stay in namespaces
//! made for it.

use std::io;

use clap::Parser;
use lab::site::{Cabling, Pair, sweep_abandoned};
use lab::{netns, restarts};

#[derive(Parser)]
#[command(about = "What restarts, kills, upgrades and downgrades of agents cost. Needs root.")]
struct Arguments {
    /// How many, one kind after the other.
    #[arg(long, default_value_t = 100)]
    runs: usize,
    /// TCP connections that talk meanwhile.
    #[arg(long, default_value_t = 1000)]
    flows: usize,
}

fn main() -> anyhow::Result<()> {
    let Arguments { runs, flows } = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let mut pair = Pair::start(&format!("{}restart", netns::prefix("kb")), Cabling::Direct)?;
    let outcomes = restarts::run(&mut pair, flows, runs, &mut progress)?;
    restarts::write(&outcomes, flows, &mut out)?;
    Ok(())
}
