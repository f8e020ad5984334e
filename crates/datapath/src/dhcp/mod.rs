//! DHCPv4 (RFC 2131) for ports whose networks have it.
//!
//! `bpf/dhcp.h` hands what workloads ask to a ring; a thread of ours reads it
//! and answers, out of the port's entry and its offer. Both are in maps, so an
//! agent that has just started knows as much as the one before.

mod message;
mod offers;
mod server;

pub(crate) use offers::Offers;
pub(crate) use server::Server;
