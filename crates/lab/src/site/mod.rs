//! A whole Kannas on one machine: one server, and a namespace with an agent for each host.
//!
//! Everything is real but the cables. The server listens on our loopback. Hosts are joined by an underlay that is
//! made of links between their namespaces alone. An agent reaches the server through a [`Relay`] out of its
//! namespace, so that there is no link a packet could leave by. Pins are in a BPF file system of the site's own,
//! which is unmounted at the end with all that is in it.

mod folder;
mod host;
mod pair;
mod server;
mod several;
mod underlay;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::{Client, text};
use crate::netns::{self, Netns};
use crate::paths::Endpoint;
use crate::ping::Pinger;

pub use folder::{Folder, Medium};
pub use host::Host;
pub use pair::{ENCRYPTION, HOSTS, Pair, Streams, add_machine, peer};
pub use server::{Confinement, Server, confine, say_all};
pub use underlay::{Cabling, MTU, Underlay};

/// What a machine that is busy with other things may take for one thing of many.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Fields are dropped from the top: agents, then the server, then what they stood on.
#[derive(Debug)]
pub struct Site {
    pub hosts: BTreeMap<String, Host>,
    pub server: Server,
    /// Beside it, on the same database.
    pub others: Vec<Server>,
    /// The administrator's.
    pub admin: Client,
    pub underlay: Underlay,
    prefix: String,
    folder: Folder,
}

/// A machine behind a host: it has a NIC on a network, and knows nothing of Kannas.
#[derive(Clone, Debug)]
pub struct Workload {
    pub end: Endpoint,
    /// The port as the API has it.
    pub port: Value,
}

impl Workload {
    /// Its first address of that family.
    ///
    /// # Errors
    /// It has none.
    pub fn end_in(&self, ipv6: bool) -> Result<Endpoint> {
        let all = self.port["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut all = all.filter_map(|address| address.parse::<IpAddr>().ok());
        let address = all.find(|address| address.is_ipv6() == ipv6);
        let address = address.with_context(|| format!("no such address: {}", self.port))?;
        Ok(Endpoint { netns: Arc::clone(&self.end.netns), address })
    }
}

impl Site {
    /// Starts the server and an agent on each host, given as (name, zone), and waits until all have joined. What they
    /// keep is in memory, so that a test does not wait for the disk of a machine that builds.
    ///
    /// # Errors
    /// As [`Site::open`] and [`Site::add_host`].
    pub fn start(name: &str, hosts: &[(&str, &str)], cabling: Cabling) -> Result<Self> {
        Self::start_on(Medium::Memory, name, hosts, cabling)
    }

    /// The same, on disk or in memory.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub fn start_on(
        medium: Medium,
        name: &str,
        hosts: &[(&str, &str)],
        cabling: Cabling,
    ) -> Result<Self> {
        let mut site = Self::open(medium, name, hosts.len(), cabling)?;
        for (name, zone) in hosts {
            site.add_host(name, zone)?;
        }
        for name in site.hosts.keys() {
            site.live(name)?;
        }
        Ok(site)
    }

    /// Starts the server, and lays the cables for `count` hosts.
    ///
    /// Takes away what killed runs of this family left, once per run. `name` is that of the run, as [`netns::prefix`] makes it, and of the site in it; namespaces and the folder are
    /// named after it.
    ///
    /// # Errors
    /// Not root; no `kannas` (see [`kannas`]); the server does not come up: the error has the log's tail.
    pub fn open(medium: Medium, name: &str, count: usize, cabling: Cabling) -> Result<Self> {
        Self::open_with(medium, name, (count, cabling), Server::start)
    }

    pub(super) fn open_with(
        medium: Medium,
        name: &str,
        (count, cabling): (usize, Cabling),
        start: impl FnOnce(&Folder) -> Result<Server>,
    ) -> Result<Self> {
        static SWEPT: Once = Once::new();
        // What killed runs left does no harm to this one, so a failure neither.
        let family = name.split('-').next().unwrap_or(name);
        SWEPT.call_once(|| drop(sweep_abandoned(family)));
        let prefix = format!("{name}-");
        let folder = Folder::new(name, medium)?;
        let underlay = Underlay::new(&prefix, count, cabling)?;
        let server = start(&folder)?;
        let admin = server.admin()?;
        let (hosts, others) = (BTreeMap::new(), Vec::new());
        Ok(Self { hosts, server, others, admin, underlay, prefix, folder })
    }

    /// Starts the agent of the next host, which joins; [`Site::live`] waits for it.
    ///
    /// # Errors
    /// There is no cable left; the agent cannot be started.
    pub fn add_host(&mut self, name: &str, zone: &str) -> Result<()> {
        let token = self.admin.make_token(zone)?;
        let host = Host::new(self, self.hosts.len(), (name, zone))?;
        self.hosts.entry(name.to_owned()).or_insert(host).join(&token)
    }

