//! What watching hosts have yet to be told, and what telling them has cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::touch::Touched;
use model::wire::counters::WatchView;
use model::world::World;
use uuid::Uuid;

/// By host; who knows all has no entry. So of a host that does not read one
/// world is kept, and the names of what was touched since, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Owed(BTreeMap<Uuid, Debt>);

#[derive(Debug)]
pub(crate) struct Debt {
    /// The host was told its slice of this world, or of an earlier one in which
    /// that is the same.
    pub(crate) before: Arc<World>,
    pub(crate) touched: Touched,
}

impl Owed {
    /// Writes after `before` touch the slice of `host`.
    pub(crate) fn add(&mut self, before: &Arc<World>, host: Uuid, touched: Touched) {
        let fresh = || Debt { before: before.clone(), touched: Touched::default() };
        self.0.entry(host).or_insert_with(fresh).touched.merge(touched);
    }

    pub(crate) fn take(&mut self, host: Uuid) -> Option<Debt> {
        self.0.remove(&host)
    }
}

/// What slices have cost since the start.
#[derive(Debug, Default)]
pub(crate) struct Work {
    snapshots: AtomicU64,
    resumed: AtomicU64,
    looks: AtomicU64,
    recomputed: AtomicU64,
    marks: AtomicU64,
    lines: AtomicU64,
}

impl Work {
    pub(crate) fn snapshot(&self) {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn resumed(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }

    /// At what was touched.
    pub(crate) fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    /// Two whole slices were made to find what differs.
    pub(crate) fn recomputed(&self) {
        self.recomputed.fetch_add(1, Ordering::Relaxed);
    }

    /// So many lines, of which the last was a mark.
    pub(crate) fn told(&self, lines: u64) {
        self.marks.fetch_add(1, Ordering::Relaxed);
        self.lines.fetch_add(lines, Ordering::Relaxed);
    }

    pub(crate) fn view(&self, watching: usize) -> WatchView {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WatchView {
            watching,
            snapshots: read(&self.snapshots),
            resumed: read(&self.resumed),
            looks: read(&self.looks),
            recomputed: read(&self.recomputed),
            marks: read(&self.marks),
            lines: read(&self.lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use model::touch::Touch;

    use super::*;

    const HOST: Uuid = Uuid::from_u128(1);

    #[test]
    fn of_a_host_that_reads_nothing_one_world_is_kept_and_a_bounded_list() {
        let (mut owed, first) = (Owed::default(), Arc::new(World::default()));
        for n in 0..10_000 {
            let before = if n == 0 { first.clone() } else { Arc::new(World::default()) };
            let part = Touch::Own { port: Uuid::from_u128(n) };
            owed.add(&before, HOST, Touched::Parts(BTreeSet::from([part])));
            assert_eq!(Arc::strong_count(&before), if n == 0 { 3 } else { 1 }, "no other is kept");
            let debt = &owed.0[&HOST];
            let parts = match &debt.touched {
                Touched::Parts(parts) => parts.len(),
                Touched::Whole => 0,
            };
            assert!(parts <= 2048);
        }
        let debt = owed.take(HOST).unwrap();
        assert!(Arc::ptr_eq(&debt.before, &first));
        assert_eq!(debt.touched, Touched::Whole);
        assert!(owed.take(HOST).is_none());
    }
}
