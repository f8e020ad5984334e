//! Tells that somebody may have changed what is ours: the kernel's own news of
//! devices and addresses, and what it has no news of, the programs on them.
//!
//! It says no more than that; what was changed is seen by [`Host::observe`].

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kernel's many kinds of news a few concern us"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::constants::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::Host;
use crate::error::Error;
use crate::pins::{Holder, Pins};
use crate::sys;

/// Multicast groups of rtnetlink(7): RTMGRP_LINK, RTMGRP_IPV4_IFADDR,
/// RTMGRP_IPV6_IFADDR. Neighbours and routes of the host are not ours.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// Links of programs that are looked at each time; the next time goes on there.
const LINKS: usize = 256;

/// Devices whose news are about us.
pub(crate) type Watched = Arc<Mutex<BTreeSet<u32>>>;

/// Watches the network namespace that its host was opened in.
pub struct Sentinel {
    socket: Socket,
    devices: Watched,
    pins: Pins,
    /// By the device they are on, as they were when all was well.
    links: BTreeMap<Holder, (u32, u32)>,
    looked: Option<Holder>,
}

impl Host {
    /// One that watches what this host has now and will have.
    ///
    /// # Errors
    /// No socket is left.
    pub fn sentinel(&self) -> Result<Sentinel, Error> {
        let open = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, GROUPS))?;
            socket.set_non_blocking(true)?;
            io::Result::Ok(socket)
        };
        let what = || "listen to news of devices".to_owned();
        let socket = open().map_err(|source| Error::Netlink { what: what(), source })?;
        let (devices, pins) = (self.watched.clone(), self.programs.pins().clone());
        Ok(Sentinel { socket, devices, pins, links: BTreeMap::new(), looked: None })
    }

    /// Takes in which devices are ours.
    pub(crate) fn watch_devices(&self, own: impl IntoIterator<Item = u32>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = own.into_iter().chain(self.devices.values().copied()).collect();
    }

    pub(crate) fn watch_device(&self, device: u32) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(device);
    }
}

impl Sentinel {
    /// Waits for news of ours, `limit` at most. True when there are some,
    /// whoever made them.
    pub fn watch(&mut self, limit: Duration) -> bool {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let fd = self.socket.as_raw_fd();
        #[expect(unsafe_code, reason = "the socket has no safe handle")]
        // SAFETY: the socket is open for as long as `self` is.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // Interrupted is as good as late.
        let _ = poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], limit);
        let news = self.take_news();
        let links = self.look_at_links();
        news || links
    }

    /// Forgets what has come until now: the watcher itself made it.
    pub fn forget(&mut self) {
        self.take_news();
        self.look_at_links();
    }

    fn take_news(&mut self) -> bool {
        let mut ours = false;
        // As many as a queue holds, and no more in one go.
        for _ in 0..10_000 {
            match self.socket.recv_from_full() {
                Ok((datagram, _)) => ours |= self.is_ours(&datagram),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ours,
                // Some were lost, and may have been about us (ENOBUFS).
                Err(_) => ours = true,
            }
        }
        ours
    }

    fn is_ours(&self, datagram: &[u8]) -> bool {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram) else {
            return true;
        };
        let NetlinkPayload::InnerMessage(news) = message.payload else { return false };
        let device = match news {
            RouteNetlinkMessage::NewLink(it) | RouteNetlinkMessage::DelLink(it) => it.header.index,
            RouteNetlinkMessage::NewAddress(it) | RouteNetlinkMessage::DelAddress(it) => {
                it.header.index
            }
            _ => return false,
        };
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    /// True when a program's link is gone, is on no device any more, or holds
    /// another program than when it was seen first.
    fn look_at_links(&mut self) -> bool {
        let Ok(holders) = self.pins.holders() else { return true };
        let there: BTreeSet<Holder> = holders.into_iter().collect();
        let gone = self.links.keys().filter(|it| !there.contains(it)).count();
        self.links.retain(|holder, _| there.contains(holder));
        let after = self.looked.map_or(Bound::Unbounded, Bound::Excluded);
        let part: Vec<Holder> =
            there.range((after, Bound::Unbounded)).take(LINKS).copied().collect();
        // From the first again when these are the last.
        self.looked = part.last().copied().filter(|_| part.len() == LINKS);
        let mut changed = gone > 0;
        for holder in part {
            let Ok(now) = sys::tcx_link(&self.pins.link(holder)) else {
                // Gone since it was listed; the next look tells.
                continue;
            };
            let (device, _) = now;
            let before = self.links.insert(holder, now);
            let news = before != Some(now);
            changed |= news && (before.is_some() || device == 0);
        }
        changed
    }
}
