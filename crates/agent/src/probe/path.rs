//! The path to one host: how large a packet crosses it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::ids::Mtu;

use super::{INTERVAL, MISSED_AFTER, SEARCH, SEARCH_NARROW, SIZES};

/// Bytes of the smallest packet that is looked for: every host takes as much in
/// IPv4 (RFC 791 §3.1). The 1280 of IPv6 are seen to by the datapath, which
/// fragments outside what a narrower path does not carry.
const LEAST: u16 = 576;

/// So many rounds in a row of which nothing is back, and a search has failed.
const VOID: u32 = 3;

/// A round of a search takes this long, or four round trips.
const ROUND: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Path {
    /// Of the link: no packet is larger.
    link: Mtu,
    /// The largest that crosses; None until one has.
    mtu: Option<Mtu>,
    search: Option<Search>,
    pub(crate) due: Duration,
    searched: Duration,
    /// Probes of the link's size that are back in a row, while less was known.
    grown: u32,
}

/// Looks between two sizes for the largest that crosses, several at once. What
/// is not back in a round says something only if something else is: a link that
/// is away for a moment is no narrow one. For the same reason a size that is
/// less than the link's is tried once more at the end, beside larger ones.
#[derive(Debug)]
struct Search {
    /// Crosses, or is 0.
    low: u16,
    /// The largest that may.
    high: u16,
    /// Of the link.
    most: u16,
    tried: BTreeSet<u16>,
    /// This round is the last, if nothing larger is back.
    proving: bool,
    /// Something that was tried in this round is back.
    alive: bool,
    void: u32,
    until: Duration,
}

impl Path {
    pub(crate) fn new(link: Mtu, now: Duration) -> Self {
        let mut it = Self { link, mtu: None, search: None, due: now, searched: now, grown: 0 };
        it.begin(now);
        it
    }

    pub(crate) fn link(&self) -> Mtu {
        self.link
    }

    pub(crate) fn mtu(&self) -> Option<Mtu> {
        self.mtu
    }

    /// The link takes another size now.
    pub(crate) fn set_link(&mut self, link: Mtu, now: Duration) {
        if self.link != link {
            *self = Self { mtu: self.mtu.map(|mtu| mtu.min(link)), ..Self::new(link, now) };
        }
    }

    fn begin(&mut self, now: Duration) {
        self.search = Some(Search::new(self.link.into(), now));
        self.searched = now;
        self.due = now;
        self.grown = 0;
    }

    /// Small ones cross: what waits for that need not.
    pub(crate) fn go_on(&mut self, now: Duration) {
        if self.mtu.is_none() {
            self.due = now;
        }
    }

    /// Sizes to send probes of, when it is due. Nothing is to be learned while
    /// small ones do not cross.
    pub(crate) fn send(&mut self, now: Duration, rtt: Duration) -> Vec<u16> {
        if let Some(search) = &mut self.search {
            search.until = now + ROUND.max(rtt * 4);
            self.due = search.until;
            return search.round();
        }
        self.due = now + INTERVAL;
        let sizes = self.mtu.into_iter().chain([self.link]).map(u16::from);
        sizes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn answered(&mut self, size: u16, now: Duration) {
        if let Some(search) = &mut self.search {
            search.answered(size);
            if search.low >= search.most {
                self.end_search(now, true);
            }
            return;
        }
        if size == u16::from(self.link) && self.mtu < Some(self.link) {
            self.grown += 1;
            self.due = now;
            if self.grown >= 2 {
                self.mtu = Some(self.link);
            }
        }
    }

    /// A probe of that size is not back in time.
    pub(crate) fn missed(&mut self, size: u16, now: Duration) {
        if self.search.is_some() {
            return;
        }
        self.grown = 0;
        if self.mtu.is_some_and(|mtu| size <= mtu.into()) {
            self.begin(now);
        }
    }

    /// Ends a round whose time is over, and begins a search that is due.
    pub(crate) fn pass(&mut self, now: Duration) {
        if let Some(search) = &mut self.search {
            if now < search.until || search.tried.is_empty() {
                return;
            }
            if let Some(found) = search.narrow() {
                self.end_search(now, found);
            }
            return;
        }
        let narrow = self.mtu < Some(self.link);
        let every = if narrow { SEARCH_NARROW } else { SEARCH };
        if now.saturating_sub(self.searched) >= every {
            self.begin(now);
        }
    }

    /// How long a probe of it is waited for.
    pub(crate) fn patience(rtt: Duration) -> Duration {
        MISSED_AFTER.max(rtt * 4)
    }

    /// `found`: not that nothing is back, which is no path, as small probes tell.
    fn end_search(&mut self, now: Duration, found: bool) {
        let Some(search) = self.search.take() else { return };
        if let Ok(mtu) = Mtu::try_from(u32::from(search.low))
            && found
        {
            self.mtu = Some(mtu);
        }
        self.due = now + INTERVAL;
        self.searched = now;
    }
}

impl Search {
    fn new(most: u16, until: Duration) -> Self {
        let (tried, proving, alive, void) = (BTreeSet::new(), false, false, 0);
        Self { low: 0, high: most, most, tried, proving, alive, void, until }
    }

