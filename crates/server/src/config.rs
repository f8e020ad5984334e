//! How the server is started.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where to listen, where to keep things, and who the first account is.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Address of the HTTP API; port 0 takes a free one
    #[arg(long, env = "KANNAS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Address of the agents' port; port 0 takes a free one
    #[arg(long, env = "KANNAS_AGENT_LISTEN", default_value = "127.0.0.1:8443")]
    pub agent_listen: SocketAddr,

    /// Directory of the database, made for this user alone if it is not there
    #[arg(long, env = "KANNAS_DATA_DIR", default_value = "/var/lib/kannas")]
    pub data_dir: PathBuf,

    /// Name of the account that the first start makes
    #[arg(long, env = "KANNAS_ADMIN_USER", default_value = "admin")]
    pub admin_user: String,

    /// File with that account's password, read by the first start only;
    /// without it a password is made and written to DATA_DIR/admin-password
    #[arg(long, env = "KANNAS_ADMIN_PASSWORD_FILE")]
    pub admin_password_file: Option<PathBuf>,
}
