//! Frames as no socket of the kernel's would send them.

use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::netns::Netns;

/// Sends a whole frame out of `device` in `netns`.
///
/// # Errors
/// There is no such device, or it is down.
pub fn send_frame(netns: &Netns, device: &str, frame: &[u8]) -> Result<()> {
    netns.run(|| send(device, frame))?.with_context(|| format!("a frame out of {device}"))
}

fn send(device: &str, frame: &[u8]) -> io::Result<()> {
    let any = None::<SockProtocol>;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, any)?;
    let address = link_address(device, 0)?;
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    let to = (&raw const address).cast();
    #[expect(unsafe_code, reason = "nobody makes this address from an index")]
    // SAFETY: frame and address are read within their sizes, during the call.
    let sent = unsafe {
        libc::sendto(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0, to, length)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// All of a device, in the namespace of the thread: packet(7). `protocol` in network byte order.
pub(crate) fn link_address(device: &str, protocol: u16) -> io::Result<libc::sockaddr_ll> {
    let index = i32::try_from(if_nametoindex(device)?).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
        sll_protocol: protocol,
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    })
}
