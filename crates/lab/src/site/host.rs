//! A host of a site: a namespace, its agent, and the agent's way to the server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Site;
use super::server::{clean, words};
use crate::netns::Netns;
use crate::process::Process;
use crate::relay::Relay;

#[derive(Debug)]
pub struct Host {
    pub name: String,
    pub zone: String,
    /// Its VTEP.
    pub underlay: IpAddr,
    /// Programs of another version, and the layout of their maps: what the next agent brings.
    pub object: Option<(PathBuf, u32)>,
    agent: Option<Process>,
    /// The servers that its next agent knows, by their places among all.
    pub knows: Vec<usize>,
    doors: Vec<Relay>,
    pub netns: Arc<Netns>,
    state: PathBuf,
    pins: PathBuf,
    log: PathBuf,
}

impl Host {
    pub(super) fn new(site: &Site, index: usize, (name, zone): (&str, &str)) -> Result<Self> {
        let (netns, underlay) = site.underlay.host(index)?;
        let folder = site.folder.path();
        let doors = site.servers().map(|server| Relay::start_out(0, &netns, server.agents));
        let doors = doors.collect::<Result<Vec<_>>>()?;
        Ok(Self {
            name: name.to_owned(),
            zone: zone.to_owned(),
            underlay,
            object: None,
            agent: None,
            knows: (0..doors.len()).collect(),
            doors,
            netns,
            state: folder.join(format!("agent-{name}")),
            pins: site.folder.pins().join(name),
            log: folder.join(format!("agent-{name}.log")),
        })
    }

    /// The BPF objects of this host are pinned here.
    #[must_use]
    pub fn pins(&self) -> &PathBuf {
        &self.pins
    }

    /// How often its agents have begun to watch the server, all that there were.
    #[must_use]
    pub fn watches(&self) -> usize {
        std::fs::read_to_string(&self.log).map_or(0, |log| log.matches(": watching").count())
    }

    /// How often its agents have set many things at once, all agents that there were.
    #[must_use]
    pub fn fills(&self) -> usize {
        std::fs::read_to_string(&self.log).map_or(0, |log| log.matches(" steps=").count())
    }

    /// The agent's copy of what it is to carry.
    #[must_use]
    pub fn slice_file(&self) -> PathBuf {
        self.state.join("slice.ndjson")
    }

    /// Starts the agent for the first time.
    pub(super) fn join(&mut self, token: &str) -> Result<()> {
        self.launch(Some(token))
    }

    /// Starts the agent, which has joined before.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.launch(None)
    }

    /// Starts the agent with a token by which it joins anew, as who it was.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn join_again(&mut self, token: &str) -> Result<()> {
        self.launch(Some(token))
    }

    /// Where it keeps who it is, with its keys.
    #[must_use]
    pub fn state(&self) -> &PathBuf {
        &self.state
    }

    /// Kills the agent as a crash would.
    ///
    /// # Errors
    /// As [`Process::kill9`]; it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.agent.take().with_context(|| format!("no agent on {}", self.name))?.kill9()
    }

    /// Asks the agent to end; a workload's packets go on.
    ///
    /// # Errors
    /// As [`Process::stop`]; it does not run, or ends with an error.
    pub fn stop(&mut self) -> Result<()> {
        let mut agent = self.agent.take().with_context(|| format!("no agent on {}", self.name))?;
        let status = agent.stop()?;
        ensure!(status.success(), "{status}: {}", agent.log_tail());
        Ok(())
    }

    /// Its agent stands still; see [`Process::pause`].
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.agent.as_mut().with_context(|| format!("no agent on {}", self.name))?.pause()
    }

    /// Its agent goes on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.agent.as_mut().with_context(|| format!("no agent on {}", self.name))?.resume()
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Process::pid)
    }

    /// Takes away all that the datapath has in the kernel, as a reboot does; the agent does not run.
    ///
    /// # Errors
    /// Something cannot be taken away.
    pub fn lose_kernel_state(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.pins).with_context(|| self.pins.display().to_string())?;
        let links: Value = serde_json::from_str(&self.netns.ip("-j link show")?)?;
        let names = links.as_array().into_iter().flatten().filter_map(|it| it["ifname"].as_str());
        for name in names.filter(|name| name.starts_with("kn") || *name == "kannas") {
            self.netns.ip(&format!("link del {name}"))?;
        }
        Ok(())
    }

    /// Packets by verdict since the host joined.
    ///
    /// # Errors
    /// The agent has yet to make its maps.
    pub fn verdicts(&self) -> Result<BTreeMap<String, u64>> {
        datapath::verdicts(&self.pins).with_context(|| format!("counters of {}", self.name))
    }

    /// What was counted since `before`.
    ///
    /// # Errors
    /// As [`Host::verdicts`].
    pub fn verdicts_since(&self, before: &BTreeMap<String, u64>) -> Result<BTreeMap<String, u64>> {
        let mut counts = self.verdicts()?;
        for (name, count) in &mut counts {
            *count = count.saturating_sub(before.get(name).copied().unwrap_or_default());
        }
        counts.retain(|_, count| *count > 0);
        Ok(counts)
    }

    #[must_use]
    pub fn log_tail(&self) -> String {
        self.agent.as_ref().map_or_else(|| "(not running)".to_owned(), Process::log_tail)
    }

    /// Where the process listens that encrypts under keys of that generation.
    #[must_use]
    pub fn tunnel_socket(&self, generation: u64) -> PathBuf {
        self.state.join(format!("tunnels/kannas-wg{}.sock", generation % 2))
    }

    /// The process that encrypts for it under keys of that generation; None
    /// where it has none.
    ///
    /// # Errors
    /// The processes of this machine cannot be read.
    pub fn tunnel_process(&self, generation: u64) -> Result<Option<u32>> {
        let socket = self.tunnel_socket(generation).display().to_string();
        for entry in std::fs::read_dir("/proc").context("/proc")? {
            let path = entry.context("/proc")?.path();
            let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
            let mut words = command.split(|byte| *byte == 0);
            if words.any(|word| word == socket.as_bytes()) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                return Ok(name.parse().ok());
            }
        }
        Ok(None)
    }

    fn launch(&mut self, token: Option<&str>) -> Result<()> {
        ensure!(self.agent.is_none(), "{} has an agent", self.name);
        let words = words(|it| &it.agent)?;
        let mut command = clean(self.netns.command(&words[0]));
        command.args(&words[1..]).arg("agent");
        for door in self.knows.iter().filter_map(|index| self.doors.get(*index)) {
            command.arg("--server").arg(format!("https://{}", door.address()));
        }
        command.arg("--state-dir").arg(&self.state).arg("--pin-dir").arg(&self.pins);
        let underlay = self.underlay.to_string();
        command.args(["--zone", &self.zone, "--name", &self.name, "--underlay", &underlay]);
        if let Some((file, layout)) = &self.object {
            command.arg("--bpf-object").arg(file).args(["--bpf-layout", &layout.to_string()]);
        }
        // Not on the command line, which others can read.
        if let Some(token) = token {
            command.env("KANNAS_JOIN", token);
        }
        self.agent = Some(Process::start(&format!("agent of {}", self.name), command, &self.log)?);
        Ok(())
    }
}
