//! One setting of a device that rtnetlink does not have (ethtool(8), `-K`).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// linux/sockios.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// linux/ethtool.h
const ETHTOOL_SGRO: u32 = 0x2c;

/// `struct ethtool_value`
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq` with `ifr_data`: 40 bytes on 64-bit machines.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut Value,
    rest: [u8; 16],
}

/// Has the device hand packets on one by one, not wait for more of their flow.
pub(crate) fn gro_off(device: &str) -> io::Result<()> {
    let any: OwnedFd =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut value = Value { command: ETHTOOL_SGRO, data: 0 };
    let mut request = Request { name: [0; 16], data: &raw mut value, rest: [0; 16] };
    // The last byte stays zero.
    for (to, from) in request.name[..15].iter_mut().zip(device.bytes()) {
        *to = from;
    }
    #[expect(unsafe_code, reason = "nobody wraps this request")]
    // SAFETY: the kernel reads a whole ifreq and the value it points to; both
    // live until after the call.
    let result = unsafe { libc::ioctl(any.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
