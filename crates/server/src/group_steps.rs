//! Peering groups take their steps, until each has what it wants.
//!
//! Most have it in the write that changes something. What is more than one
//! step is done here, one step after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::audit::Origin;
use model::consent::Patience;
use model::forecast::Now;
use model::op::Op;
use model::peering_group::{Next, next};
use model::policy::Policy;
use model::state::Presence;
use model::terms::Terms;
use model::world::World;
use store::Store;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::agents::Hub;
use crate::stopped;

/// Between two looks at what groups want, while much happens.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Steps {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) policy: Policy,
}

impl Steps {
    /// Until `stop` says so. Whatever wakes it, it looks at all groups.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        // One server alone takes the steps.
        let (mut changed, mut leads) = (self.hub.changed(), self.store.leads());
        let mut idle = Idle::default();
        loop {
            let began = Instant::now();
            while *leads.borrow_and_update() && self.take_all(&mut idle).await {}
            // A tenth of the time at most.
            let pause = PAUSE.max(began.elapsed() * 9);
            let woken = async {
                tokio::time::sleep(pause).await;
                changed.changed().await
            };
            tokio::select! {
                () = stopped(&mut stop) => return,
                told = woken => if told.is_err() { return },
                () = takes_over(&mut leads) => {}
            }
        }
    }

    /// One step of each group. True when there may be more to do at once.
    async fn take_all(&self, idle: &mut Idle) -> bool {
        let world = self.store.world();
        if world.peering_groups.is_empty() || idle.holds(&world) {
            return false;
        }
        let (sight, policy) = (world.clone(), self.policy);
        let presence = self.hub.presence();
        // What is due may be long to count.
        let looked = tokio::task::spawn_blocking(move || look(&sight, &presence, policy)).await;
        let Ok((due, waits)) = looked else { return false };
        *idle = Idle((due.is_empty() && !waits).then_some(world));
        let mut any = false;
        for op in due {
            match self.store.write(op.from(Origin::kannas("a step of a peering group"))).await {
                Ok(commit) => {
                    any |= !commit.changes.is_empty();
                    let (revision, changes) = (commit.revision, commit.changes.len());
                    tracing::info!(revision, changes, "a peering group took a step");
                    // What is judged next is judged with that write in it.
                    self.hub.heard(revision).await;
                }
                // The next change wakes us again.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a peering group cannot take its step");
                }
            }
        }
        any
    }
}

/// A server that is alone leads for ever, and hears nothing of it.
async fn takes_over(leads: &mut watch::Receiver<bool>) {
    if leads.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The world in which no group had anything to do.
#[derive(Default)]
struct Idle(Option<Arc<World>>);

impl Idle {
    /// True when nothing that groups look at is another.
    fn holds(&self, world: &World) -> bool {
        self.0.as_ref().is_some_and(|old| {
            old.networks.ptr_eq(&world.networks)
                && old.peerings.ptr_eq(&world.peerings)
                && old.peering_groups.ptr_eq(&world.peering_groups)
        })
    }
}

/// The steps that are due, and whether a group waits for hosts.
fn look(world: &World, presence: &Presence, policy: Policy) -> (Vec<Op>, bool) {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let patience = Patience { now, days: policy.request_days };
    let sight = Now { world, presence, patience };
    let mut steps = Vec::new();
    let mut waits = false;
    for group in world.peering_groups.values() {
        match next(sight, policy, group) {
            Next::Nothing => {}
            Next::Waits => waits = true,
            Next::Step(pairs) => {
                let op = Box::new(Op::GroupStep { group: group.uuid, pairs });
                let terms = Terms { policy, now, ..Terms::default() };
                steps.push(Op::Under { terms, op });
            }
        }
    }
    (steps, waits)
}
