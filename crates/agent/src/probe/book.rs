//! All that this host probes, and what has come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use datapath::{Kind, Probe, Sighting};
use model::ids::{Mtu, Vni};
use model::way::{Measure, News, Way};
use model::wire::agent::Fault;

use super::forbidden::{Forbidden, Trial};
use super::path::Path;
use super::track::Track;
use super::wish::Wish;
use super::{INTERVAL, MISSED_AFTER, REFRESH, WAYS_OF_A_HOST, WAYS_OF_ALL};

/// Ways of one report: with more it would be larger than a server takes.
const NEWS: usize = 2000;

/// Probes that are sent before what comes back is looked at.
const BATCH: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Book {
    tracks: BTreeMap<Way, Track>,
    due: BTreeSet<(Duration, Way)>,
    of_host: BTreeMap<IpAddr, BTreeSet<Way>>,
    paths: BTreeMap<IpAddr, Path>,
    forbidden: Forbidden,
    pending: BTreeMap<u32, Pending>,
    token: u32,
    link: Option<Mtu>,
    told: BTreeMap<Way, (Measure, Duration)>,
    news: BTreeSet<Way>,
    gone: BTreeSet<Way>,
    anew: bool,
    faults_changed: bool,
    /// What the kernel's thread has to see to.
    pub(crate) concerns: Concerns,
}

/// What probes found that is for the kernel's thread.
#[derive(Debug, Default)]
pub(crate) struct Concerns {
    /// A path is wider or narrower.
    pub(crate) limits: bool,
    /// A way was lost, so something may be wrong with what the kernel holds.
    pub(crate) lost: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    until: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Way(Way),
    Size(IpAddr, u16),
    Forbidden(Trial),
}

impl Book {
    pub(crate) fn new() -> Self {
        Self { anew: true, ..Self::default() }
    }

    /// Probes what is wished from now on, over a link that takes packets of
    /// that size.
    pub(crate) fn adopt(&mut self, wish: Wish, link: Option<Mtu>, now: Duration) {
        let Wish { mut ways, trials } = wish;
        self.forbidden.adopt(trials);
        let old: Vec<Way> = self.tracks.keys().copied().collect();
        for way in old {
            match ways.remove(&way) {
                Some(ends) => self.track(way).set_ends(ends),
                None => self.drop_way(way),
            }
        }
        for (way, ends) in ways {
            self.tracks.insert(way, Track::new(ends, now));
            self.due.insert((now, way));
            self.tell(way);
            if let Some(vtep) = way.vtep {
                self.of_host.entry(vtep).or_default().insert(way);
            }
        }
        self.set_link(link, now);
        let of_host = &self.of_host;
        self.paths.retain(|vtep, _| of_host.contains_key(vtep));
    }

    /// The link to the underlay takes packets of that size.
    pub(crate) fn set_link(&mut self, link: Option<Mtu>, now: Duration) {
        self.link = link;
        let Some(link) = link else { return };
        for vtep in self.of_host.keys() {
            self.paths.entry(*vtep).or_insert_with(|| Path::new(link, now)).set_link(link, now);
        }
    }

    fn track(&mut self, way: Way) -> &mut Track {
        self.tracks.entry(way).or_insert_with(|| Track::new(Vec::new(), Duration::ZERO))
    }

    fn drop_way(&mut self, way: Way) {
        if let Some(track) = self.tracks.remove(&way) {
            self.due.remove(&(track.due, way));
        }
        self.news.remove(&way);
        self.told.remove(&way);
        self.gone.insert(way);
        if let Some(vtep) = way.vtep
            && let Some(ways) = self.of_host.get_mut(&vtep)
        {
            ways.remove(&way);
            if ways.is_empty() {
                self.of_host.remove(&vtep);
            }
        }
    }

    /// When [`Self::send`] or [`Self::pass`] has something to do.
    pub(crate) fn next(&self) -> Option<Duration> {
        let ways = self.due.first().map(|(at, _)| *at);
        let paths = self.paths.values().map(|path| path.due).min();
        let pending = self.pending.values().map(|pending| pending.until).min();
        let forbidden = (!self.tracks.is_empty()).then_some(self.forbidden.due);
        [ways, paths, pending, forbidden].into_iter().flatten().min()
    }

