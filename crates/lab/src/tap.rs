//! A tap device with a machine at its other end, as a hypervisor has it, but that the machine is a namespace.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::netns::Netns;

/// Largest frame that is carried.
const FRAME: usize = 65_536;

/// How soon a drop is noticed, in ms.
const TICK: u16 = 50;

/// Carries frames between two taps until it is dropped; the taps go with it.
#[derive(Debug)]
pub struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    /// A tap `a_if` in `a` and a tap `b_if` in `b`, what the one sends the other receives. Both are down.
    ///
    /// # Errors
    /// There is no /dev/net/tun; a name is taken.
    pub fn new(a: &Netns, a_if: &str, b: &Netns, b_if: &str) -> Result<Self> {
        let ends = [a.run(|| tap(a_if))??, b.run(|| tap(b_if))??];
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = Some(std::thread::spawn(move || carry(&ends, &stopped)));
        Ok(Self { stop, thread })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until it is stopped, or a tap was deleted.
fn carry(ends: &[File; 2], stop: &AtomicBool) {
    let mut frame = vec![0; FRAME];
    while !stop.load(Ordering::SeqCst) {
        let mut wanted = ends.each_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
        let _ = poll(&mut wanted, PollTimeout::from(TICK));
        for (mut from, mut to) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
            match from.read(&mut frame) {
                // A frame for a device that is down is lost, as it would be.
                Ok(length) => drop(to.write(&frame[..length])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Down, so far: EIO.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => {}
                Err(_) => return,
            }
        }
    }
}

/// In the namespace of the thread. Documentation/networking/tuntap.rst.
fn tap(name: &str) -> Result<File> {
    let path = "/dev/net/tun";
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).context(path)?;
    // struct ifreq: 16 bytes of name, then flags, in 40 bytes.
    let mut request = [0_u8; 40];
    for (to, from) in request.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    let flags = u16::try_from(libc::IFF_TAP | libc::IFF_NO_PI).context("flags")?;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes one struct ifreq, which `request` has the size of.
    #[expect(unsafe_code, reason = "there is no other way to attach to a tap")]
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
    nix::errno::Errno::result(result).with_context(|| format!("tap {name}"))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::eventually::eventually;
    use crate::netns::prefix;
    use crate::paths::Endpoint;
    use crate::ping::ping;

    #[test]
    fn two_machines_on_a_cable_reach_each_other_until_it_is_pulled() {
        let [a, b] = ["a", "b"].map(|n| Netns::new(format!("{}tap-{n}", prefix("kt"))).unwrap());
        let cable = Cable::new(&a, "tap0", &b, "eth0").unwrap();
        for (netns, device, address) in [(&a, "tap0", "192.0.2.1/30"), (&b, "eth0", "192.0.2.2/30")]
        {
            netns.ip(&format!("link set {device} up")).unwrap();
            netns.ip(&format!("addr add {address} dev {device}")).unwrap();
        }
        let end =
            |netns, last| Endpoint { netns: Arc::new(netns), address: [192, 0, 2, last].into() };
        let (a, b) = (end(a, 1), end(b, 2));
        ping(&a, &b, Duration::from_secs(5)).unwrap();
        drop(cable);
        // Not at once: a process that another test starts has the tap open until it executes.
        let gone = || a.netns.ip("link show tap0").err();
        eventually(Duration::from_secs(5), "the tap is gone", gone).unwrap();
    }
}
