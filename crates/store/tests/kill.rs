//! kill -9 at varied moments: what was acknowledged is there, and nothing
//! that cannot be.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use model::ids::Revision;
use model::label::Label;
use model::op::{Op, Wish};
use model::router;
use store::{Error, Store};
use uuid::Uuid;

const ROUNDS: usize = 20;

/// Each waits for its answer before it writes again, so no more than these
/// can be written and not acknowledged.
const CLIENTS: usize = 16;

/// Tells the child where to write.
const DIR: &str = "KANNAS_KILL_DIR";

/// What a client does to each router in turn; every other one is left there.
const LIFE: [&str; 3] = ["made", "renamed", "deleted"];

/// Name and revision of each router.
type Routers = BTreeMap<Uuid, (String, Revision)>;

struct Acknowledged {
    uuid: Uuid,
    step: usize,
    revision: Revision,
}

#[test]
fn every_acknowledged_write_survives_kill_9_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut before, mut base) = (Routers::new(), 0);
    for round in 0..ROUNDS {
        let acknowledged = run_and_kill(dir.path(), 1 + round * round * 4);
        let (after, revision) = read(dir.path());
        check(&before, &after, &acknowledged, base..revision);
        (before, base) = (after, revision);
    }
    assert!(before.len() > 1000, "{} routers in the end", before.len());
}

/// Kills the child when it has acknowledged `enough`; gives all it has.
fn run_and_kill(dir: &Path, enough: usize) -> Vec<Acknowledged> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    while acknowledged.len() < enough {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child has ended by itself");
        acknowledged.extend(acknowledgement(&line));
    }
    let second = Store::open(dir).err();
    assert!(matches!(second, Some(Error::InUse(_))), "it lives: {second:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    // The last line may be cut.
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    acknowledged.extend(whole.lines().filter_map(acknowledgement));
    acknowledged
}

/// `ack STEP UUID REVISION`; the test harness has lines of its own.
fn acknowledgement(line: &str) -> Option<Acknowledged> {
    let mut words = line.strip_prefix("ack ")?.split_whitespace();
    let step = words.next().unwrap().parse().unwrap();
    let uuid = words.next().unwrap().parse().unwrap();
    Some(Acknowledged { uuid, step, revision: words.next().unwrap().parse().unwrap() })
}

fn read(dir: &Path) -> (Routers, Revision) {
    let world = Store::open(dir).unwrap().world();
    let routers = world.routers.values().map(|r| (r.uuid, (r.name.clone(), r.revision)));
    (routers.collect(), world.revision())
}

/// Of one round: `revisions` is the last before it and the last in it.
fn check(
    before: &Routers,
    after: &Routers,
    acknowledged: &[Acknowledged],
    revisions: std::ops::Range<Revision>,
) {
    let numbers: BTreeSet<Revision> = acknowledged.iter().map(|a| a.revision).collect();
    assert_eq!(numbers.len(), acknowledged.len(), "no revision twice");
    assert!(numbers.first() > Some(&revisions.start) && numbers.last() <= Some(&revisions.end));
    let unacknowledged = revisions.end - revisions.start - numbers.len() as u64;
    assert!(unacknowledged <= CLIENTS as u64, "a gap of {unacknowledged} revisions");

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started and killed by the test of this file"]
async fn the_process_that_is_killed() {
    let dir = std::env::var(DIR).unwrap();
    let store = Store::open(Path::new(&dir)).unwrap();
    // Ends the harness's line.
    writeln!(std::io::stdout()).unwrap();
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
            let revision = store.write(op).await.unwrap().revision;
            let line = format!("ack {step} {uuid} {revision}\n");
            std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        }
    }
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
