//! A veth pair of ours: one end here, the other in a workload's namespace.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::ids::{DeviceName, Mtu, NetnsName, Prefix};
use model::spec::{Attachment, PortSpec};
use uuid::Uuid;

use crate::error::Error;
use crate::headroom;
use crate::inet;
use crate::link::{self, Kind, Link, Peer, Wish};
use crate::netlink::Netlink;
use crate::netns::{self, Netns};

/// A link of IPv6 carries at least as much (RFC 8200 §5), or Linux takes IPv6
/// off the device.
const LEAST_IPV6: u32 = 1280;

/// MTU of the workload's end. What is larger than the underlay carries is
/// fragmented on the outside where it must be.
pub(crate) fn mtu_inside(spec: &PortSpec, mtu: u32) -> u32 {
    let ipv6 = spec.inets().any(|it| it.address.is_ipv6());
    if ipv6 { mtu.max(LEAST_IPV6) } else { mtu }
}

/// What the name of our end begins with.
const PREFIX: &str = "kn";

/// What our end's alias begins with: the mark.
const ALIAS: &str = "kannas port ";

/// MTU of our end: what the workload sends too large must come as far as our
/// program, which tells it what fits.
pub(crate) const OUR_MTU: u32 = 65_535;

pub(crate) struct Pair<'a> {
    pub(crate) uuid: Uuid,
    pub(crate) netns: &'a NetnsName,
    pub(crate) device: &'a DeviceName,
}

/// 15 bytes at most (IFNAMSIZ in linux/if.h): 48 bits of the UUID.
pub(crate) fn device_name(uuid: Uuid) -> String {
    let hex = uuid.simple().to_string();
    format!("{PREFIX}{}", &hex[..12])
}

fn alias(uuid: Uuid, attachment: &Attachment) -> String {
    format!("{ALIAS}{uuid} {attachment}")
}

/// Which port a device of ours is for, and where its other end is.
pub(crate) fn parse_alias(alias: &str) -> Option<(Uuid, Attachment)> {
    let (uuid, place) = alias.strip_prefix(ALIAS)?.split_once(' ')?;
    let (netns, device) = place.split_once('/')?;
    let attachment = Attachment::Netns { netns: netns.parse().ok()?, device: device.parse().ok()? };
    Some((uuid.parse().ok()?, attachment))
}

/// What the workload's end was seen to have.
pub(crate) struct Inside {
    pub(crate) link: Link,
    pub(crate) addresses: Vec<(IpAddr, u8)>,
    pub(crate) routes: BTreeSet<(Prefix, IpAddr)>,
}

impl Pair<'_> {
    /// Our end, down if it is new: first it gets its program.
    pub(crate) fn ensure(
        &self,
        netlink: &mut Netlink,
        spec: &PortSpec,
        mtu: Mtu,
    ) -> Result<Link, Error> {
        let name = device_name(self.uuid);
        netns::ensure(self.netns)?;
        let netns = Netns::open(self.netns)?;
        let wish = Wish {
            alias: Some(alias(self.uuid, &spec.attachment)),
            mtu: Some(OUR_MTU),
            silent: true,
            bridge: Some(headroom::ensure(netlink)?.index),
            ..Wish::default()
        };
        if let Some(link) = link::named(netlink, &name)? {
            if parse_alias(&link.alias).is_none_or(|(uuid, _)| uuid != self.uuid) {
                return Err(Error::NotOurs(name));
            }
            let whole = || netns.run(|there| self.other_end(there, link.index));
            if link.kind == Kind::Veth && whole()?.is_some() {
                link::set(netlink, &link, &wish)?;
                return Ok(link);
            }
            link::delete(netlink, &link)?;
        }
        let device = self.device.as_str();
        let mtu = mtu_inside(spec, mtu.into());
        let peer = Peer { name: device, netns: netns.fd(), mac: spec.mac, mtu };
        link::create_pair(netlink, &name, &wish, &peer)
    }

    /// Sets the workload's end up: MAC, address, our routes.
    pub(crate) fn furnish(&self, ours: &Link, spec: &PortSpec, mtu: Mtu) -> Result<(), Error> {
        let netns = Netns::open(self.netns)?;
        netns.run(|netlink| {
            let link = self.other_end(netlink, ours.index)?;
            let link = link.ok_or_else(|| Error::NoDevice(spec.attachment.to_string()))?;
            let wish = Wish {
                mac: (link.mac != spec.mac.octets()).then_some(spec.mac),
                mtu: Some(mtu_inside(spec, mtu.into())),
                up: true,
                ..Wish::default()
            };
            link::set(netlink, &link, &wish)?;
            set_addresses(netlink, link.index, spec)?;
            set_routes(netlink, link.index, spec)
        })
    }

    /// What the workload's end has; None when it is not there.
    pub(crate) fn inside(&self, ours: u32) -> Result<Option<Inside>, Error> {
        let netns = match Netns::open(self.netns) {
            Ok(netns) => netns,
            Err(Error::NoNetns { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        netns.run(|netlink| {
            let Some(link) = self.other_end(netlink, ours)? else { return Ok(None) };
            let addresses = addresses_of(netlink, link.index)?;
            let routes = inet::routes(netlink, link.index)?;
            Ok(Some(Inside { link, addresses, routes }))
        })
    }

    /// In the workload's namespace: the end of the pair that has `ours` here.
    fn other_end(&self, netlink: &mut Netlink, ours: u32) -> Result<Option<Link>, Error> {
        let there = link::named(netlink, self.device.as_str())?;
        Ok(there.filter(|link| link.peer == Some(ours)))
    }
}

fn addresses_of(netlink: &mut Netlink, device: u32) -> Result<Vec<(IpAddr, u8)>, Error> {
    let all = inet::addresses(netlink)?.into_iter();
    Ok(all.filter(|(index, ..)| *index == device).map(|(_, ip, length)| (ip, length)).collect())
}

/// The same address with another length is from before the subnet changed;
/// others are the workload's own business.
fn set_addresses(netlink: &mut Netlink, device: u32, spec: &PortSpec) -> Result<(), Error> {
    let have = addresses_of(netlink, device)?;
    for it in spec.inets() {
        let length = it.subnet.len();
        for (address, other) in &have {
            if *address == it.address && *other != length {
                inet::delete_address(netlink, device, *address, *other)?;
            }
        }
        inet::set_address(netlink, device, it.address, length)?;
    }
    Ok(())
}

fn set_routes(netlink: &mut Netlink, device: u32, spec: &PortSpec) -> Result<(), Error> {
    let by = |to: &Prefix| Some((*to, spec.gateway_for(*to)?));
    let want: BTreeSet<_> = spec.routes.iter().filter_map(by).collect();
    let have = inet::routes(netlink, device)?;
    for (to, gateway) in have.difference(&want) {
        inet::delete_route(netlink, device, *to, *gateway)?;
    }
    for (to, gateway) in want.difference(&have) {
        inet::set_route(netlink, device, *to, *gateway)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_tells_whose_device_it_is() {
        let attachment =
            Attachment::Netns { netns: "web".parse().unwrap(), device: "eth0".parse().unwrap() };
        let uuid = Uuid::from_u128(0x05f1);
        assert_eq!(parse_alias(&alias(uuid, &attachment)), Some((uuid, attachment)));
        for foreign in ["", "kannas vtep", "kannas port x web/eth0", "uplink to rack 3"] {
            assert_eq!(parse_alias(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_name_fits_into_what_the_kernel_takes() {
        assert!(device_name(Uuid::max()).parse::<DeviceName>().is_ok());
    }
}
