//! The cables between hosts: links between namespaces, with no way out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::netns::{Netns, link};

/// Of the underlay, in bytes.
pub const MTU: u32 = 1500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cabling {
    /// One cable between two hosts, the cheapest there is: what benches compare.
    Direct,
    /// A switch, for any number of hosts, and for strangers.
    Switched,
    /// The same, where VTEPs have IPv6 addresses.
    SwitchedIpv6,
}

#[derive(Debug)]
pub struct Underlay {
    prefix: String,
    hosts: Vec<(Arc<Netns>, IpAddr)>,
    switch: Option<Netns>,
}

impl Underlay {
    pub(super) fn new(prefix: &str, count: usize, cabling: Cabling) -> Result<Self> {
        ensure!((1..=50).contains(&count), "{count} hosts");
        let mut it = Self { prefix: prefix.to_owned(), hosts: Vec::new(), switch: None };
        match cabling {
            Cabling::Direct => {
                ensure!(count == 2, "one cable has two ends, not {count}");
                let hosts = crate::paths::hosts(prefix)?;
                it.hosts =
                    hosts.into_iter().zip(crate::paths::UNDERLAY.map(IpAddr::from)).collect();
            }
            Cabling::Switched | Cabling::SwitchedIpv6 => {
                let switch = Netns::new(format!("{prefix}switch"))?;
                switch
                    .ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")?;
                switch.ip("link set br0 up")?;
                it.switch = Some(switch);
                for index in 0..count {
                    let address = address_of(index)?;
                    let (host, mut vtep) = it.plug_in(&format!("host{index}"), address)?;
                    if cabling == Cabling::SwitchedIpv6 {
                        let ipv6 = format!("fd01::{}", index + 1);
                        host.ip(&format!("addr add {ipv6}/64 dev under nodad"))?;
                        vtep = ipv6.parse().context("underlay")?;
                    }
                    it.hosts.push((host, vtep));
                }
            }
        }
        Ok(it)
    }

    /// A machine on the underlay that is no host of Kannas: its namespace, and its address on the device `under`.
    ///
    /// # Errors
    /// There is no switch; the name is taken.
    pub fn stranger(&self, name: &str, last: u8) -> Result<(Arc<Netns>, IpAddr)> {
        ensure!(usize::from(last) > self.hosts.len(), "{last} is a host's");
        self.plug_in(name, Ipv4Addr::new(198, 18, 0, last))
    }

    /// Its bridge is `br0`, and `portN` leads to the host with the address that ends in N.
    ///
    /// # Errors
    /// There is none.
    pub fn switch(&self) -> Result<&Netns> {
        self.switch.as_ref().context("there is no switch")
    }

    pub(super) fn host(&self, index: usize) -> Result<(Arc<Netns>, IpAddr)> {
        self.hosts.get(index).cloned().with_context(|| format!("no host {index}"))
    }

    fn plug_in(&self, name: &str, address: Ipv4Addr) -> Result<(Arc<Netns>, IpAddr)> {
        let switch = self.switch()?;
        let machine = Netns::new(format!("{}{name}", self.prefix))?;
        let [.., last] = address.octets();
        let plug = format!("port{last}");
        link(&machine, "under", switch, &plug)?;
        switch.ip(&format!("link set {plug} master br0"))?;
        machine.ip(&format!("addr add {address}/24 dev under"))?;
        Ok((Arc::new(machine), address.into()))
    }
}

/// RFC 2544: 198.18.0.0/15 is for benches, and in use nowhere.
fn address_of(index: usize) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(198, 18, 0, u8::try_from(index + 1).context("too many hosts")?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::netns::prefix;
    use crate::paths::Endpoint;
    use crate::ping::ping;

    #[test]
    fn hosts_and_a_stranger_reach_each_other_over_the_switch() {
        let underlay =
            Underlay::new(&format!("{}under-", prefix("kt")), 3, Cabling::Switched).unwrap();
        let stranger = underlay.stranger("stranger", 66).unwrap();
        underlay.stranger("again", 3).unwrap_err();
        let end = |(netns, address): &(Arc<Netns>, IpAddr)| Endpoint {
            netns: Arc::clone(netns),
            address: *address,
        };
        for other in &underlay.hosts {
            ping(&end(&stranger), &end(other), Duration::from_secs(5)).unwrap();
        }
        let routes = underlay.hosts[0].0.ip("route show").unwrap();
        assert!(!routes.contains("default"), "there is no way out: {routes}");
    }
}
