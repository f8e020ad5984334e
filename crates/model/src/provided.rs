//! The provider's networks: those that UpCloud has in each of its zones beside
//! an account's own (contract section 5.1).
//!
//! Clients look for them and put servers on them. Here they are a shape
//! without packets: nothing of them is remembered, they follow from the list
//! of public zones, and no host ever carries one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;
use uuid::{Builder, Uuid};

use crate::ids::Prefix;
use crate::objects::Subnet;
use crate::zone;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Public,
    Utility,
}

impl Kind {
    /// The API's word for the type of such a network.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Utility => "utility",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    pub uuid: Uuid,
    /// Has a slash in it: that is what keeps `upctl all purge` from trying to
    /// delete these networks for ever.
    pub name: String,
    pub kind: Kind,
    pub zone: &'static str,
    pub subnet: Subnet,
}

static ALL: LazyLock<BTreeMap<Uuid, Provided>> = LazyLock::new(|| {
    let zones = (0..).zip(zone::PUBLIC);
    let networks = zones.flat_map(|(number, (zone, _))| networks_of(number, zone));
    networks.map(|it| (it.uuid, it)).collect()
});

/// Every one there is, by UUID.
pub fn all() -> impl Iterator<Item = &'static Provided> {
    ALL.values()
}

pub fn get(uuid: Uuid) -> Option<&'static Provided> {
    ALL.get(&uuid)
}

/// The one of that kind and address family in `zone`: zones of an
/// installation's own have none.
pub fn in_zone(zone: &str, kind: Kind, ipv4: bool) -> Option<&'static Provided> {
    let is_it =
        |it: &&Provided| it.zone == zone && it.kind == kind && it.subnet.gateway.is_ipv4() == ipv4;
    ALL.values().find(is_it)
}

/// Addresses are of blocks that are nobody's: for benchmarks (RFC 2544
/// appendix C), for providers (RFC 6598 §7) and for documentation (RFC 3849).
fn networks_of(number: u8, zone: &'static str) -> [Provided; 3] {
    let third = number * 4;
    let documentation = [0x2001, 0xdb8, u16::from(number) + 1, 0, 0, 0, 0, 0];
    [
        provided(1, zone, Kind::Public, net(Ipv4Addr::from([198, 18, third, 0]).into(), 22)),
        provided(2, zone, Kind::Public, net(Ipv6Addr::from(documentation).into(), 64)),
        provided(3, zone, Kind::Utility, net(Ipv4Addr::from([100, 64, third, 0]).into(), 22)),
    ]
}

fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).expect("22 and 64 are lengths of these families")
}

fn provided(ordinal: u8, zone: &'static str, kind: Kind, net: IpNet) -> Provided {
    let word = match kind {
        Kind::Public => "Public",
        Kind::Utility => "Private",
    };
    let gateway = net.hosts().find(|a| *a != net.addr()).unwrap_or(net.addr());
    let subnet = Subnet {
        dhcp: true,
        dhcp_default_route: kind == Kind::Public,
        ..Subnet::plain(net.to_string(), Prefix::containing(net), gateway)
    };
    Provided { uuid: uuid_of(ordinal, zone), name: format!("{word} {net}"), kind, zone, subnet }
}

/// Spells the zone's id, so that it stays the same when zones are added; of
/// version 8, which is for such (RFC 9562 §5.8), as a network's is of 4.
fn uuid_of(ordinal: u8, zone: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0x03, ordinal]);
    for (place, byte) in bytes[9..].iter_mut().zip(zone.bytes()) {
        *place = byte;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_public_zone_has_three_with_names_and_uuids_and_prefixes_of_their_own() {
        let all: Vec<&Provided> = all().collect();
        assert_eq!(all.len(), 3 * zone::PUBLIC.len());
        for it in &all {
            assert!(it.name.contains('/'), "{}", it.name);
            assert!(it.uuid.to_string().starts_with("03"));
            assert_eq!(get(it.uuid), Some(*it));
            assert_ne!(it.subnet.gateway, it.subnet.prefix.address(), "{}", it.name);
            let same = |other: &&&Provided| other.subnet.prefix.overlaps(it.subnet.prefix);
            assert_eq!(all.iter().filter(same).count(), 1, "{}", it.name);
        }
        assert!(all.iter().any(|it| it.zone == "fi-hel1" && it.name.starts_with("Public")));
    }

    #[test]
    fn a_zone_of_ones_own_has_none() {
        for (zone, want) in [("fi-hel1", true), ("home1", false)] {
            for (kind, ipv4) in [(Kind::Public, true), (Kind::Public, false), (Kind::Utility, true)]
            {
                assert_eq!(in_zone(zone, kind, ipv4).is_some(), want, "{zone} {kind:?} {ipv4}");
            }
        }
        assert_eq!(in_zone("fi-hel1", Kind::Utility, false), None);
    }
}
