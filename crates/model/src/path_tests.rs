//! What measured ways make of a peering.

use super::*;
use crate::health::Health;
use crate::ids::{Mtu, Vni};
use crate::way::{Measure, Measured, Passage, Way, Ways};

/// Bits of a network that has `n` in its name.
fn vni(n: u128) -> Vni {
    u32::try_from(n + 1).unwrap().try_into().unwrap()
}

fn measure(passage: Passage) -> Measure {
    Measure { passage, ..Measure::UNTRIED }
}

/// Alice's network 0 at host 0 and Bob's 1 at host 1, complete and applied.
fn two() -> Builder {
    let mut it = Builder::two();
    it.port(0, 0);
    it.port(1, 1);
    let up = Standing { applied: Some(it.world.revision()), ..Standing::default() };
    it.standing(0, up.clone());
    it.standing(1, up);
    it
}

impl Builder {
    /// What `host` measures of the way from its own network to the other one's,
    /// since the time 100.
    fn measured(&mut self, host: u128, measure: Measure) {
        let other = 1 - host;
        let vtep = Some([192, 0, 2, u8::try_from(other).unwrap()].into());
        let way = Way { from: vni(host), to: vni(other), vtep };
        let mut standing = self.presence.hosts[&host_uuid(host)].clone();
        standing.ways = Ways::unit(way, Measured { measure, since: 100, at: 104 });
        self.standing(host, standing);
    }

    fn judge_at(&self, now: i64, from: u128, to: u128) -> (State, Vec<Reason>) {
        let patience = Patience { now, ..Patience::default() };
        judge(&self.world, &self.presence, patience, &self.world.peerings[&peering_uuid(from, to)])
    }

    fn health(&self) -> Health {
        let pair =
            crate::admission::Pair::of(&self.world, &self.world.peerings[&peering_uuid(0, 1)]);
        let sights = crate::health::sights(&self.world, &self.presence, pair.unwrap());
        Health::of(sights.iter().map(|sight| sight.measured))
    }
}

#[test]
fn a_peering_is_active_once_probes_have_crossed_both_ways() {
    let mut it = two();
    assert_eq!(it.judge_at(100, 0, 1), (State::Active, vec![]), "nobody measures");
    assert!(!it.health().measured);
    it.measured(0, Measure { rtt_us: Some(90), loss: 20, ..measure(Passage::Open) });
    it.measured(1, measure(Passage::Untried));
    let (state, reasons) = it.judge_at(104, 0, 1);
    assert_eq!((state, codes(&reasons)), (State::Provisioning, vec!["path-unproved"]));
    it.measured(1, Measure { rtt_us: Some(70), ..measure(Passage::Open) });
    assert_eq!(it.judge_at(104, 0, 1), (State::Active, vec![]));
    let health = it.health();
    assert!(health.measured && health.reachable);
    assert_eq!((health.rtt_us, health.loss, health.at), (Some(90), 20, Some(104)));
}

#[test]
fn waiting_for_probes_ends_by_itself() {
    let mut it = two();
    it.measured(0, measure(Passage::Untried));
    it.measured(1, measure(Passage::Open));
    assert_eq!(it.judge_at(109, 0, 1).0, State::Provisioning);
    let (state, reasons) = it.judge_at(110, 0, 1);
    assert_eq!((state, codes(&reasons)), (State::Error, vec!["no-path"]));
}

#[test]
fn a_host_that_is_away_or_measures_nothing_is_missed_only_if_it_was_reached_once() {
    let mut old = two();
    let mut away = two();
    away.presence.hosts.remove(&host_uuid(1));
    for it in [&mut old, &mut away] {
        for passage in [Passage::Untried, Passage::Never] {
            it.measured(0, measure(passage));
            assert_eq!(it.judge_at(500, 0, 1), (State::Active, vec![]), "{passage:?}");
        }
        it.measured(0, measure(Passage::Lost));
        let (state, reasons) = it.judge_at(500, 0, 1);
        assert_eq!((state, codes(&reasons)), (State::Error, vec!["no-path"]));
    }
}

