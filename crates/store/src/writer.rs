//! The one writer: decide, commit in groups, publish, answer.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use model::change::Change;
use model::op::decide;
use tokio::sync::oneshot;

use crate::engine::{Engine, Error};
use crate::{Commit, Job, Shared, WriteError};

/// Writes that share one transaction. Bounds how long the first waits.
const GROUP: usize = 512;

/// With nobody writing for this long, the engine may tidy up.
const QUIET: Duration = Duration::from_millis(50);

type Answer = oneshot::Sender<Result<Arc<Commit>, WriteError>>;

pub(crate) fn run(queue: &Receiver<Job>, shared: &Shared, engine: &mut dyn Engine) {
    use std::sync::mpsc::RecvTimeoutError;
    let mut untidy = false;
    loop {
        let first =
            if untidy { queue.recv_timeout(QUIET) } else { queue.recv().map_err(Into::into) };
        match first {
            Ok(job) => {
                let rest = queue.try_iter().take(GROUP - 1);
                write_group(std::iter::once(job).chain(rest), shared, engine);
                untidy = true;
            }
            Err(RecvTimeoutError::Timeout) => {
                engine.tidy();
                untidy = false;
            }
            Err(RecvTimeoutError::Disconnected) => return engine.tidy(),
        }
    }
}

fn write_group(jobs: impl Iterator<Item = Job>, shared: &Shared, engine: &mut dyn Engine) {
    let before = shared.world();
    let mut world = (*before).clone();
    let mut done: Vec<(Arc<Commit>, Answer)> = Vec::new();
    for Job { op, answer } in jobs {
        match decide(&world, &op) {
            // Nobody hears of a refusal that nobody waits for any more.
            Err(rule) => drop(answer.send(Err(rule.into()))),
            Ok(changes) => {
                if !changes.is_empty() {
                    world.commit(&changes);
                }
                done.push((Arc::new(Commit { world: world.clone(), changes }), answer));
            }
        }
    }
    let commits: Vec<Arc<Commit>> =
        done.iter().map(|(c, _)| c.clone()).filter(|c| !c.changes.is_empty()).collect();
    let writes: Vec<&[Change]> = commits.iter().map(|c| c.changes.as_slice()).collect();
    let result =
        if writes.is_empty() { Ok(()) } else { engine.commit(before.next_revision(), &writes) };
    match result {
        Ok(()) => {
            shared.publish(commits);
            for (commit, answer) in done {
                let _ = answer.send(Ok(commit));
            }
        }
        Err(error) => refuse(error, done.into_iter().map(|(_, answer)| answer)),
    }
}

/// The whole group failed: the first waiting gets the cause, the others that
/// there was one. The world stays as it was.
fn refuse(error: Error, answers: impl Iterator<Item = Answer>) {
    tracing::error!(error = &error as &dyn std::error::Error, "a group of writes failed");
    let mut cause = Some(error);
    for answer in answers {
        let error = cause.take().unwrap_or(Error::Stopped);
        let _ = answer.send(Err(WriteError::Store(error)));
    }
}
