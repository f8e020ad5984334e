//! Single probes that somebody asked for, and what came by of others.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use datapath::{Kind, Probe, Sighting};
use model::explain::{Fate, Heard};
use model::ids::Vni;
use tokio::sync::oneshot;

/// A probe that is not back by then is not coming.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many that came by are remembered, and for how long.
const MEMORY: usize = 1024;
const REMEMBERED: Duration = Duration::from_secs(3);

/// Tokens from here on are trials'; the book's begin at 0.
const FIRST: u32 = 1 << 31;

#[derive(Default)]
pub(crate) struct Trials {
    last: u32,
    due: Vec<Probe>,
    waiting: BTreeMap<u32, (Duration, oneshot::Sender<Fate>)>,
    heard: VecDeque<(Duration, Sighting)>,
}

/// From a network's address here to another address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) vni: Vni,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
}

/// A probe that is to be sent.
pub(crate) struct Attempt {
    pub(crate) size: u16,
    pub(crate) token: u32,
    pub(crate) told: oneshot::Receiver<Fate>,
}

impl Trials {
    pub(crate) fn begin(&mut self, line: Line, size: u16, now: Duration) -> Attempt {
        let (tell, told) = oneshot::channel();
        self.last = self.last.wrapping_add(1);
        let token = FIRST | self.last;
        let from = (line.vni, line.local);
        self.due.push(Probe { from, to: line.remote, size, token, forced: None });
        self.waiting.insert(token, (now + PATIENCE, tell));
        Attempt { size, token, told }
    }

    pub(crate) fn send(&mut self) -> Vec<Probe> {
        std::mem::take(&mut self.due)
    }

    pub(crate) fn seen(&mut self, it: &Sighting, now: Duration) {
        let (token, fate) = match it.kind {
            Kind::Answered { token, round_trip } => {
                (token, Fate::Back(u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX)))
            }
            Kind::Stopped { token } => (token, Fate::Stopped(it.verdict.to_owned())),
            Kind::Asked { .. } => {
                if self.heard.len() == MEMORY {
                    self.heard.pop_front();
                }
                self.heard.push_back((now, *it));
                return;
            }
        };
        if let Some((_, tell)) = self.waiting.remove(&token) {
            // Who asked may be gone.
            let _ = tell.send(fate);
        }
    }

    /// Judges what is late.
    pub(crate) fn pass(&mut self, now: Duration) {
        let late: Vec<u32> =
            self.waiting.iter().filter(|(_, (until, _))| *until <= now).map(|(t, _)| *t).collect();
        for token in late {
            if let Some((_, tell)) = self.waiting.remove(&token) {
                let _ = tell.send(Fate::Silent);
            }
        }
        while self.heard.front().is_some_and(|(at, _)| *at + REMEMBERED < now) {
            self.heard.pop_front();
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        let waits = self.waiting.values().map(|(until, _)| *until).min();
        if self.due.is_empty() { waits } else { Some(Duration::ZERO) }
    }

    /// Which of these sizes and tokens came by along `line`, seen from here.
    pub(crate) fn heard(&self, line: Line, sent: &[(u16, u32)]) -> Vec<Heard> {
        let along =
            |it: &Sighting| (it.vni, it.local, it.remote) == (line.vni, line.local, line.remote);
        let came = |&(size, token): &(u16, u32)| {
            let same = |it: &Sighting| it.kind == Kind::Asked { token } && along(it);
            let mut newest = self.heard.iter().rev();
            let (_, it) = newest.find(|(_, it)| same(it) && it.size == u32::from(size))?;
            Some(Heard { size, verdict: it.verdict.to_owned() })
        };
        sent.iter().filter_map(came).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn line() -> Line {
        let [local, remote] = [[10, 0, 1, 2], [10, 0, 2, 2]].map(IpAddr::from);
        Line { vni: 7.try_into().unwrap(), local, remote }
    }

    fn sighting(kind: Kind, verdict: &'static str) -> Sighting {
        let Line { vni, local, remote } = line();
        Sighting { kind, verdict, vni, local, remote, other: None, vtep: None, size: 100 }
    }

    #[test]
    fn each_trial_has_one_fate() {
        let mut trials = Trials::default();
        let mut told: Vec<_> = (0..3).map(|_| trials.begin(line(), 100, NOW)).collect();
        let due = trials.send();
        let tokens: Vec<u32> = due.iter().map(|probe| probe.token).collect();
        assert_eq!((due.len(), trials.send().len()), (3, 0));
        let round_trip = Duration::from_micros(80);
        trials.seen(&sighting(Kind::Answered { token: tokens[0], round_trip }, "delivered"), NOW);
        trials.seen(&sighting(Kind::Stopped { token: tokens[1] }, "no-route"), NOW);
        // The book's.
        trials.seen(&sighting(Kind::Answered { token: 1, round_trip }, "delivered"), NOW);
        assert_eq!(trials.next(), Some(NOW + PATIENCE));
        trials.pass(NOW + PATIENCE);
        let fates: Vec<_> = told.iter_mut().map(|it| it.told.try_recv().unwrap()).collect();
        assert_eq!(fates, [Fate::Back(80), Fate::Stopped("no-route".to_owned()), Fate::Silent]);
        assert_eq!(trials.next(), None);
    }

    #[test]
    fn what_came_by_is_remembered_for_a_while_by_its_token() {
        let mut trials = Trials::default();
        trials.seen(&sighting(Kind::Asked { token: 1 }, "no-return"), NOW);
        trials.seen(&sighting(Kind::Asked { token: 2 }, "delivered"), NOW);
        let heard = trials.heard(line(), &[(100, 1), (100, 3), (101, 2)]);
        assert_eq!(heard, [Heard { size: 100, verdict: "no-return".to_owned() }]);
        trials.pass(NOW + REMEMBERED + Duration::from_millis(1));
        assert_eq!(trials.heard(line(), &[(100, 1)]), []);
    }
}
