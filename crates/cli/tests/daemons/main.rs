//! The binary itself: what runs for long, its signals, its log.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agent;
mod binary;
mod environment;
mod running;
mod server;
mod tls;
mod upkeep;
