//! The devices of tunnels: two at most, as one generation of keys takes over
//! from another.

use std::net::IpAddr;

use model::seal::Generation;

use super::TunnelSetup;
use super::kernel::Kernel;
use super::process::Launcher;
use super::uapi::Processes;
use super::wireguard::Wireguard;
use crate::error::Error;
use crate::link::{self, Kind, Link, Wish};
use crate::netlink::Netlink;
use crate::offload;

const DEVICES: [&str; 2] = ["kannas-wg0", "kannas-wg1"];
const ALIAS: &str = "kannas tunnel ";

/// What a process of ours reads at once at most.
const PROCESS_MOST: u32 = 4000;

/// Which of the two devices a generation has.
pub(crate) fn slot(generation: Generation) -> u8 {
    u8::from(!generation.is_multiple_of(2))
}

fn name(generation: Generation) -> &'static str {
    DEVICES[usize::from(slot(generation))]
}

pub(crate) fn alias(generation: Generation) -> String {
    format!("{ALIAS}{generation}")
}

/// None of what is not ours.
pub(crate) fn generation_of(link: &Link) -> Option<Generation> {
    let generation = link.alias.strip_prefix(ALIAS)?.parse().ok()?;
    (link.name == name(generation)).then_some(generation)
}

pub(crate) fn all(netlink: &mut Netlink) -> Result<Vec<Link>, Error> {
    let mut found = Vec::new();
    for name in DEVICES {
        found.extend(link::named(netlink, name)?);
    }
    Ok(found)
}

/// Bytes of the largest packet that the tunnel takes over an underlay that
/// takes `outer`: IP, UDP, and 32 of WireGuard's own.
pub(crate) fn mtu(link: &Link, outer: u32, underlay: IpAddr) -> u32 {
    let headers = if underlay.is_ipv4() { 20 + 8 + 32 } else { 40 + 8 + 32 };
    let most = if link.kind == Kind::Wireguard { u32::from(u16::MAX) } else { PROCESS_MOST };
    outer.saturating_sub(headers).min(most)
}

/// A tunnel's device, as last seen.
#[derive(Debug, Clone)]
pub(crate) struct Tunnel {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    kind: Kind,
}

impl Tunnel {
    pub(crate) fn of(link: &Link) -> Self {
        Self { index: link.index, name: link.name.clone(), mtu: link.mtu, kind: link.kind }
    }
}

/// Makes devices, and knows who does their WireGuard.
pub(crate) struct Maker {
    kernel: Kernel,
    /// False once the kernel was found not to have it.
    ask_kernel: bool,
    processes: Processes,
    launcher: Launcher,
}

impl Maker {
    pub(crate) fn new(setup: &TunnelSetup) -> Self {
        Self {
            kernel: Kernel,
            ask_kernel: true,
            processes: Processes { dir: setup.dir.clone() },
            launcher: Launcher::new(setup.program.clone()),
        }
    }

    pub(crate) fn reap(&mut self) {
        self.launcher.reap();
    }

    pub(crate) fn of(&mut self, link: &Link) -> &mut dyn Wireguard {
        self.by(link.kind)
    }

    pub(crate) fn at(&mut self, tunnel: &Tunnel) -> &mut dyn Wireguard {
        self.by(tunnel.kind)
    }

    fn by(&mut self, kind: Kind) -> &mut dyn Wireguard {
        if kind == Kind::Wireguard { &mut self.kernel } else { &mut self.processes }
    }

    /// The device of that generation, which answers.
    pub(crate) fn ensure(
        &mut self,
        netlink: &mut Netlink,
        generation: Generation,
    ) -> Result<Link, Error> {
        let name = name(generation);
        if let Some(link) = link::named(netlink, name)? {
            if !link.alias.starts_with(ALIAS) && !link.alias.is_empty() {
                return Err(Error::NotOurs(name.to_owned()));
            }
            let same = generation_of(&link) == Some(generation);
            if same && self.of(&link).get(name).is_ok() {
                return Ok(link);
            }
            link::delete(netlink, &link)?;
        }
        let wish = Wish { alias: Some(alias(generation)), silent: true, ..Wish::default() };
        if self.ask_kernel {
            match link::create_wireguard(netlink, name, &wish) {
                Err(Error::Lacks(_)) => self.ask_kernel = false,
                Err(error) => return Err(error),
                Ok(link) => {
                    // What it merged could not be taken out by hand, and goes no other way.
                    let off = offload::gro_off(name);
                    off.map_err(|source| Error::Tunnel { device: name.to_owned(), source })?;
                    return Ok(link);
                }
            }
        }
        let started = self.launcher.start(&self.processes, name);
        started.map_err(|source| Error::Tunnel { device: name.to_owned(), source })?;
        let link = link::named(netlink, name)?.ok_or_else(|| Error::NoDevice(name.to_owned()))?;
        link::set(netlink, &link, &wish)?;
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generations_in_a_row_have_devices_of_their_own() {
        assert_ne!(name(1), name(2));
        assert_eq!(name(1), name(3));
        for generation in [1, 2, 7] {
            let (name, alias) = (name(generation).to_owned(), alias(generation));
            let ours = Link { name, alias, ..Link::default() };
            assert_eq!(generation_of(&ours), Some(generation));
            let other = Link { alias: super::alias(generation + 1), ..ours.clone() };
            assert_eq!(generation_of(&other), None);
            assert_eq!(generation_of(&Link { alias: String::new(), ..ours }), None);
        }
    }

    #[test]
    fn a_tunnel_takes_what_its_headers_leave() {
        let process = Link::default();
        let kernel = Link { kind: Kind::Wireguard, ..Link::default() };
        let (v4, v6) = (IpAddr::from([0; 4]), IpAddr::from([0; 16]));
        assert_eq!(mtu(&process, 1500, v4), 1440);
        assert_eq!(mtu(&process, 1500, v6), 1420);
        assert_eq!(mtu(&process, 9000, v4), 4000);
        assert_eq!(mtu(&kernel, 9000, v4), 8940);
        assert_eq!(mtu(&kernel, 40, v4), 0);
    }
}
