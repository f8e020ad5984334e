//! Leases of hosts: what a host holds for as long as it renews it. Routes to a
//! host that has lost its lease are nobody's, until it takes a new one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::certificate;
use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule};
use crate::ids::Revision;
use crate::world::World;

/// Keyed by host. A host that was never given one is bound by its connection
/// only, as agents before 0.2 were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub host: Uuid,
    /// Grows with each lease of the host: what is said under a smaller one is
    /// of the past.
    pub epoch: Revision,
    /// The boot of the host's kernel that it was taken in.
    pub boot: String,
    /// The host's routes have come or gone at this revision.
    pub since: Revision,
    /// The server among several that it is renewed at, and that watches over
    /// it; None where there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Uuid>,
    /// It was not renewed, since this many seconds after 1970.
    pub lost: Option<i64>,
}

/// What a host says when it comes to be told what to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Of the lease it holds, if it knows of one.
    pub epoch: Option<Revision>,
    pub boot: String,
    /// The server it has come to, one of several.
    pub node: Option<Uuid>,
}

/// A lease that is to be declared lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub host: Uuid,
    /// One that the host has taken meanwhile is not lost.
    pub epoch: Revision,
    /// In seconds since 1970.
    pub since: i64,
}

impl World {
    /// True when nothing is to be sent to the host until it is back.
    pub fn is_lost(&self, host: Uuid) -> bool {
        self.leases.get(&host).is_some_and(|lease| lease.lost.is_some())
    }
}

/// The epoch under which the host goes on; None when it needs a new lease.
pub fn resumed(world: &World, host: Uuid, claim: &Claim) -> Option<Revision> {
    let lease = world.leases.get(&host)?;
    (is_held(lease, claim) && claim.node == lease.node).then_some(lease.epoch)
}

/// The host has the lease that it names, wherever it is renewed.
fn is_held(lease: &Lease, claim: &Claim) -> bool {
    let same = claim.epoch == Some(lease.epoch) && claim.boot == lease.boot;
    same && lease.lost.is_none()
}

/// What the host has from under the lease `before` is still what it is to have
/// under `after`: it has come from another server, and was never lost.
pub fn goes_on(before: &World, after: &Lease, claim: &Claim) -> bool {
    let before = before.leases.get(&after.host);
    before.is_some_and(|it| is_held(it, claim) && it.since == after.since)
}

/// A new lease, unless the host has the one that it claims. Its epoch is
/// larger than any the host knows, also when the server's memory is a backup.
///
/// # Errors
/// [`Rule::Absent`], [`Rule::HostRevoked`].
pub fn take(world: &World, host: Uuid, claim: &Claim) -> Result<Vec<Change>, Rule> {
    let known = world.hosts.get(&host);
    certificate::not_revoked(known.ok_or_else(|| Rule::Absent(Noun::Host, host.to_string()))?)?;
    if resumed(world, host, claim).is_some() {
        return Ok(Vec::new());
    }
    let old = world.leases.get(&host);
    let known = claim.epoch.max(old.map(|lease| lease.epoch)).unwrap_or(0);
    let now = world.next_revision();
    let since = match old {
        Some(lease) if lease.lost.is_none() => lease.since,
        Some(_) => now,
        None => 0,
    };
    let epoch = now.max(known.saturating_add(1));
    let Claim { boot, node, .. } = claim.clone();
    let lease = Lease { host, epoch, boot, since, node, lost: None };
    Ok(vec![Change::Put(Object::Lease(lease))])
}

/// The host goes on without one, as its agent is older than leases are.
pub fn drop_of(world: &World, host: Uuid) -> Vec<Change> {
    let lease = world.leases.get(&host);
    lease.map(|_| Change::Delete(Key::Lease(host))).into_iter().collect()
}

/// Those of the leases that are still held are lost.
pub fn lose(world: &World, losses: &[Loss]) -> Vec<Change> {
    let since = world.next_revision();
    let lost = losses.iter().filter_map(|loss| {
        let lease = world.leases.get(&loss.host)?;
        let held = lease.epoch == loss.epoch && lease.lost.is_none();
        let lost = || Lease { since, lost: Some(loss.since), ..Lease::clone(lease) };
        held.then(|| Change::Put(Object::Lease(lost())))
    });
    lost.collect()
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
