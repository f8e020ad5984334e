//! `/1.3/network-peering` (seed; contract section 4).

use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::health::HealthView;
use super::{Fields, labels};
use crate::admission::Ends;
use crate::consent::Patience;
use crate::error::{Rule, Subject};
use crate::label::Label;
use crate::objects::{Configured, Network, Peering, Subnet};
use crate::peering::{Create, Modify};
use crate::reasons::Reason;
use crate::state::{self, Presence, State};
use crate::world::World;

pub const ENVELOPE: &str = "network_peering";

impl Create {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Self {
            name: fields.required("name", Subject::Name)?,
            configured: configured(&mut fields)?.unwrap_or(Configured::Active),
            network: network(&mut fields, "network")?,
            peer_network: network(&mut fields, "peer_network")?,
            labels: labels(&mut fields)?.unwrap_or_default(),
            note: fields.string("note", Subject::Request)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

impl Modify {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Self {
            name: fields.string("name", Subject::Name)?,
            configured: configured(&mut fields)?,
            labels: labels(&mut fields)?,
            note: note(&mut fields)?,
        };
        fields.finish()?;
        Ok(it)
    }
}

/// Null takes the note away, as an empty one does.
fn note(fields: &mut Fields) -> Result<Option<String>, Rule> {
    let given = fields.has("note");
    let note = fields.string("note", Subject::Request)?;
    Ok(given.then(|| note.unwrap_or_default()))
}

fn configured(fields: &mut Fields) -> Result<Option<Configured>, Rule> {
    match fields.string("configured_status", Subject::Request)?.as_deref() {
        None => Ok(None),
        Some("active") => Ok(Some(Configured::Active)),
        Some("disabled") => Ok(Some(Configured::Disabled)),
        Some(_) => {
            let why = "must be \"active\" or \"disabled\"";
            Err(fields.bad(Subject::Request, "configured_status", why))
        }
    }
}

fn network(fields: &mut Fields, key: &str) -> Result<Uuid, Rule> {
    let inner = fields.object(key, Subject::Network)?;
    let mut inner = inner.ok_or_else(|| fields.bad(Subject::Network, key, "is required"))?;
    let text = inner.required("uuid", Subject::Network)?;
    let uuid = Uuid::try_parse(&text)
        .map_err(|_| inner.bad(Subject::Network, "uuid", "must be a UUID"))?;
    inner.finish()?;
    Ok(uuid)
}

/// A peering as its owner sees it.
#[derive(Serialize)]
pub struct View<'w> {
    uuid: Uuid,
    name: &'w str,
    configured_status: Configured,
    state: State,
    reasons: Vec<Reason>,
    health: HealthView,
    labels: &'w [Label],
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'w str>,
    /// The peering group that has made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Uuid>,
    network: Side<'w>,
    peer_network: Side<'w>,
}

#[derive(Serialize)]
struct Side<'w> {
    uuid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_networks: Option<Subnets<'w>>,
}

#[derive(Serialize)]
struct Subnets<'w> {
    #[serde(serialize_with = "addresses")]
    ip_network: &'w [Subnet],
}

#[derive(Serialize)]
struct SubnetView<'w> {
    address: &'w str,
    family: &'static str,
}

impl<'w> View<'w> {
    pub fn new(world: &'w World, presence: &Presence, patience: Patience, it: &'w Peering) -> Self {
        let of = (it, Ends::of(world, it));
        Self::between(world, presence, patience, of)
    }

    /// Many of one picture, each made when it is asked for.
    pub fn all<'p>(
        world: &'w World,
        presence: &'p Presence,
        patience: Patience,
        page: &'p [&'w Arc<Peering>],
    ) -> impl Iterator<Item = Self> + use<'w, 'p> {
        let ahead = page.chunks(AHEAD).flat_map(move |some| look_ahead(world, some));
        ahead.map(move |of| Self::between(world, presence, patience, of))
    }

    fn between(
        world: &'w World,
        presence: &Presence,
        patience: Patience,
        (it, ends): (&'w Peering, Ends<'w>),
    ) -> Self {
        let (state, reasons) = state::judge_between(world, presence, patience, (it, ends));
        let side = |uuid, network: Option<&'w Network>| Side {
            uuid,
            ip_networks: network.map(|n| Subnets { ip_network: &n.subnets }),
        };
        Self {
            uuid: it.uuid,
            name: &it.name,
            configured_status: it.configured,
            state,
            reasons,
            health: HealthView::of_pair(world, presence, ends.pair(it)),
            labels: &it.labels,
            note: it.note.as_deref(),
            group: it.group,
            network: side(it.network, ends.local),
            // Nothing about a foreign network leaks before its owner consents.
            peer_network: side(it.peer_network, ends.peer.filter(|_| ends.mirror.is_some())),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }
}

/// How many are looked at before the first of them is shown: so many that the
/// caches hold what belongs to them.
const AHEAD: usize = 64;

/// A long list costs what waiting for memory costs. Here nothing is done but
/// to look at all that is to be shown, so that a processor waits for many
/// things at once instead of for one after the other.
fn look_ahead<'w>(world: &'w World, some: &[&'w Arc<Peering>]) -> Vec<(&'w Peering, Ends<'w>)> {
    let first = |text: &str| u32::from(text.as_bytes().first().copied().unwrap_or_default());
    let mut seen = 0;
    for it in some {
        seen += first(&it.name);
        seen += it.labels.iter().map(|l| first(&l.key) + first(&l.value)).sum::<u32>();
    }
    let found: Vec<_> = some.iter().map(|it| (&***it, Ends::of(world, it))).collect();
    for (_, ends) in &found {
        let networks = [ends.local, ends.peer].into_iter().flatten();
        seen += networks.flat_map(|n| &n.subnets).map(|s| first(&s.address)).sum::<u32>();
        seen += ends.mirror.map_or(0, |m| u32::from(m.configured == Configured::Active));
    }
    std::hint::black_box(seen);
    found
}

fn addresses<S: Serializer>(subnets: &[Subnet], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(subnets.iter().map(|s| SubnetView {
        address: &s.address,
        family: if s.prefix.address().is_ipv4() { "IPv4" } else { "IPv6" },
    }))
}

#[derive(Serialize)]
pub struct One<'w> {
    pub network_peering: View<'w>,
}

#[derive(Serialize)]
pub struct Many<L> {
    pub network_peerings: ManyInner<L>,
}

/// `L` is a list of [`View`]s.
#[derive(Serialize)]
pub struct ManyInner<L> {
    pub network_peering: L,
}

#[cfg(test)]
#[path = "peering_tests.rs"]
mod tests;
