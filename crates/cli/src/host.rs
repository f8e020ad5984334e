//! `kannas host`.

use clap::{Args, Subcommand};
use model::wire::health::HostPairView;
use model::wire::port::HostView;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{Output, Run};
use crate::body::Body;
use crate::counters;
use crate::exit::Failure;
use crate::health;
use crate::noun::{self, Noun, Row};
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Token(Token),
    /// List hosts
    List {
        /// Only of this zone
        #[arg(long)]
        zone: Option<String>,
    },
    /// List what hosts measure of each other: loss, round trip, largest packet
    Pairs {
        /// Only as this host measures: its name
        #[arg(long)]
        host: Option<String>,
    },
    /// Show what became of a host's packets
    Counters {
        /// Name, UUID, or its beginning
        host: String,
    },
    /// Give a host another certificate, at once if it is connected
    ///
    /// Its agent does so by itself when a third of the time is left.
    Renew {
        /// Name, UUID, or its beginning
        host: String,
    },
    /// Let a host in no more: whoever has its key is nobody
    ///
    /// Its connections are cut and nothing is sent to it. Its ports stay; it can
    /// join again as who it was, with a token of kannas host token --host.
    Revoke {
        /// Name, UUID, or its beginning
        host: String,
    },
    /// Forget hosts that carry no ports; they can join again
    Delete {
        /// Name, UUID, or its beginning
        #[arg(required = true)]
        hosts: Vec<String>,
    },
}

/// Make a token that lets one machine join as a host
///
/// It is what `kannas agent --join` wants, and the only output.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Zone that the machine is in
    #[arg(long, required_unless_present = "host")]
    zone: Option<String>,

    /// Only for this host, to join again as who it was: its name or UUID
    #[arg(long)]
    host: Option<String>,

    /// How long the token is good, as 15m, 12h or 7d [default: an hour]
    #[arg(long, value_name = "TIME")]
    valid: Option<crate::span::Span>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::Token(token) => token.run(session),
            Self::List { zone } => {
                let query: Vec<_> = zone.into_iter().map(|zone| ("zone", zone)).collect();
                session.list::<HostView>(&query)
            }
            Self::Pairs { host } => {
                let query: Vec<_> = host.into_iter().map(|host| ("host", host)).collect();
                session.list::<HostPairView>(&query)
            }
            Self::Counters { host } => {
                let path = noun::path::<HostView>(session.resolve::<HostView>(&host)?);
                counters::show(session, &path, counters::Host::HEADS, counters::Host::rows)
            }
            Self::Renew { host } => tell(session, &host, "renew"),
            Self::Revoke { host } => tell(session, &host, "revoke"),
            Self::Delete { hosts } => session.delete::<HostView>(&hosts),
        }
    }
}

fn tell(session: &mut Session<'_, '_>, host: &str, what: &str) -> Result<(), Failure> {
    let path = noun::path::<HostView>(session.resolve::<HostView>(host)?);
    let answer = session.client.post(&format!("{path}/{what}"), &json!({}))?;
    let it = session.client.within(answer, &["host"])?;
    session.show::<HostView>(it)
}

impl Token {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let valid = self.valid.map(crate::span::Span::seconds);
        let wish = Body::default()
            .with("zone", self.zone)
            .with("host", self.host)
            .with("valid_seconds", valid);
        let body = json!({"host_token": Value::from(wish)});
        let answer = session.client.post("/kannas/v1/host-tokens", &body)?;
        match session.output {
            Output::Json => {
                let it = session.client.within(answer, &["host_token"])?;
                session.json(&it)
            }
            Output::Table => {
                let token = session.client.within(answer, &["host_token", "token"])?;
                let token: String = crate::noun::read(token)?;
                Ok(writeln!(session.shell.out, "{token}")?)
            }
        }
    }
}

impl Row for HostView {
    const PATH: &'static str = "/kannas/v1/hosts";
    const ENVELOPES: [&'static str; 2] = ["hosts", "host"];
    const HEADS: &'static [&'static str] = &["UUID", "NAME", "ZONE", "UNDERLAY", "LIVE", "ERRORS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.uuid.to_string(),
            self.name.clone(),
            self.zone.clone(),
            self.underlay.to_string(),
            live(self),
            self.errors.join("; "),
        ]
    }
}

impl Row for HostPairView {
    const PATH: &'static str = "/kannas/v1/host-pairs";
    const ENVELOPES: [&'static str; 2] = ["host_pairs", "host_pair"];
    const HEADS: &'static [&'static str] =
        &["HOST", "PEER", "WAYS", "CLOSED", "HEARD", "LOSS", "RTT US", "MTU", "OF"];

    fn cells(&self) -> Vec<String> {
        let number = |it: Option<u32>| it.map_or_else(String::new, |it| it.to_string());
        vec![
            self.host.clone(),
            self.peer.clone(),
            self.ways.to_string(),
            self.closed.to_string(),
            if self.heard { "yes" } else { "no" }.to_owned(),
            self.health.loss.map_or_else(String::new, health::percent),
            number(self.health.rtt_us),
            number(self.health.path_mtu.map(u32::from)),
            number(self.link_mtu.map(u32::from)),
        ]
    }
}

/// Since when it is revoked or lost, if it is.
pub(crate) fn live(it: &HostView) -> String {
    if let Some(since) = &it.revoked_since {
        return format!("revoked {since}");
    }
    match &it.lost_since {
        Some(since) => format!("lost {since}"),
        None => if it.live { "yes" } else { "no" }.to_owned(),
    }
}

impl Noun for HostView {
    const NAME: &'static str = "host";

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn card(&self) -> Vec<(&'static str, String)> {
        Self::HEADS.iter().copied().zip(self.cells()).collect()
    }
}
