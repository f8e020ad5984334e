//! One way, as its probes tell.

use std::collections::VecDeque;
use std::time::Duration;

use model::way::{Measure, Passage};

use super::ends::Ends;
use super::{
    FIRST_RETRY, INTERVAL_LOST, LOST_AFTER, MISSED_AFTER, OPEN_AFTER, OPEN_AFTER_MOST, REMEMBERED,
    SPACING, TRIED_FOR,
};

/// Probes that the loss is counted over.
const WINDOW: usize = 64;

#[derive(Debug)]
pub(crate) struct Track {
    /// In turn, but that a probe that was missed is repeated.
    pub(crate) ends: Vec<Ends>,
    turn: usize,
    pub(crate) measure: Measure,
    born: Duration,
    /// When the next probe is to be sent.
    pub(crate) due: Duration,
    retry: Duration,
    missed: u32,
    back: u32,
    window: VecDeque<bool>,
    /// When it was lost.
    losses: VecDeque<Duration>,
    heard: Option<Duration>,
}

impl Track {
    pub(crate) fn new(ends: Vec<Ends>, now: Duration) -> Self {
        Self {
            ends,
            turn: 0,
            measure: Measure::UNTRIED,
            born: now,
            due: now,
            retry: FIRST_RETRY,
            missed: 0,
            back: 0,
            window: VecDeque::new(),
            losses: VecDeque::new(),
            heard: None,
        }
    }

