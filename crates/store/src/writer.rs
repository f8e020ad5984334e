//! The one writer: decide, commit in groups, publish, answer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::audit::{Origin, record};
use model::change::{Change, Key};
use model::error::Rule;
use model::ids::Revision;
use model::op::{Op, decide};
use model::world::World;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::engine::{Batch, Engine, Error, News, Outcome, Write};
use crate::{Commit, Errand, Job, Shared, WriteError};

/// Writes that share one transaction. Bounds how long the first waits.
const GROUP: usize = 512;

/// Times that a group is decided. From the second on nobody else writes
/// meanwhile, unless the database has let somebody in between.
const TRIES: usize = 5;

pub(crate) fn run(mut queue: mpsc::Receiver<Errand>, shared: &Shared, engine: &mut dyn Engine) {
    let mut errands = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut errands, GROUP) > 0 {
        let mut waiting = VecDeque::with_capacity(errands.len());
        let mut look = false;
        for errand in errands.drain(..) {
            match errand {
                Errand::Write(job) => waiting.push_back(job),
                Errand::Look => look = true,
            }
        }
        if look && let Err(error) = take_news(false, shared, engine) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot read what others have written");
        }
        while !waiting.is_empty() {
            write_group(&mut waiting, shared, engine);
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
    decided: Vec<(Result<Decided, Rule>, Job)>,
}

/// The number of one of the group's writes; None changes nothing.
type Decided = Option<usize>;

impl Draft {
    /// Takes from `jobs` those that may share a world: no two of them write the
    /// same object, so the world after all shows each as its writer left it.
    fn of(before: Arc<World>, jobs: &mut VecDeque<Job>) -> Self {
        let after = World::clone(&before);
        let mut it = Self { before, after, writes: Vec::new(), decided: Vec::new() };
        let mut written = BTreeSet::new();
        while let Some(job) = jobs.pop_front() {
            let decided = decide(&it.after, &job.op);
            let keys: Vec<Key> = decided.iter().flatten().filter_map(shown).collect();
            if keys.iter().any(|key| written.contains(key)) {
                jobs.push_front(job);
                return it;
            }
            written.extend(keys);
            let decided = decided.map(|changes| it.put(&job.op, changes));
            it.decided.push((decided, job));
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

    /// Gives back to `jobs` what it has taken.
    fn undo(self, jobs: &mut VecDeque<Job>) {
        for (_, job) in self.decided.into_iter().rev() {
            jobs.push_front(job);
        }
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
/// refusal: it may rest on a write of the same group. And nobody is answered
/// by a world that others have written on since: then all is decided again.
fn write_group(waiting: &mut VecDeque<Job>, shared: &Shared, engine: &mut dyn Engine) {
    for n in 0..TRIES {
        let draft = Draft::of(shared.world(), waiting);
        match settle(&draft, n == 0, shared, engine) {
            Ok(Outcome::Committed) => return answer(draft, shared),
            Ok(Outcome::Overtaken) => draft.undo(waiting),
            Err(error) => {
                engine.pass();
                return refuse(error, draft);
            }
        }
    }
    engine.pass();
    refuse(Error::Crowded, Draft::of(shared.world(), waiting));
}

fn settle(
    draft: &Draft,
    first_try: bool,
    shared: &Shared,
    engine: &mut dyn Engine,
) -> Result<Outcome, Error> {
    if draft.writes.is_empty() {
        // The second time it was decided on what was there after it came.
        engine.pass();
        let overtaken = first_try && take_news(false, shared, engine)?;
        return Ok(if overtaken { Outcome::Overtaken } else { Outcome::Committed });
    }
    let outcome = engine.commit(&batch(draft.before.next_revision(), &draft.writes, shared))?;
    if outcome == Outcome::Overtaken {
        take_news(true, shared, engine)?;
    }
    Ok(outcome)
}

fn answer(draft: Draft, shared: &Shared) {
    let Draft { before, after, writes, decided } = draft;
    let world = if writes.is_empty() { before.clone() } else { Arc::new(after) };
    let writes = writes.into_iter().map(|write| write.changes);
    let commits = commits(before.next_revision(), writes, &world);
    if !commits.is_empty() {
        shared.publish(&world, commits.clone());
    }
    for (decided, job) in decided {
        let commit = decided.map(|write| match write.and_then(|n| commits.get(n)) {
            Some(commit) => commit.clone(),
            None => {
                let (revision, world) = (world.revision(), world.clone());
                Arc::new(Commit { revision, changes: Vec::new(), world })
            }
        });
        // Nobody hears of what nobody waits for any more.
        let _ = job.answer.send(commit.map_err(WriteError::Rule));
    }
}

fn batch<'a>(first: Revision, writes: &'a [Write], shared: &Shared) -> Batch<'a> {
    let now = OffsetDateTime::now_utc();
    let at_ms = now.unix_timestamp() * 1000 + i64::from(now.millisecond());
    let forget_ms = at_ms.saturating_sub(shared.keep_ms.load(Ordering::Relaxed));
    Batch { first, at_ms, forget_ms, writes }
}

fn commits(
    first: Revision,
    writes: impl IntoIterator<Item = Vec<Change>>,
    world: &Arc<World>,
) -> Vec<Arc<Commit>> {
    let commit = |(revision, changes)| Commit { revision, changes, world: world.clone() };
    (first..).zip(writes).map(commit).map(Arc::new).collect()
}

/// Whether others had written anything.
fn take_news(turn: bool, shared: &Shared, engine: &mut dyn Engine) -> Result<bool, Error> {
    match engine.news(shared.world().revision(), turn)? {
        News::Nothing => return Ok(false),
        News::Groups(groups) => {
            for writes in groups {
                let before = shared.world();
                let mut after = World::clone(&before);
                writes.iter().for_each(|changes| after.commit(changes));
                let world = Arc::new(after);
                let commits = commits(before.next_revision(), writes, &world);
                shared.publish(&world, commits);
            }
        }
        News::World(world) => shared.publish(&Arc::new(*world), Vec::new()),
    }
    Ok(true)
}

/// The whole group failed. The world stays as it was.
fn refuse(error: Error, draft: Draft) {
    tracing::error!(error = &error as &dyn std::error::Error, "a group of writes failed");
    let cause = Arc::new(error);
    for (_, job) in draft.decided {
        let _ = job.answer.send(Err(WriteError::Store(Error::Group(cause.clone()))));
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
