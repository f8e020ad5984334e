//! kill -9 at varied moments, of processes that write to one PostgreSQL
//! database at once, and of PostgreSQL's: what was acknowledged is there, and
//! nothing that cannot be.
#![expect(clippy::unwrap_used, reason = "a test")]

mod killed;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use lab::Cluster;
use store::Store;

use killed::{Acknowledged, CLIENTS, Routers, acknowledgement, check, routers, write_until_killed};

const ROUNDS: usize = 8;

/// Tells the child where to write.
const URL: &str = "KANNAS_KILL_URL";

/// Ends a test that would wait for ever.
const LIMIT: Duration = Duration::from_secs(60);

/// What is killed in the middle of a round. In the end both processes are.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Nothing,
    /// All of PostgreSQL, which is started again.
    Database,
    /// What of it writes for one of the processes: it takes all the others down.
    Backend,
    Process,
}

const VICTIMS: [Victim; 4] = [Victim::Nothing, Victim::Database, Victim::Backend, Victim::Process];

#[test]
fn every_acknowledged_write_survives_kill_9_of_processes_and_of_the_database() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.database().unwrap();
    let (mut before, mut base) = (Routers::new(), 0);
    let mut total = 0;
    for round in 0..ROUNDS {
        let victim = VICTIMS[round % VICTIMS.len()];
        let (acknowledged, unknown) = Pair::start(&url).round(&cluster, victim, 1 + round * 40);
        let (after, revision) = routers(&Store::connect(&url.parse().unwrap()).unwrap());
        let open = 2 * CLIENTS + unknown;
        check(&before, &after, &acknowledged, base..revision, open);
        total += acknowledged.len();
        (before, base) = (after, revision);
    }
    assert!(total > 2 * ROUNDS * CLIENTS, "{total} writes in all");
}

/// Two processes that write to one database.
struct Pair {
    children: [Child; 2],
    lines: Receiver<(usize, String)>,
}

impl Pair {
    fn start(url: &str) -> Self {
        let (tell, lines) = channel();
        let children = [0, 1].map(|n| process(url, n, tell.clone()));
        Self { children, lines }
    }

    /// Gives what was acknowledged, and of how many writes it is not known.
    fn round(
        mut self,
        cluster: &Cluster,
        victim: Victim,
        enough: usize,
    ) -> (Vec<Acknowledged>, usize) {
        let (mut acknowledged, mut unknown) = (Vec::new(), 0);
        let mut take = |line: &str| {
            acknowledged.extend(acknowledgement(line));
            unknown += usize::from(line.starts_with("unknown "));
            acknowledged.len()
        };
        while take(&self.next().1) < enough {}
        match victim {
            Victim::Nothing => {}
            Victim::Database => {
                cluster.kill9().unwrap();
                cluster.start_again().unwrap();
            }
            Victim::Backend => kill_backend(cluster),
            Victim::Process => self.children[1].kill().unwrap(),
        }
        // Who is left goes on: what it says was not all on its way before.
        let mut after = [0; 2];
        let left = if matches!(victim, Victim::Process) { 1 } else { 2 };
        while after[..left].iter().any(|count| *count < 20 * CLIENTS) {
            let (n, line) = self.next();
            take(&line);
            after[n] += 1;
        }
        for child in &mut self.children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // The last line of each may be cut.
        for (_, line) in self.lines.iter().filter(|(_, line)| line.ends_with('\n')) {
            take(&line);
        }
        (acknowledged, unknown)
    }

    fn next(&self) -> (usize, String) {
        self.lines.recv_timeout(LIMIT).expect("the processes go on")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may be gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn process(url: &str, n: usize, tell: Sender<(usize, String)>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(URL, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        while out.read_line(&mut line).is_ok_and(|read| read > 0) {
            if tell.send((n, std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    });
    child
}

/// SIGKILL to one that a process writes by.
fn kill_backend(cluster: &Cluster) {
    let writing = "SELECT pid FROM pg_stat_activity \
        WHERE query ~ 'won|BEGIN|COMMIT|FOR UPDATE|FROM news' AND pid <> pg_backend_pid() \
        ORDER BY state LIMIT 1";
    let killed = || {
        let pid = cluster.sql("test0", writing).ok()?;
        let status = Command::new("kill").args(["-9", pid.trim()]).status().ok()?;
        status.success().then_some(())
    };
    lab::eventually(LIMIT, "a backend writes", killed).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started and killed by the test of this file"]
async fn the_process_that_is_killed() {
    let url = std::env::var(URL).unwrap();
    write_until_killed(Store::connect(&url.parse().unwrap()).unwrap()).await;
}
