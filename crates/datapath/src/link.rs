//! Network devices.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kernel's many attributes a few concern us"
)]

use std::os::fd::RawFd;

use model::ids::Mac;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, InfoVxlan,
    LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use crate::error::Error;
use crate::netlink::{Mode, Netlink};

/// A device as it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) alias: String,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    /// Of a pair: the index of the other end, in its own namespace.
    pub(crate) peer: Option<u32>,
    /// Of a pair: number of the other end's namespace, as this one knows it.
    pub(crate) netns: Option<i32>,
    /// Index of the bridge that it is in.
    pub(crate) bridge: Option<u32>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Veth,
    Bridge,
    Wireguard,
    Vxlan {
        external: bool,
        port: u16,
    },
    #[default]
    Other,
}

impl Link {
    fn of(message: LinkMessage) -> Self {
        let mut it = Self {
            index: message.header.index,
            up: message.header.flags.contains(LinkFlags::Up),
            ..Self::default()
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => it.name = name,
                LinkAttribute::IfAlias(alias) => it.alias = alias,
                LinkAttribute::Address(mac) => it.mac = mac.try_into().unwrap_or_default(),
                LinkAttribute::Mtu(mtu) => it.mtu = mtu,
                LinkAttribute::Link(peer) => it.peer = Some(peer),
                LinkAttribute::LinkNetNsId(netns) => it.netns = Some(netns),
                LinkAttribute::Controller(bridge) => it.bridge = Some(bridge),
                LinkAttribute::LinkInfo(infos) => it.kind = kind_of(&infos),
                _ => {}
            }
        }
        it
    }
}

fn kind_of(infos: &[LinkInfo]) -> Kind {
    let (mut external, mut port) = (false, 0);
    let mut kind = Kind::Other;
    for info in infos {
        match info {
            LinkInfo::Kind(InfoKind::Veth) => kind = Kind::Veth,
            LinkInfo::Kind(InfoKind::Bridge) => kind = Kind::Bridge,
            LinkInfo::Kind(InfoKind::Wireguard) => kind = Kind::Wireguard,
            LinkInfo::Data(InfoData::Vxlan(data)) => {
                for it in data {
                    match it {
                        InfoVxlan::CollectMetadata(yes) => external = *yes,
                        InfoVxlan::Port(n) => port = *n,
                        _ => {}
                    }
                }
                kind = Kind::Vxlan { external, port };
            }
            _ => {}
        }
    }
    kind
}

pub(crate) fn all(netlink: &mut Netlink) -> Result<Vec<Link>, Error> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let answers = netlink.dump("list network devices", request)?;
    Ok(answers.into_iter().filter_map(answered).collect())
}

pub(crate) fn named(netlink: &mut Netlink, name: &str) -> Result<Option<Link>, Error> {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    // The kernel takes an alternative name for a name, too.
    Ok(find(netlink, message)?.filter(|link| link.name == name))
}

pub(crate) fn with_index(netlink: &mut Netlink, index: u32) -> Result<Option<Link>, Error> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    find(netlink, message)
}

fn find(netlink: &mut Netlink, message: LinkMessage) -> Result<Option<Link>, Error> {
    let what = || "look for a network device".to_owned();
    let answer = netlink.find(what, RouteNetlinkMessage::GetLink(message))?;
    Ok(answer.and_then(answered))
}

fn answered(answer: RouteNetlinkMessage) -> Option<Link> {
    match answer {
        RouteNetlinkMessage::NewLink(message) => Some(Link::of(message)),
        _ => None,
    }
}

/// What a device is to be like; None leaves it.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) alias: Option<String>,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: Option<u32>,
    pub(crate) up: bool,
    /// Without IPv6 addresses of the kernel's making, which would make it talk.
    pub(crate) silent: bool,
    /// Index of the bridge to be in.
    pub(crate) bridge: Option<u32>,
}

impl Wish {
    fn attributes(&self) -> Vec<LinkAttribute> {
        let mut attributes = Vec::new();
        attributes.extend(self.alias.clone().map(LinkAttribute::IfAlias));
        attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.octets().into())));
        attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        attributes.extend(self.bridge.map(LinkAttribute::Controller));
        if self.silent {
            let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
            attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![none])]));
        }
        attributes
    }
}

