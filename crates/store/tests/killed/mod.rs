//! What processes write until they are killed, and what must be there then.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use model::ids::Revision;
use model::label::Label;
use model::op::{Op, Wish};
use model::router;
use store::{Store, WriteError};
use uuid::Uuid;

/// Of a process. Each waits for its answer before it writes again, so no more
/// than these can be written and not acknowledged.
pub(crate) const CLIENTS: usize = 16;

/// What a client does to each router in turn; every other one is left there.
const LIFE: [&str; 3] = ["made", "renamed", "deleted"];

/// Name and revision of each router.
pub(crate) type Routers = BTreeMap<Uuid, (String, Revision)>;

pub(crate) struct Acknowledged {
    uuid: Uuid,
    step: usize,
    revision: Revision,
}

/// `ack STEP UUID REVISION`; the test harness has lines of its own.
pub(crate) fn acknowledgement(line: &str) -> Option<Acknowledged> {
    let mut words = line.strip_prefix("ack ")?.split_whitespace();
    let step = words.next().unwrap().parse().unwrap();
    let uuid = words.next().unwrap().parse().unwrap();
    Some(Acknowledged { uuid, step, revision: words.next().unwrap().parse().unwrap() })
}

pub(crate) fn routers(store: &Store) -> (Routers, Revision) {
    let world = store.world();
    let routers = world.routers.values().map(|r| (r.uuid, (r.name.clone(), r.revision)));
    (routers.collect(), world.revision())
}

/// Of one round: `revisions` is the last before it and the last in it; at most
/// `open` writes were not answered.
pub(crate) fn check(
    before: &Routers,
    after: &Routers,
    acknowledged: &[Acknowledged],
    revisions: std::ops::Range<Revision>,
    open: usize,
) {
    let numbers: BTreeSet<Revision> = acknowledged.iter().map(|a| a.revision).collect();
    assert_eq!(numbers.len(), acknowledged.len(), "no revision twice");
    assert!(numbers.first() > Some(&revisions.start) && numbers.last() <= Some(&revisions.end));
    let unacknowledged = revisions.end - revisions.start - numbers.len() as u64;
    assert!(unacknowledged <= open as u64, "a gap of {unacknowledged} revisions");

    let mut last: BTreeMap<Uuid, &Acknowledged> = BTreeMap::new();
    for it in acknowledged {
        let step = last.insert(it.uuid, it).map_or(0, |earlier| earlier.step + 1);
        assert_eq!(it.step, step, "a client waits for its answer");
    }
    // Exactly as acknowledged, or with the one step more that was under way.
    let mut ahead = 0;
    for (uuid, it) in &last {
        let there = after.get(uuid).map(|(name, revision)| (name.as_str(), *revision));
        let as_told = (it.step < 2).then_some((LIFE[it.step], it.revision));
        if there != as_told {
            let next = there.map_or(LIFE[2], |(name, _)| name);
            assert_eq!(LIFE.get(it.step + 1), Some(&next), "{uuid} was {}", LIFE[it.step]);
            ahead += 1;
        }
    }
    for (uuid, router) in after.iter().filter(|(uuid, _)| !last.contains_key(*uuid)) {
        match before.get(uuid) {
            Some(earlier) => assert_eq!(router, earlier, "{uuid} was left alone"),
            None => {
                assert_eq!(router.0, LIFE[0], "{uuid} has come from nowhere");
                ahead += 1;
            }
        }
    }
    assert!(before.keys().all(|uuid| after.contains_key(uuid)), "what was left alone stays");
    assert_eq!(ahead, unacknowledged, "each revision is a write that is there");
}

pub(crate) async fn write_until_killed(store: Store) {
    // Ends the harness's line.
    std::io::stdout().lock().write_all(b"\n").unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(write_on(store.clone(), client));
    }
    clients.join_all().await;
}

/// Bounded, should nobody kill it.
async fn write_on(store: Store, client: usize) {
    for n in 0..10_000 {
        let uuid = Uuid::new_v4();
        let steps = if n % 2 == 0 { 2 } else { 3 };
        for step in 0..steps {
            let op = Op::Router { by: "a".to_owned(), uuid, wish: wish(step, client) };
            let line = match write(&store, op).await {
                Some(revision) => format!("ack {step} {uuid} {revision}\n"),
                None => format!("unknown {step} {uuid}\n"),
            };
            std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            if line.starts_with("unknown") {
                break;
            }
        }
    }
}

/// None if it is not known what became of it. What was not done is asked for
/// again: it would be refused if it had been.
async fn write(store: &Store, op: Op) -> Option<Revision> {
    for _ in 0..100 {
        match store.write(op.clone()).await {
            Ok(commit) => return Some(commit.revision),
            Err(WriteError::Store(error)) if error.is_away() => {}
            Err(WriteError::Store(_)) => return None,
            Err(WriteError::Rule(rule)) => panic!("{rule}"),
        }
    }
    panic!("the database stays away");
}

fn wish(step: usize, client: usize) -> Wish<router::Create, router::Modify> {
    let name = LIFE[step].to_owned();
    match step {
        // Some are large, so that the log is long and is moved.
        0 => Wish::Create(router::Create {
            name,
            labels: labels(if client.is_multiple_of(2) { 60 } else { 1 }),
            static_routes: vec![],
        }),
        1 => Wish::Modify(router::Modify { name: Some(name), ..Default::default() }),
        _ => Wish::Delete,
    }
}

fn labels(count: usize) -> Vec<Label> {
    let label = |n| Label { key: format!("key {n}"), value: "v".repeat(250) };
    (0..count).map(label).collect()
}
