use model::ids::Prefix;
use model::spec::{HostSpec, RouteKey, Target};
use model::way::Passage;
use uuid::Uuid;

use super::super::sample::{port, vni};
use super::*;

const THERE: [u8; 4] = [192, 0, 2, 9];
const RTT: Duration = Duration::from_micros(100);

fn mtu(n: u32) -> Mtu {
    Mtu::try_from(n).unwrap()
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Networks 1 to `count` here, each of which reaches network 100 more there.
fn slice(count: u8) -> HostSpec {
    let mut slice = HostSpec::default();
    for n in 1..=count {
        let port = port(n.into(), [10, 0, n, 2], &format!("10.0.{n}.0/24"));
        slice.ports.insert(Uuid::from_u128(n.into()), port);
        let key = RouteKey { vni: vni(n.into()), prefix: Prefix::host([10, 1, n, 2].into()) };
        let target = Target::Remote { vtep: THERE.into(), vni: vni(u32::from(n) + 100) };
        slice.routes.insert(key, target);
    }
    slice
}

fn way(n: u32) -> Way {
    Way { from: vni(n), to: vni(n + 100), vtep: Some(THERE.into()) }
}

/// What becomes of probes: which cross, and how large they may be.
struct Net {
    book: Book,
    now: Duration,
    sent: usize,
    told: BTreeMap<Way, Measure>,
}

impl Net {
    fn new(slice: &HostSpec) -> Self {
        let mut book = Book::new();
        book.adopt(Wish::of(slice, 7), Some(mtu(1450)), Duration::ZERO);
        Self { book, now: Duration::ZERO, sent: 0, told: BTreeMap::new() }
    }

    /// Goes on until `until`, with what `crosses` lets through back at once.
    fn run(&mut self, until: Duration, crosses: impl Fn(&Probe) -> bool) {
        while self.now < until {
            self.book.pass(self.now);
            for probe in self.book.send(self.now) {
                self.sent += 1;
                let kind = Kind::Answered { token: probe.token, round_trip: RTT };
                if crosses(&probe) {
                    let it = sighting(kind, &probe);
                    self.book.seen(&it, self.now);
                }
            }
            let news = self.book.news();
            for way in news.gone {
                self.told.remove(&way);
            }
            self.told.extend(news.measured);
            let next = self.book.next().unwrap_or(until);
            self.now = next.max(self.now + Duration::from_millis(1)).min(until);
        }
    }

    fn passage(&self, n: u32) -> Passage {
        self.told[&way(n)].passage
    }
}

fn sighting(kind: Kind, probe: &Probe) -> Sighting {
    let (vni, local) = probe.from;
    let size = u32::from(probe.size);
    let other = None;
    let vtep = Some(THERE.into());
    Sighting { kind, verdict: "delivered", vni, local, remote: probe.to, other, vtep, size }
}

fn is_forced(probe: &Probe) -> bool {
    probe.forced.is_some() || probe.from.1 != IpAddr::from([10, 0, last(probe), 2])
}

fn last(probe: &Probe) -> u8 {
    let IpAddr::V4(to) = probe.to else { panic!("{probe:?}") };
    to.octets()[2]
}

#[test]
fn ways_open_at_once_and_are_told_with_what_the_path_carries() {
    let mut net = Net::new(&slice(2));
    net.run(at(20), |probe| !is_forced(probe));
    assert_eq!((net.passage(1), net.passage(2)), (Passage::Open, Passage::Open));
    let it = &net.told[&way(1)];
    assert_eq!((it.path_mtu, it.link_mtu), (Some(mtu(1450)), Some(mtu(1450))));
    assert_eq!((it.first_ms, it.rtt_us, it.loss), (Some(0), Some(100), 0));
}

#[test]
fn one_network_that_does_not_cross_is_lost_within_two_seconds_and_the_other_is_not() {
    let mut net = Net::new(&slice(2));
    net.run(at(1100), |probe| !is_forced(probe));
    net.run(at(3000), |probe| !is_forced(probe) && last(probe) != 1);
    assert_eq!((net.passage(1), net.passage(2)), (Passage::Lost, Passage::Open));
    assert!(std::mem::take(&mut net.book.concerns).lost);
    net.run(at(4000), |probe| !is_forced(probe));
    assert_eq!(net.passage(1), Passage::Open);
}

#[test]
fn a_path_that_shrinks_is_found_within_two_seconds_and_limits_its_networks() {
    let mut net = Net::new(&slice(2));
    net.run(at(1100), |probe| !is_forced(probe));
    assert_eq!(net.book.limits(), BTreeMap::new());
    net.run(at(3000), |probe| !is_forced(probe) && probe.size <= 1350);
    assert_eq!(net.told[&way(1)].path_mtu, Some(mtu(1350)));
    assert_eq!(net.book.limits(), [(vni(1), mtu(1350)), (vni(2), mtu(1350))].into());
    assert!(net.book.concerns.limits);
    assert_eq!(net.passage(1), Passage::Open, "small packets cross");
    net.run(at(5000), |probe| !is_forced(probe));
    assert_eq!(net.book.limits(), BTreeMap::new());
}

#[test]
fn the_other_hosts_probes_are_heard_on_their_way_alone() {
    let mut net = Net::new(&slice(2));
    net.run(at(1000), |_| false);
    let any = Probe {
        from: (vni(1), [10, 0, 1, 2].into()),
        to: [10, 1, 1, 2].into(),
        size: 0,
        token: 0,
        forced: None,
    };
    let asked = Sighting { other: Some(vni(101)), ..sighting(Kind::Asked { token: 0 }, &any) };
    let now = net.now;
    net.book.seen(&asked, now);
    net.run(now + at(300), |_| false);
    assert!(net.told[&way(1)].heard && !net.told[&way(2)].heard);
    net.run(now + at(3000), |_| false);
    assert!(!net.told[&way(1)].heard);
}

#[test]
fn what_is_no_more_in_the_slice_is_gone_and_its_late_answers_are_nobodys() {
    let mut net = Net::new(&slice(2));
    net.run(at(20), |probe| !is_forced(probe));
    net.book.adopt(Wish::of(&slice(1), 7), Some(mtu(1450)), net.now);
    let news = net.book.news();
    assert_eq!(news.gone, [way(2)]);
    assert!(net.book.tracks.contains_key(&way(1)) && !net.book.tracks.contains_key(&way(2)));
    net.run(at(2000), |probe| !is_forced(probe));
    assert_eq!(net.book.tracks.len(), 1);
    net.book.adopt(Wish::of(&HostSpec::default(), 7), Some(mtu(1450)), net.now);
    assert!(net.book.paths.is_empty());
    net.run(at(3000), |_| true);
    assert_eq!((net.book.next(), net.book.pending.len()), (None, 0));
}

#[test]
fn many_ways_to_a_host_cost_no_more_than_a_few_and_are_probed_in_turn() {
    let costs = [8, 80].map(|count| {
        let mut net = Net::new(&slice(count));
        net.run(at(6_000), |probe| !is_forced(probe));
        let before = net.sent;
        net.run(at(16_000), |probe| !is_forced(probe));
        net.sent - before
    });
    assert!(costs[1] <= costs[0] + costs[0] / 5, "{costs:?}");
}

#[test]
fn who_knows_nothing_is_told_everything_in_pieces() {
    let mut net = Net::new(&slice(3));
    net.run(at(20), |probe| !is_forced(probe));
    assert!(!net.book.has_news());
    net.book.forget();
    let news = net.book.news();
    assert!(news.anew);
    assert_eq!(news.measured.len(), 3);
    assert!(!net.book.has_news());
}

#[test]
fn a_network_that_must_not_be_reached_and_is_makes_a_fault_until_it_is_not() {
    let mut net = Net::new(&slice(2));
    net.run(at(5_000), |_| true);
    let faults = net.book.faults();
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault.breach), "{faults:?}");
    net.run(at(30_000), |probe| !is_forced(probe));
    assert_eq!(net.book.faults(), []);
}

#[test]
fn a_path_that_was_away_is_measured_when_it_is_back() {
    let mut net = Net::new(&slice(1));
    net.run(at(2_000), |probe| !is_forced(probe));
    net.run(at(9_000), |_| false);
    net.run(at(12_000), |probe| !is_forced(probe));
    assert_eq!(net.told[&way(1)].path_mtu, Some(mtu(1450)));
    net.run(at(14_000), |probe| !is_forced(probe) && probe.size <= 1350);
    assert_eq!(net.told[&way(1)].path_mtu, Some(mtu(1350)));
}
