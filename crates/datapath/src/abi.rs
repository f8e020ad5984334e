//! Keys and values of the maps, byte for byte as in `bpf/abi.h`.

use std::net::IpAddr;

use aya::Pod;
use model::ids::{Prefix, Vni, mapped, unmapped};
use model::spec::{Inet, RouteKey, Target};
use uuid::Uuid;

/// `VNI` in front of an address, in network byte order.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostKey {
    vni: [u8; 4],
    address: [u8; 16],
}

/// How many bits of a [`HostKey`] a prefix of one network leaves open.
pub(crate) const VNI_BITS: u32 = 32;

pub(crate) const NOBODY: u32 = 0;
pub(crate) const PORT_HERE: u32 = 1;
pub(crate) const HOST_THERE: u32 = 2;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TargetValue {
    pub(crate) kind: u32,
    pub(crate) vni: u32,
    pub(crate) ifindex: u32,
    unused: u32,
    /// Or the next hop behind the port, of [`PORT_HERE`].
    pub(crate) vtep: [u8; 16],
    pub(crate) port: [u8; 16],
}

/// The device is one end of a pair whose other end is the workload's.
pub(crate) const PORT_PAIR: u32 = 1;

/// Several machines are behind the device.
pub(crate) const PORT_SEGMENT: u32 = 2;

/// DHCP is answered.
pub(crate) const PORT_DHCP: u32 = 4;

/// What a workload asks of DHCP.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub(crate) ifindex: u32,
    pub(crate) length: u32,
    pub(crate) port: [u8; 16],
    pub(crate) frame: [u8; 640],
}

/// What is to be answered, as text.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) length: u32,
    pub(crate) text: [u8; 4092],
}

/// IPv6 addresses of a port at most.
pub(crate) const PORT_IPV6: usize = 4;

/// What it has none of is zero.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PortValue {
    pub(crate) uuid: [u8; 16],
    pub(crate) address: [u8; 16],
    pub(crate) subnet: [u8; 16],
    pub(crate) gateway: [u8; 16],
    pub(crate) ipv6: [[u8; 16]; PORT_IPV6],
    pub(crate) ipv6_subnet: [u8; 16],
    pub(crate) ipv6_gateway: [u8; 16],
    pub(crate) subnet_length: u32,
    pub(crate) ipv6_subnet_length: u32,
    pub(crate) vni: u32,
    pub(crate) mtu: u32,
    pub(crate) flags: u32,
    /// Of the workload, as this namespace numbers it; -1: not known.
    pub(crate) netns: i32,
    pub(crate) mac: [u8; 6],
    pub(crate) gateway_mac: [u8; 6],
}

/// The underlay is IPv6.
const VTEP_IPV6: u32 = 1;

/// Some host is sent to encrypted only.
const VTEP_SEALS: u32 = 2;

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct VtepValue {
    /// Of the VXLAN device.
    pub(crate) ifindex: u32,
    /// Of the device that has the underlay address.
    pub(crate) underlay: u32,
    address: [u8; 16],
    link: [u8; 16],
    link_mask: [u8; 16],
    flags: u32,
    port: [u8; 2],
    unused: [u8; 2],
}

