//! ICMP echo (RFC 792, RFC 4443 §4), as `ping` does it, with no need for the program.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::eventually::eventually;
use crate::netns::Netns;
use crate::paths::Endpoint;
use crate::stream::readable;

/// Types of ICMP, and of ICMPv6 (RFC 4443 §4).
const REPLY: u8 = 0;
const REQUEST: u8 = 8;
const REPLY_6: u8 = 129;
const REQUEST_6: u8 = 128;
const HEADER: usize = 8;

/// How long one request waits for its reply.
const PATIENCE: Duration = Duration::from_millis(100);

/// Sends echo requests until one is answered; the time between the two.
///
/// # Errors
/// None is answered within `deadline`; no raw socket (needs root).
pub fn ping(from: &Endpoint, to: &Endpoint, deadline: Duration) -> Result<Duration> {
    let pinger = Pinger::new(&from.netns, to.address)?;
    let what = format!("{} answers {}", to.address, from.address);
    eventually(deadline, &what, || pinger.once(56).transpose())?
}

/// Asks one address from one namespace.
#[derive(Debug)]
pub struct Pinger {
    socket: UdpSocket,
    to: SocketAddr,
    id: u16,
    next: AtomicU16,
}

impl Pinger {
    /// # Errors
    /// Not root.
    pub fn new(netns: &Netns, to: IpAddr) -> Result<Self> {
        static IDS: AtomicU16 = AtomicU16::new(1);
        let (family, protocol) = match to {
            IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
            IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
        };
        let open = || socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol);
        // Sends and receives as it would for UDP; the port is not used, raw(7).
        let socket = UdpSocket::from(netns.run(open)?.context("raw socket (needs root)")?);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { socket, to: (to, 0).into(), id, next: AtomicU16::new(0) })
    }

    /// One request with `size` bytes of data: the time to its reply, or None when none comes within 100 ms or the
    /// request cannot be sent (no route).
    ///
    /// # Errors
    /// The socket fails.
    pub fn once(&self, size: usize) -> Result<Option<Duration>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let packet = request(self.to.ip(), (self.id, number), size);
        if self.socket.send_to(&packet, self.to).is_err() {
            return Ok(None);
        }
        let mut buffer = [0; 2048];
        while readable(&self.socket, start + PATIENCE)? {
            // Also an ICMP error about the request, which is no reply.
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            if is_reply(self.to.ip(), &buffer[..length], (self.id, number)) {
                return Ok(Some(start.elapsed()));
            }
        }
        Ok(None)
    }
}

/// Of ICMPv6 the kernel makes the checksum, which is over addresses, too (RFC 3542 §3.1).
fn request(to: IpAddr, (id, number): (u16, u16), size: usize) -> Vec<u8> {
    let mut packet = vec![0; HEADER + size];
    packet[0] = if to.is_ipv4() { REQUEST } else { REQUEST_6 };
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    packet[6..8].copy_from_slice(&number.to_be_bytes());
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What a raw socket gives of IPv4 begins with the IP header, of IPv6 without.
fn is_reply(from: IpAddr, packet: &[u8], (id, number): (u16, u16)) -> bool {
    let ipv4 = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    let (header, reply) = if from.is_ipv4() { (ipv4, REPLY) } else { (0, REPLY_6) };
    let Some(icmp) = packet.get(header..).filter(|icmp| icmp.len() >= HEADER) else { return false };
    icmp[0] == reply && icmp[4..6] == id.to_be_bytes() && icmp[6..8] == number.to_be_bytes()
}

/// The Internet checksum (RFC 1071).
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// A UDP datagram in an IPv4 packet, whatever its source says.
#[must_use]
pub fn udp_packet(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), data: &[u8]) -> Vec<u8> {
    let udp = 8 + data.len();
    let [total, udp] = [20 + udp, udp].map(|n| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes());
    // Version and header length; total length; TTL 64; UDP; no checksum of UDP (RFC 768 allows it).
    let mut ip = [0_u8; 20];
    (ip[0], ip[8], ip[9]) = (0x45, 64, 17);
    ip[2..4].copy_from_slice(&total);
    ip[12..16].copy_from_slice(&from.0.octets());
    ip[16..20].copy_from_slice(&to.0.octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes(), udp, [0, 0]].concat();
    [&ip[..], &ports, data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netns::prefix;

    fn loopback(test: &str) -> Endpoint {
        let netns = Netns::new(format!("{}ping-{test}", prefix("kt"))).unwrap();
        Endpoint { netns: netns.into(), address: [127, 0, 0, 1].into() }
    }

    #[test]
    fn the_kernel_answers_on_loopback() {
        let end = loopback("lo");
        assert!(ping(&end, &end, Duration::from_secs(5)).unwrap() < Duration::from_secs(1));
    }

    #[test]
    fn the_kernel_answers_on_loopback_in_ipv6() {
        let end = Endpoint { address: std::net::Ipv6Addr::LOCALHOST.into(), ..loopback("lo6") };
        ping(&end, &end, Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn what_is_not_answered_is_an_error_that_names_both() {
        let end = loopback("none");
        end.netns.sysctl("net/ipv4/icmp_echo_ignore_all", "1").unwrap();
        let error = ping(&end, &end, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.to_string(), "not within 1ms: 127.0.0.1 answers 127.0.0.1");
        let nowhere = Endpoint { address: [192, 0, 2, 1].into(), ..end };
        ping(&nowhere, &nowhere, Duration::ZERO).unwrap_err();
    }

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0xff]), 0x00ff);
        assert_eq!(
            checksum(&request([127, 0, 0, 1].into(), (7, 9), 3)),
            0,
            "a packet with its checksum sums up to nothing"
        );
        assert_eq!(
            checksum(&udp_packet(([10, 0, 0, 1].into(), 1), ([10, 0, 0, 2].into(), 2), b"x")[..20]),
            0
        );
    }
}
