//! Lets things go wrong between two hosts, and tells how soon the peering says so, and how soon it no longer does.
//! Needs root; all packets stay in namespaces made for it.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Parser;
use lab::faults::{self, Fault, measured, run};
use lab::site::{Cabling, Pair, sweep_abandoned};
use lab::{eventually, netns};

#[derive(Parser)]
#[command(about = "Faults, and how soon they are told and told no more. Needs root.")]
struct Arguments {
    /// How often each fault happens; the slowest of each is shown. A round takes two and a half minutes.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// From the beginning of one fault to the next: a way that is lost more often than three times a minute counts as one
/// that flaps, and is believed to be open later (docs/decisions/0014).
const CALM: Duration = Duration::from_secs(21);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (mut out, mut progress) = (io::stdout().lock(), io::stderr().lock());
    sweep_abandoned("kb")?;
    let mut pair = Pair::start(&format!("{}truth", netns::prefix("kb")), Cabling::Switched)?;
    let [half, _] = pair.peer()?;
    let mut slowest: Vec<faults::Told> = Vec::new();
    let mut begun: Option<Instant> = None;
    for round in 0..arguments.rounds {
        for fault in Fault::ALL {
            if let Some(begun) = begun {
                let calm = || (begun.elapsed() >= CALM).then_some(());
                eventually(CALM * 2, "the last fault is a while ago", calm)?;
            }
            begun = Some(Instant::now());
            writeln!(progress, "round {}/{}: {}", round + 1, arguments.rounds, fault.name())?;
            measured(&pair, &half)?;
            let told = run(&mut pair, &half, fault)?;
            match slowest.iter_mut().find(|it| it.fault == fault) {
                Some(it) => {
                    it.named = it.named.max(told.named);
                    it.cleared = it.cleared.max(told.cleared);
                }
                None => slowest.push(told),
            }
        }
    }
    faults::write(&slowest, &mut out)?;
    Ok(())
}
