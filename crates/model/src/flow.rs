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

/// Of the two networks of a peering, seen from one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// From the one network, when a host sent it on.
    pub sent: Traffic,
    /// To the one network, when a host gave it to the port.
    pub received: Traffic,
    /// By verdict, both ways.
    pub dropped: BTreeMap<String, Traffic>,
}

impl Exchange {
    /// Adds what one host has counted.
    pub fn add(&mut self, flows: &Flows, local: Vni, peer: Vni) {
        for (flow, traffic) in flows {
            let out = (flow.from, flow.to) == (Some(local), Some(peer));
            let back = (flow.from, flow.to) == (Some(peer), Some(local));
            match flow.verdict.as_str() {
                "remote" if out => self.sent.add(*traffic),
                "local" if out => self.sent.add(*traffic),
                "local" | "delivered" if back => self.received.add(*traffic),
                "remote" | "local" | "delivered" => {}
                verdict if out || back => {
                    self.dropped.entry(verdict.to_owned()).or_default().add(*traffic);
                }
                _ => {}
            }
        }
    }
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
}
