//! Makes the kernel what the slice says, on one thread.

mod about;
mod drift;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ids::{Mtu, Vni};
use model::plan::{self, Step};
use model::seal::{End, Generation};
use model::spec::{HostSpec, HostState, RouteKey, Routes, Target};
use model::wire::agent::{Fault, Repairs, Report};
use tokio::sync::watch;

use crate::guard::{News, Sentinel};
use crate::mailbox::{Mail, Mailbox};
use crate::probe::{Desk, Probes};
use crate::slice::{Keeper, Slice};
use about::{pair_of, vni_of};

pub type BoxError = Box<dyn Error + Send + Sync>;

/// What the loop needs of a host's kernel.
pub trait Kernel {
    /// Everything of ours that is there. Its routes are likely to be `near`,
    /// and then share memory with them.
    ///
    /// # Errors
    /// It cannot be read.
    fn observe(&mut self, near: &Routes) -> Result<HostState, BoxError>;
    /// Takes one step; again is no harm.
    ///
    /// # Errors
    /// The kernel refused.
    fn apply(&mut self, step: &Step) -> Result<(), BoxError>;
    /// Sets many routes in fewer calls than a step for each takes.
    ///
    /// # Errors
    /// Some of them are not set.
    fn set_routes(&mut self, routes: &[(RouteKey, Target)]) -> Result<(), BoxError> {
        let step = |&(key, target)| Step::SetRoute { key, target };
        routes.iter().try_for_each(|route| self.apply(&step(route)))
    }
    /// From now on the kernel works by what it was told, and by nothing that an
    /// agent of another version has left; and it remembers nothing of networks
    /// that are not in `want`.
    ///
    /// # Errors
    /// Some of what is older is at work; again is no harm.
    fn settle(&mut self, want: &HostSpec) -> Result<(), BoxError> {
        let _ = want;
        Ok(())
    }

    /// The public keys of the tunnels that are there.
    ///
    /// # Errors
    /// They cannot be read.
    fn ends(&mut self) -> Result<BTreeMap<Generation, End>, BoxError> {
        Ok(BTreeMap::new())
    }

    /// Probes of this kernel, once; None if it has none.
    ///
    /// # Errors
    /// It ought to have them.
    fn probes(&mut self) -> Result<Option<Box<dyn Probes>>, BoxError> {
        Ok(None)
    }

    /// Bytes of the largest packet that the link to the underlay takes.
    fn link_mtu(&mut self) -> Option<Mtu> {
        None
    }

    /// The largest packets of these networks from now on, where that is less
    /// than the link takes.
    fn limit(&mut self, limits: BTreeMap<Vni, Mtu>) {
        drop(limits);
    }

    /// Hears of what others do, once; None if nothing does.
    ///
    /// # Errors
    /// It ought to.
    fn sentinel(&mut self) -> Result<Option<Box<dyn Sentinel>>, BoxError> {
        Ok(None)
    }
}

/// How often the kernel is read in full, for what others did to it, at least;
/// more often where that costs little: a hundredth of the time, or less.
pub(crate) const RESYNC: Duration = Duration::from_secs(60);
pub(crate) const OFTEN: Duration = Duration::from_secs(2);
const HUNDRED: u32 = 100;

/// After a failure the next attempt is this late, then twice as late, up to
/// the last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// How often the link to the underlay is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// Reading it out of turn takes at most this part of the time.
const SHARE: u32 = 20;

/// Steps of one pass that are logged one by one.
const SPELLED_OUT: usize = 20;

/// Routes that are set in one call.
const ROUTES: usize = 8192;

/// What an agent of another version has left is at work no longer than this
/// many passes that failed: a port that cannot be made must not keep all the
/// others from the new version.
const PATIENCE: u32 = 3;

/// Errors of one report.
const FAULTS: usize = 100;

pub(crate) struct Reconciler<K> {
    kernel: K,
    /// What the kernel is known to have; None when it must be read.
    have: Option<HostState>,
    read_again: Instant,
    failures: u32,
    /// Before then it is not read out of turn.
    not_before: Instant,
    /// What the link to the underlay was seen to take; None: not seen yet.
    link: Option<Option<Mtu>>,
    /// Ports are to have another MTU than when the kernel was last read.
    resized: bool,
    /// What others did, by its number among the repairs: told until the server
    /// has heard of it, and for a while more.
    mended: Vec<(u64, Fault)>,
    /// How many repairs the server has heard of, and when of the last.
    heard: Option<(u64, Instant)>,
    repairs: Repairs,
    /// What others did that the pass under way has found.
    untold: Vec<(Option<Vni>, String)>,
}

