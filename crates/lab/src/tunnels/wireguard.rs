//! wireguard-go: WireGuard in user space, ChaCha20-Poly1305.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Ground, Kind, PATIENCE, Started, other, run};
use crate::eventually::eventually;

pub(super) const KIND: Kind = Kind {
    name: "wireguard-go",
    needs: &[("wireguard-go", "wireguard-go"), ("wg", "wireguard-tools")],
    mtu: 1420,
    start,
};

/// Where it is told what to do, for each device; not a folder of ours, nor of a namespace.
const SOCKETS: &str = "/var/run/wireguard";

fn start(ground: &Ground) -> Result<Vec<Started>> {
    let mut keys = Vec::new();
    for here in ["0", "1"] {
        let private = run("wg", &["genkey"], &ground.folder)?;
        ground.write(&format!("{here}.key"), &private)?;
        let public = format!("wg pubkey < {here}.key");
        keys.push(run("sh", &["-c", &public], &ground.folder)?);
    }
    (0..2).map(|here| end(ground, here, &keys[1 - here])).collect()
}

fn end(ground: &Ground, here: usize, peer: &str) -> Result<Started> {
    // Of this run, as all share the folder of sockets.
    let device = format!("kb{}w{here}", std::process::id());
    let mut daemon = ground.start("wireguard-go", here, "wireguard-go", &["-f", &device])?;
    let socket = Path::new(SOCKETS).join(format!("{device}.sock"));
    let listens = || {
        let there = socket.exists();
        (there || !daemon.alive()).then_some(there)
    };
    let there = eventually(PATIENCE, "wireguard-go listens", listens)?;
    ensure!(there, "it has ended: {}", daemon.log_tail());
    let key = ground.file(&format!("{here}.key")).display().to_string();
    let endpoint = format!("{}:51820", other(here));
    let subnet = format!("10.0.{}.0/24", 1 - here);
    let all = ["set", &device, "listen-port", "51820", "private-key", &key, "peer", peer];
    let all = [&all[..], &["allowed-ips", &subnet, "endpoint", &endpoint]].concat();
    run("wg", &all, &ground.folder).context("wg set")?;
    Ok(Started { daemon, device })
}
