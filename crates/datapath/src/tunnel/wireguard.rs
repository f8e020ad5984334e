//! WireGuard, whoever does it: the kernel, or a process of ours.

use std::io;
use std::net::{IpAddr, SocketAddr};

use model::seal::PublicKey;

/// What is said to it and read of it; a device by its name.
pub(crate) trait Wireguard {
    /// # Errors
    /// It is not there, or refuses.
    fn set(&mut self, device: &str, change: &Change) -> io::Result<()>;

    /// # Errors
    /// As [`Self::set`].
    fn get(&mut self, device: &str) -> io::Result<Standing>;
}

/// One change of a device.
pub(crate) enum Change {
    /// Private key, and the UDP port to listen on.
    Own {
        private: [u8; 32],
        port: u16,
    },
    Peer {
        key: PublicKey,
        endpoint: SocketAddr,
        allowed: IpAddr,
    },
    Forget(PublicKey),
}

/// Seconds without a packet after which one is sent, the first at once: both
/// ends shake hands before there is anything to encrypt.
pub(crate) const KEEPALIVE: u16 = 25;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) private: Option<[u8; 32]>,
    pub(crate) port: u16,
    pub(crate) peers: Vec<Peer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) allowed: Vec<IpAddr>,
}
