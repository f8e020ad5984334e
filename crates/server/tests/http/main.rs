//! The HTTP API as clients see it: real requests over real sockets. The names
//! of the tests begin with the case's number in section 7 of the contract.
//!
//! Left out here: tokens (A02, A16, T), which the server does not serve.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod bad_input;
mod client;
mod consent;
mod etag;
mod filters;
mod first_start;
mod interface;
mod kannas;
mod network;
mod once;
mod peering;
mod peering_changes;
mod policy;
mod router;
mod seed;
mod server;
mod site;
mod states;
mod unserved;
mod webhook;
mod zone;