/// Where a pass's results go.
pub(crate) struct Outlet {
    pub(crate) said: watch::Sender<Option<Report>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) news: Arc<News>,
}

/// What came of a pass, and when the next is due.
pub(crate) struct Pass {
    pub(crate) report: Report,
    /// What others did, and the pass has mended.
    pub(crate) repaired: Vec<(Option<Vni>, String)>,
    pub(crate) again: Instant,
}

/// Runs passes until the mailbox is closed. Whatever woke it, it does the same.
///
/// `want` is what was on disk; until the server has spoken, what the kernel
/// has may be newer than that: the disk is written later than the kernel.
pub(crate) fn work(
    kernel: impl Kernel,
    slices: &Mailbox<Slice>,
    out: &Outlet,
    mut want: Option<Slice>,
    keeper: &Keeper,
) {
    let mut reconciler = Reconciler::new(kernel, Instant::now());
    let mut newest = false;
    let mut again = want.is_some().then(Instant::now);
    let mut glance = Instant::now();
    loop {
        let mail = slices.wait(again.map(|again| again.min(glance)));
        let now = Instant::now();
        match mail {
            Mail::New(slice) => {
                want = Some(slice);
                newest = true;
                again = Some(now);
            }
            Mail::Late => {}
            Mail::Rung => {
                let sooner = reconciler.heed(&out.desk, now);
                let sooner = sooner.or(reconciler.heed_news(&out.news, now));
                let sooner = sooner.into_iter().chain(reconciler.heed_told(&out.desk)).min();
                again = again.map(|again| sooner.map_or(again, |sooner| again.min(sooner)));
            }
            Mail::Closed => return,
        }
        if glance <= now {
            glance = now + GLANCE;
            if reconciler.glance(&out.desk, now) && newest {
                again = again.map(|_| now);
            }
        }
        if let Some(want) = &want
            && again.is_some_and(|again| again <= now)
        {
            newest = newest || reconciler.has_nothing(&want.spec, now);
            if !newest {
                again = Some(now + RESYNC);
                continue;
            }
            let pass = reconciler.pass(&want.spec, now);
            out.desk.adopt(&want.spec, reconciler.kernel.link_mtu());
            pass.repaired.into_iter().for_each(|(vni, step)| out.desk.mended(vni, step));
            out.said.send_replace(Some(Report { epoch: want.epoch, ..pass.report }));
            again = Some(pass.again);
            keeper.offer(want);
        }
    }
}

impl<K: Kernel> Reconciler<K> {
    pub(crate) fn new(kernel: K, now: Instant) -> Self {
        Self {
            kernel,
            have: None,
            read_again: now,
            failures: 0,
            not_before: now,
            link: None,
            resized: false,
            mended: Vec::new(),
            heard: None,
            repairs: Repairs::default(),
            untold: Vec::new(),
        }
    }

    /// True when the kernel is known to hold nothing of ours, as after a
    /// reboot: then no slice is older than what it holds.
    pub(crate) fn has_nothing(&mut self, want: &HostSpec, now: Instant) -> bool {
        let Ok(have) = self.known(want, now) else { return false };
        let nothing = have.ports.is_empty() && have.routes.is_empty();
        self.have = Some(have);
        nothing
    }

