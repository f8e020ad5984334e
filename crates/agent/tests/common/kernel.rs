//! A kernel that takes what it is told: for the protocol and its timing only.

use std::sync::{Arc, Mutex, MutexGuard};

use agent::{BoxError, Kernel};
use model::plan::{Step, after};
use model::seal::Sealing;
use model::spec::{Condition, HostSpec, HostState, Routes};
use uuid::Uuid;

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    state: HostState,
    steps: Vec<String>,
    refused_port: Option<Uuid>,
}

impl Fake {
    /// Every step that was taken.
    pub(crate) fn steps(&self) -> Vec<String> {
        self.lock().steps.clone()
    }

    pub(crate) fn forget_steps(&self) {
        self.lock().steps.clear();
    }

    pub(crate) fn refuse_port(&self, port: Option<Uuid>) {
        self.lock().refused_port = port;
    }

    /// What it has, as a slice of no revision.
    pub(crate) fn carried(&self) -> HostSpec {
        let state = self.lock().state.clone();
        let whole = |(uuid, port)| match port {
            Condition::Whole(spec) => Some((uuid, spec)),
            Condition::Missing | Condition::Broken(_) => None,
        };
        let ports = state.ports.into_iter().filter_map(whole).collect();
        let tunnels = state.tunnels.into_keys().collect();
        let sealing = Sealing { tunnels, peers: state.peers, seals: state.seals };
        HostSpec { revision: 0, ports, routes: state.routes, sealing }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Kernel for Fake {
    fn observe(&mut self, _: &Routes) -> Result<HostState, BoxError> {
        Ok(self.lock().state.clone())
    }

    fn apply(&mut self, step: &Step) -> Result<(), BoxError> {
        let mut inner = self.lock();
        let refused = match step {
            Step::EnsurePort { port, .. } => inner.refused_port == Some(*port),
            Step::RemoveRoute(_) | Step::RemovePort(_) => false,
            Step::EnsureVtep | Step::SetRoute { .. } => false,
            Step::EnsureTunnel { .. } | Step::RemoveTunnel(_) => false,
            Step::SetPeer { .. } | Step::RemovePeer(_) => false,
            Step::Seal { .. } | Step::Unseal(_) => false,
        };
        if refused {
            return Err("no such device".into());
        }
        inner.steps.push(step.to_string());
        after(&mut inner.state, step);
        Ok(())
    }
}
