//! How the server is started.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use model::ip_range::IpRange;
use model::policy::{Limits, Policy};
use model::rate::Rate;

use crate::agents::LeaseArgs;
use crate::tls::TlsArgs;

/// Where to listen, where to keep things, and who the first account is.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP API; port 0 takes a free one
    #[arg(long, env = "KANNAS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address of the agents' port; port 0 takes a free one
    #[arg(long, env = "KANNAS_AGENT_LISTEN", default_value = "127.0.0.1:8443")]
    pub agent_listen: SocketAddr,

    /// Where other servers on the same database reach the agents' port, as
    /// HOST:PORT [default: the address of --agent-listen]
    #[arg(long, env = "KANNAS_PEER_ADDRESS", value_name = "HOST:PORT", value_parser = host_and_port)]
    pub peer_address: Option<String>,

    /// Directory of the database, made for this user alone if it is not there
    #[arg(long, global = true, env = "KANNAS_DATA_DIR", default_value = "/var/lib/kannas")]
    pub data_dir: PathBuf,

    /// URL of a PostgreSQL database, which several servers may share, in place
    /// of a file in DATA_DIR: postgres://USER:PASSWORD@HOST:PORT/NAME, with
    /// sslrootcert=FILE or sslmode=disable after a `?` if need be; other users
    /// of this machine do not see it if it comes by the variable
    #[arg(long, global = true, env = "KANNAS_DATABASE", value_name = "URL")]
    pub database: Option<Database>,

    /// Name of the account that the first start makes
    #[arg(long, env = "KANNAS_ADMIN_USER", default_value = "admin")]
    pub admin_user: String,

    /// File with that account's password, read by the first start only;
    /// without it a password is made and written to DATA_DIR/admin-password
    #[arg(long, env = "KANNAS_ADMIN_PASSWORD_FILE")]
    pub admin_password_file: Option<PathBuf>,

    /// Proxy whose X-Forwarded-For is believed: an address or a CIDR block;
    /// may be given several times
    #[arg(long = "trusted-proxy", env = "KANNAS_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpRange>,

    /// Seconds after which hosts that encrypt make new keys
    #[arg(
        long,
        env = "KANNAS_KEY_LIFE",
        default_value_t = 86_400,
        value_parser = clap::value_parser!(u64).range(5..=31_536_000)
    )]
    pub key_life: u64,

    /// Seconds after SIGTERM in which requests are still answered, while
    /// /readyz says 503 and hosts go to other servers: as long as a load
    /// balancer takes to send nothing more
    #[arg(
        long = "drain-seconds",
        env = "KANNAS_DRAIN",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(0..=3600)
    )]
    pub drain: u64,

    /// Requests that are answered at once, of which one account has at most
    /// half; more are told to come again
    #[arg(
        long,
        env = "KANNAS_MAX_AT_ONCE",
        default_value_t = 2048,
        value_parser = clap::value_parser!(u32).range(2..)
    )]
    pub max_at_once: u32,

    /// Days after which what was written down of changes is forgotten; 0 keeps
    /// it for ever
    #[arg(long, env = "KANNAS_LOG_DAYS", default_value_t = 365)]
    pub log_days: u32,

    /// Days that a host's certificate is good; agents renew it when a third of
    /// them is left
    #[arg(
        long,
        env = "KANNAS_HOST_CERT_DAYS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(1..=3650)
    )]
    pub host_cert_days: u32,

    #[command(flatten)]
    pub tls: TlsArgs,

    #[command(flatten)]
    pub leases: LeaseArgs,

    #[command(flatten)]
    pub webhook: WebhookArgs,

    #[command(flatten)]
    pub policy: PolicyArgs,
}

fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let known = parts.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
    if known { Ok(text.to_owned()) } else { Err("must be HOST:PORT".to_owned()) }
}

/// A URL that is not shown, as it may have a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(pub String);

impl From<&str> for Database {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

/// Who is told of the states of peerings, and where accounts may be told.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WebhookArgs {
    /// URL that is told of the states of all accounts' peerings
    #[arg(long, env = "KANNAS_WEBHOOK_URL", requires = "webhook_secret_file")]
    pub webhook_url: Option<String>,

    /// File with the secret that signs what is sent to that URL
    #[arg(long, env = "KANNAS_WEBHOOK_SECRET_FILE")]
    pub webhook_secret_file: Option<PathBuf>,