    /// A failed step is reported and the pass goes on.
    pub(crate) fn pass(&mut self, want: &HostSpec, now: Instant) -> Pass {
        let mut report = Report { revision: want.revision, ..Report::default() };
        let believed = if now >= self.read_again { self.have.clone() } else { None };
        match self.known(want, now) {
            Ok(mut have) => {
                if let Some(believed) = believed {
                    self.compare(want, &believed, &have);
                }
                let another_mtu = self.take_steps(want, &mut have, &mut report);
                self.settle(want, &mut report);
                report.ends = self.ends(&mut report.errors);
                if report.errors.is_empty() && another_mtu {
                    // What ports are to be like is another now, by our own hand.
                    self.read_again = self.not_before;
                } else if report.errors.is_empty() {
                    self.have = Some(have);
                }
            }
            Err(error) => {
                let message = format!("cannot read the kernel: {}", chain(&*error));
                tracing::error!(error = message, "a pass failed");
                report.errors.push(Fault::new(None, message));
            }
        }
        let again = if report.errors.is_empty() {
            self.failures = 0;
            self.read_again
        } else {
            let delay = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LAST_RETRY);
            self.failures = self.failures.saturating_add(1);
            now + delay
        };
        let until = self.forget_mended(now);
        report.repairs = self.repairs.clone();
        report.errors.extend(self.mended.iter().map(|(_, fault)| fault.clone()));
        let again = until.map_or(again, |until| again.min(until));
        Pass { report, repaired: std::mem::take(&mut self.untold), again }
    }

    fn known(&mut self, want: &HostSpec, now: Instant) -> Result<HostState, BoxError> {
        match self.have.take() {
            Some(have) if now < self.read_again => Ok(have),
            last => {
                let near = last.map_or_else(|| want.routes.clone(), |last| last.routes);
                // On a machine that is busy a reading takes long and costs no more.
                let before = datapath::effort();
                let have = self.kernel.observe(&near)?;
                let cost = datapath::effort().saturating_sub(before);
                self.read_again = now + (cost * HUNDRED).clamp(OFTEN, RESYNC);
                self.not_before = now + cost * SHARE;
                Ok(have)
            }
        }
    }

    fn ends(&mut self, errors: &mut Vec<Fault>) -> Option<BTreeMap<Generation, End>> {
        let told = |error: BoxError| {
            let message = format!("cannot read the keys: {}", chain(&*error));
            errors.push(Fault::new(None, message));
        };
        self.kernel.ends().map_err(told).ok()
    }

    fn settle(&mut self, want: &HostSpec, report: &mut Report) {
        if !report.errors.is_empty() && self.failures < PATIENCE {
            return;
        }
        if let Err(error) = self.kernel.settle(want) {
            let message = format!("cannot leave the older programs: {}", chain(&*error));
            tracing::error!(error = message, "a pass failed");
            report.errors.push(Fault::new(None, message));
        }
    }

    /// True when tunnels came or went, and with them what ports can carry.
    fn take_steps(&mut self, want: &HostSpec, have: &mut HostState, report: &mut Report) -> bool {
        let began = Instant::now();
        let steps = plan::plan(want, have);
        let revision = want.revision;
        let few = steps.len() <= SPELLED_OUT;
        // A plan ends with the routes that are set.
        let routes = steps.iter().position(|step| matches!(step, Step::SetRoute { .. }));
        let (others, routes) = steps.split_at(routes.filter(|_| !few).unwrap_or(steps.len()));
        let mut failed = 0;
        for step in others {
            failed += self.take(step, few, have, report);
        }
        let mut set = Vec::new();
        for part in routes.chunks(ROUTES) {
            let pairs: Vec<_> = part.iter().filter_map(pair_of).collect();
            match self.kernel.set_routes(&pairs) {
                Ok(()) => set.push(part),
                // Which of them, and why.
                Err(_) => part.iter().for_each(|s| failed += self.take(s, few, have, report)),
            }
        }
        if failed == 0 {
            // All is as it is wished, and in one piece of memory.
            have.routes = want.routes.clone();
        } else {
            set.into_iter().flatten().for_each(|step| plan::after(have, step));
        }
        if failed > FAULTS {
            let message = format!("{} more steps failed", failed - FAULTS);
            report.errors.push(Fault::new(None, message));
        }
        if !few {
            tracing::info!(revision, steps = steps.len(), failed, took = ?began.elapsed(), "applied");
        }
        others.iter().any(|it| matches!(it, Step::EnsureTunnel { .. } | Step::RemoveTunnel(_)))
    }

    /// Gives how many steps failed: one or none.
    fn take(
        &mut self,
        step: &Step,
        spell_out: bool,
        have: &mut HostState,
        report: &mut Report,
    ) -> usize {
        let revision = report.revision;
        match self.kernel.apply(step) {
            Ok(()) if spell_out => tracing::info!(%step, revision, "applied"),
            Ok(()) => tracing::debug!(%step, revision, "applied"),
            Err(error) => {
                if report.errors.len() < FAULTS {
                    let message = format!("{step}: {}", chain(&*error));
                    tracing::error!(%step, revision, error = chain(&*error), "a step failed");
                    report.errors.push(Fault::new(vni_of(step, have), message));
                }
                return 1;
            }
        }
        plan::after(have, step);
        0
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
