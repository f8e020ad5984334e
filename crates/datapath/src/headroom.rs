//! Room in front of each packet for what we put there.
//!
//! A workload's kernel leaves as much room before a packet as its device asks
//! for, and a veth asks for none: to push the tunnel's headers, the packet's
//! head would have to be allocated anew and copied. The one way to have a veth
//! ask is to put its other end into a bridge with a device that needs room
//! (`netdev_set_rx_headroom` in net/bridge/br_if.c): here the VXLAN device.
//! The bridge is down, so it forwards nothing, and our programs run before it;
//! should one be gone, it takes what the host's own stack would have taken.

use crate::error::Error;
use crate::link::{self, Kind, Link, Wish};
use crate::netlink::Netlink;

const DEVICE: &str = "kannas-room";
const ALIAS: &str = "kannas headroom";

/// The bridge; None when it is not there as we make it.
pub(crate) fn find(netlink: &mut Netlink) -> Result<Option<Link>, Error> {
    let there = link::named(netlink, DEVICE)?;
    Ok(there.filter(|it| it.kind == Kind::Bridge && it.alias == ALIAS && !it.up))
}

/// Makes the bridge, or makes it right.
pub(crate) fn ensure(netlink: &mut Netlink) -> Result<Link, Error> {
    let wish = Wish { alias: Some(ALIAS.to_owned()), silent: true, ..Wish::default() };
    match link::named(netlink, DEVICE)? {
        Some(link) if link.alias != ALIAS => Err(Error::NotOurs(DEVICE.to_owned())),
        Some(link) if link.up || link.kind != Kind::Bridge => {
            link::delete(netlink, &link)?;
            link::create_bridge(netlink, DEVICE, &wish)
        }
        Some(link) => Ok(link),
        None => link::create_bridge(netlink, DEVICE, &wish),
    }
}
