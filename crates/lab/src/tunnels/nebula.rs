//! nebula: Noise over UDP, AES-256-GCM, a certificate for each host.

use anyhow::{Context, Result};

use super::{Ground, Kind, Started, other, run};

pub(super) const KIND: Kind = Kind {
    name: "nebula",
    needs: &[("nebula", "nebula"), ("nebula-cert", "nebula")],
    mtu: 1300,
    start,
};

const DEVICE: &str = "nebula";

fn start(ground: &Ground) -> Result<Vec<Started>> {
    let cert = |args: &[&str]| run("nebula-cert", args, &ground.folder);
    cert(&["ca", "-name", "bench"])?;
    for here in ["0", "1"] {
        let (ip, subnet) = (format!("10.9.0.1{here}/24"), format!("10.0.{here}.0/24"));
        cert(&["sign", "-name", here, "-ip", &ip, "-subnets", &subnet])?;
    }
    (0..2).map(|here| end(ground, here)).collect()
}

fn end(ground: &Ground, here: usize) -> Result<Started> {
    let file = ground.write(&format!("{here}.yml"), &settings(ground, here))?;
    let file = file.to_str().context("a path of text")?;
    let mut daemon = ground.start("nebula", here, "nebula", &["-config", file])?;
    ground.has_device(here, DEVICE, &mut daemon)?;
    Ok(Started { daemon, device: DEVICE.to_owned() })
}

fn settings(ground: &Ground, here: usize) -> String {
    let folder = ground.folder.display();
    let (there, underlay) = (1 - here, other(here));
    format!(
        r#"pki:
  ca: {folder}/ca.crt
  cert: {folder}/{here}.crt
  key: {folder}/{here}.key
static_host_map:
  "10.9.0.1{there}": ["{underlay}:4242"]
lighthouse:
  am_lighthouse: false
  hosts: []
listen:
  host: 0.0.0.0
  port: 4242
tun:
  dev: {DEVICE}
  unsafe_routes:
    - route: 10.0.{there}.0/24
      via: 10.9.0.1{there}
firewall:
  outbound:
    - port: any
      proto: any
      host: any
  inbound:
    - port: any
      proto: any
      host: any
"#
    )
}
