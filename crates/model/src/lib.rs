//! The rules: what may be, what is, what must be done. No I/O, no clock, no
//! randomness, no async.

pub mod admission;
pub mod change;
pub mod error;
pub mod host;
pub mod host_spec;
pub mod ids;
pub mod interface;
pub mod label;
pub mod network;
pub mod objects;
pub mod op;
#[cfg(test)]
mod oracle;
pub mod owned;
pub mod peering;
pub mod plan;
#[cfg(test)]
mod play;
pub mod policy;
pub mod port;
pub mod provided;
pub mod reasons;
pub mod router;
pub mod server;
pub mod spec;
pub mod state;
pub mod wire;
pub mod world;
pub mod zone;