    /// The probes that are due.
    pub(crate) fn send(&mut self, now: Duration) -> Vec<Probe> {
        let mut probes = Vec::new();
        while let Some((at, way)) = self.due.first().copied()
            && at <= now
            && probes.len() < BATCH
        {
            self.due.pop_first();
            let interval = self.interval(way);
            let track = self.track(way);
            let (ends, patience) = (track.send(now, interval), track.patience());
            let due = track.due;
            self.due.insert((due, way));
            if let Some(ends) = ends {
                let until = now + patience;
                let token = self.expect(Pending { until, what: What::Way(way) });
                probes.push(probe((way.from, ends.local), ends.remote, token, 0));
            }
        }
        self.send_sizes(now, &mut probes);
        self.send_forbidden(now, &mut probes);
        probes
    }

    fn send_sizes(&mut self, now: Duration, probes: &mut Vec<Probe>) {
        let due: Vec<IpAddr> =
            self.paths.iter().filter(|(_, path)| path.due <= now).map(|(vtep, _)| *vtep).collect();
        for vtep in due {
            let ways = self.of_host.get(&vtep).into_iter().flatten();
            let mut open = ways.filter_map(|way| {
                let track = self.tracks.get(way).filter(|track| track.is_open())?;
                Some((way.from, *track.ends.first()?, track.rtt()))
            });
            let found = open.next();
            let Some(path) = self.paths.get_mut(&vtep) else { continue };
            let Some((from, ends, rtt)) = found else {
                path.due = now + INTERVAL;
                continue;
            };
            for size in path.send(now, rtt) {
                let until = now + Path::patience(rtt);
                let token = self.expect(Pending { until, what: What::Size(vtep, size) });
                probes.push(probe((from, ends.local), ends.remote, token, size));
            }
        }
    }

    fn send_forbidden(&mut self, now: Duration, probes: &mut Vec<Probe>) {
        if self.forbidden.due > now {
            return;
        }
        let Some(trial) = self.forbidden.send(now) else { return };
        let until = now + MISSED_AFTER;
        let token = self.expect(Pending { until, what: What::Forbidden(trial) });
        let forced = trial.forced.map(|vtep| (trial.to.0, vtep));
        probes.push(Probe { forced, ..probe(trial.from, trial.to.1, token, 0) });
    }

    fn expect(&mut self, pending: Pending) -> u32 {
        self.token = self.token.wrapping_add(1);
        self.pending.insert(self.token, pending);
        self.token
    }

    /// The more ways there are, the less often each is probed.
    fn interval(&self, way: Way) -> Duration {
        let here = way.vtep.and_then(|vtep| self.of_host.get(&vtep)).map_or(1, BTreeSet::len);
        let times = here.div_ceil(WAYS_OF_A_HOST).max(self.tracks.len().div_ceil(WAYS_OF_ALL));
        INTERVAL * u32::try_from(times.max(1)).unwrap_or(u32::MAX)
    }

    /// Something was seen of a probe.
    pub(crate) fn seen(&mut self, it: &Sighting, now: Duration) {
        match it.kind {
            Kind::Answered { token, round_trip } => {
                let Some(pending) = self.pending.remove(&token) else { return };
                match pending.what {
                    What::Way(way) => self.change(way, now, |t| t.answered(now, round_trip)),
                    What::Size(vtep, size) => {
                        self.resize(vtep, now, |path| path.answered(size, now));
                    }
                    What::Forbidden(trial) => {
                        self.faults_changed |= self.forbidden.answered(trial);
                    }
                }
            }
            Kind::Stopped { token } => {
                if let Some(pending) = self.pending.remove(&token) {
                    self.missed(pending.what, now, Some(it.verdict));
                }
            }
            Kind::Asked { .. } => {
                if let Some(to) = it.other {
                    let way = Way { from: it.vni, to, vtep: it.vtep };
                    self.change(way, now, |track| track.heard(now));
                }
            }
        }
    }

    /// What time alone changes.
    pub(crate) fn pass(&mut self, now: Duration) {
        let late = self.pending.iter().filter(|(_, it)| it.until <= now);
        for token in late.map(|(token, _)| *token).collect::<Vec<_>>() {
            if let Some(pending) = self.pending.remove(&token) {
                self.missed(pending.what, now, None);
            }
        }
        let vteps: Vec<IpAddr> = self.paths.keys().copied().collect();
        for vtep in vteps {
            self.resize(vtep, now, |path| path.pass(now));
        }
    }

