//! The loop on a host: watch, reconcile, report.

mod backoff;
mod client;
mod config;
mod counters;
mod files;
mod host;
mod identity;
mod join;
mod lease;
mod mailbox;
mod probe;
mod reconcile;
mod run;
mod slice;
mod tls;
mod token;
mod watch;

pub use client::ClientError;
pub use config::{BpfArgs, Config};
pub use host::run;
pub use identity::IdentityError;
pub use join::JoinError;
pub use probe::Probes;
pub use reconcile::{BoxError, Kernel};
pub use run::{AgentError, run_on};
pub use tls::TlsError;
pub use token::TokenError;
