//! Three measures of a path: CPU per small packet, bulk throughput of one core, round-trip time.
//!
//! Each is made by one pinned thread that is both the client and the server; `cpu.rs` says why, and what is counted.
//! Sockets are opened inside their namespaces and used from outside. So there is no wake-up, no second core and no
//! context switch in the numbers: they are the path's own cost plus that of the socket calls, which is the same for
//! every path. They are meant to be compared with each other, on one machine, in interleaved rounds.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cpu::{Spent, pinned};
use crate::eventually::eventually;
use crate::mmsg::Batch;
use crate::paths::Endpoint;

/// 18 + 8 UDP + 20 IPv4 + 14 Ethernet + 4 frame check sequence = 64: the smallest frame of Ethernet. No frame check
/// sequence exists on a veth, it is counted by convention (RFC 2544 §9.1). Over IPv6 the frame has 84 bytes.
const PAYLOAD: usize = 18;

/// Datagrams per system call: few enough to fit in the default receive buffer, enough to make the calls cheap.
const BATCH: usize = 64;

/// With more packets under way, whoever carries them in a process of its own gets the core first: such tunnels have
/// queues of a few hundred. The kernel's paths have none under way when the sending call is back.
const UNDER_WAY: usize = BATCH;

/// A packet that nothing has come after for so long is lost.
const LOST_AFTER: Duration = Duration::from_millis(300);

/// Lost packets that still make a valid round: what a full backlog drops when the machine stalls.
const LOSS_ALLOWED: f64 = 0.001;

/// Bytes per write, sent and read before the next write, so this is also what is under way at a time. It matters:
/// the direct path carried 33, 45, 57 and 19 Gbit/s with 64, 128, 256 and 512 KiB on a core with 1 MiB of second
/// cache. Fewer bytes spend the time on calls and acknowledgements, more on fetching the bytes from memory, where
/// all paths look alike. So the result is that of data in cache: a ceiling, and the sharpest comparison.
const CHUNK: usize = 256 * 1024;

const STALLED: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(30);

#[derive(Clone, Copy, Debug)]
pub struct Packets {
    /// CPU time per packet that arrived, from the sending call to the receiving one.
    pub ns_per_packet: f64,
    pub received: u64,
    pub lost: u64,
    pub spent: Spent,
}

#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Payload that the server read, 10^9 bits per second of CPU time.
    pub gbit_per_core: f64,
    pub bytes: u64,
    pub spent: Spent,
}

#[derive(Clone, Copy, Debug)]
pub struct RoundTrip {
    pub p50_us: f64,
    pub p99_us: f64,
    pub count: usize,
    pub spent: Spent,
}

/// Sends UDP packets that make 64-byte Ethernet frames, client to server, for `round`.
///
/// # Errors
/// No packet arrives within 2 s; more than 0.1 % are lost; a system call fails.
pub fn udp64(client: &Endpoint, server: &Endpoint, round: Duration) -> Result<Packets> {
    udp64_by(client, server, &[], round)
}

/// As [`udp64`], where these processes carry the packets on the same core.
pub(crate) fn udp64_by(
    client: &Endpoint,
    server: &Endpoint,
    helpers: &[u32],
    round: Duration,
) -> Result<Packets> {
    pinned(|core| {
        let (sender, receiver) = udp_pair(client, server)?;
        let (mut outgoing, mut incoming) = (Batch::new(BATCH, PAYLOAD), Batch::new(BATCH, PAYLOAD));
        exchange(&sender, &receiver)?;
        let meter = core.meter(helpers)?;
        let start = Instant::now();
        let (mut sent, mut received, mut gone) = (0_usize, 0, 0);
        while start.elapsed() < round {
            sent += outgoing.send(&sender).context("sendmmsg")?;
            received += drain(&mut incoming, &receiver)?;
            let mut last = Instant::now();
            while sent.saturating_sub(received + gone) > UNDER_WAY {
                std::thread::yield_now();
                let now = drain(&mut incoming, &receiver)?;
                received += now;
                if now > 0 {
                    last = Instant::now();
                } else if last.elapsed() > LOST_AFTER {
                    gone = sent.saturating_sub(received);
                }
            }
        }
        let spent = meter.stop()?;
        received += stragglers(&mut incoming, &receiver, sent.saturating_sub(received))?;
        let lost = sent.checked_sub(received).context("packets were doubled")?;
        ensure!(as_f64(lost) <= as_f64(sent) * LOSS_ALLOWED, "{lost} of {sent} packets lost");
        let ns_per_packet = spent.cpu.as_secs_f64() * 1e9 / as_f64(received);
        Ok(Packets { ns_per_packet, received: received as u64, lost: lost as u64, spent })
    })
}

/// Sends one TCP stream as fast as the core can, client to server, for `round` after 30 ms of warm-up.
///
/// # Errors
/// No connection; nothing moves for 2 s; a system call fails.
pub fn tcp_bulk(client: &Endpoint, server: &Endpoint, round: Duration) -> Result<Bulk> {
    tcp_bulk_by(client, server, &[], round)
}

/// As [`tcp_bulk`], where these processes carry the packets on the same core.
pub(crate) fn tcp_bulk_by(
    client: &Endpoint,
    server: &Endpoint,
    helpers: &[u32],
    round: Duration,
) -> Result<Bulk> {
    pinned(|core| {
        let (sender, receiver) = tcp_pair(client, server)?;
        for stream in [&sender, &receiver] {
            stream.set_nonblocking(true).context("nonblocking")?;
        }
        let mut buffer = vec![0; CHUNK];
        // The window opens and buffers grow first.
        pump(&sender, &receiver, &mut buffer, WARM_UP)?;
        let meter = core.meter(helpers)?;
        let bytes = pump(&sender, &receiver, &mut buffer, round)?;
        let spent = meter.stop()?;
        let gbit_per_core = as_f64(bytes) * 8.0 / 1e9 / spent.cpu.as_secs_f64();
        Ok(Bulk { gbit_per_core, bytes: bytes as u64, spent })
    })
}

