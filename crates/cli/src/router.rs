//! `kannas router`.

use clap::{Args, Subcommand};
use model::label::Label;
use serde::{Deserialize, Serialize};
use ureq::http::Method;
use uuid::Uuid;

use crate::access::Run;
use crate::body::Body;
use crate::exit::Failure;
use crate::labels::{self, LabelFilter, NewLabels, OtherLabels};
use crate::noun::{self, Noun, Row};
use crate::plan::Plan;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your routers
    List {
        #[command(flatten)]
        labels: LabelFilter,
    },
    /// Show a router
    Show {
        /// Name, UUID, or its beginning
        router: String,
    },
    Create(Create),
    Modify(Modify),
    /// Delete routers that no network is attached to
    Delete {
        /// Name, UUID, or its beginning
        #[arg(required = true)]
        routers: Vec<String>,

        #[command(flatten)]
        plan: Plan,
    },
}

/// Make a router
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the router
    name: String,

    /// Route by an address of an attached network, as 10.9.0.0/16=10.0.0.5;
    /// repeat for more
    #[arg(long = "static-route", value_name = "CIDR=IP", value_parser = route)]
    static_routes: Vec<NewRoute>,

    #[command(flatten)]
    labels: NewLabels,

    #[command(flatten)]
    plan: Plan,
}

/// Change a router: what is not given stays as it is
#[derive(Debug, Args)]
pub(crate) struct Modify {
    /// Name, UUID, or its beginning
    router: String,

    /// New name
    #[arg(long)]
    name: Option<String>,

    /// Route to have in place of all there are, as 10.9.0.0/16=10.0.0.5;
    /// repeat for more
    #[arg(long = "static-route", value_name = "CIDR=IP", value_parser = route)]
    static_routes: Vec<NewRoute>,

    /// Take all static routes away
    #[arg(long, conflicts_with = "static_routes")]
    no_static_routes: bool,

    #[command(flatten)]
    labels: OtherLabels,

    #[command(flatten)]
    plan: Plan,
}

#[derive(Debug, Clone, Serialize)]
struct NewRoute {
    route: String,
    nexthop: String,
}

fn route(text: &str) -> Result<NewRoute, &'static str> {
    let (route, nexthop) = text.split_once('=').ok_or("a route is CIDR=IP")?;
    Ok(NewRoute { route: route.to_owned(), nexthop: nexthop.to_owned() })
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List { labels } => session.list::<Router>(&labels.query()),
            Self::Show { router } => {
                let uuid = session.resolve::<Router>(&router)?;
                let it = noun::one::<Router>(&session.client, uuid)?;
                session.show::<Router>(it)
            }
            Self::Create(create) => create.run(session),
            Self::Modify(modify) => modify.run(session),
            Self::Delete { routers, plan } => session.delete_or_plan::<Router>(&routers, &plan),
        }
    }
}

impl Create {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let routes = (!self.static_routes.is_empty()).then_some(self.static_routes);
        let wish = Body::default()
            .with("name", Some(self.name))
            .with("static_routes", routes)
            .with("labels", self.labels.given());
        session.create_or_plan::<Router>(wish.into(), &self.plan)
    }
}

impl Modify {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let given = self.no_static_routes || !self.static_routes.is_empty();
        let change = Body::default()
            .with("name", self.name)
            .with("static_routes", given.then_some(self.static_routes))
            .with("labels", self.labels.given())
            .of_change()?;
        let uuid = session.resolve::<Router>(&self.router)?;
        session.change_or_plan::<Router>((&Method::PATCH, uuid), &change, &self.plan)
    }
}

#[derive(Deserialize)]
pub(crate) struct Router {
    uuid: Uuid,
    name: String,
    labels: Vec<Label>,
    attached_networks: Attached,
    static_routes: Vec<StaticRoute>,
}

#[derive(Deserialize)]
struct Attached {
    network: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    uuid: Uuid,
}

#[derive(Deserialize)]
struct StaticRoute {
    name: String,
    route: String,
    nexthop: String,
}

impl Row for Router {
    const PATH: &'static str = "/1.3/router";
    const ENVELOPES: [&'static str; 2] = ["routers", "router"];
    const HEADS: &'static [&'static str] = &["UUID", "NAME", "NETWORKS"];

    fn cells(&self) -> Vec<String> {
        let networks = self.attached_networks.network.len();
        vec![self.uuid.to_string(), self.name.clone(), networks.to_string()]
    }
}

impl Noun for Router {
    const NAME: &'static str = "router";

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
            ("Labels", labels::text(&self.labels)),
        ];
        let networks = self.attached_networks.network.iter();
        lines.extend(networks.map(|network| ("Network", network.uuid.to_string())));
        let route = |it: &StaticRoute| format!("{} via {} ({})", it.route, it.nexthop, it.name);
        lines.extend(self.static_routes.iter().map(|it| ("Static route", route(it))));
        lines
    }
}
