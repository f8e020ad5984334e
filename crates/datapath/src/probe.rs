//! Probes as bytes: `struct probe` and `struct probe_event` in `bpf/abi.h`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use model::ids::{Vni, mapped, unmapped};

use crate::packet::checksum;
use crate::verdict::VERDICTS;

/// A question whether packets cross: see `bpf/probe.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// A network, and the address of its port at this host.
    pub from: (Vni, IpAddr),
    pub to: IpAddr,
    /// Bytes of the IP packet; at least [`Probe::LEAST`].
    pub size: u16,
    /// Comes back with what became of it.
    pub token: u32,
    /// To that network at that host, whatever the routes say.
    pub forced: Option<(Vni, IpAddr)>,
}

/// What was seen of a probe at this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub kind: Kind,
    /// As in [`VERDICTS`].
    pub verdict: &'static str,
    /// The network here, its address and the other one.
    pub vni: Vni,
    pub local: IpAddr,
    pub remote: IpAddr,
    /// The network of the other address, if this host has a route to it.
    pub other: Option<Vni>,
    /// The host that it came from.
    pub vtep: Option<IpAddr>,
    /// Bytes of the IP packet.
    pub size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours has come back, this long after it left.
    Answered { token: u32, round_trip: Duration },
    /// Ours has not left.
    Stopped { token: u32 },
    /// Another host's came by, and was answered if its verdict is `delivered`.
    Asked { token: u32 },
}

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const PROBE: usize = 40;
const EVENT: usize = 88;

/// RFC 3692.
const PROTOCOL: u8 = 253;
const MAGIC: u32 = 0x6b6e_7062;
const ASK: u32 = 1;

impl Probe {
    /// Bytes of the smallest probe: the longer of the headers, and itself.
    pub const LEAST: u16 = 80;

    /// The frame to write into the device for probes; None for ends of two
    /// families.
    pub(crate) fn frame(&self) -> Option<Vec<u8>> {
        let size = self.size.max(Self::LEAST);
        let mut frame = Vec::with_capacity(ETHERNET + usize::from(size));
        frame.extend([0; 6]);
        frame.extend([0x0a, b'p']);
        frame.extend(u32::from(self.from.0).to_be_bytes());
        match (self.from.1, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame.extend([0x08, 0x00]);
                frame.extend(header(size, from, to));
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x86, 0xdd]);
                frame.extend(header_6(size, from, to));
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        }
        frame.extend(MAGIC.to_be_bytes());
        frame.extend([ASK.to_be_bytes()[3], u8::from(self.forced.is_some()), 0, 0]);
        let (vni, vtep) = self.forced.map_or((0, [0; 16]), |(vni, at)| (vni.into(), mapped(at)));
        frame.extend(u32::to_be_bytes(vni));
        frame.extend(vtep);
        frame.extend(self.token.to_ne_bytes());
        frame.resize(ETHERNET + usize::from(size), 0);
        Some(frame)
    }
}

/// RFC 8200 §3.
fn header_6(size: u16, from: Ipv6Addr, to: Ipv6Addr) -> [u8; IPV6] {
    let mut header = [0; IPV6];
    header[0] = 0x60;
    let content = usize::from(size) - IPV6;
    header[4..6].copy_from_slice(&u16::try_from(content).unwrap_or(0).to_be_bytes());
    header[6] = PROTOCOL;
    header[7] = 64;
    header[8..24].copy_from_slice(&from.octets());
    header[24..].copy_from_slice(&to.octets());
    header
}

/// RFC 791 §3.1, not to be fragmented.
fn header(size: u16, from: Ipv4Addr, to: Ipv4Addr) -> [u8; IPV4] {
    let mut header = [0; IPV4];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&size.to_be_bytes());
    header[6] = 0x40;
    header[8] = 64;
    header[9] = PROTOCOL;
    header[12..16].copy_from_slice(&from.octets());
    header[16..].copy_from_slice(&to.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

impl Sighting {
    /// None for what our programs do not say.
    pub(crate) fn of(event: &[u8]) -> Option<Self> {
        let event: &[u8; EVENT] = event.try_into().ok()?;
        let four = |at: usize| event[at..].first_chunk::<4>().copied().unwrap_or_default();
        let number = |at| u32::from_ne_bytes(four(at));
        let time = |at: usize| {
            let eight = event[at..].first_chunk::<8>().copied().unwrap_or_default();
            Duration::from_nanos(u64::from_ne_bytes(eight))
        };
        let address =
            |at: usize| unmapped(event[at..].first_chunk::<16>().copied().unwrap_or_default());
        let vtep = Some(address(72)).filter(|it| !it.is_unspecified());
        let token = number(16);
        let kind = match (number(20), vtep) {
            (ASK, None) => Kind::Stopped { token },
            (ASK, Some(_)) => Kind::Asked { token },
            _ => Kind::Answered { token, round_trip: time(8).saturating_sub(time(0)) },
        };
        Some(Self {
            kind,
            verdict: VERDICTS.get(usize::try_from(number(24)).ok()?)?,
            vni: Vni::try_from(number(28)).ok()?,
            size: number(32),
            local: address(40),
            remote: address(56),
            vtep,
            other: Vni::try_from(number(36)).ok(),
        })
    }
}

const _: () = assert!(IPV6 + PROBE == Probe::LEAST as usize, "abi.h");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_the_size_that_was_asked_for_and_a_header_that_adds_up() {
        let vni = Vni::try_from(7).unwrap();
        for (size, want) in [(1450, 1450), (81, 81), (0, 80)] {
            let probe = Probe {
                from: (vni, [10, 0, 1, 2].into()),
                to: [10, 0, 2, 2].into(),
                size,
                token: 5,
                forced: Some((vni, [198, 18, 0, 2].into())),
            };
            let frame = probe.frame().unwrap();
            assert_eq!(frame.len(), ETHERNET + want);
            let words = frame[ETHERNET..ETHERNET + IPV4].chunks(2);
            let sum: u32 = words.map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
    }
}
