//! How many durable writes a second, in one run on one disk: the bare
//! `fdatasync`, SQLite with a transaction per request, our store on SQLite, and
//! one or two of it on PostgreSQL.
//!
//! `cargo bench -p store --bench durable -- [--seconds N] [--clients N] [--dir D]`

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use model::change::Object;
use model::label::Label;
use model::objects::Router;
use model::op::{Op, Wish};
use model::router;
use rusqlite::{Connection, TransactionBehavior, params};
use store::Store;
use tokio::sync::oneshot;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

struct Config {
    /// Of each contestant.
    seconds: u64,
    clients: usize,
    dir: PathBuf,
}

/// For each write when it was answered, since the start, and how long it took.
type Samples = Vec<(Duration, Duration)>;

fn main() -> Outcome<()> {
    let config = config()?;
    let dir = tempfile::tempdir_in(&config.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&config, dir.path(), &mut std::io::stdout()))
}

/// The store in one go, as only that tells what it sustains; the other half
/// before and half after, so that a disk that changes its pace treats both alike.
async fn measure(config: &Config, dir: &Path, out: &mut impl Write) -> Outcome<()> {
    let (seconds, clients) = (config.seconds, config.clients);
    let half = Duration::from_secs(seconds) / 2;
    let shown = dir.display();
    writeln!(out, "durable writes, {clients} clients, {seconds} s each, in {shown}")?;
    let mut syncs = vec![syncs_per_second(dir)?];
    let plain = Plain::open(&dir.join("plain.db"))?;
    let mut singly = vec![load(&plain, clients, half).await?];
    syncs.push(syncs_per_second(dir)?);
    let store = Store::open(dir)?;
    let together = load(&store, clients, half * 2).await?;
    let log = std::fs::metadata(dir.join("kannas.db-wal"))?.len();
    syncs.push(syncs_per_second(dir)?);
    singly.push(load(&plain, clients, half).await?);
    syncs.push(syncs_per_second(dir)?);
    let syncs: Vec<String> = syncs.iter().map(|rate| format!("{rate:.0}")).collect();
    writeln!(out, "4 KiB append + fdatasync, one at a time: {}/s", syncs.join(", "))?;
    writeln!(out, "| writes | per s | least in a second | p50 ms | p99 ms | longest ms |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    let base = row("a transaction each", &singly, out)?;
    let ours = row("the store", &[together], out)?;
    let log = log / 1_000_000;
    for servers in [1, 2] {
        if lab::Cluster::is_there() {
            let samples = postgres(config, servers).await?;
            row(&format!("PostgreSQL, {servers} of the store"), &[samples], out)?;
        }
    }
    writeln!(out, "the store / a transaction each: {:.2}; {log} MB of log", ours / base)?;
    Ok(())
}

/// So many stores on one PostgreSQL database, which share the clients.
async fn postgres(config: &Config, servers: usize) -> Outcome<Samples> {
    let name = format!("kannas-bench-{}-{servers}", std::process::id());
    let cluster = lab::Cluster::durable(&config.dir.join(name))?;
    let url: store::Url = cluster.database()?.parse()?;
    let stores = (0..servers).map(|_| Store::connect(&url)).collect::<Result<Vec<_>, _>>()?;
    let time = Duration::from_secs(config.seconds);
    let all = stores.iter().map(|store| {
        let store = store.clone();
        let clients = config.clients / servers;
        async move { load(&store, clients, time).await.map_err(|error| error.to_string()) }
    });
    let all: tokio::task::JoinSet<_> = all.collect();
    let mut samples = Samples::new();
    for one in all.join_all().await {
        samples.extend(one?);
    }
    Ok(samples)
}

fn config() -> Outcome<Config> {
    let mut it = Config { seconds: 20, clients: 64, dir: std::env::temp_dir() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--seconds" => it.seconds = value()?.parse()?,
            "--clients" => it.clients = value()?.parse()?,
            "--dir" => it.dir = value()?.into(),
            // Cargo says so to every bench.
            "--bench" => {}
            other => return Err(format!("{other} is not known").into()),
        }
    }
    Ok(it)
}

