//! The smallest site in which something can be peered.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Cabling, PATIENCE, Site, Workload};
use crate::api::{Client, NewNetwork, text};
use crate::eventually::eventually;
use crate::ping::ping;
use crate::stream::{self, Stream, Tally};

/// Names and zones of the two hosts.
pub const HOSTS: [(&str, &str); 2] = [("hel", "fi-hel1"), ("fra", "de-fra1")];

/// What is encrypted.
pub const ENCRYPTION: &str = "/kannas/v1/encryption";

/// Two hosts, each with a network that has a router of its own and one machine on it. Nothing is peered yet.
#[derive(Debug)]
pub struct Pair {
    pub machines: [Workload; 2],
    pub networks: [String; 2],
    pub site: Site,
}

impl Pair {
    /// # Errors
    /// As [`Site::start`].
    pub fn start(name: &str, cabling: Cabling) -> Result<Self> {
        Self::over(Site::start(name, &HOSTS, cabling)?)
    }

    /// The same over a site that has the two hosts.
    ///
    /// # Errors
    /// The API refuses.
    pub fn over(site: Site) -> Result<Self> {
        let owner = site.admin.clone();
        let [near, far] = [0, 1].map(|i| {
            let subnet = format!("10.0.{}.0/24", i + 1);
            add_machine(&site, &owner, HOSTS[i], (HOSTS[i].0, &subnet))
        });
        let ((a, network_a), (b, network_b)) = (near?, far?);
        Ok(Self { machines: [a, b], networks: [network_a, network_b], site })
    }

    /// Makes both halves, the first host's first; their UUIDs, once the peering is active.
    ///
    /// # Errors
    /// The API refuses; it does not become active.
    pub fn peer(&self) -> Result<[String; 2]> {
        peer(&self.site, &self.site.admin, [&self.networks[0], &self.networks[1]])
    }

    /// A stream each way, once packets of both have arrived if `flowing`.
    ///
    /// # Errors
    /// They do not.
    pub fn streams(&self, flowing: bool) -> Result<Streams> {
        let [a, b] = &self.machines;
        let streams = Streams([Stream::start(&a.end, &b.end)?, Stream::start(&b.end, &a.end)?]);
        if flowing {
            let now = std::time::Instant::now();
            for stream in &streams.0 {
                stream.arrival_since(now, PATIENCE).with_context(|| self.site.logs())?;
            }
        }
        Ok(streams)
    }

    /// Has the two zones encrypted.
    ///
    /// # Errors
    /// The API refuses.
    pub fn encrypt(&self) -> Result<()> {
        let [(_, one), (_, other)] = HOSTS;
        self.site.admin.ok("PUT", &format!("{ENCRYPTION}/{one}/{other}"), None).map(drop)
    }

    /// The generation of the keys in use, once no change of keys is under way.
    ///
    /// # Errors
    /// One stays under way.
    pub fn key_generation(&self) -> Result<u64> {
        let settled = || {
            let it = self.site.admin.get(ENCRYPTION).ok()?["encryption"].take();
            (it["rotating"] == false).then(|| it["generation"].as_u64())?
        };
        eventually(PATIENCE, "keys have settled", settled)
    }

    /// # Errors
    /// One of the two does not answer the other within `deadline`.
    pub fn ping_both_ways(&self, deadline: Duration) -> Result<[Duration; 2]> {
        let [a, b] = &self.machines;
        Ok([ping(&a.end, &b.end, deadline)?, ping(&b.end, &a.end, deadline)?])
    }
}

/// One stream each way.
#[derive(Debug)]
pub struct Streams(pub [Stream; 2]);

impl Streams {
    /// Of `count` packets each way that leave from now on: all arrive.
    ///
    /// # Errors
    /// Some do not; or do not leave.
    pub fn flow(&self, count: usize) -> Result<()> {
        for (index, tally) in self.tallies(count)?.into_iter().enumerate() {
            ensure!(tally.lost() == 0, "stream {index}: {tally:?}");
        }
        Ok(())
    }

    /// Of `count` packets each way that leave from now on: none arrives.
    ///
    /// # Errors
    /// Some do; or do not leave.
    pub fn silent(&self, count: usize) -> Result<()> {
        for (index, tally) in self.tallies(count)?.into_iter().enumerate() {
            ensure!(tally.arrived == 0, "stream {index}: {tally:?}");
        }
        Ok(())
    }

    /// What becomes of `count` packets each way that leave from now on.
    ///
    /// # Errors
    /// They do not leave.
    pub fn tallies(&self, count: usize) -> Result<[Tally; 2]> {
        stream::watch(self.0.each_ref(), std::time::Instant::now(), count)
    }
}

/// A network with a router of its own, and a machine on it behind `host`, all three of that name.
///
/// # Errors
/// The API refuses.
pub fn add_machine(
    site: &Site,
    owner: &Client,
    (host, zone): (&str, &str),
    (name, subnet): (&str, &str),
) -> Result<(Workload, String)> {
    let router = owner.make_router(name)?;
    let network = owner.make_network(NewNetwork { name, zone, subnet, router: Some(&router) })?;
    Ok((site.workload(owner, host, &network, name)?, network))
}

/// Both halves of one account's peering, once it is active.
///
/// # Errors
/// The API refuses; it does not become active.
pub fn peer(site: &Site, owner: &Client, [a, b]: [&str; 2]) -> Result<[String; 2]> {
    let first = owner.make_peering(a, b)?;
    let second = owner.make_peering(b, a)?;
    site.active(owner, &second)?;
    Ok([text(&first["uuid"])?, text(&second["uuid"])?])
}
