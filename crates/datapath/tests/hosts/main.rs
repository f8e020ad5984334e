//! The datapath of two hosts that are network namespaces: real devices, real
//! programs, real packets. Needs root.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod behind;
mod dhcp;
mod drift;
mod flows;
mod forward;
mod ipv6;
mod isolation;
mod layout;
mod mtu;
mod probes;
mod sealed;
mod sentinel;
mod site;
mod sizes;
