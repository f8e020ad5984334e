//! How long after the call that completes a peering the first packet arrives.
//!
//! Networks stay, and so do the peerings between them, so each finds more of them on the hosts than the one before.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::site::{HOSTS, PATIENCE, Site, Workload, add_machine};
use crate::stream::Stream;

/// One peering: times since the POST of its second half was sent.
#[derive(Clone, Copy, Debug)]
pub struct FirstPacket {
    /// It arrived at the far workload. Packets are sent one per millisecond, so this is up to 1 ms late.
    pub packet: Duration,
    /// The POST was answered.
    pub answer: Duration,
}

/// Peers every network of one host with every network of the other, until there are `count` peerings.
///
/// # Errors
/// The API refuses; a packet does not arrive within a minute; a peering does not become active.
pub fn run(site: &Site, count: usize, progress: &mut impl Write) -> Result<Vec<FirstPacket>> {
    let each = (1..=200).find(|n| n * n >= count).unwrap_or(200);
    writeln!(progress, "two hosts with {each} networks each")?;
    let near = machines(site, 0, each)?;
    let far = machines(site, 1, each)?;
    let mut measured = Vec::new();
    let pairs = near.iter().flat_map(|a| far.iter().map(move |b| (a, b)));
    for (a, b) in pairs.take(count) {
        measured.push(measure(site, a, b)?);
        if measured.len().is_multiple_of(10) {
            write!(progress, "{} ", measured.len())?;
            progress.flush()?;
        }
    }
    writeln!(progress, "peerings")?;
    Ok(measured)
}

type Machine = (Workload, String);

fn machines(site: &Site, host: usize, count: usize) -> Result<Vec<Machine>> {
    let add = |index| {
        let name = format!("{}{index}", HOSTS[host].0);
        let subnet = format!("10.{}.{index}.0/24", host + 1);
        add_machine(site, &site.admin, HOSTS[host], (&name, &subnet))
    };
    (0..count).map(add).collect()
}

fn measure(site: &Site, (near, a): &Machine, (far, b): &Machine) -> Result<FirstPacket> {
    let admin = &site.admin;
    admin.make_peering(a, b)?;
    let stream = Stream::start(&near.end, &far.end)?;
    // It runs: a packet has left, and none has come.
    stream.watch_sent(Instant::now(), 1)?;
    let sent = Instant::now();
    let half = admin.make_peering(b, a)?;
    let answer = sent.elapsed();
    site.active(admin, &half)?;
    let first = stream.arrival_since(sent, PATIENCE)?;
    ensure!(stream.first_since(sent - PATIENCE) == Some(first), "a packet came before it was to");
    Ok(FirstPacket { packet: first - sent, answer })
}

/// Two lines: p50, p99 and the longest of each time.
///
/// # Errors
/// `out` cannot be written.
pub fn write(measured: &[FirstPacket], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n| {} peerings: POST of the second half to | p50 ms | p99 ms | max ms |",
        measured.len()
    )?;
    writeln!(out, "|---|---|---|---|")?;
    for (name, part) in [
        ("first packet at the far workload", (|it| it.packet) as fn(&FirstPacket) -> Duration),
        ("answer of the call", |it| it.answer),
    ] {
        let mut times: Vec<Duration> = measured.iter().map(part).collect();
        times.sort();
        let ms = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(rank).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        writeln!(out, "| {name} | {:.1} | {:.1} | {:.1} |", ms(50), ms(99), ms(100))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ms = Duration::from_millis;
        let measured: Vec<FirstPacket> =
            (1..=100).rev().map(|n| FirstPacket { packet: ms(n), answer: ms(2 * n) }).collect();
        let mut out = Vec::new();
        write(&measured, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("| 100 peerings: POST"), "{text}");
        assert!(
            text.contains("| first packet at the far workload | 50.0 | 99.0 | 100.0 |"),
            "{text}"
        );
        assert!(text.contains("| answer of the call | 100.0 | 198.0 | 200.0 |"), "{text}");
    }
}
