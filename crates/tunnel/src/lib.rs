//! The seal: WireGuard in user space, for kernels without it. A process of its
//! own, which outlives the agent that starts it.
//!
//! It knows one device and one Unix socket, on which it is told keys and peers
//! in WireGuard's configuration protocol
//! (<https://www.wireguard.com/xplatform/#configuration-protocol>). It ends
//! when its device is deleted, so who deletes that needs no other way to stop
//! it.

mod door;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gotatun::device::uapi::UapiServer;
use gotatun::tun::tun_async_device::TunDevice;
use nix::net::if_::if_nametoindex;
use tokio::time::MissedTickBehavior;

/// What the process is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The TUN device to make, in the network namespace it is started in.
    pub device: String,
    /// Where to listen; who may connect is who may enter the directory.
    pub socket: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot make the device {name}")]
    Device { name: String, source: gotatun::device::Error },
    #[error("cannot listen on {path}")]
    Socket { path: PathBuf, source: io::Error },
    #[error("cannot say that all is ready")]
    Ready(#[source] io::Error),
}

/// What is written once keys and peers are listened for.
pub const READY: &str = "ready\n";

/// Encrypts and decrypts until the device is deleted or `shutdown`.
///
/// # Errors
/// The device or the socket cannot be made.
pub async fn run(
    options: &Options,
    told: &mut impl Write,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let made = |source| Error::Device { name: options.device.clone(), source };
    let tun = TunDevice::from_name(&options.device).map_err(|error| made(error.into()))?;
    let (client, server) = UapiServer::new();
    let builder = gotatun::device::build().with_default_udp().with_uapi(server).with_ip(tun);
    let mut device = builder.build().await.map_err(made)?;
    let listener = listen(&options.socket)
        .map_err(|source| Error::Socket { path: options.socket.clone(), source })?;
    told.write_all(READY.as_bytes()).and_then(|()| told.flush()).map_err(Error::Ready)?;
    tracing::info!(device = options.device, "encrypting");
    tokio::select! {
        () = device.wait() => tracing::info!(device = options.device, "the device has failed"),
        () = deleted(&options.device) => tracing::info!(device = options.device, "the device is gone"),
        () = door::serve(&listener, &client) => {}
        () = shutdown => {}
    }
    device.stop().await;
    Ok(())
}

/// How often it is looked whether the device is there: who reads it is not
/// told of its end, as the kernel tells that as an error, not as readable.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until the device is deleted.
async fn deleted(name: &str) {
    let Ok(index) = if_nametoindex(name) else { return };
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while if_nametoindex(name) == Ok(index) {
        tick.tick().await;
    }
}

fn listen(path: &Path) -> io::Result<tokio::net::UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    tokio::net::UnixListener::bind(path)
}
