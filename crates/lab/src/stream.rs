//! One datagram per millisecond from workload to workload, each accounted for.
//!
//! One thread sends and receives, so both ends are timed by one clock, and a packet is seen within microseconds of
//! its arrival.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::eventually::eventually;
use crate::paths::Endpoint;

const PACE: Duration = Duration::from_millis(1);

/// Packets of one stream: a quarter of an hour.
const LIMIT: usize = 1_000_000;

/// What a packet may take that is not lost: far longer than any queue here.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// To stop is to wait for late packets first.
    patient: AtomicBool,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    packets: Vec<Packet>,
    /// When packets arrived, in that order.
    arrivals: Vec<Instant>,
}

#[derive(Debug)]
struct Packet {
    at: Instant,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The sender's own kernel has refused it: it has no route.
    Refused,
    Sent,
    Arrived,
}

/// What became of the packets of some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Left the sender.
    pub sent: usize,
    pub arrived: usize,
    /// The longest run of packets lost, one per millisecond.
    pub gap: usize,
}

impl Stream {
    /// Neither end needs an address or a route yet: what cannot be sent is tried again with the next packet.
    ///
    /// # Errors
    /// A socket cannot be opened.
    pub fn start(from: &Endpoint, to: &Endpoint) -> Result<Self> {
        let open = |end: &Endpoint| -> Result<UdpSocket> {
            let socket = end.netns.run(|| UdpSocket::bind((any(end.address), 0)))?;
            let socket = socket.with_context(|| format!("socket in {}", end.netns.name()))?;
            socket.set_nonblocking(true).context("nonblocking")?;
            Ok(socket)
        };
        let (sender, receiver) = (open(from)?, open(to)?);
        let port = receiver.local_addr().context("receiver's port")?.port();
        let target = SocketAddr::from((to.address, port));
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || run(&sender, &receiver, target, &theirs));
        Ok(Self { shared, thread: Some(thread) })
    }

    /// When the first packet arrived at or after `moment`.
    #[must_use]
    pub fn first_since(&self, moment: Instant) -> Option<Instant> {
        let log = self.shared.log();
        let later = log.arrivals.iter().rev().take_while(|at| **at >= moment);
        later.last().copied()
    }

    /// Waits until a packet arrives at or after `moment`.
    ///
    /// # Errors
    /// None does within `deadline`.
    pub fn arrival_since(&self, moment: Instant, deadline: Duration) -> Result<Instant> {
        eventually(deadline, "a packet arrives", || self.first_since(moment))
    }

    /// What has become so far of the packets tried at or after `moment`.
    #[must_use]
    pub fn since(&self, moment: Instant) -> Tally {
        let log = self.shared.log();
        let first = log.packets.partition_point(|packet| packet.at < moment);
        Tally::of(&log.packets[first..])
    }

    /// Waits until `count` packets have left since `moment`, whatever becomes of them.
    ///
    /// # Errors
    /// As [`Stream::watch`].
    pub fn watch_sent(&self, moment: Instant, count: usize) -> Result<()> {
        left([self], moment, count)
    }

    /// Waits until `count` packets have left since `moment`, and then for those of them that are late.
    ///
    /// # Errors
    /// They do not leave: the sender has no route, or the stream has ended.
    pub fn watch(&self, moment: Instant, count: usize) -> Result<Tally> {
        let [tally] = watch([self], moment, count)?;
        Ok(tally)
    }

    fn between(&self, first: Instant, end: Instant) -> Tally {
        let log = self.shared.log();
        let [first, end] = [first, end].map(|t| log.packets.partition_point(|p| p.at < t));
        Tally::of(&log.packets[first..end])
    }

    /// Ends the stream; what became of all its packets.
    ///
    /// # Errors
    /// It had ended before: a system call failed, or it reached its limit.
    pub fn stop(mut self) -> Result<Tally> {
        self.shared.patient.store(true, Ordering::SeqCst);
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join()?;
        Ok(Tally::of(&self.shared.log().packets))
    }

    fn join(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("the stream panicked"))?
    }
}

