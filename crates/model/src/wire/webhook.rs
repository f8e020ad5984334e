//! `/kannas/v1/webhook`, and what is sent there.

use serde::Serialize;
use uuid::Uuid;

use super::Fields;
use crate::error::{Rule, Subject};
use crate::objects::Webhook;
use crate::reasons::Reason;
use crate::state::State;
use crate::webhook::{Event, Wish};

impl Wish {
    /// # Errors
    /// The first faulty attribute.
    pub fn of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, "webhook")?;
        let url = fields.required("url", Subject::Request)?;
        let secret = fields.required("secret", Subject::Request)?;
        fields.finish()?;
        Ok(Self::Set { url, secret })
    }
}

/// Without the secret, which is its owner's to remember.
#[derive(Serialize)]
pub struct View<'w> {
    pub url: &'w str,
}

impl<'w> View<'w> {
    pub fn new(it: &'w Webhook) -> Self {
        Self { url: &it.url }
    }
}

#[derive(Serialize)]
pub struct One<'w> {
    pub webhook: View<'w>,
}

/// The body that a webhook gets.
#[derive(Serialize)]
pub struct EventView<'e> {
    /// The same each time that this is sent.
    pub id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    network_peering: PeeringView<'e>,
}

#[derive(Serialize)]
struct PeeringView<'e> {
    uuid: Uuid,
    account: &'e str,
    state: State,
    previous_state: Option<State>,
    reasons: &'e [Reason],
    sequence: u64,
}

impl<'e> EventView<'e> {
    pub fn new(id: Uuid, it: &'e Event) -> Self {
        let network_peering = PeeringView {
            uuid: it.peering,
            account: &it.account,
            state: it.state,
            previous_state: it.before,
            reasons: &it.reasons,
            sequence: it.sequence,
        };
        Self { id, kind: "network_peering.state", network_peering }
    }
}