    /// Begins a round: the sizes to send, each more than once, as one of them
    /// may be lost for another reason.
    fn round(&mut self) -> Vec<u16> {
        self.proving = self.is_narrowed();
        self.tried = self.sizes();
        self.alive = false;
        let times = if self.proving { 4 } else { 2 };
        self.tried.iter().flat_map(|size| std::iter::repeat_n(*size, times)).collect()
    }

    /// The largest that is known to cross, to tell silence from narrowness; and
    /// from the largest that may cross down to the next that is not known. Once
    /// that is found, what must not cross.
    fn sizes(&self) -> BTreeSet<u16> {
        let known = self.low.max(LEAST.min(self.most));
        if self.is_narrowed() {
            return [known, self.high + 1, self.most].into();
        }
        let low = self.low.max(LEAST - 1);
        let open = self.high.saturating_sub(low);
        let count = u16::try_from(SIZES).unwrap_or(1).min(open);
        let step = |n: u16| u32::from(open) * u32::from(n) / u32::from(count.max(1));
        let size = |n| low + u16::try_from(step(n)).unwrap_or(0);
        (1..=count).map(size).chain([known]).collect()
    }

    /// Nothing is left between what crosses and what does not.
    fn is_narrowed(&self) -> bool {
        self.high < self.most && self.low.max(LEAST - 1) >= self.high
    }

    fn answered(&mut self, size: u16) {
        self.alive |= self.tried.contains(&size);
        self.low = self.low.max(size);
        if size > self.high {
            // What had not come back was lost for another reason.
            self.high = self.most;
        }
    }

