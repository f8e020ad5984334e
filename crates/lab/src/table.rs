//! The bench's result as a table.

use std::io::{self, Write};

use crate::bench::{Measured, Round};

type Measure = fn(&Round) -> f64;

const MEASURES: [Measure; 4] = [
    |round| round.udp64.ns_per_packet,
    |round| round.tcp_bulk.gbit_per_core,
    |round| round.tcp_rr.p50_us,
    |round| round.tcp_rr.p99_us,
];

/// Writes one line per path: medians, and how they compare with the path named `baseline`.
///
/// A ratio is the median of the ratios within each round, not the ratio of the medians: what slows the whole
/// machine down for a while falls out of it. It is left out when there is no such path.
///
/// # Errors
/// `out` cannot be written.
pub fn write(measured: &[Measured], baseline: &str, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| path | ns CPU per 64-B packet | Gbit/s per core | TCP_RR p50 us | p99 us | x {baseline}: ns, Gbit/s, p50 |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let base = measured.iter().find(|path| path.name == baseline);
    for path in measured {
        let [ns, gbit, p50, p99] = MEASURES.map(|measure| median(path.rounds.iter().map(measure)));
        write!(out, "| {} | {ns:.0} | {gbit:.1} | {p50:.1} | {p99:.1} |", path.name)?;
        match base {
            Some(base) => {
                let ratio = |measure| shown(ratio(path, base, measure));
                writeln!(
                    out,
                    " {} |",
                    [MEASURES[0], MEASURES[1], MEASURES[2]].map(ratio).join(", ")
                )?;
            }
            None => writeln!(out, " - |")?,
        }
    }
    writeln!(out)?;
    let spent = || measured.iter().flat_map(|path| &path.rounds).flat_map(Round::spent);
    let percent = |values: &mut dyn Iterator<Item = f64>| 100.0 * median(values);
    writeln!(
        out,
        "medians; {} rounds. Packets handled by other cores: {:.1} %. The core was ours for {:.0} % of the time.",
        measured.iter().map(|path| path.rounds.len()).max().unwrap_or(0),
        percent(&mut spent().map(|spent| spent.elsewhere)),
        percent(&mut spent().map(|spent| spent.cpu.as_secs_f64() / spent.wall.as_secs_f64())),
    )
}

/// With two digits that say something.
fn shown(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn ratio(path: &Measured, base: &Measured, measure: Measure) -> f64 {
    median(path.rounds.iter().zip(&base.rounds).map(|(this, base)| measure(this) / measure(base)))
}

/// The middle value, the upper one of an even number; NaN of nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cpu::Spent;
    use crate::traffic::{Bulk, Packets, RoundTrip};

    #[test]
    fn a_slow_round_changes_no_ratio() {
        let paths = [
            ("base", [1000.0, 9000.0, 1000.0]),
            ("half", [500.0, 4500.0, 500.0]),
            ("tenth", [50.0, 450.0, 50.0]),
        ];
        let measured = paths
            .map(|(name, ns)| Measured { name: name.to_owned(), rounds: ns.map(round).into() });
        let mut out = Vec::new();
        write(&measured, "base", &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[2], "| base | 1000 | 10.0 | 5.0 | 7.0 | 1.00, 1.00, 1.00 |");
        assert_eq!(lines[3], "| half | 500 | 10.0 | 5.0 | 7.0 | 0.50, 1.00, 1.00 |");
        assert_eq!(lines[4], "| tenth | 50 | 10.0 | 5.0 | 7.0 | 0.050, 1.00, 1.00 |");
        assert_eq!(
            lines[6],
            "medians; 3 rounds. Packets handled by other cores: 1.0 %. The core was ours for 50 % of the time."
        );
    }

    #[test]
    fn without_the_baseline_there_are_no_ratios() {
        let mut out = Vec::new();
        write(&[Measured { name: "a".to_owned(), rounds: vec![round(1.0)] }], "base", &mut out)
            .unwrap();
        assert!(String::from_utf8(out).unwrap().contains("| a | 1 | 10.0 | 5.0 | 7.0 | - |"));
    }

    fn round(ns_per_packet: f64) -> Round {
        let spent =
            Spent { wall: Duration::from_secs(2), cpu: Duration::from_secs(1), elsewhere: 0.01 };
        Round {
            udp64: Packets { ns_per_packet, received: 1, lost: 0, spent },
            tcp_bulk: Bulk { gbit_per_core: 10.0, bytes: 1, spent },
            tcp_rr: RoundTrip { p50_us: 5.0, p99_us: 7.0, count: 1, spent },
        }
    }
}
