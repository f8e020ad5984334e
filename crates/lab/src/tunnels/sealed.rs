//! Kannas between zones that are to be encrypted: in the kernel, or in a process of ours on each host.

use std::path::Path as FilePath;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::{PATIENCE, Tunnel, run};
use crate::cpu::last_core;
use crate::paths::{Path, kannas_as};
use crate::site::{HOSTS, Pair};

/// Of the path.
pub const SEALED: &str = "Kannas, encrypted";

/// Has the two zones of a peered pair encrypted. Its processes are pinned to the core of the measure.
///
/// # Errors
/// The API refuses; packets do not cross under keys that have settled.
pub fn sealed(pair: &Pair) -> Result<Path> {
    pair.encrypt()?;
    let generation = pair.key_generation()?;
    pair.ping_both_ways(PATIENCE).with_context(|| pair.site.logs())?;
    let core = last_core()?.to_string();
    let mut pids = Vec::new();
    for (name, _) in HOSTS {
        let Some(pid) = pair.site.host(name)?.tunnel_process(generation)? else { continue };
        // With all its threads.
        let words = ["-a", "-p", "-c", &core, &pid.to_string()];
        run("taskset", &words, FilePath::new("/"))?;
        pids.push(pid);
    }
    Ok(Path { tunnel: Some(Arc::new(Tunnel::Ours(pids))), ..kannas_as(SEALED, pair) })
}
