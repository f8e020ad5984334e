//! Keys and values of the maps, byte for byte as in `bpf/abi.h`.

use std::net::{IpAddr, Ipv4Addr};

use aya::Pod;
use model::ids::{Prefix, Vni, mapped, unmapped};
use model::spec::{RouteKey, Target};
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
    pub(crate) vtep: [u8; 16],
    pub(crate) port: [u8; 16],
}

/// The device is one end of a pair whose other end is the workload's.
pub(crate) const PORT_PAIR: u32 = 1;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortValue {
    pub(crate) uuid: [u8; 16],
    pub(crate) address: [u8; 16],
    pub(crate) subnet: [u8; 16],
    pub(crate) gateway: [u8; 16],
    pub(crate) subnet_length: u32,
    pub(crate) vni: u32,
    pub(crate) mtu: u32,
    pub(crate) flags: u32,
    pub(crate) netns: i32,
    pub(crate) mac: [u8; 6],
    pub(crate) gateway_mac: [u8; 6],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct VtepValue {
    /// Of the VXLAN device.
    pub(crate) ifindex: u32,
    /// Of the device that has the underlay address.
    pub(crate) underlay: u32,
    pub(crate) ipv4: [u8; 4],
    pub(crate) port: [u8; 2],
    unused: [u8; 2],
}

const _: () = assert!(size_of::<HostKey>() == 20, "abi.h");
const _: () = assert!(size_of::<TargetValue>() == 48, "abi.h");
const _: () = assert!(size_of::<PortValue>() == 96, "abi.h");
const _: () = assert!(size_of::<VtepValue>() == 16, "abi.h");

macro_rules! pod {
    ($($name:ident)*) => {$(
        #[expect(unsafe_code, reason = "the kernel takes and gives these as bytes")]
        // SAFETY: repr(C) of integers without padding, as the sizes above show.
        unsafe impl Pod for $name {}
    )*};
}
pod!(HostKey TargetValue PortValue VtepValue);

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
    format!("{address}/{length}").parse().ok()
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
            Target::Local { port, vni } => Self {
                kind: PORT_HERE,
                vni: (*vni).into(),
                ifindex,
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
                Some(Target::Local { port: if there { port } else { Uuid::nil() }, vni: vni()? })
            }
            HOST_THERE => Some(Target::Remote { vtep: unmapped(self.vtep), vni: vni()? }),
            _ => None,
        }
    }
}

impl VtepValue {
    /// `devices`: the VXLAN device and the underlay's.
    pub(crate) fn new(devices: (u32, u32), underlay: Ipv4Addr, port: u16) -> Self {
        let (ifindex, device) = devices;
        let (ipv4, port) = (underlay.octets(), port.to_be_bytes());
        Self { ifindex, underlay: device, ipv4, port, unused: [0; 2] }
    }
}

impl PortValue {
    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
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
    fn a_target_survives_and_one_whose_device_is_another_ports_reads_as_gone() {
        let (vni, port) = (Vni::try_from(7).unwrap(), Uuid::from_u128(5));
        for target in [
            Target::Nobody,
            Target::Local { port, vni },
            Target::Remote { vtep: [192, 0, 2, 1].into(), vni },
        ] {
            let value = TargetValue::new(&target, 3);
            assert_eq!(value.target(|i| (i == 3).then_some(port)), Some(target));
        }
        let value = TargetValue::new(&Target::Local { port, vni }, 3);
        let gone = Some(Target::Local { port: Uuid::nil(), vni });
        assert_eq!(value.target(|_| None), gone);
        assert_eq!(value.target(|_| Some(Uuid::from_u128(6))), gone);
    }
}
