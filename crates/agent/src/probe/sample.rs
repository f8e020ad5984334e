//! Of what tests of probing are about.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use model::ids::{Mac, Prefix, Vni};
use model::spec::{Attachment, PortSpec};

pub(super) fn vni(n: u32) -> Vni {
    Vni::try_from(n).unwrap()
}

/// A port of network `n`, whose gateway has the subnet's first address.
pub(crate) fn port(n: u32, address: [u8; 4], subnet: &str) -> PortSpec {
    let subnet: Prefix = subnet.parse().unwrap();
    let IpAddr::V4(first) = subnet.address() else { panic!("IPv4 is enough here") };
    PortSpec {
        vni: vni(n),
        address: address.into(),
        subnet,
        gateway: Ipv4Addr::from(u32::from(first) + 1).into(),
        mac: Mac::local([0; 5]),
        attachment: Attachment::Device { device: "tap0".parse().unwrap() },
        routes: BTreeSet::new(),
        further: vec![],
        segment: false,
        dhcp: None,
    }
}
