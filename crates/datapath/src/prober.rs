//! Sends probes and hears what becomes of them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use aya::maps::{Map, MapData, RingBuf};
use model::ids::Mac;
use nix::net::if_::if_nametoindex;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::error::Error;
use crate::link::{self, Kind, Link, Peer, Wish};
use crate::netlink::Netlink;
use crate::packet;
use crate::probe::{Probe, Sighting};

/// What is written into the second comes out of the first, where the program is.
const DEVICES: [&str; 2] = ["kannas-probe", "kannas-probe-tx"];
const ALIAS: &str = "kannas probe";

/// Bytes of the largest probe's packet, and more.
const MTU: u32 = 65_535;

/// The device whose program takes probes; None when it is not as we make it.
pub(crate) fn device(netlink: &mut Netlink) -> Result<Option<Link>, Error> {
    let [first, second] = ends(netlink)?;
    let whole = |link: &Link| link.kind == Kind::Veth && link.alias == ALIAS && link.up;
    let paired = |(a, b): (&Link, &Link)| a.peer == Some(b.index) && b.peer == Some(a.index);
    let both = first.as_ref().filter(|it| whole(it)).zip(second.as_ref().filter(|it| whole(it)));
    Ok(both.filter(|both| paired(*both)).map(|(first, _)| first.clone()))
}

fn ends(netlink: &mut Netlink) -> Result<[Option<Link>; 2], Error> {
    Ok([link::named(netlink, DEVICES[0])?, link::named(netlink, DEVICES[1])?])
}

/// Makes the pair, or makes it right.
pub(crate) fn ensure_device(netlink: &mut Netlink) -> Result<Link, Error> {
    if let Some(link) = device(netlink)? {
        return Ok(link);
    }
    for link in ends(netlink)?.into_iter().flatten() {
        if link.alias != ALIAS && !link.alias.is_empty() {
            return Err(Error::NotOurs(link.name));
        }
        link::delete(netlink, &link)?;
    }
    let wish = Wish {
        alias: Some(ALIAS.to_owned()),
        mtu: Some(MTU),
        up: true,
        silent: true,
        ..Wish::default()
    };
    let here = std::fs::File::open("/proc/thread-self/ns/net");
    let here = here.map_err(|source| Error::Enter { name: "of this thread".into(), source })?;
    let mac = Mac::local(*b"prob2");
    let peer = Peer { name: DEVICES[1], netns: here.as_raw_fd(), mac, mtu: MTU };
    let down =
        Wish { up: false, mac: Some(Mac::local(*b"prob1")), alias: wish.alias.clone(), ..wish };
    let ours = link::create_pair(netlink, DEVICES[0], &down, &peer)?;
    let wish = Wish { up: true, mac: None, ..down };
    for link in ends(netlink)?.into_iter().flatten() {
        link::set(netlink, &link, &wish)?;
    }
    Ok(ours)
}

/// Stays in the namespace of the thread that opened it.
pub struct Prober {
    socket: OwnedFd,
    /// Ifindex of the device it writes to; None until it is known.
    device: Option<u32>,
    ring: RingBuf<MapData>,
}

impl Prober {
    pub(crate) fn open(ring: Option<Map>) -> Result<Self, Error> {
        let ring = ring.ok_or(Error::Lacks("a second prober"))?;
        let failed = |source| Error::Map { name: "PROBES", source };
        let ring = RingBuf::try_from(ring).map_err(failed)?;
        // Without a protocol it is given no packet.
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None::<SockProtocol>,
        );
        let what = || "open a packet socket".to_owned();
        let socket = socket.map_err(|e| Error::Netlink { what: what(), source: e.into() })?;
        Ok(Self { socket, device: None, ring })
    }

    /// # Errors
    /// The device for probes is gone or down.
    pub fn send(&mut self, probe: &Probe) -> io::Result<()> {
        let Some(frame) = probe.frame() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let device = match self.device {
            Some(device) => device,
            None => if_nametoindex(DEVICES[1])?,
        };
        let sent = packet::send(self.socket.as_fd(), device, &frame);
        // A device that was made anew has another index.
        self.device = sent.is_ok().then_some(device);
        sent
    }

    /// Waits for a sighting, for `waker`, or for `limit` to pass.
    ///
    /// # Errors
    /// As poll(2); never that it was interrupted.
    pub fn wait(&self, waker: BorrowedFd<'_>, limit: Duration) -> io::Result<()> {
        let mut wanted = [self.ring.as_fd(), waker].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // A wait that is cut off at the millisecond would be asked for again and again.
        let millis = limit.as_micros().div_ceil(1000);
        let limit = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
        match poll(&mut wanted, limit) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What was seen since, oldest first.
    pub fn seen(&mut self) -> Option<Sighting> {
        while let Some(event) = self.ring.next() {
            if let Some(sighting) = Sighting::of(&event) {
                return Some(sighting);
            }
        }
        None
    }
}
