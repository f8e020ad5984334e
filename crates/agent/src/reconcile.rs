//! Makes the kernel what the slice says, on one thread.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use model::ids::Vni;
use model::plan::{self, Step};
use model::spec::{Condition, HostSpec, HostState};
use model::wire::agent::{Fault, Report};
use tokio::sync::watch;

use crate::mailbox::{Mail, Mailbox};
use crate::slice::Keeper;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// What the loop needs of a host's kernel.
pub trait Kernel {
    /// Everything of ours that is there.
    ///
    /// # Errors
    /// It cannot be read.
    fn observe(&mut self) -> Result<HostState, BoxError>;
    /// Takes one step; again is no harm.
    ///
    /// # Errors
    /// The kernel refused.
    fn apply(&mut self, step: &Step) -> Result<(), BoxError>;
    /// Packets by verdict.
    ///
    /// # Errors
    /// They cannot be read.
    fn verdicts(&mut self) -> Result<BTreeMap<String, u64>, BoxError>;
}

/// How often the kernel is read in full, for what others did to it.
pub(crate) const RESYNC: Duration = Duration::from_secs(60);

/// After a failure the next attempt is this late, then twice as late, up to
/// the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Steps of one pass that are logged one by one.
const SPELLED_OUT: usize = 20;

/// Errors of one report.
const FAULTS: usize = 100;

pub(crate) struct Reconciler<K> {
    kernel: K,
    /// What the kernel is known to have; None when it must be read.
    have: Option<HostState>,
    read_again: Instant,
    failures: u32,
}

/// What came of a pass, and when the next is due.
pub(crate) struct Pass {
    pub(crate) report: Report,
    pub(crate) again: Instant,
}

/// Runs passes until the mailbox is closed. Whatever woke it, it does the same.
///
/// `want` is what was on disk; until the server has spoken, what the kernel
/// has may be newer than that: the disk is written later than the kernel.
pub(crate) fn work(
    kernel: impl Kernel,
    slices: &Mailbox<HostSpec>,
    said: &watch::Sender<Option<Report>>,
    mut want: Option<HostSpec>,
    keeper: &Keeper,
) {
    let mut reconciler = Reconciler::new(kernel, Instant::now());
    let mut newest = false;
    let mut again = want.is_some().then(Instant::now);
    loop {
        let mail = slices.wait(again);
        let now = Instant::now();
        match mail {
            Mail::New(slice) => {
                want = Some(slice);
                newest = true;
                again = Some(now);
            }
            Mail::Late => {}
            Mail::Closed => return,
        }
        if let Some(want) = &want
            && again.is_some_and(|again| again <= now)
        {
            newest = newest || reconciler.has_nothing(now);
            if !newest {
                again = Some(now + RESYNC);
                continue;
            }
            let pass = reconciler.pass(want, now);
            said.send_replace(Some(pass.report));
            again = Some(pass.again);
            keeper.offer(want);
        }
    }
}

impl<K: Kernel> Reconciler<K> {
    pub(crate) fn new(kernel: K, now: Instant) -> Self {
        Self { kernel, have: None, read_again: now, failures: 0 }
    }

    /// True when the kernel is known to hold nothing of ours, as after a
    /// reboot: then no slice is older than what it holds.
    pub(crate) fn has_nothing(&mut self, now: Instant) -> bool {
        let Ok(have) = self.known(now) else { return false };
        let nothing = have.ports.is_empty() && have.routes.is_empty();
        self.have = Some(have);
        nothing
    }

    /// A failed step is reported and the pass goes on.
    pub(crate) fn pass(&mut self, want: &HostSpec, now: Instant) -> Pass {
        let mut report = Report { revision: want.revision, ..Report::default() };
        match self.known(now) {
            Ok(mut have) => {
                self.take_steps(want, &mut have, &mut report);
                if report.errors.is_empty() {
                    self.have = Some(have);
                }
            }
            Err(error) => {
                let message = format!("cannot read the kernel: {}", chain(&*error));
                tracing::error!(error = message, "a pass failed");
                report.errors.push(Fault::new(None, message));
            }
        }
        match self.kernel.verdicts() {
            Ok(verdicts) => report.verdicts = verdicts,
            Err(error) => tracing::warn!(error = chain(&*error), "cannot read the counters"),
        }
        let again = if report.errors.is_empty() {
            self.failures = 0;
            self.read_again
        } else {
            let delay = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LAST_RETRY);
            self.failures = self.failures.saturating_add(1);
            now + delay
        };
        Pass { report, again }
    }

    fn known(&mut self, now: Instant) -> Result<HostState, BoxError> {
        match self.have.take() {
            Some(have) if now < self.read_again => Ok(have),
            Some(_) | None => {
                let have = self.kernel.observe()?;
                self.read_again = now + RESYNC;
                Ok(have)
            }
        }
    }

    fn take_steps(&mut self, want: &HostSpec, have: &mut HostState, report: &mut Report) {
        let steps = plan::plan(want, have);
        let revision = want.revision;
        let spell_out = steps.len() <= SPELLED_OUT;
        let mut failed = 0_usize;
        for step in &steps {
            match self.kernel.apply(step) {
                Ok(()) if spell_out => tracing::info!(%step, revision, "applied"),
                Ok(()) => tracing::debug!(%step, revision, "applied"),
                Err(error) => {
                    failed += 1;
                    if failed <= FAULTS {
                        let message = format!("{step}: {}", chain(&*error));
                        tracing::error!(%step, revision, error = chain(&*error), "a step failed");
                        report.errors.push(Fault::new(vni_of(step, have), message));
                    }
                    continue;
                }
            }
            plan::after(have, step);
        }
        if failed > FAULTS {
            let message = format!("{} more steps failed", failed - FAULTS);
            report.errors.push(Fault::new(None, message));
        }
        if !spell_out {
            tracing::info!(revision, steps = steps.len(), failed, "applied");
        }
    }
}

/// The network whose port or route the step is about.
fn vni_of(step: &Step, have: &HostState) -> Option<Vni> {
    match step {
        Step::RemoveRoute(key) | Step::SetRoute { key, .. } => Some(key.vni),
        Step::EnsurePort { spec, .. } => Some(spec.vni),
        Step::RemovePort(port) => match have.ports.get(port)? {
            Condition::Whole(spec) => Some(spec.vni),
            Condition::Missing | Condition::Broken(_) => None,
        },
        Step::EnsureVtep => None,
    }
}

/// An error with all that caused it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
