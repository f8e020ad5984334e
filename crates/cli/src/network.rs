//! `kannas network`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use model::label::Label;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::access::Run;
use crate::body::{Body, YesNo};
use crate::exit::Failure;
use crate::labels::{self, LabelFilter, NewLabels, OtherLabels};
use crate::noun::{self, Noun, Row};
use crate::plan::Plan;
use crate::router::Router;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your networks
    List(List),
    /// Show a network
    Show {
        /// Name, UUID, or its beginning
        network: String,
    },
    Create(Create),
    Modify(Modify),
    /// Delete networks that have neither ports nor peerings
    Delete {
        /// Name, UUID, or its beginning
        #[arg(required = true)]
        networks: Vec<String>,

        #[command(flatten)]
        plan: Plan,
    },
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only in this zone
    #[arg(long)]
    zone: Option<String>,

    /// Also the public and utility networks, which are everybody's
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    labels: LabelFilter,
}

/// Make a network
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the network
    name: String,

    /// Zone that it is in
    #[arg(long)]
    zone: String,

    /// Its subnet, as 10.0.0.0/24; repeat for one of the other family
    #[arg(long, value_name = "CIDR", required = true)]
    address: Vec<String>,

    /// Router to attach it to: name, UUID, or its beginning
    #[arg(long)]
    router: Option<String>,

    #[command(flatten)]
    subnet: Subnet,

    #[command(flatten)]
    labels: NewLabels,

    #[command(flatten)]
    plan: Plan,
}

/// Change a network: what is not given stays as it is
#[derive(Debug, Args)]
pub(crate) struct Modify {
    /// Name, UUID, or its beginning
    network: String,

    /// New name
    #[arg(long)]
    name: Option<String>,

    /// New subnet, as 10.0.0.0/24: that of the other family stays
    #[arg(long, value_name = "CIDR")]
    address: Vec<String>,

    /// Router to attach it to: name, UUID, or its beginning
    #[arg(long)]
    router: Option<String>,

    /// Detach it from its router
    #[arg(long, conflicts_with = "router")]
    no_router: bool,

    #[command(flatten)]
    subnet: Subnet,

    #[command(flatten)]
    labels: OtherLabels,

    #[command(flatten)]
    plan: Plan,
}

#[derive(Debug, Args)]
struct Subnet {
    /// Address of the router in it [default: the lowest]; repeat for one of
    /// the other family
    #[arg(long, value_name = "IP")]
    gateway: Vec<IpAddr>,

    /// Whether DHCP answers
    #[arg(long, value_name = "YES|NO", hide_possible_values = true)]
    dhcp: Option<YesNo>,

    /// Whether DHCP gives a default route
    #[arg(long, value_name = "YES|NO", hide_possible_values = true)]
    dhcp_default_route: Option<YesNo>,

    /// Resolver that DHCP gives; repeat for more
    #[arg(long, value_name = "IP")]
    dhcp_dns: Vec<IpAddr>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List(List { zone, all, labels }) => {
                let mut query = labels.query();
                query.extend(zone.map(|zone| ("zone", zone)));
                let wanted =
                    if all { |_: &Value| true } else { |it: &Value| it["type"] == "private" };
                session.list_some::<Network>(&query, wanted)
            }
            Self::Show { network } => {
                let uuid = session.resolve::<Network>(&network)?;
                let it = noun::one::<Network>(&session.client, uuid)?;
                session.show::<Network>(it)
            }
            Self::Create(create) => create.run(session),
            Self::Modify(modify) => modify.run(session),
            Self::Delete { networks, plan } => session.delete_or_plan::<Network>(&networks, &plan),
        }
    }
}

impl Create {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let router = self.router.map(|name| session.resolve::<Router>(&name)).transpose()?;
        let wish = Body::default()
            .with("name", Some(self.name))
            .with("zone", Some(self.zone))
            .with("router", router)
            .with("ip_networks", self.subnet.given(&self.address))
            .with("labels", self.labels.given());
        session.create_or_plan::<Network>(wish.into(), &self.plan)
    }
}