/// Of VNIs, 0 being none, and a number in `VERDICTS`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) verdict: u32,
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TrafficValue {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

const _: () = assert!(size_of::<FlowKey>() == 12, "abi.h");
const _: () = assert!(size_of::<TrafficValue>() == 16, "abi.h");
const _: () = assert!(size_of::<Question>() == 664, "abi.h");
const _: () = assert!(size_of::<Offer>() == 4096, "abi.h");
const _: () = assert!(size_of::<HostKey>() == 20, "abi.h");
const _: () = assert!(size_of::<TargetValue>() == 48, "abi.h");
const _: () = assert!(size_of::<PortValue>() == 196, "abi.h");
const _: () = assert!(size_of::<VtepValue>() == 64, "abi.h");

macro_rules! pod {
    ($($name:ident)*) => {$(
        #[expect(unsafe_code, reason = "the kernel takes and gives these as bytes")]
        // SAFETY: repr(C) of integers without padding, as the sizes above show.
        unsafe impl Pod for $name {}
    )*};
}
pod!(HostKey TargetValue PortValue VtepValue FlowKey TrafficValue Offer);

impl HostKey {
    pub(crate) fn new(vni: Vni, address: IpAddr) -> Self {
        Self { vni: u32::from(vni).to_be_bytes(), address: mapped(address) }
    }

    /// None for what we never write.
    pub(crate) fn route(self, bits: u32) -> Option<RouteKey> {
        let vni = Vni::try_from(u32::from_be_bytes(self.vni)).ok()?;
        Some(RouteKey { vni, prefix: prefix(self.address, bits.checked_sub(VNI_BITS)?)? })
    }
}

/// Length of a prefix among 128-bit addresses.
pub(crate) fn bits(prefix: Prefix) -> u32 {
    u32::from(prefix.len()) + if prefix.address().is_ipv4() { 96 } else { 0 }
}

/// The reverse of [`mapped`] and [`bits`].
pub(crate) fn prefix(address: [u8; 16], bits: u32) -> Option<Prefix> {
    let address = unmapped(address);
    let length = if address.is_ipv4() { bits.checked_sub(96)? } else { bits };
    Prefix::new(address, u8::try_from(length).ok()?)
}

impl TargetValue {
    /// `ifindex` of the port's device; 0 when there is none.
    pub(crate) fn new(target: &Target, ifindex: u32) -> Self {
        let none = Self {
            kind: NOBODY,
            vni: 0,
            ifindex: 0,
            unused: 0,
            vtep: [0; 16],
            port: Uuid::nil().into_bytes(),
        };
        match target {
            Target::Nobody => none,
            Target::Local { port, vni, via } => Self {
                kind: PORT_HERE,
                vni: (*vni).into(),
                ifindex,
                vtep: via.map(mapped).unwrap_or_default(),
                port: port.into_bytes(),
                ..none
            },
            Target::Remote { vtep, vni } => {
                Self { kind: HOST_THERE, vni: (*vni).into(), vtep: mapped(*vtep), ..none }
            }
        }
    }

    /// None for what we never write. `port_at` says which port a device is.
    pub(crate) fn target(&self, port_at: impl Fn(u32) -> Option<Uuid>) -> Option<Target> {
        let vni = || Vni::try_from(self.vni).ok();
        match self.kind {
            NOBODY => Some(Target::Nobody),
            PORT_HERE => {
                let port = Uuid::from_bytes(self.port);
                let there = port_at(self.ifindex) == Some(port);
                let port = if there { port } else { Uuid::nil() };
                let via = (self.vtep != [0; 16]).then(|| unmapped(self.vtep));
                Some(Target::Local { port, vni: vni()?, via })
            }
            HOST_THERE => Some(Target::Remote { vtep: unmapped(self.vtep), vni: vni()? }),
            _ => None,
        }
    }
}

impl VtepValue {
    /// `devices`: the VXLAN device and the underlay's, on whose link `link` is.
    pub(crate) fn new(
        devices: (u32, u32),
        underlay: IpAddr,
        port: u16,
        link: Option<Prefix>,
    ) -> Self {
        let (ifindex, device) = devices;
        let flags = if underlay.is_ipv6() { VTEP_IPV6 } else { 0 };
        let (address, port) = (mapped(underlay), port.to_be_bytes());
        // Nothing has these bits under no mask.
        let nowhere = ([0xff; 16], [0; 16]);
        let (link, link_mask) = link.map_or(nowhere, |it| (mapped(it.address()), mask(bits(it))));
        Self { ifindex, underlay: device, address, link, link_mask, flags, port, unused: [0; 2] }
    }

    /// What other hosts send this one's packets to.
    pub(crate) fn address(&self) -> IpAddr {
        unmapped(self.address)
    }

    /// The same, whether or not anything is sealed.
    pub(crate) fn sealing(self, sealed: bool) -> Self {
        let flags = self.flags & !VTEP_SEALS | if sealed { VTEP_SEALS } else { 0 };
        Self { flags, ..self }
    }
}

fn mask(bits: u32) -> [u8; 16] {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0).to_be_bytes()
}

