//! What somebody who taps a cable reads.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

use crate::netns::Netns;
use crate::raw::link_address;

/// Largest packet that is read.
const PACKET: usize = 65_536;

/// How soon a drop is noticed, in ms.
const TICK: u16 = 50;

/// Reads until it is dropped.
#[derive(Debug)]
pub struct Capture {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    stop: AtomicBool,
    packets: AtomicUsize,
    matching: AtomicUsize,
}

impl Capture {
    /// Of all that comes and goes over `device` in `netns`; packets with `pattern` in them are counted apart.
    ///
    /// # Errors
    /// There is no such device, or we may not.
    pub fn start(netns: &Netns, device: &str, pattern: &[u8]) -> Result<Self> {
        let socket = netns.run(|| tap(device))?.with_context(|| format!("tap {device}"))?;
        let seen = Arc::<Seen>::default();
        let (theirs, pattern) = (Arc::clone(&seen), pattern.to_owned());
        let (began, begun) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // Nobody waits any more when the other end is gone.
            let _ = began.send(());
            read(&socket, &pattern, &theirs);
        });
        begun.recv().context("the thread has ended")?;
        Ok(Self { seen, thread: Some(thread) })
    }

    /// All that was read so far.
    #[must_use]
    pub fn packets(&self) -> usize {
        self.seen.packets.load(Ordering::SeqCst)
    }

    /// Those with the pattern in them.
    #[must_use]
    pub fn matching(&self) -> usize {
        self.seen.matching.load(Ordering::SeqCst)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(socket: &OwnedFd, pattern: &[u8], seen: &Seen) {
    let mut packet = vec![0; PACKET];
    while !seen.stop.load(Ordering::SeqCst) {
        let mut wanted = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut wanted, PollTimeout::from(TICK));
        while let Ok(length) = recv(socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            seen.packets.fetch_add(1, Ordering::SeqCst);
            if packet[..length].windows(pattern.len()).any(|part| part == pattern) {
                seen.matching.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// In the namespace of the thread: packet(7).
fn tap(device: &str) -> io::Result<OwnedFd> {
    let all = SockProtocol::EthAll;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all)?;
    let everything = u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be();
    let address = link_address(device, everything)?;
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    #[expect(unsafe_code, reason = "nobody makes this address from an index")]
    // SAFETY: the address is read within its size, during the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}
