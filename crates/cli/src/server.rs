//! `kannas server`.

use clap::Args;

use crate::exit::{Exit, Failure};
use crate::logging::Logging;
use crate::run_until::signalled;

/// Run the server: the HTTP API, and the port that agents connect to
///
/// The first start makes an administrator's account. SIGTERM and SIGINT let
/// what is under way end; a second one does not.
#[derive(Debug, Args)]
pub(crate) struct Server {
    #[command(flatten)]
    config: server::Config,
    #[command(flatten)]
    logging: Logging,
}

impl Server {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        self.logging.start()?;
        let ended = signalled(async |stop| server::run(&self.config, stop.wait()).await);
        ended.map_err(|error| Failure::new(Exit::Failed, error))
    }
}
