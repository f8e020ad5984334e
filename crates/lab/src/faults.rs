//! What goes wrong between two hosts, and how soon it is told and untold.

use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::api::{PEERINGS, text};
use crate::eventually;
use crate::site::{HOSTS, Host, PATIENCE, Pair};

/// Something that goes wrong at the second host, `fra`, or on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its agent and its link, as when the power fails.
    HostKilled,
    LinkDown,
    /// The switch takes what is for it as its own; what it sends arrives.
    OneWay,
    /// An entry of `hel`'s table, by a foreign hand.
    EntryRemoved,
    /// The program on the port of `hel`'s machine, by a foreign hand.
    ProgramDetached,
    /// The switch carries less to it than any host knows.
    MtuShrunk,
    /// It has another address than it joined with.
    WrongAddress,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::LinkDown,
        Self::OneWay,
        Self::EntryRemoved,
        Self::ProgramDetached,
        Self::MtuShrunk,
        Self::WrongAddress,
        Self::HostKilled,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HostKilled => "host killed",
            Self::LinkDown => "link down",
            Self::OneWay => "loss one way",
            Self::EntryRemoved => "map entry removed",
            Self::ProgramDetached => "tcx program detached",
            Self::MtuShrunk => "MTU shrunk",
            Self::WrongAddress => "wrong underlay address",
        }
    }

    /// Of which it is one code that tells of it, and a part of the message.
    #[must_use]
    pub fn reason(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::HostKilled => (&["no-path", "host-lost"], ""),
            Self::LinkDown => (&["no-path"], "between host fra and host hel"),
            Self::OneWay => (&["no-path"], "from host hel to host fra are lost"),
            Self::EntryRemoved => (&["no-path", "host-failed"], ""),
            Self::ProgramDetached => (&["host-failed"], "does not run"),
            Self::MtuShrunk => (&["mtu-black-hole"], "1350"),
            Self::WrongAddress => (&["no-path", "host-failed"], ""),
        }
    }

    /// True when the agent mends it by itself.
    #[must_use]
    pub fn is_mended(self) -> bool {
        matches!(self, Self::EntryRemoved | Self::ProgramDetached)
    }

    /// Lets it happen to a pair on a switch.
    ///
    /// # Errors
    /// It cannot be made to.
    pub fn begin(self, pair: &mut Pair) -> Result<()> {
        let [hel, fra] = HOSTS.map(|(name, _)| name);
        let address = pair.site.host(fra)?.underlay;
        let at = |pair: &Pair, host: &str, line: &str| pair.site.host(host)?.netns.ip(line);
        match self {
            Self::HostKilled => {
                pair.site.host_mut(fra)?.kill9()?;
                at(pair, fra, "link set under down")?;
            }
            Self::LinkDown => drop(at(pair, fra, "link set under down")?),
            Self::OneWay => {
                let mac = mac_of(pair.site.host(fra)?)?;
                let line = format!("fdb replace {mac} dev br0 self permanent local");
                pair.site.underlay.switch()?.bridge(&line)?;
            }
            Self::EntryRemoved => {
                let host = pair.site.host(hel)?;
                let address = pair.machines[1].end.address;
                let vni = table_with(host, address)?;
                datapath::damage::remove_address(host.pins(), vni, address)?;
            }
            Self::ProgramDetached => {
                let link = text(&pair.machines[0].port["uuid"])?;
                let path = pair.site.host(hel)?.pins().join("links").join(link);
                std::fs::remove_file(&path).with_context(|| format!("{}", path.display()))?;
            }
            Self::MtuShrunk => set_mtu(pair, 1400)?,
            Self::WrongAddress => {
                at(pair, fra, &format!("addr del {address}/24 dev under"))?;
                at(pair, fra, "addr add 198.18.0.99/24 dev under")?;
            }
        }
        Ok(())
    }

    /// Ends what [`Self::begin`] began; what agents mend is left to them.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn end(self, pair: &mut Pair) -> Result<()> {
        let fra = HOSTS[1].0;
        let address = pair.site.host(fra)?.underlay;
        let at = |pair: &Pair, host: &str, line: &str| pair.site.host(host)?.netns.ip(line);
        match self {
            Self::HostKilled => {
                at(pair, fra, "link set under up")?;
                pair.site.host_mut(fra)?.start()?;
            }
            Self::LinkDown => drop(at(pair, fra, "link set under up")?),
            Self::OneWay => {
                let mac = mac_of(pair.site.host(fra)?)?;
                pair.site.underlay.switch()?.bridge(&format!("fdb del {mac} dev br0 self"))?;
            }
            Self::EntryRemoved | Self::ProgramDetached => {}
            Self::MtuShrunk => set_mtu(pair, 1500)?,
            Self::WrongAddress => {
                at(pair, fra, "addr del 198.18.0.99/24 dev under")?;
                at(pair, fra, &format!("addr add {address}/24 dev under"))?;
            }
        }
        Ok(())
    }
}

