//! `kannas agent`.

use agent::{AgentError, ClientError, IdentityError, JoinError};
use clap::Args;

use crate::exit::{Exit, Failure};
use crate::logging::Logging;
use crate::run_until::signalled;

/// Run the agent of this host: join once, then carry packets as the server says
///
/// SIGTERM and SIGINT stop it; the packets of this host go on without it.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(flatten)]
    config: agent::Config,
    #[command(flatten)]
    logging: Logging,
}

impl Agent {
    pub(crate) fn run(self) -> Result<(), Failure> {
        self.logging.start()?;
        let ended = signalled(async |stop| agent::run(self.config, stop.wait()).await);
        ended.map_err(|error| Failure::new(exit_of(&error), error))
    }
}

fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<AgentError>() {
        Some(
            AgentError::Address(_)
            | AgentError::Identity(IdentityError::Missing(_) | IdentityError::Another { .. })
            | AgentError::Join(JoinError::NoToken | JoinError::Token(_)),
        ) => Exit::Usage,
        Some(AgentError::Join(JoinError::Client(ClientError::Refused { status, .. }))) => {
            if status.is_server_error() { Exit::Unavailable } else { Exit::Refused }
        }
        Some(
            AgentError::Identity(_)
            | AgentError::Join(_)
            | AgentError::Tls(_)
            | AgentError::Kernel(_)
            | AgentError::Thread(_)
            | AgentError::Worker,
        )
        | None => Exit::Failed,
    }
}
