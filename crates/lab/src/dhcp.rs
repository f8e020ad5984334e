//! A real DHCP client: busybox's udhcpc.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result};

use crate::netns::Netns;

/// Asks for `device` until there is an answer, or three times; what the client was told, as it tells its script.
///
/// The script does what Debian's does, but that it leaves resolv.conf, which is this machine's. `folder` is for the
/// script and what it says.
///
/// # Errors
/// There is no udhcpc; the folder cannot be written to.
pub fn ask(
    netns: &Netns,
    folder: &Path,
    more: &[&str],
) -> Result<(Output, BTreeMap<String, String>)> {
    let (script, told) = (folder.join("script"), folder.join("told"));
    let text = format!(
        "#!/bin/sh\n\
         [ \"$1\" = bound ] || exit 0\n\
         env > {}\n\
         ip addr replace $ip/$mask dev $interface\n\
         ip link set $interface mtu $mtu\n\
         set -- $staticroutes\n\
         while [ $# -gt 1 ]; do ip route replace $1 via $2; shift 2; done\n",
        told.display()
    );
    fs::write(&script, text).context("script of udhcpc")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).context("script of udhcpc")?;
    let _ = fs::remove_file(&told);
    let mut client = netns.command("udhcpc");
    client.args(["-i", "eth0", "-f", "-q", "-n", "-t", "3", "-T", "1"]);
    client.args(["-O", "mtu", "-O", "staticroutes"]).args(more).arg("-s").arg(&script);
    let output = client.output().context("udhcpc (.ci/deps test installs it)")?;
    let told = fs::read_to_string(told).unwrap_or_default();
    let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    Ok((output, told.lines().filter_map(pair).collect()))
}
