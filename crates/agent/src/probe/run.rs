//! The thread that probes.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use datapath::{Probe, Sighting};

use super::book::Concerns;
use super::desk::Desk;

/// What probing needs of a host's kernel: [`datapath::Prober`].
pub trait Probes: Send {
    /// # Errors
    /// It cannot be sent at this moment.
    fn send(&mut self, probe: &Probe) -> io::Result<()>;
    /// Until something was seen, `waker` can be read, or `limit` has passed.
    ///
    /// # Errors
    /// It cannot wait.
    fn wait(&self, waker: BorrowedFd<'_>, limit: Duration) -> io::Result<()>;
    /// What was seen since, oldest first.
    fn seen(&mut self) -> Option<Sighting>;
}

impl Probes for datapath::Prober {
    fn send(&mut self, probe: &Probe) -> io::Result<()> {
        Self::send(self, probe)
    }

    fn wait(&self, waker: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
        Self::wait(self, waker, limit)
    }

    fn seen(&mut self) -> Option<Sighting> {
        Self::seen(self)
    }
}

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(1);

/// After an error of the kernel's.
const PAUSE: Duration = Duration::from_millis(100);

/// Probes until it is dropped.
pub(crate) struct Prober {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// `ring` is called when the kernel's thread is concerned.
    ///
    /// # Errors
    /// The system has no thread or socket left.
    pub(crate) fn start(
        probes: Box<dyn Probes>,
        desk: Arc<Desk>,
        ring: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        desk.open(waker);
        let shared = desk.clone();
        let thread = std::thread::Builder::new().name("prober".to_owned());
        let thread = Some(thread.spawn(move || run(probes, &shared, woken, ring))?);
        Ok(Self { desk, thread })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.desk.end();
        if let Some(thread) = self.thread.take() {
            // Whether it panicked or not, it is over.
            let _ = thread.join();
        }
    }
}

fn run(mut probes: Box<dyn Probes>, desk: &Desk, mut woken: UnixStream, ring: impl Fn()) {
    let mut failing = false;
    let mut buffer = [0; 64];
    loop {
        // What is back is seen before what is late is judged.
        let mut seen = Vec::new();
        while let Some(sighting) = probes.seen() {
            seen.push(sighting);
        }
        let turn = desk.with(|book, now| {
            for sighting in &seen {
                book.seen(sighting, now);
            }
            book.pass(now);
            let due = book.send(now);
            let wait = book.next().map_or(LONGEST, |at| at.saturating_sub(now));
            (due, wait.min(LONGEST), std::mem::take(&mut book.concerns))
        });
        let Some((due, mut wait, concerns)) = turn else { return };
        if let Some(error) = due.iter().find_map(|probe| probes.send(probe).err()) {
            if !failing {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot send probes");
            }
            failing = true;
            wait = PAUSE;
        } else if !due.is_empty() {
            failing = false;
        }
        let Concerns { limits, lost } = concerns;
        if limits || lost || failing {
            desk.concern(Concerns { limits, lost: lost || failing });
            ring();
        }
        if probes.wait(woken.as_fd(), wait).is_err() {
            return tracing::error!("cannot wait for probes; nothing is measured any more");
        }
        while woken.read(&mut buffer).is_ok_and(|count| count == buffer.len()) {}
    }
}
