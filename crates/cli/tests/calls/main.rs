//! Every command, in this process, against a real server. What was said is
//! golden text: `UPDATE=1` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod failures;
mod help;
mod kannas;
mod kernel;
mod names;
mod nouns;
mod site;
mod status;
mod transcript;
mod wait;
