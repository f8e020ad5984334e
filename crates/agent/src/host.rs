//! The kernel of this host, as the loop wants it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use datapath::{Host, Setup, TunnelSetup};
use model::ids::{Mtu, Vni};
use model::plan::Step;
use model::seal::{End, Generation};
use model::spec::{HostSpec, HostState, RouteKey, Routes, Target};

use crate::config::Config;
use crate::guard::Sentinel;
use crate::identity::{Card, Identity};
use crate::probe::Probes;
use crate::reconcile::{BoxError, Kernel};
use crate::run::{AgentError, known_identity, run_on};

/// Below the mount point of the BPF file system, a directory for each name:
/// several agents on one machine do not meet.
const PINS: &str = "/sys/fs/bpf/kannas";

/// This very program, also when its file was replaced meanwhile.
const ITSELF: &str = "/proc/self/exe";

/// Takes part as `config` says until `shutdown`, on this host's kernel. What
/// is in the kernel then stays.
///
/// # Errors
/// The kernel or the configuration cannot be used, or the server refuses the
/// join. Once joined, nothing that the server does ends it.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), AgentError> {
    let card = match known_identity(&config)? {
        Some(Identity { card, .. }) => card,
        None => Card::wished(&config)?,
    };
    let setup = Setup {
        underlay: card.underlay,
        vxlan_port: config.vxlan_port,
        tunnels: Some(TunnelSetup {
            dir: config.state_dir.join("tunnels"),
            program: PathBuf::from(ITSELF),
            port: config.tunnel_port,
        }),
        object: config.object(),
        pin_dir: pin_dir(&config, &card),
    };
    run_on(config, move || Ok(Host::open(&setup)?), shutdown).await
}

/// Where a host of that name has its maps and programs.
pub(crate) fn pin_dir(config: &Config, card: &Card) -> PathBuf {
    config.pin_dir.clone().unwrap_or_else(|| PathBuf::from(PINS).join(&card.name))
}

impl Sentinel for datapath::Sentinel {
    fn watch(&mut self, limit: Duration) -> bool {
        Self::watch(self, limit)
    }
}

impl Kernel for Host {
    fn observe(&mut self, near: &Routes) -> Result<HostState, BoxError> {
        Ok(self.observe_near(near)?)
    }

    fn apply(&mut self, step: &Step) -> Result<(), BoxError> {
        Ok(Self::apply(self, step)?)
    }

    fn set_routes(&mut self, routes: &[(RouteKey, Target)]) -> Result<(), BoxError> {
        Ok(Self::set_routes(self, routes)?)
    }

    fn settle(&mut self, want: &HostSpec) -> Result<(), BoxError> {
        Self::settle(self)?;
        Ok(self.keep_flows(want)?)
    }

    fn ends(&mut self) -> Result<BTreeMap<Generation, End>, BoxError> {
        Ok(Self::ends(self)?)
    }

    fn probes(&mut self) -> Result<Option<Box<dyn Probes>>, BoxError> {
        Ok(Some(Box::new(self.prober()?)))
    }

    fn link_mtu(&mut self) -> Option<Mtu> {
        Self::link_mtu(self)
    }

    fn limit(&mut self, limits: BTreeMap<Vni, Mtu>) {
        Self::limit(self, limits);
    }

    fn sentinel(&mut self) -> Result<Option<Box<dyn Sentinel>>, BoxError> {
        Ok(Some(Box::new(Self::sentinel(self)?)))
    }
}
