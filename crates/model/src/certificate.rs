//! Which of a host's certificates are good: the newest, and until it is used
//! the one before, so that no renewal that is cut short locks a host out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::{Change, Key, Object};
use crate::error::{Noun, Rule};
use crate::host::find;
use crate::lease::Lease;
use crate::objects::Host;
use crate::op::admin;
use crate::world::World;

/// What tells one certificate of the authority's from all others, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(String);

impl Serial {
    /// Of its bytes as X.509 has them, whose first may be zeros (RFC 5280
    /// §4.1.2.2).
    pub fn of(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes[zeros..].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub serial: Serial,
    /// Later than that of each that the host had before, whatever the clock
    /// says.
    pub since: i64,
    pub until: i64,
}

/// Of one host. Those that joined before certificates had ends have none here,
/// and theirs is good until they have another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificates {
    newest: Option<Certificate>,
    /// Good for as long as the newest has not been used.
    before: Option<Certificate>,
    /// An administrator wants it to have another.
    wanted: bool,
    /// Since when none is good.
    revoked: Option<i64>,
}

/// Why a certificate that the authority has signed is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("The host was revoked.")]
    Revoked,
    #[error("The host's certificate has expired.")]
    Expired,
    #[error("The host's certificate was replaced by a newer one, which has been used.")]
    Replaced,
}

impl Certificates {
    /// Those of a host that has just joined.
    pub(crate) fn of(certificate: Option<Certificate>) -> Self {
        Self { newest: certificate, ..Self::default() }
    }

    /// # Errors
    /// Why `shown`, which the authority has signed, is not good.
    pub fn judge(&self, shown: &Certificate, now: i64) -> Result<(), Fault> {
        if self.revoked.is_some() {
            return Err(Fault::Revoked);
        }
        if shown.until <= now {
            return Err(Fault::Expired);
        }
        let known = [&self.newest, &self.before].into_iter().flatten();
        let is_known =
            self.newest.is_none() || known.into_iter().any(|it| it.serial == shown.serial);
        if is_known || self.is_later(shown) { Ok(()) } else { Err(Fault::Replaced) }
    }

    /// The host has shown its newest for the first time.
    pub fn is_first_use(&self, shown: &Certificate) -> bool {
        let is_newest = self.newest.as_ref().is_some_and(|it| it.serial == shown.serial);
        (is_newest && self.before.is_some()) || self.is_later(shown)
    }

    /// The host is to be given another: it was asked for, or a third of the
    /// time is left.
    pub fn is_due(&self, now: i64) -> bool {
        let is_old = |it: &Certificate| it.until - now <= (it.until - it.since) / 3;
        self.wanted || self.newest.as_ref().is_none_or(is_old)
    }

    pub fn revoked(&self) -> Option<i64> {
        self.revoked
    }

    /// When the newest ends.
    pub fn until(&self) -> Option<i64> {
        self.newest.as_ref().map(|it| it.until)
    }

    /// When one that is made at `now` begins.
    pub fn next_since(&self, now: i64) -> i64 {
        self.newest.as_ref().map_or(now, |it| now.max(it.since + 1))
    }

    /// This memory is a backup of one that knew it.
    fn is_later(&self, shown: &Certificate) -> bool {
        self.newest.as_ref().is_some_and(|it| shown.since > it.since)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// By a host that has shown `shown`.
    Issue { host: Uuid, shown: Certificate, new: Certificate },
    /// By a host that has shown it for the first time.
    Used { host: Uuid, shown: Certificate },
    /// By an administrator: the host is to have another.
    Renew { by: String, id: String },
    /// By an administrator: none is good any more, until the host joins anew.
    Revoke { by: String, id: String, now: i64 },
}

/// # Errors
/// An unknown host; [`Rule::HostRevoked`]; see [`Wish`] for who may.
pub(crate) fn decide(world: &World, wish: &Wish) -> Result<Vec<Change>, Rule> {
    match wish {
        Wish::Issue { host, shown, new } => issue(world, *host, shown, new),
        Wish::Used { host, shown } => Ok(used(by_uuid(world, *host)?, shown)),
        Wish::Renew { by, id } => {
            admin(world, by)?;
            let host = find(world, id)?;
            not_revoked(host)?;
            let wanted = Certificates { wanted: true, ..host.certificates.clone() };
            Ok(put(host, wanted))
        }
        Wish::Revoke { by, id, now } => {
            admin(world, by)?;
            Ok(revoke(world, find(world, id)?, *now))
        }
    }
}

/// # Errors
/// [`Rule::HostRevoked`].
pub(crate) fn not_revoked(host: &Host) -> Result<(), Rule> {
    match host.certificates.revoked {
        Some(_) => Err(Rule::HostRevoked(host.name.clone())),
        None => Ok(()),
    }
}

/// The host may have been told that its certificate is good by an older world.
fn issue(
    world: &World,
    host: Uuid,
    shown: &Certificate,
    new: &Certificate,
) -> Result<Vec<Change>, Rule> {
    let host = by_uuid(world, host)?;
    not_revoked(host)?;
    if host.certificates.judge(shown, shown.since) != Ok(()) {
        return Err(Rule::CertificateReplaced(host.name.clone()));
    }
    let (newest, before) = (Some(new.clone()), Some(shown.clone()));
    Ok(put(host, Certificates { newest, before, wanted: false, revoked: None }))
}

fn used(host: &Host, shown: &Certificate) -> Vec<Change> {
    if !host.certificates.is_first_use(shown) {
        return Vec::new();
    }
    let newest = Some(shown.clone());
    put(host, Certificates { newest, before: None, ..host.certificates.clone() })
}

/// Nothing is sent to it any more: its lease is as lost, also if it had none,
/// and its keys are forgotten.
fn revoke(world: &World, host: &Host, now: i64) -> Vec<Change> {
    if host.certificates.revoked.is_some() {
        return Vec::new();
    }
    let revoked = Certificates { revoked: Some(now), ..host.certificates.clone() };
    let next = world.next_revision();
    let (since, lost) = (next, Some(now));
    let lease = match world.leases.get(&host.uuid) {
        Some(lease) if lease.lost.is_some() => None,
        Some(lease) => Some(Lease { since, lost, ..lease.as_ref().clone() }),
        None => {
            let boot = String::new();
            Some(Lease { host: host.uuid, epoch: next, boot, since, node: None, lost })
        }
    };
    let keys = world.seals.keys(host.uuid).map(|_| Change::Delete(Key::Keys(host.uuid)));
    let lease = lease.map(|it| Change::Put(Object::Lease(it)));
    put(host, revoked).into_iter().chain(lease).chain(keys).collect()
}

fn put(host: &Host, certificates: Certificates) -> Vec<Change> {
    if host.certificates == certificates {
        return Vec::new();
    }
    vec![Change::Put(Object::Host(Host { certificates, ..host.clone() }))]
}

fn by_uuid(world: &World, host: Uuid) -> Result<&Host, Rule> {
    let found = world.hosts.get(&host).map(|it| &**it);
    found.ok_or_else(|| Rule::Absent(Noun::Host, host.to_string()))
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
