//! Ways: what hosts measure by sending probes to each other.

use std::net::IpAddr;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::ids::{Mtu, Vni};

/// From ports of one network at the host that measures, to those of another
/// network at one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    pub from: Vni,
    pub to: Vni,
    /// The other host's address in the underlay; None: it is the same host.
    pub vtep: Option<IpAddr>,
}

/// What is known of a way. It changes to `Lost` and back only after several
/// probes say so: see `agent::probe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// Probes are under way, and none has come back yet.
    Untried,
    /// None has come back in all the time that was given to it.
    Never,
    Open,
    /// It was open.
    Lost,
}

/// One host's measure of a way. Every probe crosses to the other host and
/// back, so a way that is open carries packets both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    pub passage: Passage,
    /// Of the last probes, in thousandths.
    pub loss: u16,
    /// Microseconds, smoothed as TCP does (RFC 6298 §2).
    pub rtt_us: Option<u32>,
    /// Bytes of the largest packet that crosses between the two hosts, and of
    /// the largest that this host's link takes.
    pub path_mtu: Option<Mtu>,
    pub link_mtu: Option<Mtu>,
    /// From the moment the host was told to carry it until the first crossed.
    pub first_ms: Option<u32>,
    /// Probes of the other host arrive here.
    pub heard: bool,
    /// Why this host sends nothing: a verdict of its datapath.
    pub stopped: Option<String>,
}

impl Measure {
    /// Of a way that is new.
    pub const UNTRIED: Self = Self {
        passage: Passage::Untried,
        loss: 0,
        rtt_us: None,
        path_mtu: None,
        link_mtu: None,
        first_ms: None,
        heard: false,
        stopped: None,
    };

    /// The path carries less than the link lets one think.
    pub fn narrow(&self) -> Option<(Mtu, Mtu)> {
        let (path, link) = self.path_mtu.zip(self.link_mtu)?;
        (path < link).then_some((path, link))
    }

    /// True when the other differs in more than figures.
    pub fn differs(&self, other: &Self) -> bool {
        let told = |m: &Self| (m.passage, m.path_mtu, m.link_mtu, m.heard, m.first_ms);
        told(self) != told(other) || self.stopped != other.stopped
    }
}

/// As the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    pub measure: Measure,
    /// Since when its passage is what it is; when it was heard of last.
    /// Seconds since 1970.
    pub since: i64,
    pub at: i64,
}

pub type Ways = OrdMap<Way, Measured>;

/// What has changed of a host's ways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// All that was said before is forgotten.
    #[serde(default)]
    pub anew: bool,
    #[serde(default)]
    pub measured: Vec<(Way, Measure)>,
    #[serde(default)]
    pub gone: Vec<Way>,
}

impl News {
    pub fn is_empty(&self) -> bool {
        !self.anew && self.measured.is_empty() && self.gone.is_empty()
    }

    /// Takes the news in; `now` in seconds since 1970.
    pub fn apply(self, ways: &mut Ways, now: i64) {
        if self.anew {
            ways.clear();
        }
        for way in self.gone {
            ways.remove(&way);
        }
        for (way, measure) in self.measured {
            let same = |old: &&Measured| old.measure.passage == measure.passage;
            let since = ways.get(&way).filter(same).map_or(now, |old| old.since);
            ways.insert(way, Measured { measure, since, at: now });
        }
    }
}

/// Those from one network to another.
pub fn between(ways: &Ways, from: Vni, to: Vni) -> impl Iterator<Item = (&Way, &Measured)> {
    let first = Way { from, to, vtep: None };
    let last = Way { vtep: Some(IpAddr::from([0xff; 16])), ..first };
    ways.range(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(from: u32, to: u32, vtep: Option<[u8; 4]>) -> Way {
        let vni = |n| Vni::try_from(n).unwrap();
        Way { from: vni(from), to: vni(to), vtep: vtep.map(IpAddr::from) }
    }

    #[test]
    fn a_passage_is_dated_by_its_first_news_and_seen_by_its_last() {
        let mut ways = Ways::default();
        let news = |passage| News {
            measured: vec![(way(1, 2, None), Measure { passage, ..Measure::UNTRIED })],
            ..News::default()
        };
        news(Passage::Untried).apply(&mut ways, 10);
        news(Passage::Untried).apply(&mut ways, 15);
        let seen = |ways: &Ways| ways.get(&way(1, 2, None)).map(|m| (m.since, m.at));
        assert_eq!(seen(&ways), Some((10, 15)));
        news(Passage::Open).apply(&mut ways, 16);
        assert_eq!(seen(&ways), Some((16, 16)));
        News { gone: vec![way(1, 2, None)], ..News::default() }.apply(&mut ways, 17);
        assert_eq!(seen(&ways), None);
    }

    #[test]
    fn the_ways_between_two_networks_are_those_of_all_hosts_and_no_others() {
        let all = [
            way(1, 1, None),
            way(1, 2, None),
            way(1, 2, Some([192, 0, 2, 1])),
            way(1, 2, Some([255; 4])),
            way(1, 3, None),
            way(2, 1, Some([192, 0, 2, 1])),
        ];
        let measured = Measured { measure: Measure::UNTRIED, since: 0, at: 0 };
        let ways: Ways = all.into_iter().map(|way| (way, measured.clone())).collect();
        let found: Vec<Way> = between(&ways, all[1].from, all[1].to).map(|(w, _)| *w).collect();
        assert_eq!(found, all[1..4]);
    }
}
