//! The hand: everything that is done with Kannas from a command line.

mod access;
mod account;
mod agent;
mod body;
mod client;
mod completions;
mod counters;
mod encryption;
mod events;
mod exit;
mod explain;
mod group;
mod health;
mod host;
mod labels;
mod logging;
mod network;
mod noun;
mod peering;
mod plan;
mod port;
mod router;
mod run_until;
mod server;
mod session;
mod span;
mod status;
mod table;
mod trust;
mod tunnel;
mod usage;
mod wait;
mod zone;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use access::Calls;
use exit::{Exit, Failure};

/// Private networks of different sites, peered on hosts of your own
#[derive(Parser)]
#[command(name = "kannas", version, arg_required_else_help = true, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Server(server::Server),
    Agent(agent::Agent),
    /// Peerings: one half each, from a network of yours to another
    Peering(Calls<peering::Command>),
    /// Groups: networks with certain labels, peered as a mesh or with a hub
    Group(Calls<group::Command>),
    /// Networks: private subnets, each in a zone
    Network(Calls<network::Command>),
    /// Routers: networks on the same one reach each other
    Router(Calls<router::Command>),
    /// Ports: NICs of workloads, each on a network, at a host
    Port(Calls<port::Command>),
    /// Hosts: machines with an agent (for administrators)
    Host(Calls<host::Command>),
    /// Accounts (for administrators)
    Account(Calls<account::Command>),
    /// Zones: where networks and hosts are
    Zone(Calls<zone::Command>),
    Explain(explain::Explain),
    Status(status::Status),
    Events(events::Events),
    History(events::History),
    Completions(completions::Completions),
    #[command(hide = true)]
    Tunnel(tunnel::Tunnel),
}

/// What a command has to do with the outside.
pub struct Shell<'a> {
    /// For what was asked for.
    pub out: &'a mut dyn Write,
    /// For what went wrong.
    pub err: &'a mut dyn Write,
    /// Whether somebody watches `err`, to be told what is waited for.
    pub progress: bool,
}

/// The commands and flags there are. Their help does not depend on the
/// environment it is asked in.
pub fn command() -> clap::Command {
    usage::hide_env_values(Cli::command())
}

/// Does what `args` say, the first of them the program's name.
///
/// Returns the exit code; a failure has been told in one line by then.
pub fn run(args: impl IntoIterator<Item = OsString>, shell: &mut Shell<'_>) -> u8 {
    let parsed = command().try_get_matches_from(args);
    let done = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli.command.run(shell),
        Err(error) => usage::tell(&error, shell),
    };
    match done.and_then(|()| Ok(shell.out.flush()?)) {
        Err(failure) if !failure.is_closed_pipe() => {
            // Nobody is left to tell when this fails too.
            let _ = writeln!(shell.err, "{failure}");
            failure.code()
        }
        Ok(()) | Err(_) => Exit::Ok.code(),
    }
}

impl Command {
    fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        match self {
            Self::Server(server) => server.run(shell),
            Self::Agent(agent) => agent.run(),
            Self::Peering(calls) => calls.run(shell),
            Self::Group(calls) => calls.run(shell),
            Self::Network(calls) => calls.run(shell),
            Self::Router(calls) => calls.run(shell),
            Self::Port(calls) => calls.run(shell),
            Self::Host(calls) => calls.run(shell),
            Self::Account(calls) => calls.run(shell),
            Self::Zone(calls) => calls.run(shell),
            Self::Explain(explain) => explain.run(shell),
            Self::Status(status) => status.run(shell),
            Self::Events(events) => events.run(shell),
            Self::History(history) => history.run(shell),
            Self::Completions(completions) => completions.run(shell),
            Self::Tunnel(tunnel) => tunnel.run(shell),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, error.into())
    }
}
