//! Thousands of agents on one server, over real connections. Needs root, as the server's folder is a lab's; nothing
//! leaves loopback.

use std::io;

use clap::Parser;
use lab::herd::{self, Plan};
use lab::netns;
use lab::site::sweep_abandoned;

#[derive(Parser)]
#[command(
    about = "What many watching agents cost one server, and how soon they know of a change. Needs root."
)]
struct Arguments {
    #[arg(long, default_value_t = 10_000)]
    agents: u32,
    /// Of the leases that agents renew.
    #[arg(long, default_value_t = 10_000)]
    lease_ms: u64,
    /// Prefix changes, each of which concerns a thousand agents.
    #[arg(long, default_value_t = 20)]
    changes: usize,
    /// Remote ports in every slice.
    #[arg(long, default_value_t = 100)]
    far_ports: u32,
    /// Writes that pass while one reader reads nothing.
    #[arg(long, default_value_t = 10_000)]
    asleep: usize,
}

fn main() -> anyhow::Result<()> {
    let Arguments { agents, lease_ms, changes, far_ports, asleep } = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let plan = Plan { agents, lease_ms, changes, far_ports, asleep };
    herd::run(&netns::prefix("kb"), plan, &mut out, &mut progress)
}
