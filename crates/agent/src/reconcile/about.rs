//! What a step is about.

use model::ids::Vni;
use model::plan::Step;
use model::spec::{Condition, HostState, RouteKey, Target};

pub(super) fn pair_of(step: &Step) -> Option<(RouteKey, Target)> {
    match step {
        Step::SetRoute { key, target } => Some((*key, *target)),
        Step::RemoveRoute(_) | Step::RemovePort(_) => None,
        Step::EnsureVtep | Step::EnsurePort { .. } => None,
        Step::EnsureTunnel { .. } | Step::RemoveTunnel(_) => None,
        Step::SetPeer { .. } | Step::RemovePeer(_) => None,
        Step::Seal { .. } | Step::Unseal(_) => None,
    }
}

/// The network whose port or route the step is about.
pub(super) fn vni_of(step: &Step, have: &HostState) -> Option<Vni> {
    match step {
        Step::RemoveRoute(key) | Step::SetRoute { key, .. } => Some(key.vni),
        Step::EnsurePort { spec, .. } => Some(spec.vni),
        Step::RemovePort(port) => match have.ports.get(port)? {
            Condition::Whole(spec) => Some(spec.vni),
            Condition::Missing | Condition::Broken(_) => None,
        },
        Step::EnsureVtep | Step::EnsureTunnel { .. } | Step::RemoveTunnel(_) => None,
        Step::SetPeer { .. } | Step::RemovePeer(_) => None,
        Step::Seal { .. } | Step::Unseal(_) => None,
    }
}
