//! `/kannas/v1/peering-requests`: what others ask for, and answers to it.

use serde::Serialize;
use uuid::Uuid;

use super::{Fields, Reference, labels};
use crate::consent::{Accept, Patience};
use crate::error::{Rule, Subject};
use crate::objects::Peering;
use crate::world::World;

pub const ENVELOPE: &str = "peering_request";

impl Accept {
    /// No body at all asks for nothing in particular.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let name = fields.string("name", Subject::Name)?;
        let labels = labels(&mut fields)?.unwrap_or_default();
        fields.finish()?;
        Ok(Self { name, labels })
    }
}

/// A request as the one who is asked sees it: nothing that it does not need
/// to decide.
#[derive(Serialize)]
pub struct View<'w> {
    uuid: Uuid,
    network: Reference,
    peer_network: Offer<'w>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'w str>,
    /// Seconds since 1970 become RFC 3339 where there is a calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct Offer<'w> {
    uuid: Uuid,
    prefixes: Vec<&'w str>,
}

impl<'w> View<'w> {
    /// `calendar` writes seconds since 1970 as a date and time.
    pub fn new(
        world: &'w World,
        patience: Patience,
        calendar: impl Fn(i64) -> String,
        it: &'w Peering,
    ) -> Self {
        let subnets = world.network(it.network).into_iter().flat_map(|n| &n.subnets);
        Self {
            uuid: it.uuid,
            network: Reference { uuid: it.peer_network },
            peer_network: Offer {
                uuid: it.network,
                prefixes: subnets.map(|s| s.address.as_str()).collect(),
            },
            note: it.note.as_deref(),
            expires_at: patience.expires(it).map(calendar),
        }
    }
}

#[derive(Serialize)]
pub struct Many<'w> {
    pub peering_requests: ManyInner<'w>,
}

#[derive(Serialize)]
pub struct ManyInner<'w> {
    pub peering_request: Vec<View<'w>>,
}
