//! What others did to the kernel: seen now and then, by its news, or when
//! probes are lost; mended, and told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::ids::Vni;
use model::plan::{self, Step};
use model::spec::{HostSpec, HostState};
use model::wire::agent::Fault;

use super::{FAULTS, Kernel, Reconciler, vni_of};
use crate::guard::News;
use crate::probe::Desk;

/// For this long after the server has heard of it, it is told what others did,
/// though it is mended.
const NAMED_FOR: Duration = Duration::from_secs(1);

impl<K: Kernel> Reconciler<K> {
    /// Sees to what probes found; the time by which a pass is due for it.
    pub(super) fn heed(&mut self, desk: &Desk, now: Instant) -> Option<Instant> {
        let concerns = desk.concerns();
        if concerns.limits {
            self.kernel.limit(desk.limits());
            self.resize(now);
            return Some(now);
        }
        let at = now.max(self.not_before);
        self.read_again = if concerns.lost { self.read_again.min(at) } else { self.read_again };
        concerns.lost.then_some(at)
    }

    /// True when the link takes packets of another size than before.
    pub(super) fn glance(&mut self, desk: &Desk, now: Instant) -> bool {
        let link = self.kernel.link_mtu();
        desk.set_link(link);
        let changed = self.link.replace(link).is_some_and(|before| before != link);
        if changed {
            self.resize(now);
        }
        changed
    }

    fn resize(&mut self, now: Instant) {
        self.resized = true;
        self.read_again = now;
    }

    /// Until when what the server has heard of is still to be told.
    pub(super) fn heed_told(&mut self, desk: &Desk) -> Option<Instant> {
        self.heard = desk.heard_repairs();
        let (count, at) = self.heard?;
        self.mended.iter().any(|(number, _)| *number <= count).then_some(at + NAMED_FOR)
    }

    /// What was told for long enough; the time by which a pass is due for more.
    pub(super) fn forget_mended(&mut self, now: Instant) -> Option<Instant> {
        let (count, at) = self.heard?;
        let until = at + NAMED_FOR;
        self.mended.retain(|(number, _)| *number > count || until > now);
        self.mended.iter().any(|(number, _)| *number <= count).then_some(until)
    }

    /// Sees to what the kernel has told of; the time by which a pass is due.
    pub(super) fn heed_news(&mut self, news: &News, now: Instant) -> Option<Instant> {
        if !news.take() {
            return None;
        }
        // What failed is tried again in its own time, and makes news itself.
        let at = now.max(self.not_before);
        let heeded = self.failures == 0;
        if heeded {
            self.read_again = self.read_again.min(at);
        }
        heeded.then_some(at)
    }

    fn tell_of(&mut self, vni: Option<Vni>, what: &str) {
        tracing::warn!(what, "somebody else changed the kernel");
        self.repairs.add(what);
        self.untold.push((vni, what.to_owned()));
        if self.mended.len() < FAULTS {
            let message = format!("somebody else changed the kernel, which was mended: {what}");
            self.mended.push((self.repairs.count, Fault::new(vni, message)));
        }
    }

    /// Tells of what is to be done that was not before the kernel was read:
    /// somebody else has undone it.
    pub(super) fn compare(&mut self, want: &HostSpec, believed: &HostState, have: &HostState) {
        let resized = std::mem::take(&mut self.resized);
        if believed == have {
            return;
        }
        let expected: BTreeSet<String> =
            plan::plan(want, believed).iter().map(ToString::to_string).collect();
        for step in plan::plan(want, have) {
            let text = step.to_string();
            if !(expected.contains(&text) || resized && is_of_size(&step)) {
                self.tell_of(vni_of(&step, have), &text);
            }
        }
    }
}

fn is_of_size(step: &Step) -> bool {
    matches!(step, Step::EnsurePort { why, .. } if why == datapath::MTU_DIFFERS)
}
