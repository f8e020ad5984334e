//! What an operator sets.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where and as whom this host takes part.
#[derive(Clone, clap::Args)]
pub struct Config {
    /// Where the server listens for agents, as https://HOST:PORT; where there
    /// are several, each of them, or a name that stands for all.
    #[arg(long, env = "KANNAS_SERVER", value_name = "URL", value_delimiter = ',', required = true)]
    pub server: Vec<String>,
    /// Join token, needed once. Others on this host can read the command line:
    /// prefer --join-file or the environment.
    #[arg(long, env = "KANNAS_JOIN", value_name = "TOKEN", hide_env_values = true)]
    pub join: Option<String>,
    /// File with the join token.
    #[arg(long, env = "KANNAS_JOIN_FILE", value_name = "FILE", conflicts_with = "join")]
    pub join_file: Option<PathBuf>,
    /// Zone to join; later it is remembered.
    #[arg(long, env = "KANNAS_ZONE")]
    pub zone: Option<String>,
    /// Name of this host; remembered.
    #[arg(long, env = "KANNAS_NAME")]
    pub name: Option<String>,
    /// Address of this host that other hosts send VXLAN packets to; remembered.
    #[arg(long, env = "KANNAS_UNDERLAY", value_name = "IP")]
    pub underlay: Option<IpAddr>,
    /// Directory for the host's identity and the last slice it was given.
    #[arg(
        long,
        env = "KANNAS_STATE_DIR",
        value_name = "DIR",
        default_value = "/var/lib/kannas/agent"
    )]
    pub state_dir: PathBuf,
    /// UDP port of VXLAN, the same on every host.
    #[arg(long, env = "KANNAS_VXLAN_PORT", value_name = "PORT", default_value_t = 4789)]
    pub vxlan_port: u16,
    /// First of two UDP ports for encrypted packets from other hosts, where
    /// zones are encrypted.
    #[arg(
        long,
        env = "KANNAS_TUNNEL_PORT",
        value_name = "PORT",
        default_value_t = 51820,
        value_parser = clap::value_parser!(u16).range(1..=65_534)
    )]
    pub tunnel_port: u16,
    /// Directory of the kernel's BPF objects [default: /sys/fs/bpf/kannas/NAME].
    #[arg(long, env = "KANNAS_PIN_DIR", value_name = "DIR")]
    pub pin_dir: Option<PathBuf>,
    #[command(flatten)]
    pub bpf: BpfArgs,
}

/// Programs of another version, for tests of a change from one to the other.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BpfArgs {
    #[arg(long, env = "KANNAS_BPF_OBJECT", hide = true, requires = "bpf_layout")]
    pub bpf_object: Option<PathBuf>,
    #[arg(long, env = "KANNAS_BPF_LAYOUT", hide = true, requires = "bpf_object")]
    pub bpf_layout: Option<u32>,
}

/// Without the token.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, name, zone, underlay, state_dir, .. } = self;
        let mut it = f.debug_struct("Config");
        it.field("server", server).field("name", name).field("zone", zone);
        it.field("underlay", underlay).field("state_dir", state_dir).finish_non_exhaustive()
    }
}

impl Config {
    pub(crate) fn object(&self) -> Option<datapath::Object> {
        let BpfArgs { bpf_object, bpf_layout } = self.bpf.clone();
        Some(datapath::Object { file: bpf_object?, layout: bpf_layout? })
    }
}