impl PortValue {
    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }

    /// What does not fit is left out.
    pub(crate) fn set_inets(&mut self, inets: impl IntoIterator<Item = Inet>) {
        // A length that nothing is in, as nothing has the address of all zeros.
        (self.subnet_length, self.ipv6_subnet_length) = (128, 128);
        let mut free = self.ipv6.iter_mut();
        for Inet { address, subnet, gateway } in inets {
            if address.is_ipv4() {
                self.address = mapped(address);
                self.subnet = mapped(subnet.address());
                self.gateway = mapped(gateway);
                self.subnet_length = bits(subnet);
            } else if let Some(place) = free.next() {
                *place = mapped(address);
                self.ipv6_subnet = mapped(subnet.address());
                self.ipv6_gateway = mapped(gateway);
                self.ipv6_subnet_length = bits(subnet);
            }
        }
    }

    /// The reverse; None for what we never write.
    pub(crate) fn inets(&self) -> Option<Vec<Inet>> {
        let ipv4 = (self.address, self.subnet, self.gateway, self.subnet_length);
        let ipv6 =
            self.ipv6.map(|it| (it, self.ipv6_subnet, self.ipv6_gateway, self.ipv6_subnet_length));
        let all = std::iter::once(ipv4).chain(ipv6).filter(|(address, ..)| *address != [0; 16]);
        all.map(|(address, subnet, gateway, length)| {
            let (address, gateway) = (unmapped(address), unmapped(gateway));
            Some(Inet { address, subnet: prefix(subnet, length)?, gateway })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_survive_their_keys() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::/64", "::/0"] {
            let route = RouteKey { vni: Vni::try_from(77).unwrap(), prefix: text.parse().unwrap() };
            let key = HostKey::new(route.vni, route.prefix.address());
            assert_eq!(key.route(VNI_BITS + bits(route.prefix)), Some(route), "{text}");
        }
    }

    #[test]
    fn the_addresses_of_a_port_survive() {
        let inet = |address: &str, subnet: &str, gateway: &str| Inet {
            address: address.parse().unwrap(),
            subnet: subnet.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        };
        let ipv4 = inet("10.0.0.2", "10.0.0.0/24", "10.0.0.1");
        let ipv6 = ["fd00::2", "fd00::3", "fd00::4", "fd00::5"]
            .map(|address| inet(address, "fd00::/64", "fd00::1"));
        for some in [vec![ipv4], vec![ipv6[0]], [&[ipv4][..], &ipv6].concat()] {
            let mut value = PortValue::default();
            value.set_inets(some.clone());
            assert_eq!(value.inets(), Some(some));
        }
    }

    #[test]
    fn a_target_survives_and_one_whose_device_is_another_ports_reads_as_gone() {
        let (vni, port) = (Vni::try_from(7).unwrap(), Uuid::from_u128(5));
        for target in [
            Target::Nobody,
            Target::local(port, vni),
            Target::Local { port, vni, via: Some([10, 0, 0, 9].into()) },
            Target::Remote { vtep: [192, 0, 2, 1].into(), vni },
        ] {
            let value = TargetValue::new(&target, 3);
            assert_eq!(value.target(|i| (i == 3).then_some(port)), Some(target));
        }
        let value = TargetValue::new(&Target::local(port, vni), 3);
        let gone = Some(Target::local(Uuid::nil(), vni));
        assert_eq!(value.target(|_| None), gone);
        assert_eq!(value.target(|_| Some(Uuid::from_u128(6))), gone);
    }
}
