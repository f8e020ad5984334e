//! `/kannas/v1/peering-groups`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::forecast::{ClashView, Told};
use super::{Fields, labels};
use crate::error::{Rule, Subject};
use crate::label::Label;
use crate::peering_group::{Intent, Modify, PeeringGroup, Progress, Shape, Status, Wish};

const ENVELOPE: &str = "peering_group";

impl Wish {
    /// Of one that is to be made.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn create_of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let name = fields.required("name", Subject::Name)?;
        let labels = labels(&mut fields)?.unwrap_or_default();
        let shape = shape(&mut fields)?
            .ok_or_else(|| fields.bad(Subject::Request, "topology", "is required"))?;
        fields.finish()?;
        Ok(Self::Create { name, intent: Intent { labels, shape } })
    }

    /// Of a change of one.
    ///
    /// # Errors
    /// The first faulty attribute.
    pub fn modify_of_body(body: &[u8]) -> Result<Self, Rule> {
        let mut fields = Fields::of_body(body, ENVELOPE)?;
        let it = Modify {
            name: fields.string("name", Subject::Name)?,
            labels: labels(&mut fields)?,
            shape: shape(&mut fields)?,
        };
        fields.finish()?;
        Ok(Self::Modify(it))
    }
}

fn shape(fields: &mut Fields) -> Result<Option<Shape>, Rule> {
    let topology = fields.string("topology", Subject::Request)?;
    let hub = fields.parsed::<Uuid>("hub", Subject::Network)?;
    let refuse = |key: &str, why: &str| Err(fields.bad(Subject::Request, key, why));
    match (topology.as_deref(), hub) {
        (None, None) => Ok(None),
        (Some("mesh"), None) => Ok(Some(Shape::Mesh)),
        (Some("hub"), Some(hub)) => Ok(Some(Shape::Hub(hub))),
        (Some("hub"), None) => refuse("hub", "is required: the UUID of a network"),
        (Some("mesh") | None, Some(_)) => refuse("hub", "is for the topology \"hub\""),
        (Some(_), _) => refuse("topology", "must be \"mesh\" or \"hub\""),
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct One {
    pub peering_group: View,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Many {
    pub peering_groups: ManyInner,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ManyInner {
    pub peering_group: Vec<View>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub uuid: Uuid,
    pub name: String,
    #[serde(flatten)]
    pub intent: IntentView,
    pub state: Status,
    pub reasons: Vec<Told>,
    /// What undoing leads to.
    pub previous: Option<IntentView>,
    /// That have the labels.
    pub networks: usize,
    pub peerings: Counts,
    pub clashes: Vec<ClashView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentView {
    pub labels: Vec<Label>,
    pub topology: Topology,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    Mesh,
    Hub,
}

/// Of halves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub wanted: usize,
    /// That it has made.
    pub made: usize,
    /// Still to be made or deleted.
    pub due: usize,
    /// Of those it has made, by state.
    pub states: BTreeMap<String, usize>,
}

impl IntentView {
    fn of(it: &Intent) -> Self {
        let (topology, hub) = match it.shape {
            Shape::Mesh => (Topology::Mesh, None),
            Shape::Hub(hub) => (Topology::Hub, Some(hub)),
        };
        Self { labels: it.labels.clone(), topology, hub }
    }
}

impl View {
    pub fn new(it: &PeeringGroup, progress: Progress) -> Self {
        let told =
            |it: crate::reasons::Reason| Told { code: it.code.to_owned(), message: it.message };
        let clash = |(peering, message)| ClashView { peering: Some(peering), message };
        let states = progress.states.into_iter().map(|(state, n)| (state.to_owned(), n));
        Self {
            uuid: it.uuid,
            name: it.name.clone(),
            intent: IntentView::of(&it.intent),
            state: progress.status,
            reasons: progress.reasons.into_iter().map(told).collect(),
            previous: it.before.as_ref().map(IntentView::of),
            networks: progress.networks,
            peerings: Counts {
                wanted: progress.wanted,
                made: progress.made,
                due: progress.due,
                states: states.collect(),
            },
            clashes: progress.clashes.into_iter().map(clash).collect(),
        }
    }
}
