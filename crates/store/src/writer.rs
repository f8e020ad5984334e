//! The one writer: decide, commit in groups, publish, answer.

use std::sync::Arc;

use model::change::Change;
use model::error::Rule;
use model::op::decide;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Engine, Error};
use crate::{Commit, Job, Shared, WriteError};

/// Writes that share one transaction. Bounds how long the first waits.
const GROUP: usize = 512;

type Answer = oneshot::Sender<Result<Arc<Commit>, WriteError>>;

pub(crate) fn run(mut queue: mpsc::Receiver<Job>, shared: &Shared, engine: &mut dyn Engine) {
    let mut jobs = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut jobs, GROUP) > 0 {
        write_group(jobs.drain(..), shared, engine);
    }
}

/// Nobody is answered before the whole group is durable, not even with a
/// refusal: it may rest on a write of the same group.
fn write_group(jobs: impl Iterator<Item = Job>, shared: &Shared, engine: &mut dyn Engine) {
    let before = shared.world();
    let mut world = (*before).clone();
    let mut commits: Vec<Arc<Commit>> = Vec::new();
    let mut decided: Vec<(Result<Arc<Commit>, Rule>, Answer)> = Vec::new();
    for Job { op, answer } in jobs {
        let commit = decide(&world, &op).map(|changes| {
            let changed = !changes.is_empty();
            if changed {
                world.commit(&changes);
            }
            let commit = Arc::new(Commit { world: world.clone(), changes });
            commits.extend(changed.then(|| commit.clone()));
            commit
        });
        decided.push((commit, answer));
    }
    let writes: Vec<&[Change]> = commits.iter().map(|c| c.changes.as_slice()).collect();
    if !writes.is_empty()
        && let Err(error) = engine.commit(before.next_revision(), &writes)
    {
        return refuse(error, decided.into_iter().map(|(_, answer)| answer));
    }
    shared.publish(commits);
    for (commit, answer) in decided {
        // Nobody hears of what nobody waits for any more.
        let _ = answer.send(commit.map_err(WriteError::Rule));
    }
}

/// The whole group failed. The world stays as it was.
fn refuse(error: Error, answers: impl Iterator<Item = Answer>) {
    tracing::error!(error = &error as &dyn std::error::Error, "a group of writes failed");
    let cause = Arc::new(error);
    for answer in answers {
        let _ = answer.send(Err(WriteError::Store(Error::Group(cause.clone()))));
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
