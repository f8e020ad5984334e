//! tinc 1.0: its own protocol over UDP and TCP, in router mode.

use std::fs;

use anyhow::{Context, Result};

use super::{Ground, Kind, Started, run};
use crate::paths::UNDERLAY;

/// Its device would take 1500 bytes, which do not go in one packet; this does.
pub(super) const KIND: Kind = Kind { name: "tinc", needs: &[("tincd", "tinc")], mtu: 1400, start };

const DEVICE: &str = "tinc";
const NAMES: [&str; 2] = ["a", "b"];

fn start(ground: &Ground) -> Result<Vec<Started>> {
    for here in [0, 1] {
        let (name, there) = (NAMES[here], NAMES[1 - here]);
        fs::create_dir_all(ground.file(name).join("hosts")).context("folder")?;
        let settings = format!(
            "Name = {name}\nConnectTo = {there}\nInterface = {DEVICE}\nMode = router\nAddressFamily = ipv4\n"
        );
        ground.write(&format!("{name}/tinc.conf"), &settings)?;
        let me = format!("Address = {}\nSubnet = 10.0.{here}.0/24\n", UNDERLAY[here]);
        ground.write(&format!("{name}/hosts/{name}"), &me)?;
        // Adds the public key to the host's own file.
        run("tincd", &["-c", name, "-K", "2048"], &ground.folder)?;
    }
    for (from, to) in [("a", "b"), ("b", "a")] {
        let of = |folder: &str| ground.file(folder).join("hosts").join(from);
        fs::copy(of(from), of(to)).context("the public key")?;
    }
    (0..2).map(|here| end(ground, here)).collect()
}

fn end(ground: &Ground, here: usize) -> Result<Started> {
    let folder = ground.file(NAMES[here]).display().to_string();
    let pid = format!("--pidfile={folder}/pid");
    let args = ["-D", "-c", &folder, &pid];
    let mut daemon = ground.start("tinc", here, "tincd", &args)?;
    ground.has_device(here, DEVICE, &mut daemon)?;
    Ok(Started { daemon, device: DEVICE.to_owned() })
}
