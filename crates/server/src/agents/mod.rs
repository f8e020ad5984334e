//! The agents' door: HTTP/2 over mutual TLS, apart from the API's.

mod asks;
mod authority;
mod bars;
mod closing;
mod door;
mod far;
mod hub;
mod leases;
mod lessor;
mod listener;
mod owed;
mod papers;
mod peers;
mod roster;
mod rotor;
mod seat;
mod session;
mod signed;
#[cfg(test)]
mod simulation;
mod tally;
mod waits;
mod watch;

pub use authority::{CertificateError, fingerprint, issue_new, new_authority};
pub use hub::Hub;
pub use leases::LeaseArgs;
pub use listener::serve;
pub use peers::Among;
pub(crate) use rotor::run as rotate_keys;
