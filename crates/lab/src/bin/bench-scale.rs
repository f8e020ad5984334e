//! What a change costs in worlds of all sizes; many remote ports on a real agent: filling the maps, packets among them,
//! its memory. Needs root; all packets stay in namespaces made for it.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Parser;
use lab::site::sweep_abandoned;
use lab::{growth, netns, paths, scale, table};

#[derive(Parser)]
#[command(about = "What many remote ports cost. Needs root.")]
struct Arguments {
    /// How often each of the two paths is measured.
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// Remote ports on the disk of hosts that boot; 0 leaves these out, and the packets.
    #[arg(long, default_value_t = scale::ON_DISK)]
    ports: usize,
    /// Remote ports that the server is asked for and tells a host of; 0 leaves this out.
    #[arg(long, default_value_t = scale::BY_SERVER)]
    by_server: usize,
    /// How often each change is made in each world; 0 leaves this out.
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Worlds of at most so many ports.
    #[arg(long, default_value_t = 100_000)]
    most: u32,
    /// Where what changes cost is drawn.
    #[arg(long, default_value = "artefacts/scale.svg")]
    plot: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { rounds, ports, by_server, changes, most, plot } = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let prefix = netns::prefix("kb");
    if changes > 0 {
        let sizes: Vec<u32> = growth::SIZES.into_iter().filter(|it| *it <= most).collect();
        growth::run(&prefix, (&sizes, changes), &plot, &mut out, &mut progress)?;
    }
    if ports == 0 {
        return Ok(());
    }
    let reboot = scale::Reboot::new(&prefix, ports)?;
    let mut filled = vec![("from its disk, without a server", reboot.filled)];
    if by_server > 0 {
        filled.push(("from the server", scale::serve(&prefix, by_server, &mut progress)?));
    }
    scale::write(&filled, &mut out)?;
    let measured = reboot.measure(&prefix, rounds, &mut progress)?;
    writeln!(
        out,
        "\n{}: {} remote ports in the maps of both hosts\n",
        scale::NAME,
        reboot.filled.ports
    )?;
    table::write(&measured, paths::KANNAS, &mut out)?;
    Ok(())
}
