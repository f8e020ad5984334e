//! The hand: everything that is done with Kannas from a command line.

mod agent;
mod exit;
mod logging;
mod run_until;
mod server;
mod usage;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

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
}

/// What a command has to do with the outside.
pub struct Shell<'a> {
    /// For what was asked for.
    pub out: &'a mut dyn Write,
    /// For what went wrong.
    pub err: &'a mut dyn Write,
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
        Ok(cli) => cli.command.run(),
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
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Server(server) => server.run(),
            Self::Agent(agent) => agent.run(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, error.into())
    }
}
