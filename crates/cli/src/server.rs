//! `kannas server`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::Shell;
use crate::exit::{Exit, Failure};
use crate::logging::Logging;
use crate::run_until::signalled;

/// Run the server: the HTTP API, and the port that agents connect to
///
/// The first start makes an administrator's account. SIGTERM and SIGINT let
/// what is under way end; a second one does not.
#[derive(Debug, Args)]
pub(crate) struct Server {
    #[command(subcommand)]
    upkeep: Option<Upkeep>,
    #[command(flatten)]
    config: server::Config,
    #[command(flatten)]
    logging: Logging,
}

/// What is done to the database instead.
#[derive(Debug, Subcommand)]
enum Upkeep {
    /// Bring the database to the newest version of its tables, as a start of
    /// the server does
    ///
    /// Before an older program takes over, bring it to that one's version:
    /// what only the newer one keeps is gone then.
    Migrate {
        /// Version to bring it to, back or forth
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
    },
    /// Copy the database to a file, while the server runs
    ///
    /// The copy is of one moment, is looked through, and can be restored by
    /// this program and by newer ones. It has all secrets in it that the
    /// database has.
    Backup {
        /// File that is not there yet
        file: PathBuf,
    },
    /// Put a backup in the place of the database, while no server runs
    ///
    /// All of it is read and checked first; a damaged one changes nothing. The
    /// database that was there is kept beside it.
    Restore {
        /// File that `backup` has made
        file: PathBuf,
    },
}

impl Server {
    pub(crate) fn run(&self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        if let Some(upkeep) = &self.upkeep {
            return upkeep.run(&self.config, shell);
        }
        self.logging.start()?;
        let ended = signalled(async |stop| server::run(&self.config, stop.wait()).await);
        ended.map_err(|error| Failure::new(Exit::Failed, error))
    }
}

impl Upkeep {
    fn run(&self, config: &server::Config, shell: &mut Shell<'_>) -> Result<(), Failure> {
        let failed = |error: server::UpkeepError| Failure::new(Exit::Failed, error.into());
        let out = &mut shell.out;
        match self {
            Self::Migrate { to } => {
                let done = server::migrate(config, *to).map_err(failed)?;
                if done.from == done.to {
                    writeln!(out, "version {}, nothing to do", done.to)?;
                } else {
                    writeln!(out, "brought from version {} to version {}", done.from, done.to)?;
                }
            }
            Self::Backup { file } => {
                let revision = server::backup(config, file).map_err(failed)?;
                writeln!(out, "copied revision {revision} to {}", file.display())?;
            }
            Self::Restore { file } => {
                let done = server::restore(config, file).map_err(failed)?;
                writeln!(out, "restored, at revision {}", done.revision)?;
                if let Some(old) = done.old {
                    writeln!(out, "the database that was there is {}", old.display())?;
                }
            }
        }
        Ok(())
    }
}
