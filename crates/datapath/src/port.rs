//! Ports: a device on this host, its program, its entry.

use std::collections::BTreeMap;

use model::ids::{Mac, Mtu, Vni};
use model::spec::{Attachment, Condition, PortSpec};
use uuid::Uuid;

use crate::abi::{PORT_DHCP, PORT_PAIR, PORT_SEGMENT, PortValue};
use crate::error::Error;
use crate::headroom;
use crate::link::{self, Kind, Link, Wish};
use crate::netlink::Netlink;
use crate::netns;
use crate::pair::{self, Inside, Pair};
use crate::pins::Holder;
use crate::programs::Programs;
use crate::tables::Tables;
use crate::vtep;

/// The gateway's MAC, the same for all ports, but for bridges: they take only
/// what is sent to their own.
fn gateway_mac(link: &Link) -> [u8; 6] {
    if link.kind == Kind::Bridge { link.mac } else { Mac::local(*b"kann\x01").octets() }
}

/// What is wrong with a port once [`crate::Host::limit`] or the underlay wants
/// another MTU: nobody else's doing.
pub const MTU_DIFFERS: &str = "its MTU differs";

/// What port work needs of the host.
pub(crate) struct Parts<'a> {
    pub(crate) netlink: &'a mut Netlink,
    pub(crate) programs: &'a mut Programs,
    pub(crate) tables: &'a mut Tables,
}

/// Makes the port, or makes it right; gives its device's ifindex.
pub(crate) fn ensure(
    parts: &mut Parts<'_>,
    uuid: Uuid,
    spec: &PortSpec,
    mtu: Mtu,
) -> Result<u32, Error> {
    match &spec.attachment {
        Attachment::Netns { netns, device } => {
            let pair = Pair { uuid, netns, device };
            let ours = pair.ensure(parts.netlink, spec, mtu)?;
            admit(parts, (uuid, spec), &ours, &value(uuid, spec, mtu, &ours))?;
            let up = Wish { up: true, ..Wish::default() };
            link::set(parts.netlink, &ours, &up)?;
            pair.furnish(&ours, spec, mtu)?;
            Ok(ours.index)
        }
        Attachment::Device { device } => {
            let name = device.as_str();
            let there =
                link::named(parts.netlink, name)?.ok_or(Error::NoDevice(name.to_owned()))?;
            if name == vtep::DEVICE || pair::parse_alias(&there.alias).is_some() {
                return Err(Error::NotOurs(name.to_owned()));
            }
            // A pair of ours from before the attachment changed.
            if link::named(parts.netlink, &pair::device_name(uuid))?.is_some() {
                delete_pair(parts.netlink, uuid)?;
            }
            admit(parts, (uuid, spec), &there, &value(uuid, spec, mtu, &there))?;
            Ok(there.index)
        }
    }
}

/// The entry comes before the program, and nothing else has that UUID.
fn admit(
    parts: &mut Parts<'_>,
    (uuid, spec): (Uuid, &PortSpec),
    link: &Link,
    value: &PortValue,
) -> Result<(), Error> {
    remove_entries(parts.tables, uuid, Some(link.index))?;
    parts.tables.offers.set(link.index, spec.dhcp.as_ref())?;
    parts.tables.set_port(link.index, value)?;
    parts.programs.ensure(Holder::Port(uuid), &link.name)
}

fn value(uuid: Uuid, spec: &PortSpec, mtu: Mtu, link: &Link) -> PortValue {
    let pair = matches!(spec.attachment, Attachment::Netns { .. });
    let dhcp = spec.dhcp.is_some();
    let flags = [(PORT_PAIR, pair), (PORT_SEGMENT, spec.segment), (PORT_DHCP, dhcp)];
    let mut it = PortValue {
        uuid: uuid.into_bytes(),
        vni: spec.vni.into(),
        mtu: mtu.into(),
        flags: flags.into_iter().filter(|(_, yes)| *yes).map(|(flag, _)| flag).sum(),
        netns: link.netns.filter(|_| pair).unwrap_or(-1),
        mac: spec.mac.octets(),
        gateway_mac: gateway_mac(link),
        ..PortValue::default()
    };
    it.set_inets(spec.inets());
    it
}

