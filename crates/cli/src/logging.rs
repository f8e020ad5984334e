//! The log of what runs for long: on stderr.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::exit::{Exit, Failure};

#[derive(Debug, Args)]
pub(crate) struct Logging {
    /// Form of the log on stderr; how much it says is in RUST_LOG
    /// [default there: info]
    #[arg(long, env = "KANNAS_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people; coloured on a terminal
    Text,
    /// One object a line
    Json,
}

impl Logging {
    /// From here on, for the whole process. A log that is set up already
    /// stays as it is.
    ///
    /// # Errors
    /// `RUST_LOG` cannot be read.
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
        let wanted = if wanted.is_empty() { "info" } else { &wanted };
        let filter = EnvFilter::try_new(wanted);
        let filter = filter.with_context(|| format!("RUST_LOG={wanted} cannot be read"));
        let filter = filter.map_err(|error| Failure::new(Exit::Usage, error))?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        let set = match self.log_format {
            Format::Text => log.with_ansi(colours()).try_init(),
            Format::Json => log.json().flatten_event(true).try_init(),
        };
        drop(set);
        Ok(())
    }
}

/// <https://no-color.org>: set and not empty.
fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
