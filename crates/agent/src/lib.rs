//! The loop on a host: watch, reconcile, report.

mod asks;
mod backoff;
mod client;
mod config;
mod counters;
mod files;
mod guard;
mod host;
mod identity;
mod join;
mod lease;
mod mailbox;
mod probe;
mod reconcile;
mod renew;
mod run;
mod servers;
mod slice;
mod tls;
mod token;
mod watch;

pub use backoff::Backoff;
pub use client::{Address, ClientError, Link};
pub use config::{BpfArgs, Config};
pub use guard::Sentinel;
pub use host::run;
pub use identity::IdentityError;
pub use join::JoinError;
pub use probe::Probes;
pub use reconcile::{BoxError, Kernel};
pub use run::{AgentError, run_on};
pub use tls::{TlsError, member as trust};
pub use token::TokenError;
pub use watch::Lines;
