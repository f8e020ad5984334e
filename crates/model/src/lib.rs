//! The rules: what may be, what is, what must be done. No I/O, no clock, no
//! randomness, no async.

pub mod access;
pub mod account;
pub mod admission;
pub mod audit;
pub mod brake;
pub mod certificate;
pub mod change;
pub mod consent;
pub mod credentials;
pub mod dhcp;
pub mod error;
pub mod explain;
pub mod flow;
pub mod forecast;
mod groups;
pub mod health;
mod hidden;
pub mod host;
pub mod host_spec;
pub mod ids;
pub mod interface;
pub mod ip_range;
pub mod label;
pub mod labelled;
pub mod lease;
pub mod network;
pub mod node;
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
pub mod rate;
pub mod reasons;
pub mod room;
pub mod router;
pub mod scope;
pub mod seal;
pub mod server;
pub mod spec;
pub mod state;
mod static_routes;
pub mod terms;
pub mod way;
pub mod webhook;
pub mod wire;
pub mod world;
pub mod zone;
