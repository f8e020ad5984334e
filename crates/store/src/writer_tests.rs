use std::pin::Pin;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use model::ids::Revision;
use model::op::Op;
use model::world::World;

use super::*;
use crate::Store;
use crate::engine::{From, Records, Row};
use crate::wishes::{delete_router, found, id, rename_router, router};

/// Ends a test that would wait for ever.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// Takes each transaction when the test lets it, and ends it as the test says.
struct Scripted {
    begun: Sender<()>,
    outcomes: Receiver<Result<(), Error>>,
    /// Of each transaction that was committed: its first revision and its writes.
    committed: Arc<Mutex<Vec<(Revision, usize)>>>,
}

impl Engine for Scripted {
    fn load(&mut self) -> Result<World, Error> {
        Ok(World::default())
    }

    fn commit(&mut self, batch: &Batch<'_>) -> Result<Outcome, Error> {
        let _ = self.begun.send(());
        self.outcomes.recv_timeout(LIMIT).expect("the test has no outcome for this one")?;
        self.committed.lock().unwrap().push((batch.first, batch.writes.len()));
        Ok(Outcome::Committed)
    }

    fn records(&self) -> Arc<dyn Records> {
        Arc::new(NoRecords)
    }
}

/// Nobody asks for them here.
struct NoRecords;

impl Records for NoRecords {
    fn read(&self, _: From, _: usize, _: Option<&str>) -> Result<Vec<Row>, Error> {
        unreachable!()
    }
}

/// The test's side of it.
struct Script {
    begun: Receiver<()>,
    outcomes: Sender<Result<(), Error>>,
    committed: Arc<Mutex<Vec<(Revision, usize)>>>,
}

impl Script {
    /// A store on a scripted engine, which is amid a transaction of one write
    /// that makes router 0.
    fn busy() -> (Store, Self, Waiting) {
        let (begin, begun) = channel();
        let (outcomes, given) = channel();
        let committed = Arc::default();
        let engine = Scripted { begun: begin, outcomes: given, committed: Arc::clone(&committed) };
        let store = Store::start(engine).unwrap();
        let script = Self { begun, outcomes, committed };
        let first = ask(&store, router(id(0)));
        script.begun.recv_timeout(LIMIT).unwrap();
        (store, script, first)
    }

    /// Ends the transaction that has begun.
    fn end(&self, outcome: Result<(), Error>) {
        self.outcomes.send(outcome).unwrap();
    }

    /// Waits for the next transaction to begin.
    fn next(&self) {
        self.begun.recv_timeout(LIMIT).unwrap();
    }
}

type Answered = Result<Arc<Commit>, WriteError>;

/// A write that is in the queue.
type Waiting = Pin<Box<dyn Future<Output = Answered>>>;

fn ask(store: &Store, op: Op) -> Waiting {
    let store = store.clone();
    // Without tokio's budget, which lets a task ask only so often in one go.
    let asking = tokio::task::unconstrained(async move { store.write(op).await });
    let mut waiting: Waiting = Box::pin(asking);
    assert!(poll(&mut waiting).is_none(), "it was answered at once");
    waiting
}

fn poll(waiting: &mut Waiting) -> Option<Answered> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match waiting.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => Some(answer),
        std::task::Poll::Pending => None,
    }
}

fn ask_all(store: &Store, numbers: std::ops::RangeInclusive<u128>) -> Vec<Waiting> {
    numbers.map(|n| ask(store, router(id(n)))).collect()
}

async fn all(waiting: Vec<Waiting>) -> Vec<Answered> {
    let mut answers = Vec::new();
    for one in waiting {
        answers.push(one.await);
    }
    answers
}

#[tokio::test]
async fn writes_that_wait_share_a_transaction() {
    let (store, script, first) = Script::busy();
    let waiting = ask_all(&store, 1..=100);
    script.end(Ok(()));
    script.end(Ok(()));
    first.await.unwrap();
    let answers = all(waiting).await;
    for (revision, answer) in (2..).zip(answers) {
        assert_eq!(answer.unwrap().revision, revision, "in the order they came");
    }
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 100)]);
}

#[tokio::test]
async fn writes_to_one_object_share_none_and_each_is_answered_with_what_it_wrote() {
    let (store, script, first) = Script::busy();
    let names = ["a", "b", "c"];
    let mut waiting: Vec<Waiting> =
        names.iter().map(|name| ask(&store, rename_router(id(0), name))).collect();
    waiting.push(ask(&store, router(id(1))));
    for _ in 0..4 {
        script.end(Ok(()));
    }
    first.await.unwrap();
    let mut answers = all(waiting).await;
    let with = answers.pop().unwrap().unwrap();
    assert_eq!((with.revision, &*with.world.routers[&id(0)].name), (5, "c"));
    for (revision, (answer, name)) in (2..).zip(answers.into_iter().zip(names)) {
        let commit = answer.unwrap();
        assert_eq!((commit.revision, &*commit.world.routers[&id(0)].name), (revision, name));
    }
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 1), (3, 1), (4, 2)]);
}