/// As [`Stream::watch`], of several at once.
///
/// # Errors
/// As [`Stream::watch`].
pub fn watch<const N: usize>(
    streams: [&Stream; N],
    moment: Instant,
    count: usize,
) -> Result<[Tally; N]> {
    left(streams, moment, count)?;
    let end = Instant::now();
    let settled = || {
        let tallies = streams.map(|stream| stream.between(moment, end));
        let over = end.elapsed() > STRAGGLERS || tallies.iter().all(|tally| tally.lost() == 0);
        over.then_some(tallies)
    };
    eventually(STRAGGLERS * 4, "late packets", settled)
}

fn left<const N: usize>(streams: [&Stream; N], moment: Instant, count: usize) -> Result<()> {
    let deadline = Duration::from_secs(10) + PACE * 4 * u32::try_from(count)?;
    let all = || streams.iter().all(|stream| stream.since(moment).sent >= count).then_some(());
    eventually(deadline, &format!("{count} packets leave"), all)
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = self.join();
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn of(packets: &[Packet]) -> Self {
        let (mut tally, mut run) = (Self::default(), 0);
        for packet in packets {
            match packet.fate {
                Fate::Refused => continue,
                Fate::Sent => run += 1,
                Fate::Arrived => {
                    tally.arrived += 1;
                    run = 0;
                }
            }
            tally.sent += 1;
            tally.gap = tally.gap.max(run);
        }
        tally
    }

    #[must_use]
    pub fn lost(&self) -> usize {
        self.sent - self.arrived
    }
}

fn any(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn run(sender: &UdpSocket, receiver: &UdpSocket, to: SocketAddr, shared: &Shared) -> Result<()> {
    let mut due = Instant::now();
    for number in 0..LIMIT {
        if shared.stop.load(Ordering::SeqCst) {
            return late(receiver, shared);
        }
        let at = Instant::now();
        // Listed first: it may be received by the time the call is back.
        shared.log().packets.push(Packet { at, fate: Fate::Sent });
        if sender.send_to(&(number as u64).to_be_bytes(), to).is_err() {
            shared.log().packets[number].fate = Fate::Refused;
        }
        due += PACE;
        // A machine that stood still does not make up for it with a burst.
        due = due.max(at);
        receive(receiver, due, shared)?;
    }
    Err(anyhow!("the stream has sent its {LIMIT} packets"))
}

fn late(receiver: &UdpSocket, shared: &Shared) -> Result<()> {
    let patience = if shared.patient.load(Ordering::SeqCst) { STRAGGLERS } else { Duration::ZERO };
    let end = Instant::now() + patience;
    while Instant::now() < end && Tally::of(&shared.log().packets).lost() > 0 {
        receive(receiver, Instant::now() + PACE, shared)?;
    }
    Ok(())
}

/// Takes what arrives until `due`.
fn receive(receiver: &UdpSocket, due: Instant, shared: &Shared) -> Result<()> {
    while readable(receiver, due)? {
        let mut number = [0; 8];
        match receiver.recv(&mut number) {
            Ok(8) => {}
            Ok(_) => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error).context("receive"),
        }
        let at = Instant::now();
        let mut log = shared.log();
        log.arrivals.push(at);
        let packet = usize::try_from(u64::from_be_bytes(number)).ok();
        let packet = packet.and_then(|number| log.packets.get_mut(number));
        let packet = packet.context("a packet arrived that was never sent")?;
        ensure!(packet.fate != Fate::Arrived, "a packet arrived twice");
        packet.fate = Fate::Arrived;
    }
    Ok(())
}

/// False when nothing is there by `due`. The kernel's socket timeouts are too coarse: up to 10 ms.
pub(crate) fn readable(socket: &UdpSocket, due: Instant) -> Result<bool> {
    let left = due.saturating_duration_since(Instant::now());
    let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut wanted, Some(TimeSpec::from_duration(left)), None) {
        Ok(0) | Err(Errno::EINTR) => Ok(false),
        Ok(_) => Ok(true),
        Err(error) => Err(error).context("ppoll"),
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