/// Removes all that there is of a port.
pub(crate) fn remove(parts: &mut Parts<'_>, uuid: Uuid) -> Result<(), Error> {
    remove_entries(parts.tables, uuid, None)?;
    delete_pair(parts.netlink, uuid)?;
    parts.programs.detach(Holder::Port(uuid))
}

/// All that the port has but the one of the device `kept`.
fn remove_entries(tables: &mut Tables, uuid: Uuid, kept: Option<u32>) -> Result<(), Error> {
    let all = tables.devices_of(uuid);
    all.into_iter().filter(|it| Some(*it) != kept).try_for_each(|it| tables.remove_port(uuid, it))
}

/// With the workload's namespace, if that is ours and this was its last NIC.
fn delete_pair(netlink: &mut Netlink, uuid: Uuid) -> Result<(), Error> {
    let name = pair::device_name(uuid);
    let named = link::named(netlink, &name)?.filter(|link| {
        // Where the namespace is not ours, nothing else needs to be looked at.
        let it = pair::parse_alias(&link.alias);
        it.is_some_and(|(it, place)| it == uuid && !is_in_our_netns(&place))
    });
    if let Some(link) = named {
        return link::delete(netlink, &link);
    }
    let links = link::all(netlink)?;
    let ours = links.iter().filter_map(|link| Some((link, pair::parse_alias(&link.alias)?)));
    let (mine, others): (Vec<_>, Vec<_>) = ours.partition(|(_, (it, _))| *it == uuid);
    let place = |attachment: &Attachment| match attachment {
        Attachment::Netns { netns, .. } => Some(netns.clone()),
        Attachment::Device { .. } => None,
    };
    let in_use: Vec<_> = others.iter().filter_map(|(_, (_, it))| place(it)).collect();
    for (link, (_, attachment)) in mine {
        link::delete(netlink, link)?;
        if let Some(netns) = place(&attachment).filter(|it| !in_use.contains(it)) {
            netns::remove(&netns)?;
        }
    }
    Ok(())
}

fn is_in_our_netns(place: &Attachment) -> bool {
    match place {
        Attachment::Netns { netns, .. } => netns::is_ours(netns),
        Attachment::Device { .. } => false,
    }
}

/// Every port there is anything of: an entry, a device or a program.
pub(crate) fn observe(
    parts: &mut Parts<'_>,
    mtu: impl Fn(Vni) -> Option<Mtu>,
) -> Result<BTreeMap<Uuid, Condition<PortSpec>>, Error> {
    let entries = parts.tables.ports()?;
    let links = link::all(parts.netlink)?;
    let room = headroom::find(parts.netlink)?.map(|it| it.index);
    let mut found = BTreeMap::new();
    for holder in parts.programs.pins().holders()? {
        if let Holder::Port(uuid) = holder {
            found.insert(uuid, Condition::Broken("it has only a program".to_owned()));
        }
    }
    for link in &links {
        if let Some((uuid, _)) = pair::parse_alias(&link.alias) {
            found.insert(uuid, Condition::Broken("it has no entry".to_owned()));
        }
    }
    let by_index: BTreeMap<u32, &Link> = links.iter().map(|link| (link.index, link)).collect();
    for (ifindex, entry) in entries {
        let mut seen = match by_index.get(&ifindex) {
            None => Err("its device is gone".to_owned()),
            Some(link) => {
                let mtu = Vni::try_from(entry.vni).ok().and_then(&mtu);
                judge(parts.programs, &entry, link, mtu, room)?
            }
        };
        if let Ok(spec) = &mut seen
            && entry.flags & PORT_DHCP != 0
        {
            spec.dhcp = parts.tables.offers.get(ifindex)?;
        }
        found.insert(entry.uuid(), seen.map_or_else(Condition::Broken, Condition::Whole));
    }
    Ok(found)
}

