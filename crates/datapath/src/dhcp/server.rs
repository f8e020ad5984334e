//! The thread that answers.

use std::io::{self, PipeReader, PipeWriter};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;

use aya::maps::{HashMap, MapData, MapError, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::message::{Lease, answer};
use super::offers::Offers;
use crate::abi::{PortValue, Question};
use crate::error::Error;
use crate::packet;

const PORTS: &str = "PORTS";
const QUESTIONS: &str = "QUESTIONS";

/// Ends when it is dropped.
pub(crate) struct Server {
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// On the maps that are pinned there, in the network namespace of the
    /// caller. None when it cannot be: packets flow all the same.
    pub(crate) fn start(maps: &Path) -> Option<Self> {
        let started = Desk::open(maps).and_then(|desk| {
            let (stopped, stop) = io::pipe().map_err(pipe)?;
            let thread = std::thread::Builder::new().name("dhcp".to_owned());
            let thread = thread.spawn(move || desk.serve(&stopped)).map_err(pipe)?;
            Ok(Self { stop: Some(stop), thread: Some(thread) })
        });
        let tell = |error: &Error| {
            tracing::error!(error = error as &dyn std::error::Error, "DHCP is not answered");
        };
        started.inspect_err(tell).ok()
    }
}

fn pipe(source: io::Error) -> Error {
    Error::Netlink { what: "start a thread".to_owned(), source }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Desk {
    questions: RingBuf<MapData>,
    ports: HashMap<MapData, u32, PortValue>,
    offers: Offers,
    socket: OwnedFd,
}

impl Desk {
    fn open(maps: &Path) -> Result<Self, Error> {
        // No protocol: it only sends.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
        let what = || "open a packet socket".to_owned();
        Ok(Self {
            questions: crate::pins::pinned(maps, QUESTIONS)?,
            ports: crate::pins::pinned(maps, PORTS)?,
            offers: Offers::pinned(maps)?,
            socket: socket.map_err(|it| Error::Netlink { what: what(), source: it.into() })?,
        })
    }

    fn serve(mut self, stopped: &PipeReader) {
        loop {
            while let Some(question) = self.next() {
                if let Err(error) = self.answer(&question) {
                    let ifindex = question.ifindex;
                    tracing::warn!(%error, ifindex, "a workload's DHCP got no answer");
                }
            }
            match wait(self.questions.as_raw_fd(), stopped) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "DHCP is not answered any more");
                    return;
                }
            }
        }
    }

    fn next(&mut self) -> Option<Question> {
        let item = self.questions.next()?;
        question_of(&item)
    }

    fn answer(&self, question: &Question) -> io::Result<()> {
        let Some(lease) = self.lease(question).map_err(io::Error::other)? else { return Ok(()) };
        let length = usize::try_from(question.length).unwrap_or(usize::MAX);
        let frame = question.frame.get(..length).unwrap_or(&question.frame);
        match answer(frame, &lease) {
            Some(reply) => packet::send(self.socket.as_fd(), question.ifindex, &reply),
            None => Ok(()),
        }
    }

    /// None when the device has become another port's since.
    fn lease(&self, question: &Question) -> Result<Option<Lease>, Error> {
        let port = match self.ports.get(&question.ifindex, 0) {
            Ok(port) if port.uuid == question.port => port,
            Ok(_) | Err(MapError::KeyNotFound) => return Ok(None),
            Err(source) => return Err(Error::Map { name: PORTS, source }),
        };
        let first = port.inets().and_then(|inets| inets.first().copied());
        let (Some(inet), Some(dhcp)) = (first, self.offers.get(question.ifindex)?) else {
            return Ok(None);
        };
        let (IpAddr::V4(address), IpAddr::V4(gateway)) = (inet.address, inet.gateway) else {
            return Ok(None);
        };
        Ok(Some(Lease {
            address,
            length: inet.subnet.len(),
            gateway,
            mac: port.mac,
            gateway_mac: port.gateway_mac,
            mtu: u16::try_from(port.mtu).unwrap_or(u16::MAX),
            dhcp,
        }))
    }
}

fn question_of(bytes: &[u8]) -> Option<Question> {
    let (ifindex, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<16>()?;
    let frame = rest.first_chunk::<640>()?;
    let [ifindex, length] = [ifindex, length].map(|it| u32::from_ne_bytes(*it));
    Some(Question { ifindex, length, port: *port, frame: *frame })
}

/// True when there is something to read, false when it is over.
fn wait(ring: i32, stopped: &PipeReader) -> io::Result<bool> {
    #[expect(unsafe_code, reason = "the ring gives its descriptor as a number only")]
    // SAFETY: the ring is open for as long as this call takes.
    let ring = unsafe { BorrowedFd::borrow_raw(ring) };
    let mut wanted =
        [PollFd::new(ring, PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
    match poll(&mut wanted, PollTimeout::NONE) {
        Err(nix::errno::Errno::EINTR) => Ok(true),
        Err(error) => Err(error.into()),
        // Its other end is gone.
        Ok(_) => Ok(wanted[1].revents().is_none_or(|it| it.is_empty())),
    }
}