#[test]
fn what_is_lost_one_way_is_told_with_its_direction_and_no_foreign_hosts_name() {
    let mut it = two();
    let carries = |n| format!("a host that carries network {}", network_uuid(n));
    for (heard, want) in [
        (
            [true, false],
            [
                format!(
                    "Packets from host host0 to {} are lost; those the other way arrive.",
                    carries(1)
                ),
                format!(
                    "Packets from {} to host host1 are lost; those the other way arrive.",
                    carries(0)
                ),
            ],
        ),
        (
            [false, true],
            [
                format!(
                    "Packets from {} to host host0 are lost; those the other way arrive.",
                    carries(1)
                ),
                format!(
                    "Packets from host host1 to {} are lost; those the other way arrive.",
                    carries(0)
                ),
            ],
        ),
        (
            [false, false],
            [
                format!("No packets cross between host host0 and {}.", carries(1)),
                format!("No packets cross between {} and host host1.", carries(0)),
            ],
        ),
    ] {
        for (host, heard) in [0, 1].into_iter().zip(heard) {
            it.measured(host, Measure { heard, ..measure(Passage::Lost) });
        }
        for ((from, to), want) in [(0, 1), (1, 0)].into_iter().zip(want) {
            let (state, reasons) = it.judge_at(100, from, to);
            assert_eq!(state, State::Error);
            assert_eq!(reasons, [Reason::new("no-path", want)]);
        }
    }
}

#[test]
fn why_a_host_sends_nothing_is_told() {
    let mut it = two();
    let stopped = Some("no-route".to_owned());
    it.measured(0, Measure { stopped, ..measure(Passage::Lost) });
    let (_, reasons) = it.judge_at(100, 0, 1);
    let want = format!(
        "Host host0 sends nothing to a host that carries network {}: no-route.",
        network_uuid(1)
    );
    assert_eq!(reasons[0].message, want);
}

#[test]
fn a_path_that_carries_less_than_its_link_is_told_of_an_active_peering() {
    let mut it = two();
    let [path, link] = [1350, 1450].map(|n| Mtu::try_from(n).ok());
    it.measured(0, Measure { path_mtu: path, link_mtu: link, ..measure(Passage::Open) });
    it.measured(1, Measure { path_mtu: link, link_mtu: link, ..measure(Passage::Open) });
    let (state, reasons) = it.judge_at(100, 0, 1);
    assert_eq!((state, codes(&reasons)), (State::Active, vec!["mtu-black-hole"]));
    assert!(reasons[0].message.contains("more than 1350 bytes"), "{reasons:?}");
    assert_eq!(it.health().path_mtu, path);
}

#[test]
fn ways_of_other_networks_and_to_hosts_that_carry_neither_count_for_nothing() {
    let mut it = two();
    it.port(0, 2);
    it.world.commit(&[Change::Delete(crate::change::Key::Port(Uuid::from_u128(0x0500 + 2)))]);
    let other = Some([192, 0, 2, 2].into());
    let lost = Measured { measure: measure(Passage::Lost), since: 0, at: 0 };
    let mut standing = it.presence.hosts[&host_uuid(0)].clone();
    let ways = [(vni(0), vni(1), other), (vni(0), vni(5), Some([192, 0, 2, 1].into()))];
    standing.ways =
        ways.into_iter().map(|(from, to, vtep)| (Way { from, to, vtep }, lost.clone())).collect();
    it.standing(0, standing);
    assert_eq!(it.judge_at(100, 0, 1), (State::Active, vec![]));
}

#[test]
fn a_breach_of_isolation_is_an_error_by_its_own_name() {
    let mut it = two();
    let error =
        HostError { network: Some(network_uuid(0)), message: "vni 1".to_owned(), breach: true };
    let mut standing = it.presence.hosts[&host_uuid(0)].clone();
    standing.errors = vec![error];
    it.standing(0, standing);
    let (state, reasons) = it.judge_at(100, 0, 1);
    assert_eq!((state, codes(&reasons)), (State::Error, vec!["isolation-breach"]));
    assert!(
        reasons[0].message.starts_with("Host host0 lets packets cross between network"),
        "{reasons:?}"
    );
    let (_, reasons) = it.judge_at(100, 1, 0);
    assert_eq!(codes(&reasons), ["isolation-breach"]);
    assert!(!reasons[0].message.contains("host0"), "{reasons:?}");
}