    fn missed(&mut self, what: What, now: Duration, stopped: Option<&str>) {
        match what {
            What::Way(way) => {
                let interval = self.interval(way);
                self.change(way, now, |track| {
                    track.missed(now, stopped);
                    track.pass(now, interval);
                });
            }
            What::Size(vtep, size) => self.resize(vtep, now, |path| path.missed(size, now)),
            What::Forbidden(trial) => self.faults_changed |= self.forbidden.refused(trial),
        }
    }

    fn change(&mut self, way: Way, now: Duration, work: impl FnOnce(&mut Track)) {
        let interval = self.interval(way);
        let Some(track) = self.tracks.get_mut(&way) else { return };
        let (due, was_open) = (track.due, track.is_open());
        work(track);
        track.pass(now, interval);
        let (new, is_open) = (track.due, track.is_open());
        if new != due {
            self.due.remove(&(due, way));
            self.due.insert((new, way));
        }
        self.concerns.lost |= was_open && !is_open;
        if !was_open
            && is_open
            && let Some(path) = way.vtep.and_then(|vtep| self.paths.get_mut(&vtep))
        {
            path.go_on(now);
        }
        self.note(way, now);
    }

    fn resize(&mut self, vtep: IpAddr, now: Duration, work: impl FnOnce(&mut Path)) {
        let Some(path) = self.paths.get_mut(&vtep) else { return };
        let old = (path.mtu(), path.link());
        work(path);
        if old != (path.mtu(), path.link()) {
            self.concerns.limits = true;
            for way in self.of_host.get(&vtep).cloned().unwrap_or_default() {
                self.note(way, now);
            }
        }
    }

    /// The way as it is to be told.
    fn measure(&self, way: Way) -> Option<Measure> {
        let mut measure = self.tracks.get(&way)?.measure.clone();
        let path = way.vtep.and_then(|vtep| self.paths.get(&vtep));
        measure.path_mtu = path.and_then(Path::mtu);
        measure.link_mtu = path.map(Path::link);
        Some(measure)
    }

    /// What matters is told at once, figures now and then.
    fn note(&mut self, way: Way, now: Duration) {
        let Some(measure) = self.measure(way) else { return };
        let stale = |(told, at): &(Measure, Duration)| {
            told.differs(&measure) || (now.saturating_sub(*at) >= REFRESH)
        };
        if self.told.get(&way).is_none_or(stale) {
            self.told.insert(way, (measure, now));
            self.tell(way);
        }
    }

    fn tell(&mut self, way: Way) {
        self.gone.remove(&way);
        self.news.insert(way);
    }

    /// Whoever is told now knows nothing.
    pub(crate) fn forget(&mut self) {
        self.anew = true;
        self.gone.clear();
        self.news = self.tracks.keys().copied().collect();
    }

    /// What was not told yet, or a part of it.
    pub(crate) fn news(&mut self) -> News {
        let anew = std::mem::take(&mut self.anew);
        self.faults_changed = false;
        let gone = std::mem::take(&mut self.gone).into_iter().collect();
        let mut measured = Vec::new();
        while measured.len() < NEWS
            && let Some(way) = self.news.pop_first()
        {
            measured.extend(self.measure(way).map(|measure| (way, measure)));
        }
        News { anew, measured, gone }
    }

    pub(crate) fn has_news(&self) -> bool {
        self.anew || self.faults_changed || !self.news.is_empty() || !self.gone.is_empty()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.forbidden.faults().collect()
    }

    /// The largest packets that all paths of a network carry, where that is
    /// less than the link takes.
    pub(crate) fn limits(&self) -> BTreeMap<Vni, Mtu> {
        let mut limits: BTreeMap<Vni, Mtu> = BTreeMap::new();
        for way in self.tracks.keys() {
            let path = way.vtep.and_then(|vtep| self.paths.get(&vtep));
            let narrow = path.and_then(|p| p.mtu().filter(|mtu| *mtu < p.link()));
            if let Some(mtu) = narrow {
                limits.entry(way.from).and_modify(|least| *least = mtu.min(*least)).or_insert(mtu);
            }
        }
        limits
    }
}

/// A size of 0 is the least that a probe has.
fn probe(from: (Vni, IpAddr), to: IpAddr, token: u32, size: u16) -> Probe {
    Probe { from, to, size, token, forced: None }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
