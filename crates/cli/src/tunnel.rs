//! `kannas tunnel`: for the agent to start.

use std::path::PathBuf;

use clap::Args;

use crate::Shell;
use crate::exit::{Exit, Failure};
use crate::logging::Logging;
use crate::run_until::signalled;

/// Encrypt what goes through one device, until the device is deleted
#[derive(Debug, Args)]
pub(crate) struct Tunnel {
    /// TUN device to make
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Unix socket on which keys and peers are told, in WireGuard's
    /// configuration protocol
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    #[command(flatten)]
    logging: Logging,
}

impl Tunnel {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.logging.start()?;
        let options = tunnel::Options { device: self.device, socket: self.socket };
        let ended =
            signalled(async |stop| tunnel::run(&options, &mut shell.out, stop.wait()).await);
        ended.map_err(|error| Failure::new(Exit::Failed, error))
    }
}
