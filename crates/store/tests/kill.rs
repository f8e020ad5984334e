//! kill -9 at varied moments: what was acknowledged is there, and nothing
//! that cannot be.
#![expect(clippy::unwrap_used, reason = "a test")]

mod killed;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use model::ids::Revision;
use store::{Error, Store};

use killed::{Acknowledged, CLIENTS, Routers, acknowledgement, check, routers, write_until_killed};

const ROUNDS: usize = 20;

/// Tells the child where to write.
const DIR: &str = "KANNAS_KILL_DIR";

#[test]
fn every_acknowledged_write_survives_kill_9_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut before, mut base) = (Routers::new(), 0);
    for round in 0..ROUNDS {
        let acknowledged = run_and_kill(dir.path(), 1 + round * round * 4);
        let (after, revision) = read(dir.path());
        check(&before, &after, &acknowledged, base..revision, CLIENTS);
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

fn read(dir: &Path) -> (Routers, Revision) {
    routers(&Store::open(dir).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started and killed by the test of this file"]
async fn the_process_that_is_killed() {
    let dir = std::env::var(DIR).unwrap();
    write_until_killed(Store::open(Path::new(&dir)).unwrap()).await;
}
