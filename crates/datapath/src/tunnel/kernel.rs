//! WireGuard in the kernel, by generic netlink (linux/wireguard.h).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "of the kernel's many attributes a few concern us"
)]

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

use model::seal::PublicKey;
use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    ParseableParametrized,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute,
    WireguardCmd, WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags,
};
use netlink_sys::constants::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};

use super::wireguard::{Change, KEEPALIVE, Peer, Standing, Wireguard};

/// A socket of its own for each request: there are few.
pub(crate) struct Kernel;

impl Wireguard for Kernel {
    fn set(&mut self, device: &str, change: &Change) -> io::Result<()> {
        let message = message(device, WireguardCmd::SetDevice, attributes_of(change));
        ask(family()?, NLM_F_ACK, message).map(drop)
    }

    fn get(&mut self, device: &str) -> io::Result<Standing> {
        let message = message(device, WireguardCmd::GetDevice, Vec::new());
        let answers = ask(family()?, NLM_F_DUMP, message)?;
        Ok(standing_of(answers.into_iter().flat_map(|it| it.attributes)))
    }
}

fn message(device: &str, cmd: WireguardCmd, rest: Vec<WireguardAttribute>) -> WireguardMessage {
    let name = WireguardAttribute::IfName(device.to_owned());
    WireguardMessage { cmd, attributes: std::iter::once(name).chain(rest).collect() }
}

fn attributes_of(change: &Change) -> Vec<WireguardAttribute> {
    let peer = |attributes| vec![WireguardAttribute::Peers(vec![WireguardPeer(attributes)])];
    match change {
        Change::Own { private, port } => {
            vec![WireguardAttribute::PrivateKey(*private), WireguardAttribute::ListenPort(*port)]
        }
        Change::Peer { key, endpoint, allowed } => {
            let (family, bits) = match allowed {
                IpAddr::V4(_) => (WireguardAddressFamily::Ipv4, 32),
                IpAddr::V6(_) => (WireguardAddressFamily::Ipv6, 128),
            };
            let allowed = WireguardAllowedIp(vec![
                WireguardAllowedIpAttr::Family(family),
                WireguardAllowedIpAttr::IpAddr(*allowed),
                WireguardAllowedIpAttr::Cidr(bits),
            ]);
            peer(vec![
                WireguardPeerAttribute::PublicKey(key.octets()),
                WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
                WireguardPeerAttribute::Endpoint(*endpoint),
                WireguardPeerAttribute::PersistentKeepalive(KEEPALIVE),
                WireguardPeerAttribute::AllowedIps(vec![allowed]),
            ])
        }
        Change::Forget(key) => peer(vec![
            WireguardPeerAttribute::PublicKey(key.octets()),
            WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe),
        ]),
    }
}

/// A peer with many addresses may come in several parts.
fn standing_of(attributes: impl Iterator<Item = WireguardAttribute>) -> Standing {
    let mut it = Standing::default();
    for attribute in attributes {
        match attribute {
            WireguardAttribute::PrivateKey(key) => it.private = Some(key),
            WireguardAttribute::ListenPort(port) => it.port = port,
            WireguardAttribute::Peers(peers) => it.peers.extend(peers.iter().filter_map(peer_of)),
            _ => {}
        }
    }
    it
}

fn peer_of(attributes: &WireguardPeer) -> Option<Peer> {
    let mut key = None;
    let (mut endpoint, mut allowed) = (None, Vec::new());
    for attribute in attributes.iter() {
        match attribute {
            WireguardPeerAttribute::PublicKey(octets) => key = Some(PublicKey::from(*octets)),
            WireguardPeerAttribute::Endpoint(address) => endpoint = Some(*address),
            WireguardPeerAttribute::AllowedIps(ips) => {
                allowed.extend(ips.iter().flat_map(|ip| ip.0.iter()).filter_map(|it| match it {
                    WireguardAllowedIpAttr::IpAddr(address) => Some(*address),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    Some(Peer { key: key?, endpoint, allowed })
}

/// The number that this kernel gives to WireGuard.
fn family() -> io::Result<u16> {
    let name = GenlCtrlAttrs::FamilyName("wireguard".to_owned());
    let request = GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas: vec![name] };
    // The controller's own number: GENL_ID_CTRL of linux/genetlink.h.
    let answers = ask(0x10, NLM_F_ACK, request)?;
    let id = answers.iter().flat_map(|it| &it.nlas).find_map(|it| match it {
        GenlCtrlAttrs::FamilyId(id) => Some(*id),
        _ => None,
    });
    id.ok_or_else(|| io::ErrorKind::Unsupported.into())
}

fn ask<F>(family: u16, flags: u16, payload: F) -> io::Result<Vec<F>>
where
    F: GenlFamily + Emitable + ParseableParametrized<[u8], GenlHeader> + Clone + Debug,
{
    let mut message = GenlMessage::from_payload(payload);
    message.set_resolved_family_id(family);
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    let mut socket = Socket::new(NETLINK_GENERIC)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        if take(&datagram, &mut answers)? {
            return Ok(answers);
        }
    }
}

/// True when the answer is complete.
fn take<F>(datagram: &[u8], answers: &mut Vec<F>) -> io::Result<bool>
where
    F: GenlFamily + Emitable + ParseableParametrized<[u8], GenlHeader> + Clone + Debug,
{
    let mut rest = datagram;
    while !rest.is_empty() {
        let message = NetlinkMessage::<GenlMessage<F>>::deserialize(rest)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        // Messages are aligned to 4 bytes (NLMSG_ALIGN in linux/netlink.h).
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) if error.code.is_none() => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(answer) => answers.push(answer.payload),
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the bytes that go to the kernel.
    fn sent(change: &Change) -> Vec<WireguardAttribute> {
        let message = message("wg", WireguardCmd::SetDevice, attributes_of(change));
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let header = GenlHeader { cmd: message.command(), version: message.version() };
        let back = WireguardMessage::parse_with_param(&bytes, header).unwrap();
        assert_eq!(back, message);
        back.attributes
    }

    #[test]
    fn what_is_set_reads_back_from_its_bytes_as_it_stands() {
        let key = PublicKey::from([7; 32]);
        for (allowed, endpoint) in
            [("192.0.2.7", "192.0.2.7:51820"), ("2001:db8::7", "[2001:db8::7]:51821")]
        {
            let allowed: IpAddr = allowed.parse().unwrap();
            let endpoint = endpoint.parse().unwrap();
            let peer = sent(&Change::Peer { key, endpoint, allowed });
            let own = sent(&Change::Own { private: [1; 32], port: 51820 });
            let want = Standing {
                private: Some([1; 32]),
                port: 51820,
                peers: vec![Peer { key, endpoint: Some(endpoint), allowed: vec![allowed] }],
            };
            assert_eq!(standing_of(own.into_iter().chain(peer)), want);
        }
        let gone = sent(&Change::Forget(key));
        let Some(WireguardAttribute::Peers(peers)) = gone.last() else { panic!("{gone:?}") };
        let remove = WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe);
        assert!(peers[0].contains(&remove), "{peers:?}");
    }
}