    /// Address or CIDR block that is not of the Internet and where webhooks of
    /// accounts may be; may be repeated
    #[arg(long, env = "KANNAS_WEBHOOK_ALLOW", value_delimiter = ',')]
    pub webhook_allow: Vec<IpRange>,

    /// File with certificates of authorities, in PEM, that webhooks may have
    /// theirs from besides those that browsers trust
    #[arg(long, env = "KANNAS_WEBHOOK_CA")]
    pub webhook_ca: Option<PathBuf>,
}

/// How strict to be, and how much an account may have.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct PolicyArgs {
    /// Refuse a peering while its local network has no router, instead of
    /// letting it wait for one
    #[arg(long, env = "KANNAS_STRICT_ROUTER", value_parser = FalseyValueParser::new())]
    pub strict_router: bool,

    /// Refuse to delete a peering that is not disabled
    #[arg(long, env = "KANNAS_STRICT_DELETE", value_parser = FalseyValueParser::new())]
    pub strict_delete: bool,

    /// Days after which a peering that nobody has answered asks no more;
    /// 0 lets it ask for ever
    #[arg(long, env = "KANNAS_PEERING_REQUEST_DAYS", default_value_t = Policy::default().request_days)]
    pub peering_request_days: u32,

    /// Networks that one account may have
    #[arg(long, env = "KANNAS_MAX_NETWORKS", default_value_t = Limits::default().networks)]
    pub max_networks: u32,

    /// Network peerings that one account may have
    #[arg(long, env = "KANNAS_MAX_PEERINGS", default_value_t = Limits::default().peerings)]
    pub max_peerings: u32,

    /// Routers that one account may have
    #[arg(long, env = "KANNAS_MAX_ROUTERS", default_value_t = Limits::default().routers)]
    pub max_routers: u32,

    /// Requests that one account may make in a second; 0 sets no limit
    #[arg(long, env = "KANNAS_MAX_REQUESTS", default_value_t = Rate::default().per_second)]
    pub max_requests: u32,

    /// Requests that it may make at once after a pause
    #[arg(long, env = "KANNAS_MAX_BURST", default_value_t = Rate::default().burst)]
    pub max_burst: u32,
}

impl Default for PolicyArgs {
    fn default() -> Self {
        let Limits { networks, peerings, routers } = Limits::default();
        let Rate { per_second, burst } = Rate::default();
        Self {
            strict_router: false,
            strict_delete: false,
            peering_request_days: Policy::default().request_days,
            max_networks: networks,
            max_peerings: peerings,
            max_routers: routers,
            max_requests: per_second,
            max_burst: burst,
        }
    }
}

impl From<PolicyArgs> for Policy {
    fn from(it: PolicyArgs) -> Self {
        Self {
            strict_router: it.strict_router,
            strict_delete: it.strict_delete,
            request_days: it.peering_request_days,
            limits: Limits {
                networks: it.max_networks,
                peerings: it.max_peerings,
                routers: it.max_routers,
            },
            rate: Rate { per_second: it.max_requests, burst: it.max_burst },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    fn policy(flags: &[&str]) -> Policy {
        let parsed = Command::try_parse_from([&["server"], flags].concat());
        parsed.unwrap().config.policy.into()
    }

    #[test]
    fn the_database_is_taken_whatever_it_says_and_never_shown() {
        let parsed = Command::try_parse_from(["server", "--database=hunter2"]).unwrap().config;
        assert_eq!(parsed.database, Some("hunter2".into()));
        assert!(!format!("{parsed:?}").contains("hunter2"));
    }

    #[test]
    fn flags_make_the_policy_and_none_the_default() {
        assert_eq!(policy(&[]), Policy::default());
        assert_eq!(Policy::from(PolicyArgs::default()), Policy::default());
        let limits = Limits { networks: 1, peerings: 2, routers: 3 };
        let flags = ["--max-networks=1", "--max-peerings=2", "--max-routers=3"];
        assert_eq!(policy(&flags), Policy { limits, ..Policy::default() });
        let rate = Rate { per_second: 4, burst: 5 };
        assert_eq!(policy(&["--max-requests=4", "--max-burst=5"]).rate, rate);
        let strict = Policy { strict_router: true, strict_delete: true, ..Policy::default() };
        assert_eq!(policy(&["--strict-router", "--strict-delete"]), strict);
    }
}
