//! The counters of a namespace's protocols.

use anyhow::{Context, Result};

use crate::netns::Netns;

/// `name` of the protocol's line in `/proc/net/snmp`: `counter(netns, "Tcp", "RetransSegs")`; RFC 1213, RFC 4022.
///
/// # Errors
/// There is no such counter.
pub fn counter(netns: &Netns, protocol: &str, name: &str) -> Result<u64> {
    let read = || std::fs::read_to_string("/proc/thread-self/net/snmp");
    let text = netns.run(read)?.context("snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(": "));
    let names = lines.next().context("snmp")?.split(' ');
    let mut pairs = names.zip(lines.next().context("snmp")?.split(' '));
    let (_, count) = pairs.find(|(it, _)| *it == name).with_context(|| name.to_owned())?;
    count.parse().with_context(|| name.to_owned())
}
