//! What the server is compared with: a bare axum handler that answers the same bytes, and for a POST makes one commit
//! of it before that. No account, no rule, no state.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::rate::Target;
use crate::eventually::eventually;
use crate::process::Process;

/// The argument that makes the bench this server; the folder follows.
pub const ARGUMENT: &str = "bare-server";

const ADDRESS: &str = "address";
const CREATED: &str = "created";

/// It, as a process of its own. Ends with this.
#[derive(Debug)]
pub(super) struct Bare {
    process: Process,
    address: SocketAddr,
}

impl Bare {
    /// Answers each path of `answers` with its bytes, and each POST with `created`. `folder` is on the disk that is
    /// measured.
    ///
    /// # Errors
    /// It does not come up.
    pub(super) fn start(
        folder: &Path,
        answers: &BTreeMap<&str, Vec<u8>>,
        created: &[u8],
    ) -> Result<Self> {
        std::fs::create_dir(folder).with_context(|| folder.display().to_string())?;
        std::fs::write(folder.join(CREATED), created)?;
        let all: BTreeMap<&str, &str> = answers
            .iter()
            .map(|(path, answer)| Ok((*path, std::str::from_utf8(answer)?)))
            .collect::<Result<_>>()?;
        std::fs::write(folder.join("answers"), serde_json::to_vec(&all)?)?;
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        command.arg(ARGUMENT).arg(folder);
        let mut process = Process::start("bare server", command, &folder.join("log"))?;
        let address = || {
            let text = std::fs::read_to_string(folder.join(ADDRESS)).ok();
            (text.is_some() || !process.alive()).then_some(text)
        };
        let address = eventually(Duration::from_secs(20), "the bare server listens", address)?;
        let address = address.with_context(|| process.log_tail())?;
        Ok(Self { process, address: address.parse().context(address)? })
    }

    #[must_use]
    pub(super) fn target(&self) -> Target {
        Target { address: self.address, pid: self.process.pid() }
    }
}

#[derive(Clone)]
struct Answers {
    by_path: Arc<BTreeMap<String, Bytes>>,
    created: Bytes,
    writer: mpsc::Sender<Write>,
}

type Write = (Bytes, oneshot::Sender<rusqlite::Result<()>>);

/// Serves until it is killed.
///
/// # Errors
/// The folder is not as [`Bare::start`] makes it; no port is free.
pub fn serve(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let text = std::fs::read(folder.join("answers"))?;
        let by_path: BTreeMap<String, String> = serde_json::from_slice(&text)?;
        let by_path = by_path.into_iter().map(|(path, it)| (path, Bytes::from(it))).collect();
        let created = std::fs::read(folder.join(CREATED))?.into();
        let writer = writer(&folder.join("bare.db"))?;
        let answers = Answers { by_path: Arc::new(by_path), created, writer };
        let all = axum::routing::get(show).post(create);
        let app = Router::new().fallback_service(all.with_state(answers));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let part: PathBuf = folder.join("address.part");
        std::fs::write(&part, listener.local_addr()?.to_string())?;
        std::fs::rename(part, folder.join(ADDRESS))?;
        use axum::serve::ListenerExt;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, app).await.context("serve")
    })
}

const JSON: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];

async fn show(State(answers): State<Answers>, uri: Uri) -> Response {
    let path = uri.path_and_query().map_or("", |it| it.as_str());
    match answers.by_path.get(path) {
        Some(it) => (JSON, it.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn create(State(answers): State<Answers>, body: Bytes) -> Response {
    let (answer, answered) = oneshot::channel();
    if answers.writer.send((body, answer)).is_err() || !matches!(answered.await, Ok(Ok(()))) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (StatusCode::CREATED, JSON, answers.created.clone()).into_response()
}

/// SQLite as it comes, but for the two pragmas that make a commit durable and quick: a thread that gives each request
/// a transaction, which writes what our store does for one object.
fn writer(database: &Path) -> Result<mpsc::Sender<Write>> {
    let mut connection = Connection::open(database)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE revision (only INTEGER PRIMARY KEY, n INTEGER NOT NULL);
         INSERT INTO revision VALUES (1, 0);
         CREATE TABLE object (number INTEGER PRIMARY KEY, revision INTEGER, body BLOB NOT NULL);",
    )?;
    let (writes, queue) = mpsc::channel::<Write>();
    std::thread::spawn(move || {
        for (body, answer) in queue {
            // Who has hung up does not wait.
            let _ = answer.send(insert(&mut connection, &body));
        }
    });
    Ok(writes)
}

fn insert(connection: &mut Connection, body: &[u8]) -> rusqlite::Result<()> {
    const PUT: &str = "INSERT INTO object (revision, body) SELECT n, ?1 FROM revision";
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.prepare_cached("UPDATE revision SET n = n + 1")?.execute([])?;
    tx.prepare_cached(PUT)?.execute(params![body])?;
    tx.commit()
}
