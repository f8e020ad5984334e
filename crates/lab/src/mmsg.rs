//! Many datagrams in one system call: sendmmsg(2), recvmmsg(2).
//!
//! nix has both, but ties the headers to the buffers by one lifetime, so they would be set up again for each call;
//! here they are set up once.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::libc::{self, c_int, c_uint};

/// Room for a fixed number of datagrams of one size. Not `Send`: the headers point into the buffers.
pub(crate) struct Batch {
    headers: Box<[libc::mmsghdr]>,
    _vectors: Box<[libc::iovec]>,
    _buffers: Box<[u8]>,
}

impl Batch {
    /// `count` datagrams of `bytes` each, all zeros; `bytes` above 0.
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        let mut buffers = vec![0; count * bytes].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = buffers
            .chunks_exact_mut(bytes)
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: bytes })
            .collect();
        let headers = vectors.iter_mut().map(header).collect();
        Self { headers, _vectors: vectors, _buffers: buffers }
    }

    /// Sends the whole batch on a connected socket; gives how many the kernel took.
    #[expect(unsafe_code, reason = "sendmmsg(2)")]
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let (headers, count) = self.parts();
        // SAFETY: `count` headers, each with one vector into a buffer, all owned by self and borrowed for the call.
        count_of(unsafe { libc::sendmmsg(socket.as_raw_fd(), headers, count, 0) })
    }

    /// Takes what is there, at most a batch, and never waits.
    #[expect(unsafe_code, reason = "recvmmsg(2)")]
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let (headers, count) = self.parts();
        // SAFETY: as above; a null timeout is allowed.
        let done = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers,
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match count_of(done) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    fn parts(&mut self) -> (*mut libc::mmsghdr, c_uint) {
        let count = c_uint::try_from(self.headers.len()).expect("a batch is small");
        (self.headers.as_mut_ptr(), count)
    }
}

fn count_of(done: c_int) -> io::Result<usize> {
    usize::try_from(done).map_err(|_| io::Error::last_os_error())
}

#[expect(
    unsafe_code,
    reason = "msghdr has fields of its own on some targets, so it cannot be written out"
)]
fn header(vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all-zero is a valid mmsghdr: null pointers and lengths of 0.
    let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
    header.msg_hdr.msg_iov = vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}
