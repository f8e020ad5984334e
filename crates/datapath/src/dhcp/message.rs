//! What is asked and what is answered, as bytes.

use std::net::Ipv4Addr;

use model::ids::Prefix;
use model::spec::Dhcp;

use crate::packet::checksum;

/// Of Ethernet, IPv4 and UDP.
const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;

/// Before the options, with the cookie that announces them (RFC 2131 §2, §3).
const FIXED: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Of DHCP, before which there was BOOTP (RFC 1542 §2.1).
const SMALLEST: usize = 300;

/// What every client takes (RFC 2131 §2), as an IP packet.
const USUAL: usize = 576;

/// Seconds. A client asks again after half of it, and hears of new routes.
const LEASE: u32 = 3600;

const SERVER: u16 = 67;
const CLIENT: u16 = 68;

/// Options (RFC 2132; 121: RFC 3442).
mod option {
    pub(super) const MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const MTU: u8 = 26;
    pub(super) const WANTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER: u8 = 54;
    pub(super) const LIST: u8 = 55;
    pub(super) const SIZE: u8 = 57;
    pub(super) const CLIENT: u8 = 61;
    pub(super) const BOOTFILE: u8 = 67;
    pub(super) const ROUTES: u8 = 121;
}

/// Values of option 53.
mod kind {
    pub(super) const DISCOVER: u8 = 1;
    pub(super) const OFFER: u8 = 2;
    pub(super) const REQUEST: u8 = 3;
    pub(super) const ACK: u8 = 5;
    pub(super) const NAK: u8 = 6;
    pub(super) const INFORM: u8 = 8;
}

/// What a port is to be told.
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    /// Of the subnet's prefix.
    pub(crate) length: u8,
    pub(crate) gateway: Ipv4Addr,
    pub(crate) mac: [u8; 6],
    pub(crate) gateway_mac: [u8; 6],
    pub(crate) mtu: u16,
    pub(crate) dhcp: Dhcp,
}

struct Question<'a> {
    fixed: &'a [u8],
    options: &'a [u8],
}

impl<'a> Question<'a> {
    fn parse(frame: &'a [u8]) -> Option<Self> {
        let header = usize::from(frame.get(ETHERNET)? & 15) * 4;
        let message = frame.get(ETHERNET + header + UDP..)?;
        let (fixed, options) = message.split_at_checked(FIXED)?;
        let asks = fixed.starts_with(&[1, 1, 6]) && fixed.ends_with(&COOKIE);
        // A relay is no workload.
        (asks && fixed[24..28] == [0; 4]).then_some(Self { fixed, options })
    }

    fn option(&self, wanted: u8) -> Option<&'a [u8]> {
        let mut rest = self.options;
        loop {
            match rest {
                [0, more @ ..] => rest = more,
                [255, ..] | [] | [_] => return None,
                [code, length, more @ ..] => {
                    let (value, more) = more.split_at_checked(usize::from(*length))?;
                    if *code == wanted {
                        return Some(value);
                    }
                    rest = more;
                }
            }
        }
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(bytes.into())
    }

    /// What it uses already (`ciaddr`).
    fn current(&self) -> Option<Ipv4Addr> {
        let bytes: [u8; 4] = self.fixed[12..16].try_into().ok()?;
        (bytes != [0; 4]).then(|| bytes.into())
    }

    /// What comes back must not be larger, as an IP packet.
    fn room(&self) -> usize {
        let said = self.option(option::SIZE).and_then(|it| it.try_into().ok());
        let said = said.map_or(USUAL, |it| usize::from(u16::from_be_bytes(it)));
        said.clamp(USUAL, 1280)
    }

    fn asks_for(&self, code: u8) -> bool {
        self.option(option::LIST).is_none_or(|list| list.contains(&code))
    }
}

/// The frame that answers, if one does (RFC 2131 §4.3).
pub(crate) fn answer(frame: &[u8], lease: &Lease) -> Option<Vec<u8>> {
    let question = Question::parse(frame)?;
    if question.fixed[28..34] != lease.mac {
        return None;
    }
    let kind = match question.option(option::KIND)? {
        [kind::DISCOVER] => kind::OFFER,
        [kind::INFORM] => kind::ACK,
        [kind::REQUEST] => {
            // Of several servers it has chosen another one.
            if question.address(option::SERVER).is_some_and(|it| it != lease.gateway) {
                return None;
            }
            let wanted = question.address(option::WANTED).or_else(|| question.current())?;
            if wanted == lease.address { kind::ACK } else { kind::NAK }
        }
        _ => return None,
    };
    let message = message(&question, lease, kind);
    Some(packet(&question, lease, kind, &message))
}