    /// Ends a round: whether the search has found what it looked for, once it
    /// is over.
    fn narrow(&mut self) -> Option<bool> {
        let tried = std::mem::take(&mut self.tried);
        if !self.alive {
            self.void += 1;
            return (self.void >= VOID).then_some(false);
        }
        self.void = 0;
        if self.proving && self.is_narrowed() {
            return Some(true);
        }
        // The smallest that was tried and is not back is too large.
        if let Some(size) = tried.iter().find(|size| **size > self.low) {
            self.high = size - 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(1);

    fn mtu(n: u32) -> Mtu {
        Mtu::try_from(n).unwrap()
    }

    /// Runs a path that carries `truth` bytes; the time that it took to settle.
    fn settle(path: &mut Path, truth: u16, mut now: Duration) -> Duration {
        let began = now;
        for _ in 0..1000 {
            path.pass(now);
            if path.due <= now {
                let sizes = path.send(now, RTT);
                for size in sizes {
                    if size <= truth {
                        path.answered(size, now + RTT);
                    } else {
                        path.missed(size, now + MISSED_AFTER);
                    }
                }
            }
            if path.search.is_none() && path.mtu == Some(mtu(truth.into())) {
                return now - began;
            }
            now += Duration::from_millis(10);
        }
        panic!("does not settle at {truth}: {path:?}");
    }

    #[test]
    fn a_path_that_carries_what_the_link_does_is_known_at_once() {
        let mut path = Path::new(mtu(1450), Duration::ZERO);
        assert_eq!(settle(&mut path, 1450, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn any_size_is_found_in_less_than_a_second_whether_it_shrinks_or_grows() {
        for link in [1230, 1450, 8950, 65_485_u16] {
            let mut path = Path::new(mtu(link.into()), Duration::ZERO);
            let mut now = Duration::ZERO;
            for truth in [link, link - 1, 576, 577, link / 2 + 300, link - 50, link] {
                let took = settle(&mut path, truth, now);
                now += took + INTERVAL;
                let most = if truth == 577 || truth > 577 && truth < link { 6 } else { 1 };
                assert!(took <= Duration::from_secs(most), "{link} {truth}: {took:?}");
            }
        }
    }

    #[test]
    fn nothing_that_crosses_leaves_the_last_size_that_did() {
        let mut path = Path::new(mtu(1450), Duration::ZERO);
        settle(&mut path, 1450, Duration::ZERO);
        let mut now = Duration::from_secs(1);
        for _ in 0..100 {
            path.pass(now);
            if path.due <= now {
                for size in path.send(now, RTT) {
                    path.missed(size, now);
                }
            }
            now += Duration::from_millis(50);
        }
        assert_eq!(path.mtu(), Some(mtu(1450)));
    }

    #[test]
    fn one_probe_that_is_lost_is_no_smaller_path() {
        let mut path = Path::new(mtu(1450), Duration::ZERO);
        settle(&mut path, 1450, Duration::ZERO);
        let now = Duration::from_secs(1);
        assert_eq!(path.send(now, RTT), [1450]);
        path.missed(1450, now);
        assert!(path.send(now, RTT).contains(&1450), "it is asked for again");
        path.answered(1450, now);
        assert_eq!(path.mtu(), Some(mtu(1450)));
    }

    /// Runs a path for so many milliseconds, which carries what `crosses` says;
    /// the least that it was ever said to carry.
    fn least(
        path: &mut Path,
        millis: u64,
        mut crosses: impl FnMut(u64, u16) -> bool,
    ) -> Option<Mtu> {
        let mut least = path.mtu;
        let mut late: Vec<(u64, u16)> = Vec::new();
        for ms in 0..millis {
            let now = Duration::from_millis(ms);
            late.retain(|(at, size)| {
                if *at <= ms {
                    path.missed(*size, now);
                }
                *at > ms
            });
            path.pass(now);
            if path.due <= now {
                for size in path.send(now, RTT) {
                    if crosses(ms, size) {
                        path.answered(size, now);
                    } else {
                        late.push((ms + 250, size));
                    }
                }
            }
            least = least.min(path.mtu);
        }
        least
    }

    #[test]
    fn a_path_that_is_away_for_a_moment_is_no_narrow_one() {
        for (from, long) in (0..600)
            .step_by(37)
            .flat_map(|from| (20..1000).step_by(31).map(move |long| (from, long)))
        {
            let mut path = Path::new(mtu(1450), Duration::ZERO);
            settle(&mut path, 1450, Duration::ZERO);
            let away = from..from + long;
            let found = least(&mut path, 3000, |ms, _| !away.contains(&ms));
            assert_eq!((found, path.mtu), (Some(mtu(1450)), Some(mtu(1450))), "{away:?}");
        }
    }

    #[test]
    fn a_path_that_loses_a_tenth_is_no_narrow_one_and_a_narrow_one_is_found() {
        for truth in [1450, 1350] {
            let mut path = Path::new(mtu(1450), Duration::ZERO);
            settle(&mut path, 1450, Duration::ZERO);
            let mut dice = 1_u32;
            let found = least(&mut path, 60_000, |_, size| {
                // Numerical Recipes' generator: its upper bits are good.
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                size <= truth && dice >> 16 > 6553
            });
            assert_eq!((found, path.mtu), (Some(mtu(truth.into())), Some(mtu(truth.into()))));
        }
    }
}