    /// # Errors
    /// There is none of that name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.get(name).with_context(|| format!("no host {name}"))
    }

    /// # Errors
    /// As [`Site::host`].
    pub fn host_mut(&mut self, name: &str) -> Result<&mut Host> {
        self.hosts.get_mut(name).with_context(|| format!("no host {name}"))
    }

    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Waits until the server has heard of the host's agent, and that all is well with it.
    ///
    /// # Errors
    /// It does not within a minute; the agent reports errors.
    pub fn live(&self, name: &str) -> Result<()> {
        let mut last = Value::Null;
        let live = || {
            let hosts = self.admin.get("/kannas/v1/hosts").ok()?["hosts"]["host"].take();
            last = hosts.as_array()?.iter().find(|host| host["name"] == name)?.clone();
            (last["live"] == true).then_some(())
        };
        let lived = crate::eventually(PATIENCE, &format!("host {name} is live"), live);
        lived.with_context(|| self.logs())?;
        ensure!(last["errors"] == json!([]), "{last}");
        Ok(())
    }

    /// A namespace of this site, with nothing in it.
    ///
    /// # Errors
    /// As [`Netns::new`].
    pub fn netns(&self, name: &str) -> Result<Arc<Netns>> {
        Ok(Arc::new(Netns::new(format!("{}{name}", self.prefix))?))
    }

    /// A machine `name` behind `host`, on `owner`'s network, a /24 or /64 with the default gateway; back when that
    /// answers.
    ///
    /// # Errors
    /// The API refuses.
    pub fn workload(
        &self,
        owner: &Client,
        host: &str,
        network: &str,
        name: &str,
    ) -> Result<Workload> {
        let netns = self.netns(name)?;
        let wish = json!({"network": network, "host": host, "netns": netns.name()});
        let port = owner.make_port(&wish)?;
        let address: IpAddr = text(&port["address"])?.parse().context("the port's address")?;
        let end = Endpoint { netns, address };
        let line = format!("-o addr show dev eth0 to {address}");
        let there = || end.netns.ip(&line).ok().filter(|a| !a.is_empty());
        let made = crate::eventually(PATIENCE, &format!("{name} has its NIC"), there);
        made.with_context(|| self.logs())?;
        let gateway = Pinger::new(&end.netns, gateway_of(address))?;
        let answers = || gateway.once(56).transpose();
        let answered = crate::eventually(PATIENCE, &format!("{name}'s gateway answers"), answers);
        answered.with_context(|| self.logs())??;
        Ok(Workload { end, port })
    }

    /// The peering as the API shows it, once it is in `state`.
    ///
    /// # Errors
    /// It is not within a minute: the error has the last view and the logs.
    pub fn peering_in(&self, owner: &Client, uuid: &str, state: &str) -> Result<Value> {
        let path = format!("{}/{uuid}", crate::api::PEERINGS);
        let mut last = Value::Null;
        let reached = || {
            last = owner.get(&path).ok()?["network_peering"].take();
            (last["state"] == state).then(|| last.clone())
        };
        let reached = crate::eventually(PATIENCE, &format!("peering {uuid} is {state}"), reached);
        reached.with_context(|| format!("{last}\n{}", self.logs()))
    }

    /// The peering that was `answered`, once it is active: at once, unless a host took longer than an answer waits.
    ///
    /// # Errors
    /// It is in a state that it does not become active from by itself; or as [`Site::peering_in`].
    pub fn active(&self, owner: &Client, answered: &Value) -> Result<Value> {
        ensure!(
            answered["state"] == "active" || answered["state"] == "provisioning",
            "neither active nor about to be: {answered}"
        );
        self.peering_in(owner, &text(&answered["uuid"])?, "active")
    }

    /// What the processes said last.
    #[must_use]
    pub fn logs(&self) -> String {
        let agents = self.hosts.values().map(|host| (host.name.as_str(), host.log_tail()));
        let servers = self.servers().map(|server| ("server", server.log_tail()));
        let all = servers.chain(agents);
        all.map(|(name, tail)| format!("-- log of {name}:\n{tail}\n")).collect()
    }
}

impl Drop for Site {
    /// A test that fails shows the logs, which are about to go.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.logs());
        }
    }
}

/// The first address of its /24, or of its /64.
fn gateway_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 1].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 1].into()
        }
    }
}

/// Takes away what dead runs of this family left: namespaces with all that is in them, folders, pins.
///
/// # Errors
/// Something cannot be taken away.
pub fn sweep_abandoned(family: &str) -> Result<Vec<String>> {
    let mut swept = netns::sweep_abandoned(family)?;
    swept.extend(folder::sweep_abandoned(family)?);
    Ok(swept)
}

/// Takes away what is named after `prefix`, whoever made it.
///
/// # Errors
/// As [`netns::sweep`].
pub fn sweep(prefix: &str) -> Result<Vec<String>> {
    let mut swept = netns::sweep(prefix)?;
    swept.extend(folder::sweep(prefix)?);
    Ok(swept)
}

/// What is there that is named after `prefix`: nothing, once a run is over.
///
/// # Errors
/// It cannot be looked for.
pub fn leftovers(prefix: &str) -> Result<Vec<String>> {
    let mut found = netns::named(prefix)?;
    found.extend(folder::named(prefix)?);
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("mounts")?;
    found.extend(mounts.lines().filter(|line| line.contains(prefix)).map(str::to_owned));
    Ok(found)
}

/// The program under test: `KANNAS_BIN`, or what was built beside us.
///
/// # Errors
/// There is none.
pub fn kannas() -> Result<PathBuf> {
    let program = match std::env::var_os("KANNAS_BIN") {
        Some(program) => PathBuf::from(program),
        None => {
            let us = std::env::current_exe().context("our own path")?;
            // Tests are in deps/, programs beside it.
            let beside = us.ancestors().skip(1).take(2).map(|folder| folder.join("kannas"));
            let found = beside.into_iter().find(|program| program.is_file());
            found.context("no kannas beside us: build it (cargo build -p cli) or set KANNAS_BIN")?
        }
    };
    ensure!(program.is_file(), "KANNAS_BIN: there is no {}", program.display());
    Ok(program)
}
