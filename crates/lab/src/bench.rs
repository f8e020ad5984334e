//! All paths, measured in turns.
//!
//! A machine that others use is now fast and now slow. So a round measures every path once before the next round
//! begins, each round begins with another path, and paths are compared within a round: see `table.rs`.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cpu::Spent;
use crate::paths::Path;
use crate::traffic::{Bulk, Packets, RoundTrip, tcp_bulk_by, tcp_rr_by, udp64_by};

/// How long one measure of one path takes.
pub const MEASURE: Duration = Duration::from_millis(250);

/// One path in one round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub udp64: Packets,
    pub tcp_bulk: Bulk,
    pub tcp_rr: RoundTrip,
}

/// One path in all rounds.
#[derive(Clone, Debug)]
pub struct Measured {
    pub name: String,
    pub rounds: Vec<Round>,
}

impl Round {
    #[must_use]
    pub fn spent(&self) -> [Spent; 3] {
        [self.udp64.spent, self.tcp_bulk.spent, self.tcp_rr.spent]
    }
}

/// Measures every path `rounds` times, in about `rounds * paths * 1 s`; tells `progress` what it does.
///
/// A tunnel of somebody else's that fails is left out from then on.
///
/// # Errors
/// Another path does not carry packets, or not all of them; the error names it.
pub fn run(paths: &[Path], rounds: usize, progress: &mut impl Write) -> Result<Vec<Measured>> {
    for path in paths {
        path.ready(Duration::from_secs(10))?;
    }
    let empty = |path: &Path| Measured { name: path.name.clone(), rounds: Vec::new() };
    let mut measured: Vec<Measured> = paths.iter().map(empty).collect();
    let mut failed = BTreeSet::new();
    for round in 0..rounds {
        write!(progress, "round {}/{rounds}:", round + 1)?;
        for turn in 0..paths.len() {
            let index = (round + turn) % paths.len();
            let path = &paths[index];
            if failed.contains(path.name.as_str()) {
                continue;
            }
            match measure(path).with_context(|| path.name.clone()) {
                Ok(result) => {
                    write!(progress, " {} {:.0} ns;", path.name, result.udp64.ns_per_packet)?;
                    measured[index].rounds.push(result);
                }
                Err(error) if path.tunnel.as_ref().is_some_and(|it| it.is_foreign()) => {
                    write!(progress, " left out: {error:#};")?;
                    failed.insert(path.name.as_str());
                }
                Err(error) => return Err(error),
            }
            progress.flush()?;
        }
        writeln!(progress)?;
    }
    measured.retain(|path| !failed.contains(path.name.as_str()));
    Ok(measured)
}

fn measure(path: &Path) -> Result<Round> {
    let (client, server, helpers) = (&path.client, &path.server, path.helpers());
    Ok(Round {
        udp64: udp64_by(client, server, &helpers, MEASURE).context("64-byte packets")?,
        tcp_bulk: tcp_bulk_by(client, server, &helpers, MEASURE).context("TCP bulk")?,
        tcp_rr: tcp_rr_by(client, server, &helpers, MEASURE).context("TCP round trips")?,
    })
}