    /// Others lead to the same place; a probe that was missed may have been to
    /// one that is gone.
    pub(crate) fn set_ends(&mut self, ends: Vec<Ends>) {
        if self.ends != ends {
            self.ends = ends;
            self.turn = 0;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.measure.passage == Passage::Open
    }

    /// Between which ends the next probe goes; `interval` is the time to the
    /// one after it if all is well.
    pub(crate) fn send(&mut self, now: Duration, interval: Duration) -> Option<Ends> {
        self.due = now
            + match self.measure.passage {
                Passage::Untried => {
                    self.retry = (self.retry * 2).min(INTERVAL_LOST);
                    self.retry
                }
                Passage::Never | Passage::Lost => INTERVAL_LOST,
                Passage::Open => interval,
            };
        let ends = *self.ends.get(self.turn % self.ends.len().max(1))?;
        Some(ends)
    }

    pub(crate) fn rtt(&self) -> Duration {
        self.measure.rtt_us.map_or(Duration::ZERO, |us| Duration::from_micros(us.into()))
    }

    /// How long its probes are waited for.
    pub(crate) fn patience(&self) -> Duration {
        MISSED_AFTER.max(self.rtt() * 4)
    }

    pub(crate) fn answered(&mut self, now: Duration, round_trip: Duration) {
        self.count(true);
        self.smooth(round_trip);
        self.measure.stopped = None;
        self.missed = 0;
        self.turn = self.turn.wrapping_add(1);
        match self.measure.passage {
            Passage::Untried | Passage::Never => {
                let first = (now - self.born).as_millis();
                self.measure.first_ms = Some(u32::try_from(first).unwrap_or(u32::MAX));
                self.measure.passage = Passage::Open;
            }
            Passage::Lost => {
                self.back += 1;
                self.due = now + SPACING;
                if self.back >= self.needed(now) {
                    self.measure.passage = Passage::Open;
                }
            }
            Passage::Open => {}
        }
    }

    /// It was not back in time, or has not left: then `stopped` says why.
    pub(crate) fn missed(&mut self, now: Duration, stopped: Option<&str>) {
        self.count(false);
        self.back = 0;
        self.missed = self.missed.saturating_add(1);
        if stopped.is_some() {
            self.measure.stopped = stopped.map(str::to_owned);
        }
        match self.measure.passage {
            Passage::Untried if now.saturating_sub(self.born) >= TRIED_FOR => {
                self.measure.passage = Passage::Never;
            }
            Passage::Open if self.missed >= LOST_AFTER => {
                self.measure.passage = Passage::Lost;
                self.losses.push_back(now);
            }
            // Without waiting for its turn; what was stopped comes back at once.
            Passage::Open if stopped.is_some() => self.due = now + SPACING,
            Passage::Open => self.due = now,
            Passage::Untried | Passage::Never | Passage::Lost => {}
        }
    }

    /// A probe of the other host has come by.
    pub(crate) fn heard(&mut self, now: Duration) {
        self.heard = Some(now);
        self.measure.heard = true;
    }

    /// What time alone changes.
    pub(crate) fn pass(&mut self, now: Duration, interval: Duration) {
        let silent = |heard: Duration| now.saturating_sub(heard) > interval + MISSED_AFTER * 2;
        if self.heard.is_some_and(silent) {
            self.measure.heard = false;
        }
        while self.losses.front().is_some_and(|at| now.saturating_sub(*at) > REMEMBERED) {
            self.losses.pop_front();
        }
    }

    /// How many must be back in a row before it counts as open again.
    fn needed(&self, now: Duration) -> u32 {
        let recent = |at: &&Duration| now.saturating_sub(**at) <= REMEMBERED;
        let often = self.losses.iter().filter(recent).count().saturating_sub(3);
        OPEN_AFTER.saturating_mul(1 << often.min(8)).min(OPEN_AFTER_MOST)
    }

    fn count(&mut self, back: bool) {
        self.window.push_back(back);
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let lost = self.window.iter().filter(|back| !**back).count();
        self.measure.loss = u16::try_from(lost * 1000 / self.window.len()).unwrap_or(1000);
    }

    fn smooth(&mut self, round_trip: Duration) {
        let new = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX);
        let old = self.measure.rtt_us.unwrap_or(new);
        self.measure.rtt_us = Some(old - old / 8 + new / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::INTERVAL;

    const RTT: Duration = Duration::from_micros(80);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn open() -> Track {
        let ends = |n: u8| Ends { local: [10, 0, 1, 2].into(), remote: [10, 0, 2, n].into() };
        let mut track = Track::new(vec![ends(1), ends(2)], at(0));
        track.send(at(0), INTERVAL);
        track.answered(at(3), RTT);
        track
    }

    #[test]
    fn the_first_probe_that_is_back_opens_a_way_and_dates_it() {
        let track = open();
        assert!(track.is_open());
        assert_eq!(track.measure.first_ms, Some(3));
        assert_eq!(track.measure.rtt_us, Some(80));
    }

    #[test]
    fn a_new_way_is_tried_at_once_then_ever_more_seldom_and_ends_as_never() {
        let mut track = Track::new(open().ends, at(0));
        let mut sent = Vec::new();
        while track.measure.passage == Passage::Untried {
            let now = track.due;
            sent.push(now.as_millis());
            track.send(now, INTERVAL);
            track.missed(now, None);
        }
        assert_eq!(sent[..6], [0, 4, 12, 28, 60, 124]);
        assert_eq!(track.measure.passage, Passage::Never);
        assert!(sent.last() >= Some(&10_000) && sent.len() < 60, "{sent:?}");
        track.answered(at(11_000), RTT);
        assert!(track.is_open());
    }

    #[test]
    fn three_in_a_row_missed_and_it_is_lost_with_the_next_ones_sent_at_once() {
        let mut track = open();
        for n in 1..=3 {
            assert!(track.is_open(), "{n}");
            track.send(at(n * 250), INTERVAL);
            track.missed(at(n * 250 + 250), None);
        }
        assert_eq!(track.measure.passage, Passage::Lost);
        track.answered(at(1200), RTT);
        track.answered(at(1300), RTT);
        assert_eq!(track.measure.passage, Passage::Lost);
        track.answered(at(1400), RTT);
        assert!(track.is_open());
    }

    #[test]
    fn a_way_that_flaps_stays_lost_for_longer_and_longer() {
        let mut track = open();
        let mut needed = Vec::new();
        for n in 0..10 {
            let now = at(2000 * n);
            for _ in 0..LOST_AFTER {
                track.missed(now, None);
            }
            let mut back = 0;
            while !track.is_open() {
                track.answered(now, RTT);
                back += 1;
            }
            needed.push(back);
        }
        assert_eq!(needed, [3, 3, 3, 6, 12, 24, 48, 48, 48, 48]);
        track.pass(at(200_000), INTERVAL);
        assert_eq!(track.needed(at(200_000)), OPEN_AFTER);
    }

    #[test]
    fn ends_take_turns_but_those_of_a_missed_probe_are_tried_again() {
        let mut track = open();
        let first = track.send(at(500), INTERVAL);
        track.missed(at(750), None);
        assert_eq!(track.due, at(750));
        assert_eq!(track.send(at(750), INTERVAL), first);
        track.answered(at(751), RTT);
        assert_ne!(track.send(at(1250), INTERVAL), first);
        assert_eq!(track.measure.loss, 333);
    }

    #[test]
    fn why_nothing_is_sent_is_told_until_something_is_back() {
        let mut track = open();
        track.missed(at(500), Some("no-route"));
        assert_eq!(track.measure.stopped.as_deref(), Some("no-route"));
        assert_eq!(track.due, at(600));
        track.answered(at(700), RTT);
        assert_eq!(track.measure.stopped, None);
    }

    #[test]
    fn the_other_host_is_heard_for_as_long_as_its_probes_come() {
        let mut track = open();
        track.heard(at(1000));
        track.pass(at(1900), INTERVAL);
        assert!(track.measure.heard);
        track.pass(at(2100), INTERVAL);
        assert!(!track.measure.heard);
    }
}
