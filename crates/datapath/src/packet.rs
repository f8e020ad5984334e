//! Frames that we make ourselves.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// RFC 1071; each part but the last has an even length.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u64::from);
    let mut sum: u64 = parts.iter().flat_map(|part| part.chunks(2)).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Sends a frame out of the device with that index. The kernel takes the
/// protocol from the frame (`packet_parse_headers` in net/packet/af_packet.c).
pub(crate) fn send(socket: BorrowedFd<'_>, device: u32, frame: &[u8]) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
        sll_protocol: 0,
        sll_ifindex: i32::try_from(device).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    #[expect(unsafe_code, reason = "nobody makes this address from an index")]
    // SAFETY: frame and address are read within their sizes, during the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            length,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