/// The port as it is, or what is wrong with it.
fn judge(
    programs: &mut Programs,
    entry: &PortValue,
    link: &Link,
    mtu: Option<Mtu>,
    room: Option<u32>,
) -> Result<Result<PortSpec, String>, Error> {
    let uuid = entry.uuid();
    if !programs.runs(Holder::Port(uuid), &link.name)? {
        return Ok(Err("its program does not run".to_owned()));
    }
    let pair = pair::parse_alias(&link.alias).filter(|(it, _)| *it == uuid);
    let is_pair = entry.flags & PORT_PAIR != 0;
    let attachment = match (pair, link.name.parse()) {
        (Some((_, attachment)), _) if is_pair => attachment,
        (None, Ok(device)) if !is_pair => Attachment::Device { device },
        _ => return Ok(Err("its device is another".to_owned())),
    };
    let mut spec = match decode(entry, attachment.clone()) {
        Some(spec) => spec,
        None => return Ok(Err("its entry cannot be read".to_owned())),
    };
    if mtu.is_some_and(|mtu| u32::from(mtu) != entry.mtu) {
        return Ok(Err(MTU_DIFFERS.to_owned()));
    }
    let Attachment::Netns { netns, device } = &attachment else {
        let same = entry.gateway_mac == gateway_mac(link);
        return Ok(if same { Ok(spec) } else { Err("its gateway's MAC differs".to_owned()) });
    };
    if link.netns != Some(entry.netns) {
        return Ok(Err("its namespace is another".to_owned()));
    }
    if room.is_none() || link.bridge != room {
        return Ok(Err("its device is not in the bridge for headroom".to_owned()));
    }
    if !link.up || link.mtu != pair::OUR_MTU {
        return Ok(Err("its device is down or has another MTU".to_owned()));
    }
    match (Pair { uuid, netns, device }).inside(link.index)? {
        None => Ok(Err("the workload's end is gone".to_owned())),
        Some(inside) => Ok(furnished(&mut spec, &inside, entry.mtu).map(|()| spec)),
    }
}

/// Compares the workload's end, and takes its routes.
fn furnished(spec: &mut PortSpec, inside: &Inside, mtu: u32) -> Result<(), String> {
    if !inside.link.up {
        return Err("the workload's end is down".to_owned());
    }
    if inside.link.mtu != pair::mtu_inside(spec, mtu) {
        return Err("the workload's end has another MTU".to_owned());
    }
    if inside.link.mac != spec.mac.octets() {
        return Err("the workload's end has another MAC".to_owned());
    }
    if spec.inets().any(|it| !inside.addresses.contains(&(it.address, it.subnet.len()))) {
        return Err("the workload's end has not its address".to_owned());
    }
    if inside.routes.iter().any(|(to, gateway)| spec.gateway_for(*to) != Some(*gateway)) {
        return Err("the workload has routes to another gateway".to_owned());
    }
    spec.routes = inside.routes.iter().map(|(to, _)| *to).collect();
    Ok(())
}

fn decode(entry: &PortValue, attachment: Attachment) -> Option<PortSpec> {
    let inets = entry.inets()?;
    let (first, further) = inets.split_first()?;
    Some(PortSpec {
        vni: Vni::try_from(entry.vni).ok()?,
        address: first.address,
        subnet: first.subnet,
        gateway: first.gateway,
        mac: Mac::try_from(entry.mac).ok()?,
        attachment,
        routes: std::collections::BTreeSet::new(),
        further: further.to_vec(),
        segment: entry.flags & PORT_SEGMENT != 0,
        dhcp: None,
    })
}
