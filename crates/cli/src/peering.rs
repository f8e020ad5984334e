//! `kannas peering`.

use clap::{Args, Subcommand};
use model::label::Label;
use model::wire::health::HealthView;
use serde::Deserialize;
use serde_json::json;
use ureq::http::Method;
use uuid::Uuid;

use crate::access::Run;
use crate::body::Body;
use crate::counters;
use crate::exit::Failure;
use crate::health;
use crate::labels::{self, LabelFilter, NewLabels, OtherLabels};
use crate::network::{Network, Subnets};
use crate::noun::{self, Noun, Row};
use crate::plan::{self, Plan};
use crate::session::Session;
use crate::wait::Wait;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your peerings
    List(List),
    /// Show a peering
    Show(Named),
    Create(Create),
    /// What `create` with the same flags would do: nothing is made
    Plan(Create),
    Modify(Modify),
    /// Let packets cross, if the other half does too
    Enable(Switch),
    /// Let no packet cross
    Disable(Switch),
    /// Show how many packets crossed, and how many were dropped and why
    Counters {
        /// Name, UUID, or its beginning
        peering: String,
    },
    /// Delete peerings: packets stop, whatever their state
    Delete {
        /// Name, UUID, or its beginning
        #[arg(required = true)]
        peerings: Vec<String>,

        #[command(flatten)]
        plan: Plan,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this network of yours: name, UUID, or its beginning
    #[arg(long)]
    network: Option<String>,

    #[command(flatten)]
    labels: LabelFilter,

    /// As they were configured at a time, like 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "network")]
    at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name, UUID, or its beginning
    peering: String,

    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    named: Named,

    #[command(flatten)]
    plan: Plan,
}

/// Make one half of a peering, from a network of yours to another
///
/// Packets cross once the owner of the other network has made the half from
/// there to here, and both networks have a router.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the peering
    name: String,

    /// Your network: name, UUID, or its beginning
    #[arg(long)]
    network: String,

    /// The network to reach: UUID, or a name if it is yours too
    #[arg(long, value_name = "NETWORK")]
    peer_network: String,

    /// Make it disabled
    #[arg(long)]
    disabled: bool,

    #[command(flatten)]
    labels: NewLabels,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    plan: Plan,
}

/// Change a peering: what is not given stays as it is
#[derive(Debug, Args)]
pub(crate) struct Modify {
    /// Name, UUID, or its beginning
    peering: String,

    /// New name
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    labels: OtherLabels,

    #[command(flatten)]
    plan: Plan,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List(List { labels, at: Some(at), .. }) => {
                let query = labels.query().into_iter().chain([("at", at)]);
                session.list::<Past>(&query.collect::<Vec<_>>())
            }
            Self::List(List { network, labels, at: None }) => {
                let mut query = labels.query();
                let network = network.map(|name| session.resolve::<Network>(&name)).transpose()?;
                query.extend(network.map(|uuid| ("network_uuid_local", uuid.to_string())));
                session.list::<Peering>(&query)
            }
            Self::Show(Named { peering, wait }) => {
                let uuid = session.resolve::<Peering>(&peering)?;
                let it = noun::one::<Peering>(&session.client, uuid)?;
                wait.then_show("active", it, session)
            }
            Self::Create(create) => create.run(session),
            Self::Plan(create) => Create { plan: Plan { plan: true }, ..create }.run(session),
            Self::Modify(modify) => modify.run(session),
            Self::Enable(switch) => switch.configure("active", session),
            Self::Disable(switch) => switch.configure("disabled", session),
            Self::Counters { peering } => {
                let uuid = session.resolve::<Peering>(&peering)?;
                let path = format!("/kannas/v1/peerings/{uuid}");
                counters::show(session, &path, counters::Peering::HEADS, counters::Peering::rows)
            }
            Self::Delete { peerings, plan } => session.delete_or_plan::<Peering>(&peerings, &plan),
        }
    }
}

