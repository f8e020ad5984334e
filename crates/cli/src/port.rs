//! `kannas port`.

use std::net::IpAddr;

use clap::{Args, Subcommand};
use model::ids::{Mac, Prefix};
use model::wire::port::PortView;
use serde_json::Value;
use uuid::Uuid;

use crate::access::Run;
use crate::body::Body;
use crate::exit::Failure;
use crate::network::Network;
use crate::noun::{self, Noun, Row};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Add(Add),
    /// List your ports
    List(List),
    /// Show a port
    Show {
        /// UUID, or its beginning
        port: String,
    },
    /// Delete ports: their addresses are free again, what we made on the host is gone
    Delete {
        /// UUID, or its beginning
        #[arg(required = true)]
        ports: Vec<String>,
    },
}

/// Put a NIC of a network at a host
///
/// With --netns a pair of veths is made, one end of it in that namespace, with
/// the address and its routes. With --device alone the port is a tap, veth or
/// bridge that is on the host already.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("place").required(true).multiple(true))]
pub(crate) struct Add {
    /// Network: name, UUID, or its beginning
    #[arg(long)]
    network: String,

    /// Host: name or UUID
    #[arg(long)]
    host: String,

    /// Named network namespace that gets the NIC, as of ip-netns(8)
    #[arg(long, value_name = "NAME", group = "place")]
    netns: Option<String>,

    /// Name of the NIC in the namespace [default there: eth0]; without --netns
    /// the device on the host
    #[arg(long, value_name = "NAME", group = "place")]
    device: Option<String>,

    /// Address in the network [default: the lowest of each family that is
    /// free]; repeat for more
    #[arg(long, value_name = "IP")]
    address: Vec<IpAddr>,

    /// Part of the network whose machines are behind the device, as behind a
    /// bridge of docker or libvirt; repeat for one of the other family
    #[arg(long, value_name = "CIDR", conflicts_with = "netns")]
    prefix: Vec<Prefix>,

    /// MAC address of the workload [default: made of the port's UUID]
    #[arg(long)]
    mac: Option<Mac>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only of this network: name, UUID, or its beginning
    #[arg(long)]
    network: Option<String>,

    /// Only at this host: UUID
    #[arg(long, value_name = "UUID")]
    host: Option<Uuid>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::Add(add) => {
                let wish = add.wish(session)?;
                let made = session.create::<PortView>(wish)?;
                session.show::<PortView>(made)
            }
            Self::List(List { network, host }) => {
                let network = network.map(|name| session.resolve::<Network>(&name)).transpose()?;
                let filters = [("network", network), ("host", host)];
                let query =
                    filters.into_iter().filter_map(|(key, it)| Some((key, it?.to_string())));
                session.list::<PortView>(&query.collect::<Vec<_>>())
            }
            Self::Show { port } => {
                let uuid = session.resolve::<PortView>(&port)?;
                let it = noun::one::<PortView>(&session.client, uuid)?;
                session.show::<PortView>(it)
            }
            Self::Delete { ports } => session.delete::<PortView>(&ports),
        }
    }
}

impl Add {
    fn wish(self, session: &Session<'_, '_>) -> Result<Value, Failure> {
        let network = session.resolve::<Network>(&self.network)?;
        Ok(Body::default()
            .with("network", Some(network))
            .with("host", Some(self.host))
            .with("netns", self.netns)
            .with("device", self.device)
            .with("addresses", (!self.address.is_empty()).then_some(self.address))
            .with("prefixes", (!self.prefix.is_empty()).then_some(self.prefix))
            .with("mac", self.mac)
            .into())
    }
}

impl Row for PortView {
    const PATH: &'static str = "/kannas/v1/ports";
    const ENVELOPES: [&'static str; 2] = ["ports", "port"];
    const HEADS: &'static [&'static str] = &["UUID", "ADDRESS", "HOST", "DEVICE", "NETWORK"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.uuid.to_string(),
            addresses(self),
            self.host_name.clone().unwrap_or_default(),
            place(self),
            self.network.to_string(),
        ]
    }
}

impl Noun for PortView {
    const NAME: &'static str = "port";

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn card(&self) -> Vec<(&'static str, String)> {
        [
            ("UUID", self.uuid.to_string()),
            ("Address", addresses(self)),
            ("MAC", self.mac.to_string()),
            ("Host", host(self)),
            ("Device", place(self)),
            ("Network", self.network.to_string()),
        ]
        .into_iter()
        .chain(self.prefixes.iter().map(|it| ("Behind it", it.to_string())))
        .collect()
    }
}

fn addresses(it: &PortView) -> String {
    it.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Empty while a server's port waits for a host in its zone.
fn host(it: &PortView) -> String {
    let known = it.host_name.as_ref().zip(it.host);
    known.map(|(name, uuid)| format!("{name} ({uuid})")).unwrap_or_default()
}

fn place(it: &PortView) -> String {
    let netns = it.netns.as_ref().map(|netns| format!("{netns}/")).unwrap_or_default();
    netns + &it.device
}