/// Sends one byte forth and one back over TCP, again and again for `round`, and times each of them by the clock.
///
/// # Errors
/// No connection; no answer within 2 s; a system call fails.
pub fn tcp_rr(client: &Endpoint, server: &Endpoint, round: Duration) -> Result<RoundTrip> {
    tcp_rr_by(client, server, &[], round)
}

/// As [`tcp_rr`], where these processes carry the packets on the same core.
pub(crate) fn tcp_rr_by(
    client: &Endpoint,
    server: &Endpoint,
    helpers: &[u32],
    round: Duration,
) -> Result<RoundTrip> {
    pinned(|core| {
        let (asking, answering) = tcp_pair(client, server)?;
        ping_pong(&asking, &answering, WARM_UP)?;
        let meter = core.meter(helpers)?;
        let mut times = ping_pong(&asking, &answering, round)?;
        let spent = meter.stop()?;
        times.sort_unstable();
        let us = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e6;
        Ok(RoundTrip { p50_us: us(50), p99_us: us(99), count: times.len(), spent })
    })
}

/// Connects from the client's namespace to the server's, and makes Reno the congestion control of both.
///
/// So that machines with different defaults measure the same thing. Every kernel has Reno, and it never paces; with
/// BBR, which paces by a timer, nine rounds each on an otherwise idle machine showed no difference.
///
/// # Errors
/// No connection within 2 s.
pub fn tcp_pair(client: &Endpoint, server: &Endpoint) -> Result<(TcpStream, TcpStream)> {
    let listener =
        server.netns.run(|| TcpListener::bind((server.address, 0)))?.context("listen")?;
    let address = listener.local_addr().context("listen")?;
    let asking = client.netns.run(|| TcpStream::connect_timeout(&address, STALLED))?;
    let asking = asking.with_context(|| format!("connect {} to {address}", client.address))?;
    let (answering, _) = listener.accept().context("accept")?;
    for stream in [&asking, &answering] {
        stream.set_nodelay(true).context("nodelay")?;
        stream.set_read_timeout(Some(STALLED)).context("read timeout")?;
    }
    Ok((asking, answering))
}

fn udp_pair(client: &Endpoint, server: &Endpoint) -> Result<(UdpSocket, UdpSocket)> {
    let receiver =
        server.netns.run(|| UdpSocket::bind((server.address, 0)))?.context("bind server")?;
    let sender =
        client.netns.run(|| UdpSocket::bind((client.address, 0)))?.context("bind client")?;
    sender.connect(receiver.local_addr().context("server address")?).context("connect")?;
    Ok((sender, receiver))
}

/// One packet first: neighbours are resolved and caches filled before the clock runs.
fn exchange(sender: &UdpSocket, receiver: &UdpSocket) -> Result<()> {
    sender.send(&[0; PAYLOAD]).context("first packet")?;
    receiver.set_read_timeout(Some(STALLED)).context("read timeout")?;
    receiver.recv(&mut [0; PAYLOAD]).context("the first packet does not arrive")?;
    Ok(())
}

fn drain(incoming: &mut Batch, receiver: &UdpSocket) -> Result<usize> {
    let mut received = 0;
    loop {
        let now = incoming.receive(receiver).context("recvmmsg")?;
        received += now;
        if now < BATCH {
            return Ok(received);
        }
    }
}

/// Packets that another core still carries are late, not lost.
fn stragglers(incoming: &mut Batch, receiver: &UdpSocket, missing: usize) -> Result<usize> {
    let mut received = 0;
    let all_here = || match drain(incoming, receiver) {
        Ok(now) => {
            received += now;
            (received >= missing).then_some(Ok(()))
        }
        Err(error) => Some(Err(error)),
    };
    match eventually(LOST_AFTER, "the last packets", all_here) {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(received),
    }
}

fn pump(
    mut sender: &TcpStream,
    mut receiver: &TcpStream,
    buffer: &mut [u8],
    time: Duration,
) -> Result<usize> {
    let start = Instant::now();
    let (mut bytes, mut last_seen) = (0, start);
    loop {
        let sent = moved(sender.write(buffer)).context("write")?;
        let mut received = 0;
        loop {
            match moved(receiver.read(buffer)).context("read")? {
                0 => break,
                now => received += now,
            }
        }
        bytes += received;
        let now = Instant::now();
        if sent + received > 0 {
            last_seen = now;
        } else {
            // Somebody else has the packets.
            std::thread::yield_now();
        }
        ensure!(now - last_seen < STALLED, "the stream stands still after {bytes} bytes");
        if now - start >= time {
            return Ok(bytes);
        }
    }
}

fn moved(result: std::io::Result<usize>) -> std::io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

fn ping_pong(asking: &TcpStream, answering: &TcpStream, time: Duration) -> Result<Vec<Duration>> {
    let start = Instant::now();
    let mut times = Vec::with_capacity(100_000);
    let mut last = start;
    while last - start < time {
        for (mut from, mut to) in [(asking, answering), (answering, asking)] {
            from.write_all(&[1]).context("ask")?;
            to.read_exact(&mut [0]).context("no answer")?;
        }
        let now = Instant::now();
        times.push(now - last);
        last = now;
    }
    Ok(times)
}

#[expect(clippy::cast_precision_loss, reason = "counts of one round are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