impl Modify {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let router = match self.router {
            Some(name) => Some(json!(session.resolve::<Router>(&name)?)),
            None => self.no_router.then_some(Value::Null),
        };
        let change = Body::default()
            .with("name", self.name)
            .with("router", router)
            .with("ip_networks", self.subnet.given(&self.address))
            .with("labels", self.labels.given())
            .of_change()?;
        let uuid = session.resolve::<Network>(&self.network)?;
        session.change_or_plan::<Network>((&Method::PUT, uuid), &change, &self.plan)
    }
}

impl Subnet {
    /// An entry for each family that something is said of; what is said of
    /// none is for all of these.
    fn given(self, addresses: &[String]) -> Option<Value> {
        let entry = |ipv4: bool| {
            let address = addresses.iter().find(|it| it.contains(':') != ipv4);
            let gateway = self.gateway.iter().find(|it| it.is_ipv4() == ipv4);
            let named = address.is_some() || gateway.is_some();
            named.then(|| {
                let family = if ipv4 { "IPv4" } else { "IPv6" };
                self.entry()
                    .with("address", address)
                    .with("family", Some(family))
                    .with("gateway", gateway)
            })
        };
        let mut entries: Vec<Body> = [true, false].into_iter().filter_map(entry).collect();
        if entries.is_empty() {
            entries.push(self.entry());
        }
        entries.retain(|it| !it.is_empty());
        let entries: Vec<Value> = entries.into_iter().map(Value::from).collect();
        (!entries.is_empty()).then(|| json!({"ip_network": entries}))
    }

    fn entry(&self) -> Body {
        let dns = (!self.dhcp_dns.is_empty()).then_some(&self.dhcp_dns);
        Body::default()
            .with("dhcp", self.dhcp)
            .with("dhcp_default_route", self.dhcp_default_route)
            .with("dhcp_dns", dns)
    }
}

#[derive(Deserialize)]
pub(crate) struct Network {
    uuid: Uuid,
    name: String,
    zone: String,
    router: Option<Uuid>,
    labels: Vec<Label>,
    ip_networks: Subnets,
    effective_routes: Vec<Route>,
}

/// As in networks and peerings.
#[derive(Deserialize)]
pub(crate) struct Subnets {
    ip_network: Vec<SubnetView>,
}

#[derive(Deserialize)]
struct SubnetView {
    address: String,
    gateway: Option<String>,
}

#[derive(Deserialize)]
struct Route {
    route: String,
    nexthop: String,
    source: String,
}

impl Subnets {
    pub(crate) fn text(&self) -> String {
        let addresses = self.ip_network.iter().map(|subnet| &*subnet.address);
        addresses.collect::<Vec<_>>().join(", ")
    }
}

impl Row for Network {
    const PATH: &'static str = "/1.3/network";
    const ENVELOPES: [&'static str; 2] = ["networks", "network"];
    const HEADS: &'static [&'static str] = &["UUID", "NAME", "ZONE", "ADDRESS", "ROUTER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.uuid.to_string(),
            self.name.clone(),
            self.zone.clone(),
            self.ip_networks.text(),
            self.router.map(|uuid| uuid.to_string()).unwrap_or_default(),
        ]
    }
}

impl Noun for Network {
    const NAME: &'static str = "network";

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn card(&self) -> Vec<(&'static str, String)> {
        let gateways = self.ip_networks.ip_network.iter().filter_map(|it| it.gateway.as_deref());
        let mut lines = vec![
            ("UUID", self.uuid.to_string()),
            ("Name", self.name.clone()),
            ("Zone", self.zone.clone()),
            ("Address", self.ip_networks.text()),
            ("Gateway", gateways.collect::<Vec<_>>().join(", ")),
            ("Router", self.router.map(|uuid| uuid.to_string()).unwrap_or_default()),
            ("Labels", labels::text(&self.labels)),
        ];
        let route = |it: &Route| format!("{} via {} ({})", it.route, it.nexthop, it.source);
        lines.extend(self.effective_routes.iter().map(|it| ("Route", route(it))));
        lines
    }
}
