//! The HTTP API as clients see it: real requests over real sockets. The names
//! of the tests begin with the case's number in section 7 of the contract.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod accounts;
mod audit;
mod bad_input;
mod client;
mod consent;
mod drain;
mod encryption;
mod etag;
mod explain;
mod filters;
mod first_start;
mod fuzz;
mod group;
mod host;
mod interface;
mod isolation;
mod kannas;
mod limits;
mod network;
mod once;
mod peering;
mod peering_changes;
mod plan;
mod policy;
mod router;
mod seed;
mod server;
mod site;
mod states;
mod sub_account;
mod tls;
mod token;
mod unserved;
mod webhook;
mod webhook_far;
mod zone;