fn message(question: &Question<'_>, lease: &Lease, kind: u8) -> Vec<u8> {
    let informs = question.option(option::KIND) == Some(&[kind::INFORM]);
    let mut it = question.fixed.to_vec();
    it[0] = 2;
    // Hops and seconds are the client's, addresses of others are none here.
    it[3] = 0;
    it[8..10].fill(0);
    it[16..24].fill(0);
    it[34..236].fill(0);
    if kind == kind::NAK {
        it[12..16].fill(0);
    } else if !informs {
        it[16..20].copy_from_slice(&lease.address.octets());
    }
    let mut options = Options { bytes: Vec::new(), room: question.room() - IP - UDP - FIXED - 1 };
    options.push(option::KIND, &[kind]);
    options.push(option::SERVER, &lease.gateway.octets());
    if let Some(client) = question.option(option::CLIENT) {
        // RFC 6842 §3
        options.push(option::CLIENT, client);
    }
    if kind != kind::NAK {
        if !informs {
            options.push(option::LEASE, &LEASE.to_be_bytes());
        }
        tell(&mut options, question, lease);
    }
    it.extend(options.bytes);
    it.push(255);
    it.resize(it.len().max(SMALLEST), 0);
    it
}

/// What the client asked for, the most needed first.
fn tell(options: &mut Options, question: &Question<'_>, lease: &Lease) {
    let Lease { dhcp, gateway, .. } = lease;
    let mask = u32::MAX.checked_shl(32 - u32::from(lease.length)).unwrap_or(0);
    let router = if dhcp.default_route { &gateway.octets()[..] } else { &[] };
    let dns: Vec<u8> = dhcp.dns.iter().flat_map(|it| it.octets()).collect();
    let bootfile = dhcp.bootfile.as_deref().unwrap_or_default();
    for (code, value) in [
        (option::MASK, &mask.to_be_bytes()[..]),
        (option::ROUTER, router),
        (option::MTU, &lease.mtu.to_be_bytes()),
        (option::DNS, &dns),
        (option::BOOTFILE, bootfile.as_bytes()),
    ] {
        if !value.is_empty() && question.asks_for(code) {
            options.push(code, value);
        }
    }
    if question.asks_for(option::ROUTES) {
        options.push_routes(lease);
    }
}

struct Options {
    bytes: Vec<u8>,
    room: usize,
}

impl Options {
    /// What has no room is left out.
    fn push(&mut self, code: u8, value: &[u8]) {
        let Ok(length) = u8::try_from(value.len()) else { return };
        if self.bytes.len() + 2 + value.len() <= self.room {
            self.bytes.extend([code, length]);
            self.bytes.extend(value);
        }
    }

    /// Who takes these does not look at option 3, so the default route is
    /// among them (RFC 3442). What does not fit into one option goes on in the
    /// next (RFC 3396), and what has no room is left out.
    fn push_routes(&mut self, lease: &Lease) {
        let dhcp = &lease.dhcp;
        let default = dhcp.default_route.then_some((0, [0; 4], lease.gateway));
        let route = |(to, via): &(Prefix, Ipv4Addr)| match to.address() {
            std::net::IpAddr::V4(address) => Some((to.len(), address.octets(), *via)),
            std::net::IpAddr::V6(_) => None,
        };
        let all = default.into_iter().chain(dhcp.routes.iter().filter_map(route));
        let mut value = Vec::new();
        for (length, address, via) in all {
            let significant = usize::from(length.div_ceil(8));
            let room = self.room.saturating_sub(self.bytes.len());
            let parts = value.len() / 255 + 1;
            if value.len() + 5 + significant + 2 * (parts + 1) > room {
                break;
            }
            value.push(length);
            value.extend(&address[..significant]);
            value.extend(via.octets());
        }
        for part in value.chunks(255) {
            self.push(option::ROUTES, part);
        }
    }
}

/// To the address that the client has or gets, unless it says that it does not
/// hear that yet (RFC 2131 §4.1); always to its own MAC, but a refusal.
fn packet(question: &Question<'_>, lease: &Lease, kind: u8, message: &[u8]) -> Vec<u8> {
    let broadcast = kind == kind::NAK || question.fixed[10] & 0x80 != 0;
    let to = match question.current() {
        Some(current) if kind == kind::ACK => current,
        _ if broadcast => Ipv4Addr::BROADCAST,
        _ => lease.address,
    };
    let mac = if to == Ipv4Addr::BROADCAST { [0xff; 6] } else { lease.mac };
    let length = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let mut ip = vec![0x45, 0];
    ip.extend(length(IP + UDP + message.len()));
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(lease.gateway.octets());
    ip.extend(to.octets());
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut udp = [SERVER.to_be_bytes(), CLIENT.to_be_bytes()].concat();
    udp.extend(length(UDP + message.len()));
    udp.extend([0, 0]);
    let pseudo = [&ip[12..20], &[0, 17], &udp[4..6]].concat();
    // 0 would say that there is none (RFC 768).
    let sum = match checksum(&[&pseudo, &udp, message]) {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    [&mac[..], &lease.gateway_mac, &[8, 0], &ip, &udp, message].concat()
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
