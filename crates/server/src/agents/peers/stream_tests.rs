use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::way::{Measure, News, Passage};
use proptest::prelude::*;

use super::*;
use crate::agents::roster::{Roster, Word};
use crate::agents::session::Start;

const NODE: Uuid = Uuid::from_u128(99);
const HOSTS: u128 = 3;

fn host(n: u128) -> Uuid {
    Uuid::from_u128(n % HOSTS)
}

#[derive(Debug, Clone)]
enum Event {
    /// A write that concerns the hosts of these bits.
    Commit(u8),
    /// It is heard of here, where the hosts are, or there.
    HearHere,
    HearThere,
    /// There commits were missed.
    MissThere,
    Begin(u128),
    End(u128),
    Look(u128, bool),
    Answer(u128, usize),
    Speak,
    Deliver,
    Break,
    GiveUp,
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    let n = || 0..HOSTS;
    prop_oneof![
        4 => (0..8u8).prop_map(Commit),
        5 => Just(HearHere),
        5 => Just(HearThere),
        1 => Just(MissThere),
        2 => n().prop_map(Begin),
        1 => n().prop_map(End),
        6 => (n(), any::<bool>()).prop_map(|(n, tell)| Look(n, tell)),
        6 => (n(), 0..3usize).prop_map(|(n, i)| Answer(n, i)),
        6 => Just(Speak),
        8 => Just(Deliver),
        1 => Just(Break),
        1 => Just(GiveUp),
    ]
}

/// Two servers, and hosts that are connected to the first.
struct Play {
    here: Roster,
    there: Roster,
    /// Whom each write concerns; the first is revision 1.
    writes: Vec<BTreeSet<Uuid>>,
    /// By host the marks that were sent in its session.
    marks: BTreeMap<Uuid, Vec<Revision>>,
    /// Writes that hosts have yet to act on.
    undone: BTreeSet<(Uuid, Revision)>,
    sessions: u64,
    sent: Option<Here>,
    wire: VecDeque<Line>,
}

impl Play {
    fn new() -> Self {
        let (here, mut there) = (Roster::shared(0), Roster::shared(0));
        there.far.expect(&[NODE].into(), 0);
        let (writes, marks, undone) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { here, there, writes, marks, undone, sessions: 0, sent: None, wire: VecDeque::new() }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Commit(bits) => {
                let concerned = (0..HOSTS).filter(|n| bits & (1 << n) != 0).map(host);
                let concerned: BTreeSet<Uuid> = concerned.collect();
                self.writes.push(concerned.clone());
                let revision = self.writes.len() as Revision;
                self.undone.extend(concerned.into_iter().map(|host| (host, revision)));
            }
            Event::HearHere => hear(&mut self.here, &self.writes),
            Event::HearThere => hear(&mut self.there, &self.writes),
            Event::MissThere => {
                let newest = self.writes.len() as Revision;
                let all = self.there.far.hosts().collect();
                if newest > self.there.newest() {
                    self.there.committed(newest, &all, 0);
                }
            }
            Event::Begin(n) => {
                self.sessions += 1;
                let id = self.sessions;
                let start = Start { id, connection: id, resume: None, epoch: None, now_ms: 0 };
                self.here.begin(host(n), start);
                self.marks.insert(host(n), Vec::new());
            }
            Event::End(n) => {
                let (here, _) = self.here.here();
                if let Some(stand) = here.get(&host(n)) {
                    self.here.end(host(n), stand.id);
                }
            }
            Event::Look(n, tell) => self.look(host(n), tell),
            Event::Answer(n, i) => self.answer(host(n), i),
            Event::Speak => self.speak(),
            Event::Deliver => self.deliver(),
            Event::Break => {
                (self.sent, self.wire) = (None, VecDeque::new());
                self.there.far.broke(NODE, 0);
            }
            Event::GiveUp => {
                let gone = self.there.far.give_up(NODE);
                self.there.moved(gone);
            }
        }
    }

    fn look(&mut self, host: Uuid, tell: bool) {
        let (here, newest) = self.here.here();
        let Some(id) = here.get(&host).map(|stand| stand.id) else { return };
        let marks = self.marks.get_mut(&host).unwrap();
        // The first mark is sent in any case, others with news only.
        let told = marks.last().copied().unwrap_or_default();
        let news = |(of, at): &(Uuid, Revision)| *of == host && *at > told && *at <= newest;
        let tell = marks.is_empty() || (tell && self.undone.iter().any(news));
        self.here.looked(host, id, newest, tell);
        if tell {
            marks.push(newest);
        } else {
            // Since the last mark nothing has changed for it.
            let last = marks.last().copied().unwrap();
            self.undone.retain(|(of, at)| *of != host || *at <= last || *at > newest);
        }
    }

    fn answer(&mut self, host: Uuid, i: usize) {
        let (here, _) = self.here.here();
        let Some(id) = here.get(&host).map(|stand| stand.id) else { return };
        let marks = &self.marks[&host];
        let Some(revision) = marks.iter().rev().nth(i).copied() else { return };
        let vni = |n| model::ids::Vni::try_from(n).unwrap();
        let way = Way { from: vni(1), to: vni(1 + u32::try_from(i).unwrap()), vtep: None };
        let measure = Measure { passage: Passage::Open, ..Measure::UNTRIED };
        let gone = vec![Way { to: vni(3), ..way }];
        let ways = News { anew: false, measured: vec![(way, measure)], gone };
        let word = Word { revision, ways, ..Word::default() };
        if self.here.reported(host, id, word) == crate::agents::roster::Heard::Taken {
            self.undone.retain(|(of, at)| *of != host || *at > revision);
        }
    }

    fn speak(&mut self) {
        let (here, newest) = self.here.here();
        let news = changes(&self.sent.clone().unwrap_or_default(), &here, newest, 0);
        self.wire.extend(self.sent.is_none().then_some(Line::Snapshot));
        self.wire.extend(news);
        self.wire.push_back(Line::At { revision: newest });
        self.sent = Some(here);
    }

    fn deliver(&mut self) {
        let Some(line) = self.wire.pop_front() else { return };
        let newest = self.there.newest();
        let hosts = self.there.far.take(NODE, line, newest, 0);
        self.there.moved(hosts);
    }

    /// What is said there of hosts is no more than is so.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let newest = self.there.newest();
        let presence = self.there.presence(0);
        for host in presence.hosts.keys() {
            let applied = presence.applied(host).unwrap();
            let so_far = |at: Revision| at <= newest && at <= applied;
            let early = self.undone.iter().find(|(of, at)| of == host && so_far(*at));
            prop_assert_eq!(early, None, "{} carries {}", host, applied);
        }
        for revision in 1..=newest {
            if self.there.settled(revision, super::super::super::far::DRIFT_MS) {
                let live = self.there.presence(0);
                let late =
                    |(of, at): &&(Uuid, Revision)| *at <= revision && live.hosts.contains_key(of);
                prop_assert_eq!(self.undone.iter().find(late), None);
            }
        }
        Ok(())
    }
}