#[tokio::test]
async fn a_transaction_has_at_most_512_writes() {
    let (store, script, _first) = Script::busy();
    let waiting = ask_all(&store, 1..=600);
    for _ in 0..3 {
        script.end(Ok(()));
    }
    all(waiting).await;
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 512), (514, 88)]);
}

#[tokio::test]
async fn nobody_is_answered_and_nothing_seen_before_it_is_durable() {
    let (store, script, mut first) = Script::busy();
    let mut groups = store.groups();
    // Rests on the write before it, so it must wait with it.
    let mut refused = ask(&store, router(id(1)));
    let mut twice = ask(&store, crate::wishes::peering(id(2), id(8), id(9)));
    assert!(poll(&mut first).is_none());
    assert_eq!(store.world().revision(), 0);
    assert!(groups.try_recv().is_err());
    script.end(Ok(()));
    script.next();
    first.await.unwrap();
    assert_eq!(store.world().revision(), 1);
    assert_eq!(groups.recv().await.unwrap().world.revision(), 1);
    assert!(poll(&mut refused).is_none());
    assert!(poll(&mut twice).is_none(), "a refusal amid a group waits for the group");
    script.end(Ok(()));
    refused.await.unwrap();
    assert!(matches!(twice.await, Err(WriteError::Rule(_))));
}

#[tokio::test]
async fn a_failed_transaction_fails_each_of_its_writes_and_leaves_the_world() {
    let (store, script, first) = Script::busy();
    let mut groups = store.groups();
    let mut waiting = ask_all(&store, 1..=20);
    // Refused only if router 20, of the same group, is there.
    waiting.push(ask(&store, delete_router(id(21))));
    script.end(Ok(()));
    script.next();
    let before = store.world();
    script.end(Err(Error::Stopped));
    first.await.unwrap();
    for answer in all(waiting).await {
        let Err(WriteError::Store(Error::Group(cause))) = answer else { panic!("{answer:?}") };
        assert!(matches!(*cause, Error::Stopped), "each learns the cause");
    }
    assert_eq!(format!("{:?}", store.world()), format!("{before:?}"));
    assert_eq!(groups.recv().await.unwrap().world.revision(), 1);
    assert!(groups.try_recv().is_err(), "no follower hears of it");

    script.end(Ok(()));
    let next = store.write(router(id(1))).await.unwrap();
    assert_eq!(next.revision, 2, "no number is lost");
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn what_changes_nothing_needs_no_transaction() {
    let (store, script, first) = Script::busy();
    script.end(Ok(()));
    first.await.unwrap();
    assert!(matches!(store.write(delete_router(id(9))).await, Err(WriteError::Rule(_))));
    script.end(Ok(()));
    store.write(found()).await.unwrap();
    assert!(store.write(found()).await.unwrap().changes.is_empty());
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn more_writes_than_there_is_room_for_are_turned_away_and_never_done() {
    let (store, script, first) = Script::busy();
    let waiting = ask_all(&store, 1..=u128::try_from(crate::QUEUE).unwrap());
    let turned_away = store.write(router(id(1 << 20))).await;
    assert!(matches!(turned_away, Err(WriteError::Store(Error::Busy))), "{turned_away:?}");
    for _ in 0..=crate::QUEUE {
        script.end(Ok(()));
    }
    first.await.unwrap();
    assert!(all(waiting).await.iter().all(Result::is_ok));
    assert!(!store.world().routers.contains_key(&id(1 << 20)));
}

#[test]
fn what_the_last_handle_leaves_behind_is_still_written() {
    let (store, script, first) = Script::busy();
    drop(first);
    // Clients that went away: their wishes stay.
    drop(ask_all(&store, 1..=10));
    let closing = std::thread::spawn(move || drop(store));
    script.end(Ok(()));
    script.end(Ok(()));
    closing.join().unwrap();
    assert_eq!(*script.committed.lock().unwrap(), [(1, 1), (2, 10)]);
}

#[tokio::test]
async fn after_the_writer_died_every_write_says_so() {
    let (store, script, first) = Script::busy();
    let waiting = ask_all(&store, 1..=3);
    drop(script);
    let mut answers = vec![first.await, store.write(router(id(9))).await];
    answers.extend(all(waiting).await);
    for answer in answers {
        assert!(matches!(answer, Err(WriteError::Store(Error::Stopped))), "{answer:?}");
    }
    assert_eq!(store.world().revision(), 0, "what was read stays readable");
}
