//! What others did to the kernel: seen now and then, at a glance, or when
//! probes are lost; mended, and told.

use std::time::{Duration, Instant};

use model::ids::Vni;
use model::plan;
use model::spec::{HostSpec, HostState};
use model::wire::agent::Fault;

use super::{FAULTS, Kernel, Reconciler, vni_of};
use crate::probe::Desk;

/// For this long it is told what others did, though it is mended.
const NAMED_FOR: Duration = Duration::from_secs(1);

impl<K: Kernel> Reconciler<K> {
    /// Sees to what probes found; the time by which a pass is due for it.
    pub(super) fn heed(&mut self, desk: &Desk, now: Instant) -> Option<Instant> {
        let concerns = desk.concerns();
        if concerns.limits {
            self.kernel.limit(desk.limits());
            self.have = None;
            return Some(now);
        }
        let at = now.max(self.not_before);
        self.read_again = if concerns.lost { self.read_again.min(at) } else { self.read_again };
        concerns.lost.then_some(at)
    }

    /// True when there is something to mend, or to try again at once.
    pub(super) fn glance(&mut self, desk: &Desk, now: Instant) -> bool {
        let link = self.kernel.link_mtu();
        desk.set_link(link);
        if self.link.replace(link).is_some_and(|before| before != link) {
            self.have = None;
            return true;
        }
        // What is not known to be whole is mended in its own time.
        let seen = if self.have.is_some() { self.kernel.glance() } else { Vec::new() };
        if seen.is_empty() {
            return false;
        }
        for (vni, what) in seen {
            self.tell_of(vni, &what, now);
        }
        self.have = None;
        true
    }

    fn tell_of(&mut self, vni: Option<Vni>, what: &str, now: Instant) {
        tracing::warn!(what, "somebody else changed the kernel");
        if self.mended.len() < FAULTS {
            let message = format!("somebody else changed the kernel, which was mended: {what}");
            self.mended.push((now + NAMED_FOR, Fault::new(vni, message)));
        }
    }

    /// Tells of what is to be done that was not before the kernel was read:
    /// somebody else has undone it.
    pub(super) fn compare(
        &mut self,
        want: &HostSpec,
        believed: &HostState,
        have: &HostState,
        now: Instant,
    ) {
        if believed == have {
            return;
        }
        let expected = plan::plan(want, believed);
        for step in plan::plan(want, have).iter().filter(|step| !expected.contains(step)) {
            self.tell_of(vni_of(step, have), &step.to_string(), now);
        }
    }
}