/// The next write.
fn hear(roster: &mut Roster, writes: &[BTreeSet<Uuid>]) {
    let at = roster.newest();
    if let Some(concerned) = writes.get(usize::try_from(at).unwrap()) {
        roster.committed(at + 1, concerned, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whoever_hears_first_nothing_is_said_of_a_host_that_is_not_so_and_in_the_end_all(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut play = Play::new();
        for event in events {
            play.take(event);
            play.check()?;
        }
        for _ in 0..200 {
            play.take(Event::HearHere);
            play.take(Event::HearThere);
        }
        for n in 0..HOSTS {
            play.take(Event::Look(n, true));
            play.take(Event::Answer(n, 0));
        }
        play.take(Event::Break);
        play.take(Event::Speak);
        while !play.wire.is_empty() {
            play.take(Event::Deliver);
            play.check()?;
        }
        let newest = play.writes.len() as Revision;
        prop_assert!(play.there.settled(newest, 0));
        prop_assert_eq!(play.there.presence(0), play.here.presence(0));
    }
}

#[test]
fn many_ways_are_told_in_several_lines_that_are_all_of_them() {
    let mut here = Roster::shared(1);
    let start = Start { id: 1, connection: 1, resume: None, epoch: Some(4), now_ms: 0 };
    here.begin(host(1), start);
    here.looked(host(1), 1, 1, true);
    let vni = |n: u32| model::ids::Vni::try_from(n).unwrap();
    let measured =
        (1..10_000).map(|n| (Way { from: vni(1), to: vni(n), vtep: None }, Measure::UNTRIED));
    let ways = News { anew: true, measured: measured.collect(), gone: vec![] };
    here.reported(host(1), 1, Word { epoch: Some(4), revision: 1, ways, ..Word::default() });
    let (stands, at) = here.here();
    let lines = changes(&Here::new(), &stands, at, 0);
    assert_eq!(lines.len(), 3);
    let mut there = Roster::shared(1);
    there.far.expect(&[NODE].into(), 0);
    for line in lines {
        let hosts = there.far.take(NODE, line, 1, 0);
        there.moved(hosts);
    }
    assert_eq!(there.presence(0), here.presence(0));
}
