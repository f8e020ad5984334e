//! Many TCP connections at once that talk now and then, both ways, each byte accounted for.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::eventually::eventually;
use crate::paths::Endpoint;
use crate::snmp;

/// Each side of each connection says something so often.
const PACE: Duration = Duration::from_millis(100);

/// A message without an answer for so long means that a segment was lost: TCP sends again after 200 ms at the earliest
/// (`TCP_RTO_MIN`), and a machine that is busy answers late by less.
pub const STALL: Duration = Duration::from_millis(190);

const MESSAGE: usize = 32;

/// Open files of the whole process beside the connections.
const FILES: u64 = 1024;

/// Run until they are dropped.
#[derive(Debug)]
pub struct Flows {
    shared: Arc<Shared>,
    count: usize,
    ends: [Endpoint; 2],
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    messages: AtomicU64,
    reset: AtomicU64,
    stalled: AtomicU64,
    longest: Mutex<Duration>,
}

/// What became of the connections up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// That came back as they were sent.
    pub messages: u64,
    pub reset: u64,
    /// Messages that took longer than [`STALL`].
    pub stalled: u64,
    /// TCP segments that were sent again, by all sockets of both namespaces.
    pub resent: u64,
}

impl Fate {
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(before.messages),
            reset: self.reset.saturating_sub(before.reset),
            stalled: self.stalled.saturating_sub(before.stalled),
            resent: self.resent.saturating_sub(before.resent),
        }
    }
}

impl Flows {
    /// `count` connections, every other one from the other end.
    ///
    /// # Errors
    /// They do not all connect.
    pub fn start(a: &Endpoint, b: &Endpoint, count: usize) -> Result<Self> {
        let files = u64::try_from(count)? * 2 + FILES;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("limit of files")?;
        setrlimit(Resource::RLIMIT_NOFILE, files.min(most), most).context("limit of files")?;
        let mut pairs = Vec::with_capacity(count);
        for (from, to, count) in [(a, b, count.div_ceil(2)), (b, a, count / 2)] {
            let listen = || TcpListener::bind((to.address, 0));
            let listener = to.netns.run(listen)?.context("listen")?;
            let address = listener.local_addr().context("listen")?;
            let connect = || connections(&listener, address, count);
            pairs
                .extend(from.netns.run(connect)?.with_context(|| format!("connect to {address}"))?);
        }
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(pairs, &theirs));
        let it = Self { shared, count, ends: [a.clone(), b.clone()], thread: Some(thread) };
        let all = || (it.shared.messages.load(Ordering::Relaxed) >= count as u64).then_some(());
        eventually(Duration::from_secs(30), "all connections talk", all)?;
        Ok(it)
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// # Errors
    /// The kernel's counters cannot be read.
    pub fn fate(&self) -> Result<Fate> {
        let load = |it: &AtomicU64| it.load(Ordering::SeqCst);
        let Shared { messages, reset, stalled, .. } = &*self.shared;
        let [a, b] = &self.ends;
        Ok(Fate {
            messages: load(messages),
            reset: load(reset),
            stalled: load(stalled),
            resent: resent(a)? + resent(b)?,
        })
    }

    /// The longest that a message took to come back.
    #[must_use]
    pub fn longest(&self) -> Duration {
        *self.shared.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends them all.
    ///
    /// # Errors
    /// They have ended before.
    pub fn stop(mut self) -> Result<()> {
        ensure!(self.thread.as_ref().is_some_and(|it| !it.is_finished()), "they have ended");
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("the flows panicked"))?
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

type Pair = (TcpStream, TcpStream);

fn connections(listener: &TcpListener, to: SocketAddr, count: usize) -> Result<Vec<Pair>> {
    let connect = |_| {
        let asking = TcpStream::connect_timeout(&to, Duration::from_secs(10))?;
        let (answering, _) = listener.accept()?;
        for stream in [&asking, &answering] {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
        }
        Ok((asking, answering))
    };
    (0..count).map(connect).collect()
}

fn run(pairs: Vec<Pair>, shared: &Arc<Shared>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for (index, (asking, answering)) in pairs.into_iter().enumerate() {
            let [asking, answering] = [asking, answering].map(tokio::net::TcpStream::from_std);
            let (asking, answering) = (asking?, answering?);
            let shared = Arc::clone(shared);
            tasks.spawn(async move {
                // Not all in the same moment.
                tokio::time::sleep(PACE * u32::try_from(index % 100).unwrap_or(0) / 100).await;
                if talk(asking, answering, &shared).await.is_err() {
                    shared.reset.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while !tasks.is_empty() && !shared.stop.load(Ordering::SeqCst) {
            // To see now and then whether they are to stop.
            drop(tokio::time::timeout(PACE, tasks.join_next()).await);
        }
        Ok(())
    })
}

/// Forth and back, again and again; each message is another.
async fn talk(
    mut asking: tokio::net::TcpStream,
    mut answering: tokio::net::TcpStream,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut number = 0_u64;
    let mut buffer = [0; MESSAGE];
    while !shared.stop.load(Ordering::Relaxed) {
        number += 1;
        let mut message = [0; MESSAGE];
        message[..8].copy_from_slice(&number.to_be_bytes());
        for turn in 0..2 {
            let start = Instant::now();
            asking.write_all(&message).await?;
            answering.read_exact(&mut buffer).await?;
            if buffer != message {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            shared.took(start.elapsed());
            message[8] = turn;
            std::mem::swap(&mut asking, &mut answering);
        }
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

impl Shared {
    fn took(&self, time: Duration) {
        self.messages.fetch_add(1, Ordering::SeqCst);
        if time > STALL {
            self.stalled.fetch_add(1, Ordering::SeqCst);
        }
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = time.max(*longest);
    }
}

/// TCP segments that the namespace has sent again.
fn resent(end: &Endpoint) -> Result<u64> {
    snmp::counter(&end.netns, "Tcp", "RetransSegs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::{Netns, link, prefix};

    #[test]
    fn flows_over_a_link_arrive_and_a_link_that_goes_down_stalls_them() {
        let [a, b] =
            ["a", "b"].map(|n| Arc::new(Netns::new(format!("{}flows-{n}", prefix("kt"))).unwrap()));
        link(&a, "x", &b, "x").unwrap();
        let end = |netns: &Arc<Netns>, last: u8| {
            netns.ip(&format!("addr add 10.9.9.{last}/24 dev x")).unwrap();
            Endpoint { netns: netns.clone(), address: [10, 9, 9, last].into() }
        };
        let flows = Flows::start(&end(&a, 1), &end(&b, 2), 20).unwrap();
        let before = flows.fate().unwrap();
        assert_eq!((before.reset, before.resent), (0, 0), "{before:?}");
        a.ip("link set x down").unwrap();
        eventually(Duration::from_secs(10), "segments are sent again", || {
            let now = flows.fate().unwrap();
            (now.since(before).resent > 0).then_some(())
        })
        .unwrap();
        a.ip("link set x up").unwrap();
        eventually(Duration::from_secs(20), "messages come late", || {
            (flows.fate().unwrap().since(before).stalled > 0).then_some(())
        })
        .unwrap();
        assert!(flows.longest() > STALL && flows.count() == 20);
        assert_eq!(flows.fate().unwrap().reset, 0);
        flows.stop().unwrap();
    }
}
