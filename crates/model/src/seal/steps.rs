//! Of a plan: what makes a host encrypt as it should.

use super::PeerKey;
use crate::plan::Step;
use crate::spec::{Condition, HostSpec, HostState};

/// Tunnels, then their peers, then what is sealed by them. Tunnels that are not
/// wanted any more go later.
pub(crate) fn steps(want: &HostSpec, have: &HostState) -> Vec<Step> {
    let mut steps = Vec::new();
    for generation in &want.sealing.tunnels {
        let why = match have.tunnels.get(generation) {
            Some(Condition::Whole(())) => continue,
            Some(Condition::Broken(why)) => why.clone(),
            Some(Condition::Missing) | None => "missing".to_owned(),
        };
        steps.push(Step::EnsureTunnel { generation: *generation, why });
    }
    // Those of a tunnel that goes go with it.
    let stays = |key: &PeerKey| want.sealing.tunnels.contains(&key.generation);
    let gone = have.peers.keys().filter(|key| !want.sealing.peers.contains_key(key) && stays(key));
    steps.extend(gone.map(|key| Step::RemovePeer(*key)));
    let peers = want.sealing.peers.iter().filter(|(key, end)| have.peers.get(key) != Some(end));
    steps.extend(peers.map(|(key, end)| Step::SetPeer { key: *key, end: *end }));
    let seals = want.sealing.seals.iter().filter(|(vtep, by)| have.seals.get(vtep) != Some(by));
    steps.extend(seals.map(|(vtep, by)| Step::Seal { vtep: *vtep, generation: *by }));
    let clear = have.seals.keys().filter(|vtep| !want.sealing.seals.contains_key(vtep));
    steps.extend(clear.map(|vtep| Step::Unseal(*vtep)));
    steps
}
