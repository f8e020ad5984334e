//! A way to a PostgreSQL on a Unix socket that can be shut, as a network between a server and its database fails.

use std::collections::BTreeMap;
use std::fs;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::sys::socket;

/// What a socket of PostgreSQL is called in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// Closed for good on drop.
#[derive(Debug)]
pub struct Doorway {
    folder: PathBuf,
    state: Arc<State>,
    listener: UnixListener,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    target: PathBuf,
    shut: AtomicBool,
    stopping: AtomicBool,
    open: Mutex<BTreeMap<u64, [UnixStream; 2]>>,
}

impl Doorway {
    /// To the server whose socket is in `to`; `folder`, which is made, is where this one's is.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn start(folder: &Path, to: &Path) -> Result<Self> {
        fs::create_dir(folder).with_context(|| folder.display().to_string())?;
        let listener = UnixListener::bind(folder.join(SOCKET)).context("doorway")?;
        let (shut, stopping) = (AtomicBool::new(false), AtomicBool::new(false));
        let target = to.join(SOCKET);
        let state = Arc::new(State { target, shut, stopping, open: Mutex::default() });
        let (ours, shared) = (listener.try_clone().context("doorway")?, Arc::clone(&state));
        let accepting = Some(std::thread::spawn(move || accept(&ours, &shared)));
        Ok(Self { folder: folder.to_owned(), state, listener, accepting })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Nothing gets through, and what was open is cut.
    pub fn shut(&self) {
        self.state.shut.store(true, Ordering::SeqCst);
        self.state.cut_all();
    }

    pub fn open(&self) {
        self.state.shut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Doorway {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        self.shut();
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.state.cut_all();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl State {
    fn cut_all(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &UnixListener, state: &Arc<State>) {
    for (id, client) in (0..).zip(listener.incoming()) {
        if state.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // The client sees an end of its connection.
            let _ = forward(id, &client, &state);
            let _ = client.shutdown(Shutdown::Both);
            state.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        });
    }
}

fn forward(id: u64, client: &UnixStream, state: &State) -> Result<()> {
    let server = UnixStream::connect(&state.target)?;
    let ends = [client.try_clone()?, server.try_clone()?];
    state.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, ends);
    if state.shut.load(Ordering::SeqCst) {
        return Ok(());
    }
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
    Ok(())
}

fn copy(mut from: &UnixStream, mut to: &UnixStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
