//! Flows: what became of the packets between two networks, as hosts count it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::Vni;

/// Packets of one network to another that ended in one way on one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// None: the host did not know the network where the packet ended.
    pub from: Option<Vni>,
    pub to: Option<Vni>,
    /// As a host's datapath names it: `remote`, `local` and `delivered` went
    /// on, all else was dropped.
    pub verdict: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// As they are on the wire, however many the kernel has in one.
    pub packets: u64,
    /// Of IP, headers included.
    pub bytes: u64,
}

/// Since the host was set up for the flow.
pub type Flows = BTreeMap<Flow, Traffic>;

impl Traffic {
    pub fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What a host has counted since it last said so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// All that was said before is forgotten.
    pub anew: bool,
    /// As they stand now.
    pub flows: Vec<(Flow, Traffic)>,
    pub gone: Vec<Flow>,
    /// Packets by verdict, all of the host.
    pub verdicts: BTreeMap<String, u64>,
}

/// What a host's counters show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    pub flows: Flows,
    /// Packets by verdict, also of those whose networks nobody knows.
    pub verdicts: BTreeMap<String, u64>,
}

impl Counted {
    /// What turns who knows `old` into one who knows `new`; None when there is
    /// nothing to say. Without `old` it is all.
    pub fn between(old: Option<&Counters>, new: &Counters) -> Option<Self> {
        let verdicts = new.verdicts.clone();
        let Some(old) = old else {
            let flows = new.flows.iter().map(|(flow, it)| (flow.clone(), *it)).collect();
            return Some(Self { anew: true, flows, gone: Vec::new(), verdicts });
        };
        let news = new.flows.iter().filter(|(flow, it)| old.flows.get(flow) != Some(it));
        let flows: Vec<_> = news.map(|(flow, it)| (flow.clone(), *it)).collect();
        let gone = old.flows.keys().filter(|flow| !new.flows.contains_key(flow));
        let gone: Vec<_> = gone.cloned().collect();
        (old != new).then_some(Self { anew: false, flows, gone, verdicts })
    }

    /// The same in parts of at most so many flows, to be taken in this order.
    pub fn parts(mut self, most: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        loop {
            let flows = self.flows.split_off(most.min(self.flows.len()));
            let gone = self.gone.split_off(most.min(self.gone.len()));
            let verdicts = self.verdicts.clone();
            let last = flows.is_empty() && gone.is_empty();
            parts.push(std::mem::replace(&mut self, Self { anew: false, flows, gone, verdicts }));
            if last {
                return parts;
            }
        }
    }

    pub fn apply(self, to: &mut Flows) {
        if self.anew {
            to.clear();
        }
        for flow in &self.gone {
            to.remove(flow);
        }
        to.extend(self.flows);
    }
}

/// Of the two networks of a peering, seen from one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// From the one network, when a host sent it on.
    pub sent: Traffic,
    /// To the one network, when a host gave it to the port.
    pub received: Traffic,
    /// By verdict, both ways.
    pub dropped: BTreeMap<String, Traffic>,
}

impl Exchange {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what others have counted.
    pub fn join(&mut self, other: Self) {
        self.sent.add(other.sent);
        self.received.add(other.received);
        for (verdict, traffic) in other.dropped {
            self.dropped.entry(verdict).or_default().add(traffic);
        }
    }

    /// Adds what one host has counted.
    pub fn add(&mut self, flows: &Flows, local: Vni, peer: Vni) {
        for (out, (from, to)) in [(true, (local, peer)), (false, (peer, local))] {
            for (flow, traffic) in between(flows, from, to) {
                match flow.verdict.as_str() {
                    "remote" | "local" if out => self.sent.add(*traffic),
                    "local" | "delivered" if !out => self.received.add(*traffic),
                    "remote" | "local" | "delivered" => {}
                    verdict => {
                        self.dropped.entry(verdict.to_owned()).or_default().add(*traffic);
                    }
                }
            }
        }
    }
}

fn between(flows: &Flows, from: Vni, to: Vni) -> impl Iterator<Item = (&Flow, &Traffic)> {
    let first = Flow { from: Some(from), to: Some(to), verdict: String::new() };
    let same = move |(flow, _): &(&Flow, &Traffic)| (flow.from, flow.to) == (Some(from), Some(to));
    flows.range(first..).take_while(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vni(n: u32) -> Option<Vni> {
        (n > 0).then(|| Vni::try_from(n).unwrap())
    }

    fn counted(from: u32, to: u32, verdict: &str, packets: u64) -> (Flow, Traffic) {
        let flow = Flow { from: vni(from), to: vni(to), verdict: verdict.to_owned() };
        (flow, Traffic { packets, bytes: packets * 100 })
    }

    #[test]
    fn each_packet_of_a_peering_is_counted_once_however_many_hosts_it_passes() {
        let here: Flows = [
            counted(1, 2, "remote", 3),
            counted(2, 1, "delivered", 4),
            counted(1, 2, "local", 5),
            counted(2, 1, "local", 6),
            counted(1, 2, "too-big", 7),
            counted(1, 3, "remote", 1000),
            counted(1, 0, "no-route", 1000),
        ]
        .into();
        let there: Flows = [
            counted(1, 2, "delivered", 3),
            counted(2, 1, "remote", 4),
            counted(2, 1, "wrong-vtep", 8),
            counted(0, 2, "no-return", 1000),
        ]
        .into();
        let mut exchange = Exchange::default();
        for host in [&here, &there] {
            exchange.add(host, vni(1).unwrap(), vni(2).unwrap());
        }
        let of = |packets| Traffic { packets, bytes: packets * 100 };
        assert_eq!((exchange.sent, exchange.received), (of(8), of(10)));
        let dropped = [("too-big".to_owned(), of(7)), ("wrong-vtep".to_owned(), of(8))];
        assert_eq!(exchange.dropped, dropped.into());
    }

    fn counters(flows: impl IntoIterator<Item = (Flow, Traffic)>, spoofed: u64) -> Counters {
        let verdicts = [("spoofed-mac".to_owned(), spoofed)].into();
        Counters { flows: flows.into_iter().collect(), verdicts }
    }

    #[test]
    fn what_is_said_between_two_looks_makes_the_other_side_equal() {
        let first = counters([counted(1, 2, "remote", 3), counted(2, 1, "delivered", 4)], 0);
        let second = counters([counted(1, 2, "remote", 5), counted(1, 0, "no-route", 1)], 0);
        let mut other: Flows = [counted(7, 8, "local", 9)].into();
        Counted::between(None, &first).unwrap().apply(&mut other);
        assert_eq!(other, first.flows);
        let news = Counted::between(Some(&first), &second).unwrap();
        assert_eq!((news.flows.len(), news.gone.len()), (2, 1));
        news.apply(&mut other);
        assert_eq!(other, second.flows);
        assert_eq!(Counted::between(Some(&second), &second), None);

        let parts = Counted::between(None, &first).unwrap().parts(1);
        assert_eq!(parts.len(), 2);
        for part in parts {
            part.apply(&mut other);
        }
        assert_eq!(other, first.flows);
    }

    #[test]
    fn packets_of_no_known_networks_are_news_all_the_same() {
        let flow = [counted(1, 2, "remote", 3)];
        let [first, second] = [7, 8].map(|spoofed| counters(flow.clone(), spoofed));
        let news = Counted::between(Some(&first), &second).unwrap();
        assert_eq!((news.anew, news.flows.len(), &news.verdicts), (false, 0, &second.verdicts));
    }
}