impl Switch {
    /// The states that are configured are called as those they lead to.
    fn configure(self, status: &str, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let Named { peering, wait } = self.named;
        let change = json!({ "configured_status": status });
        let path = noun::path::<Peering>(session.resolve::<Peering>(&peering)?);
        let body = json!({ Peering::ENVELOPES[1]: change });
        if self.plan.plan {
            return plan::show(session, &Method::PATCH, &path, Some(&body));
        }
        let answer = session.client.patch(&path, &body)?;
        let it = session.client.within(answer, &[Peering::ENVELOPES[1]])?;
        wait.then_show(status, it, session)
    }
}

impl Create {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let local = session.resolve::<Network>(&self.network)?;
        let peer = session.resolve::<Network>(&self.peer_network)?;
        let status = if self.disabled { "disabled" } else { "active" };
        let wish = Body::default()
            .with("name", Some(self.name))
            .with("configured_status", Some(status))
            .with("network", Some(json!({ "uuid": local })))
            .with("peer_network", Some(json!({ "uuid": peer })))
            .with("labels", self.labels.given());
        if self.plan.plan {
            return session.create_or_plan::<Peering>(wish.into(), &self.plan);
        }
        let made = session.create::<Peering>(wish.into())?;
        self.wait.then_show(status, made, session)
    }
}

impl Modify {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let change = Body::default().with("name", self.name).with("labels", self.labels.given());
        let change = change.of_change()?;
        let uuid = session.resolve::<Peering>(&self.peering)?;
        session.change_or_plan::<Peering>((&Method::PATCH, uuid), &change, &self.plan)
    }
}

#[derive(Deserialize)]
pub(crate) struct Peering {
    pub(crate) uuid: Uuid,
    pub(crate) name: String,
    configured_status: String,
    pub(crate) state: String,
    #[serde(default)]
    reasons: Vec<Reason>,
    #[serde(default)]
    health: HealthView,
    labels: Vec<Label>,
    network: Side,
    peer_network: Side,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

#[derive(Deserialize)]
struct Side {
    uuid: Uuid,
    ip_networks: Option<Subnets>,
}

impl Peering {
    /// True when there is something to tell, in whatever state it is.
    pub(crate) fn has_reasons(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// Why it is in its state; empty when that is what was configured.
    pub(crate) fn why(&self) -> String {
        let messages = self.reasons.iter().map(|reason| reason.message.trim_end_matches('.'));
        messages.collect::<Vec<_>>().join("; ")
    }
}

impl Side {
    fn text(&self) -> String {
        match &self.ip_networks {
            Some(subnets) => format!("{} ({})", self.uuid, subnets.text()),
            None => self.uuid.to_string(),
        }
    }
}

impl Row for Peering {
    const PATH: &'static str = "/1.3/network-peering";
    const ENVELOPES: [&'static str; 2] = ["network_peerings", "network_peering"];
    const HEADS: &'static [&'static str] = &["UUID", "NAME", "STATE", "NETWORK", "PEER NETWORK"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.uuid.to_string(),
            self.name.clone(),
            self.state.clone(),
            self.network.uuid.to_string(),
            self.peer_network.uuid.to_string(),
        ]
    }
}

impl Noun for Peering {
    const NAME: &'static str = "peering";

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn card(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("UUID", self.uuid.to_string()),
            ("Name", self.name.clone()),
            ("State", self.state.clone()),
        ];
        lines.extend(self.reasons.iter().map(|it| ("Reason", it.message.clone())));
        lines.extend([
            ("Health", health::text(&self.health)),
            ("Configured", self.configured_status.clone()),
            ("Network", self.network.text()),
            ("Peer network", self.peer_network.text()),
            ("Labels", labels::text(&self.labels)),
        ]);
        lines
    }
}

/// A peering as it was.
#[derive(Deserialize)]
#[serde(transparent)]
struct Past(Peering);

impl Row for Past {
    const PATH: &'static str = "/kannas/v1/past/network-peering";
    const ENVELOPES: [&'static str; 2] = Peering::ENVELOPES;
    const HEADS: &'static [&'static str] = Peering::HEADS;

    fn cells(&self) -> Vec<String> {
        self.0.cells()
    }
}