/// Of one file that grows by 4 KiB each time, as a log does.
fn syncs_per_second(dir: &Path) -> Outcome<f64> {
    let path = dir.join("raw");
    let mut file = File::create(&path)?;
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < Duration::from_secs(3) {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// Takes a router and answers once it is durable.
trait Contestant: Clone + Send + Sync + 'static {
    fn write(&self, router: Router) -> impl Future<Output = Result<(), String>> + Send;
}

impl Contestant for Store {
    async fn write(&self, router: Router) -> Result<(), String> {
        let Router { uuid, account, name, labels, static_routes, .. } = router;
        let wish = Wish::Create(router::Create { name, labels, static_routes });
        let op = Op::Router { by: account, uuid, wish };
        Self::write(self, op).await.map(drop).map_err(|e| e.to_string())
    }
}

type Request = (Router, oneshot::Sender<rusqlite::Result<()>>);

/// SQLite as it comes, but for the two pragmas that make a commit durable and
/// quick: a thread that gives each request a transaction.
#[derive(Clone)]
struct Plain {
    requests: mpsc::Sender<Request>,
}

impl Plain {
    fn open(path: &Path) -> Outcome<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(include_str!("../migrations/0001_init.sql"))?;
        let (requests, queue) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (router, answer) in queue {
                // A client that has given up is none of ours.
                let _ = answer.send(insert(&mut connection, router));
            }
        });
        Ok(Self { requests })
    }
}

impl Contestant for Plain {
    async fn write(&self, router: Router) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.requests.send((router, answer)).map_err(|e| e.to_string())?;
        answered.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
    }
}

fn insert(connection: &mut Connection, router: Router) -> rusqlite::Result<()> {
    const PUT: &str = "INSERT INTO object (kind, id, revision, body) VALUES (?1, ?2, ?3, ?4)";
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 =
        tx.prepare_cached("SELECT n FROM revision")?.query_row([], |row| row.get(0))?;
    let object = Object::Router(router);
    let (kind, id) = object.key().columns();
    let body = serde_json::to_string(&object).unwrap_or_default();
    tx.prepare_cached(PUT)?.execute(params![kind, id, found + 1, body])?;
    tx.prepare_cached("UPDATE revision SET n = ?1")?.execute(params![found + 1])?;
    tx.commit()
}

/// Each client writes, waits for the answer, and writes again.
async fn load(to: &impl Contestant, clients: usize, time: Duration) -> Outcome<Samples> {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let to = to.clone();
        tasks.spawn(async move {
            let mut samples = Samples::new();
            while start.elapsed() < time {
                let asked = start.elapsed();
                to.write(router(client)).await?;
                let answered = start.elapsed();
                samples.push((answered, answered - asked));
            }
            Ok::<_, String>(samples)
        });
    }
    let mut all = Samples::new();
    while let Some(samples) = tasks.join_next().await {
        all.extend(samples??);
    }
    Ok(all)
}

fn router(client: usize) -> Router {
    let label = |key: &str, value: String| Label { key: key.to_owned(), value };
    Router {
        uuid: Uuid::new_v4(),
        account: "bench".to_owned(),
        name: format!("router of client {client}"),
        labels: vec![label("env", "prod".to_owned()), label("team", client.to_string())],
        static_routes: vec![],
        revision: 0,
    }
}

/// Writes a line of the table and gives the rate.
fn row(name: &str, runs: &[Samples], out: &mut impl Write) -> Outcome<f64> {
    let mut seconds = 0.0;
    let mut least = u64::MAX;
    for samples in runs {
        let last = samples.iter().map(|(at, _)| *at).max().ok_or("no write was answered")?;
        seconds += last.as_secs_f64();
        let mut by_second = vec![0; usize::try_from(last.as_secs())?];
        for (at, _) in samples {
            if let Some(count) = by_second.get_mut(usize::try_from(at.as_secs())?) {
                *count += 1;
            }
        }
        least = least.min(by_second.into_iter().min().unwrap_or(0));
    }
    let mut took: Vec<Duration> = runs.iter().flatten().map(|(_, took)| *took).collect();
    took.sort_unstable();
    let rate = took.len() as f64 / seconds;
    let ms = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let (p50, p99, longest) = (ms(50), ms(99), ms(100));
    writeln!(out, "| {name} | {rate:.0} | {least} | {p50:.2} | {p99:.2} | {longest:.0} |")?;
    Ok(rate)
}