pub(crate) fn set(netlink: &mut Netlink, link: &Link, wish: &Wish) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    message.attributes = wish.attributes();
    if wish.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    let what = || format!("set up the device {}", link.name);
    netlink.tell(what, Mode::Change, RouteNetlinkMessage::SetLink(message))
}

/// Deletes a device; one that is gone is no fault.
pub(crate) fn delete(netlink: &mut Netlink, link: &Link) -> Result<(), Error> {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    match netlink.try_tell(Mode::Change, RouteNetlinkMessage::DelLink(message)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        Err(source) => {
            Err(Error::Netlink { what: format!("delete the device {}", link.name), source })
        }
        Ok(()) => Ok(()),
    }
}

/// The other end of a pair: its name, in the namespace that `netns` refers to.
pub(crate) struct Peer<'a> {
    pub(crate) name: &'a str,
    pub(crate) netns: RawFd,
    pub(crate) mac: Mac,
    pub(crate) mtu: u32,
}

/// A veth pair whose end here is down.
pub(crate) fn create_pair(
    netlink: &mut Netlink,
    name: &str,
    wish: &Wish,
    peer: &Peer<'_>,
) -> Result<Link, Error> {
    let mut other = LinkMessage::default();
    other.attributes = vec![
        LinkAttribute::IfName(peer.name.to_owned()),
        LinkAttribute::NetNsFd(peer.netns),
        LinkAttribute::Address(peer.mac.octets().into()),
        LinkAttribute::Mtu(peer.mtu),
    ];
    let pair = InfoData::Veth(InfoVeth::Peer(other));
    create(netlink, name, wish, vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(pair)])
}

/// A VXLAN device that takes VNI and addresses from each packet's metadata
/// (`external` in ip-link(8)); it is down.
pub(crate) fn create_vxlan(
    netlink: &mut Netlink,
    name: &str,
    wish: &Wish,
    port: u16,
) -> Result<Link, Error> {
    let data = vec![
        InfoVxlan::CollectMetadata(true),
        InfoVxlan::Port(port),
        InfoVxlan::Learning(false),
        // RFC 6935: tunnels may leave the checksum out over IPv6, too.
        InfoVxlan::UDPZeroCsumTX(true),
        InfoVxlan::UDPZeroCsumRX(true),
    ];
    let infos = vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(data))];
    match create(netlink, name, wish, infos) {
        Err(Error::Netlink { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Err(Error::Lacks("VXLAN (CONFIG_VXLAN)"))
        }
        made => made,
    }
}

/// A WireGuard device that is down and has no key.
pub(crate) fn create_wireguard(
    netlink: &mut Netlink,
    name: &str,
    wish: &Wish,
) -> Result<Link, Error> {
    match create(netlink, name, wish, vec![LinkInfo::Kind(InfoKind::Wireguard)]) {
        Err(Error::Netlink { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            Err(Error::Lacks("WireGuard (CONFIG_WIREGUARD)"))
        }
        made => made,
    }
}

/// A bridge that is down.
pub(crate) fn create_bridge(netlink: &mut Netlink, name: &str, wish: &Wish) -> Result<Link, Error> {
    create(netlink, name, wish, vec![LinkInfo::Kind(InfoKind::Bridge)])
}

fn create(
    netlink: &mut Netlink,
    name: &str,
    wish: &Wish,
    infos: Vec<LinkInfo>,
) -> Result<Link, Error> {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    // The kernel takes an alias only of a device that is there.
    let rest = wish.attributes().into_iter();
    message.attributes.extend(
        rest.filter(|a| !matches!(a, LinkAttribute::IfAlias(_) | LinkAttribute::AfSpecUnspec(_))),
    );
    message.attributes.push(LinkAttribute::LinkInfo(infos));
    let what = || format!("make the device {name}");
    netlink.tell(what, Mode::Create, RouteNetlinkMessage::NewLink(message))?;
    let made = named(netlink, name)?.ok_or_else(|| Error::NoDevice(name.to_owned()))?;
    set(netlink, &made, wish)?;
    Ok(made)
}
