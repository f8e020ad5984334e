//! `kannas group`.

use clap::{ArgGroup, Args, Subcommand};
use model::label::Label;
use model::peering_group::Status;
use model::wire::peering_group::{IntentView, Topology, View};
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::access::Run;
use crate::body::Body;
use crate::exit::Failure;
use crate::labels;
use crate::network::Network;
use crate::noun::{self, Noun, Row};
use crate::plan::{self, Plan};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your groups
    List,
    /// Show a group: what it wants, and how far it has come
    Show {
        /// Name, UUID, or its beginning
        group: String,
    },
    Create(Create),
    Modify(Modify),
    /// Go back to the labels and topology before their last change; again: forth
    Undo {
        /// Name, UUID, or its beginning
        group: String,

        #[command(flatten)]
        plan: Plan,
    },
    /// Delete groups, and the peerings that they have made
    Delete {
        /// Name, UUID, or its beginning
        #[arg(required = true)]
        groups: Vec<String>,

        #[command(flatten)]
        plan: Plan,
    },
}

/// Peer all networks of yours that have certain labels
///
/// A network that gets the labels is peered, one that loses them is not any
/// more. Peerings that you have made yourself are left alone.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("topology").required(true))]
pub(crate) struct Create {
    /// Name of the group
    name: String,

    /// Label that its networks have; repeat for more, all of which they have
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = labels::pair, required = true)]
    labels: Vec<Label>,

    #[command(flatten)]
    shape: Shape,

    #[command(flatten)]
    plan: Plan,
}

/// Change a group: what is not given stays as it is
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("topology"))]
pub(crate) struct Modify {
    /// Name, UUID, or its beginning
    group: String,

    /// New name
    #[arg(long)]
    name: Option<String>,

    /// Label that its networks have, in place of those before; repeat for more
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = labels::pair)]
    labels: Vec<Label>,

    #[command(flatten)]
    shape: Shape,

    #[command(flatten)]
    plan: Plan,
}

#[derive(Debug, Args)]
struct Shape {
    /// Peer each with each other one
    #[arg(long, group = "topology")]
    mesh: bool,

    /// Peer each with this network: name, UUID, or its beginning
    #[arg(long, value_name = "NETWORK", group = "topology")]
    hub: Option<String>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List => session.list::<View>(&[]),
            Self::Show { group } => {
                let uuid = session.resolve::<View>(&group)?;
                let it = noun::one::<View>(&session.client, uuid)?;
                session.show::<View>(it)
            }
            Self::Create(Create { name, labels, shape, plan }) => {
                let wish = Body::default().with("name", Some(name)).with("labels", Some(labels));
                let wish = shape.given(wish, session)?;
                session.create_or_plan::<View>(wish.into(), &plan)
            }
            Self::Modify(modify) => modify.run(session),
            Self::Undo { group, plan } => {
                let path = noun::path::<View>(session.resolve::<View>(&group)?) + "/undo";
                if plan.plan {
                    return plan::show(session, &Method::POST, &path, Some(&json!({})));
                }
                let answer = session.client.post(&path, &json!({}))?;
                let it = session.client.within(answer, &[View::ENVELOPES[1]])?;
                session.show::<View>(it)
            }
            Self::Delete { groups, plan } => session.delete_or_plan::<View>(&groups, &plan),
        }
    }
}

impl Modify {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let labels = (!self.labels.is_empty()).then_some(self.labels);
        let change = Body::default().with("name", self.name).with("labels", labels);
        let change: Value = self.shape.given(change, session)?.of_change()?;
        let uuid = session.resolve::<View>(&self.group)?;
        session.change_or_plan::<View>((&Method::PATCH, uuid), &change, &self.plan)
    }
}

impl Shape {
    fn given(self, body: Body, session: &Session<'_, '_>) -> Result<Body, Failure> {
        let hub = self.hub.map(|name| session.resolve::<Network>(&name)).transpose()?;
        let topology = match (self.mesh, hub) {
            (true, _) => Some("mesh"),
            (false, Some(_)) => Some("hub"),
            (false, None) => None,
        };
        Ok(body.with("topology", topology).with("hub", hub))
    }
}

fn state(it: Status) -> &'static str {
    match it {
        Status::Settled => "settled",
        Status::Working => "working",
        Status::Stopped => "stopped",
        Status::Leaving => "leaving",
    }
}

fn intent(it: &IntentView) -> String {
    let shape = match (it.topology, it.hub) {
        (Topology::Mesh, _) => "mesh".to_owned(),
        (Topology::Hub, hub) => format!("hub {}", hub.map(|it| it.to_string()).unwrap_or_default()),
    };
    format!("{shape} of {}", labels::text(&it.labels))
}

impl Row for View {
    const PATH: &'static str = "/kannas/v1/peering-groups";
    const ENVELOPES: [&'static str; 2] = ["peering_groups", "peering_group"];
    const HEADS: &'static [&'static str] =
        &["UUID", "NAME", "STATE", "INTENT", "NETWORKS", "PEERINGS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.uuid.to_string(),
            self.name.clone(),
            state(self.state).to_owned(),
            intent(&self.intent),
            self.networks.to_string(),
            self.peerings.wanted.to_string(),
        ]
    }
}

impl Noun for View {
    const NAME: &'static str = "group";

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn card(&self) -> Vec<(&'static str, String)> {
        let states = self.peerings.states.iter().map(|(state, n)| format!("{n} {state}"));
        let mut lines = vec![
            ("UUID", self.uuid.to_string()),
            ("Name", self.name.clone()),
            ("State", state(self.state).to_owned()),
        ];
        lines.extend(self.reasons.iter().map(|it| ("Reason", it.message.clone())));
        lines.extend([
            ("Intent", intent(&self.intent)),
            ("Before", self.previous.as_ref().map(intent).unwrap_or_default()),
            ("Networks", self.networks.to_string()),
            (
                "Wanted",
                format!("{} halves, {} to be done", self.peerings.wanted, self.peerings.due),
            ),
            ("Made", format!("{} halves", self.peerings.made)),
            ("States", states.collect::<Vec<_>>().join(", ")),
        ]);
        lines.extend(self.clashes.iter().map(|it| ("Clash", it.message.clone())));
        lines
    }
}
