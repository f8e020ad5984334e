//! This host's end of all tunnels: one VXLAN device for every network.

use std::net::IpAddr;

use model::ids::{Mac, Prefix};

use crate::Setup;
use crate::abi::VtepValue;
use crate::error::Error;
use crate::inet;
use crate::link::{self, Kind, Link, Wish};
use crate::netlink::Netlink;
use crate::offload;

pub(crate) const DEVICE: &str = "kannas";
const ALIAS: &str = "kannas vtep";

/// `TUNNEL_MAC` in `bpf/kannas.bpf.c`.
fn mac() -> Mac {
    Mac::local(*b"kanna")
}

/// Packets are measured against the underlay before they come here; on the way
/// in they may be larger than its MTU, put together by GRO.
const DEVICE_MTU: u32 = 65_000;

/// The device that has the underlay's address.
pub(crate) fn underlay(netlink: &mut Netlink, address: IpAddr) -> Result<Link, Error> {
    let addresses = inet::addresses(netlink)?;
    let index = addresses.iter().find(|(_, ip, _)| *ip == address).map(|(index, ..)| *index);
    let link = index.map(|index| link::with_index(netlink, index)).transpose()?;
    link.flatten().ok_or(Error::NoUnderlay(address))
}

/// What is wrong with the device, if anything.
pub(crate) fn fault(link: &Link, setup: &Setup) -> Option<String> {
    let Kind::Vxlan { external: true, port } = link.kind else {
        return Some("is no external VXLAN device".to_owned());
    };
    if link.alias != ALIAS {
        return Some("is not ours".to_owned());
    }
    if port != setup.vxlan_port {
        return Some(format!("has port {port}"));
    }
    if link.mac != mac().octets() || link.mtu != DEVICE_MTU {
        return Some("has another MAC or MTU".to_owned());
    }
    (!link.up).then(|| "is down".to_owned())
}

/// `link` is what is on the underlay's own link.
pub(crate) fn value(
    vxlan: &Link,
    underlay: &Link,
    link: Option<Prefix>,
    setup: &Setup,
) -> VtepValue {
    VtepValue::new((vxlan.index, underlay.index), setup.underlay, setup.vxlan_port, link)
}

/// The device, not yet up if it is new: first it gets its program. Only what
/// carries our mark is changed.
pub(crate) fn ensure(netlink: &mut Netlink, setup: &Setup) -> Result<Link, Error> {
    let wish = Wish {
        alias: Some(ALIAS.to_owned()),
        mac: Some(mac()),
        mtu: Some(DEVICE_MTU),
        silent: true,
        ..Wish::default()
    };
    if let Some(link) = link::named(netlink, DEVICE)? {
        if link.alias != ALIAS {
            return Err(Error::NotOurs(DEVICE.to_owned()));
        }
        if link.kind == (Kind::Vxlan { external: true, port: setup.vxlan_port }) {
            link::set(netlink, &link, &wish)?;
            return Ok(link);
        }
        link::delete(netlink, &link)?;
    }
    let link = link::create_vxlan(netlink, DEVICE, &wish, setup.vxlan_port)?;
    // What can be merged was merged by the underlay's device, which knows VXLAN.
    if let Err(error) = offload::gro_off(DEVICE) {
        tracing::warn!(error = &error as &dyn std::error::Error, "slower than it could be");
    }
    Ok(link)
}
