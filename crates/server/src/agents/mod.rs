//! The agents' door: HTTP/2 over mutual TLS, apart from the API's.

mod authority;
mod concern;
mod door;
mod hub;
mod leases;
mod lessor;
mod listener;
mod roster;
mod tally;
mod watch;

pub use authority::{fingerprint, new_authority};
pub use hub::Hub;
pub use leases::LeaseArgs;
pub use listener::serve;