/// Has the switch carry so many bytes to `fra`, the second host, and no more.
///
/// # Errors
/// There is no switch.
pub fn set_mtu(pair: &Pair, mtu: u32) -> Result<()> {
    pair.site.underlay.switch()?.ip(&format!("link set port2 mtu {mtu}")).map(drop)
}

fn mac_of(host: &Host) -> Result<String> {
    let shown = host.netns.ip("-j link show dev under")?;
    let json: Value = serde_json::from_str(&shown).context("a link")?;
    text(&json[0]["address"])
}

/// The VNI of a network that reaches that address, by `host`'s slice.
///
/// # Errors
/// There is none.
pub fn table_with(host: &Host, address: IpAddr) -> Result<u32> {
    let file = std::fs::read_to_string(host.slice_file()).context("the slice")?;
    for line in file.lines() {
        let line: Value = serde_json::from_str(line).context("a line of the slice")?;
        if line["line"] == "route" && line["key"]["prefix"] == format!("{address}/32") {
            let vni = line["key"]["vni"].as_u64().context("a VNI")?;
            return u32::try_from(vni).context("a VNI");
        }
    }
    bail!("no route to {address} in {file}")
}

/// A fault that an agent sees is told sooner.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// One fault: after how long it was told, and after how long no more. What is mended by itself is timed from the
/// moment it was told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub fault: Fault,
    pub named: Duration,
    pub cleared: Duration,
}

/// Lets `fault` happen to a pair on a switch, whose half `uuid` is active, and end.
///
/// # Errors
/// It is not told, or not untold, within a minute; the error has the last view of the peering.
pub fn run(pair: &mut Pair, uuid: &str, fault: Fault) -> Result<Told> {
    let (codes, part) = fault.reason();
    let is_told = |reason: &Value| {
        let code = reason["code"].as_str().unwrap_or_default();
        codes.contains(&code) && reason["message"].as_str().is_some_and(|m| m.contains(part))
    };
    let is_named =
        |it: &Value| it["reasons"].as_array().is_some_and(|reasons| reasons.iter().any(is_told));
    let mut begun = Instant::now();
    fault.begin(pair)?;
    if fault.is_mended() && wait(pair, uuid, SEEN_WITHIN, "it is told", is_named).is_err() {
        // The agent may have been at that very object, and mended it without having seen it.
        begun = Instant::now();
        fault.begin(pair)?;
    }
    until(pair, uuid, &format!("{} is told", fault.name()), is_named)?;
    let named = begun.elapsed();
    let ended = Instant::now();
    fault.end(pair)?;
    until(pair, uuid, &format!("{} is no more", fault.name()), |it| {
        it["state"] == "active" && it["reasons"].as_array().is_some_and(Vec::is_empty)
    })?;
    Ok(Told { fault, named, cleared: ended.elapsed() })
}

/// Waits until the peering is as `is_so` says, at most a minute.
///
/// # Errors
/// It is not: the error has the last view of it, and the logs.
pub fn until(pair: &Pair, uuid: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    wait(pair, uuid, PATIENCE, what, is_so)
}

fn wait(
    pair: &Pair,
    uuid: &str,
    patience: Duration,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let path = format!("{PEERINGS}/{uuid}");
    let mut last = Value::Null;
    let found = eventually(patience, what, || {
        last = pair.site.admin.get(&path).ok()?["network_peering"].take();
        is_so(&last).then(|| last.clone())
    });
    found.with_context(|| format!("{last}\n{}", pair.site.logs()))
}

/// The peering once it is measured both ways.
///
/// # Errors
/// As [`until`].
pub fn measured(pair: &Pair, uuid: &str) -> Result<Value> {
    let it = until(pair, uuid, "it is measured", |it| {
        it["state"] == "active" && it["health"]["path_mtu"].is_number()
    })?;
    ensure!(it["health"]["reachable"] == true, "{it}");
    Ok(it)
}

/// One line for each fault, and one for the worst of all.
///
/// # Errors
/// `out` cannot be written.
pub fn write(told: &[Told], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| fault | told after ms | told no more after ms |")?;
    writeln!(out, "|---|---|---|")?;
    for Told { fault, named, cleared } in told {
        let mended = if fault.is_mended() { " (mended by the agent)" } else { "" };
        writeln!(out, "| {}{mended} | {} | {} |", fault.name(), ms(*named), ms(*cleared))?;
    }
    let worst = |part: fn(&Told) -> Duration| told.iter().map(part).max().unwrap_or_default();
    let (named, cleared) = (worst(|it| it.named), worst(|it| it.cleared));
    writeln!(out, "| the slowest | {} | {} |", ms(named), ms(cleared))
}

fn ms(time: Duration) -> u128 {
    time.as_millis()
}
