//! The one writer: decide, commit in groups, publish, answer.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::audit::{Origin, record};
use model::change::{Change, Key};
use model::error::Rule;
use model::ids::Revision;
use model::op::{Op, decide};
use model::world::World;
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Batch, Engine, Error, Write};
use crate::{Commit, Job, Shared, WriteError};

/// Writes that share one transaction. Bounds how long the first waits.
const GROUP: usize = 512;

type Answer = oneshot::Sender<Result<Arc<Commit>, WriteError>>;

pub(crate) fn run(mut queue: mpsc::Receiver<Job>, shared: &Shared, engine: &mut dyn Engine) {
    let mut jobs = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut jobs, GROUP) > 0 {
        let mut waiting = jobs.drain(..).peekable();
        while waiting.peek().is_some() {
            write_group(Draft::of(shared.world(), &mut waiting), shared, engine);
        }
    }
}

/// Writes that are decided, one after the other, and not durable.
struct Draft {
    before: Arc<World>,
    /// After all of them. One for all, so that the maps are changed in place
    /// instead of copied for each write.
    after: World,
    writes: Vec<Write>,
    decided: Vec<(Result<Decided, Rule>, Answer)>,
}

/// The number of one of the group's writes; None changes nothing.
type Decided = Option<usize>;

impl Draft {
    /// Takes from `jobs` those that may share a world: no two of them write the
    /// same object, so the world after all shows each as its writer left it.
    fn of(before: Arc<World>, jobs: &mut Peekable<impl Iterator<Item = Job>>) -> Self {
        let after = World::clone(&before);
        let mut it = Self { before, after, writes: Vec::new(), decided: Vec::new() };
        let mut written = BTreeSet::new();
        while let Some(job) = jobs.peek() {
            let decided = decide(&it.after, &job.op);
            let keys: Vec<Key> = decided.iter().flatten().filter_map(shown).collect();
            if keys.iter().any(|key| written.contains(key)) {
                return it;
            }
            written.extend(keys);
            let decided = decided.map(|changes| it.put(&job.op, changes));
            it.decided.extend(jobs.next().map(|job| (decided, job.answer)));
        }
        it
    }

    fn put(&mut self, op: &Op, changes: Vec<Change>) -> Decided {
        if changes.is_empty() {
            return None;
        }
        let record = written_down(&self.after, op, &changes);
        self.after.commit(&changes);
        self.writes.push(Write { changes, record });
        Some(self.writes.len() - 1)
    }
}

fn written_down(before: &World, op: &Op, changes: &[Change]) -> String {
    let origin = op.origin().cloned().unwrap_or_else(|| Origin::kannas(""));
    let record = record(before, &origin, changes);
    serde_json::to_string(&record).expect("names and numbers are JSON")
}

/// None for what nobody is shown: each new network takes the next number.
fn shown(change: &Change) -> Option<Key> {
    let key = change.key();
    (key != Key::NextVni).then_some(key)
}

/// Nobody is answered before the whole group is durable, not even with a
/// refusal: it may rest on a write of the same group.
fn write_group(draft: Draft, shared: &Shared, engine: &mut dyn Engine) {
    let Draft { before, after, writes, decided } = draft;
    let batch = batch(before.next_revision(), &writes, shared);
    if !writes.is_empty()
        && let Err(error) = engine.commit(&batch)
    {
        return refuse(error, decided.into_iter().map(|(_, answer)| answer));
    }
    let world = Arc::new(after);
    let commit = |(revision, changes)| Arc::new(Commit { revision, changes, world: world.clone() });
    let changes = writes.into_iter().map(|write| write.changes);
    let commits: Vec<Arc<Commit>> = (before.next_revision()..).zip(changes).map(commit).collect();
    shared.publish(&world, &commits);
    for (decided, answer) in decided {
        let commit = decided.map(|write| match write.and_then(|n| commits.get(n)) {
            Some(commit) => commit.clone(),
            None => commit((world.revision(), Vec::new())),
        });
        // Nobody hears of what nobody waits for any more.
        let _ = answer.send(commit.map_err(WriteError::Rule));
    }
}

fn batch<'a>(first: Revision, writes: &'a [Write], shared: &Shared) -> Batch<'a> {
    let now = OffsetDateTime::now_utc();
    let at_ms = now.unix_timestamp() * 1000 + i64::from(now.millisecond());
    let forget_ms = at_ms.saturating_sub(shared.keep_ms.load(Ordering::Relaxed));
    Batch { first, at_ms, forget_ms, writes }
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
