//! `kannas zone`.

use clap::Subcommand;
use serde::Deserialize;

use crate::access::Run;
use crate::exit::Failure;
use crate::noun::Row;
use crate::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the zones there are
    List,
}

#[derive(Deserialize)]
struct Zone {
    id: String,
    description: String,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List => session.list::<Zone>(&[]),
        }
    }
}

impl Row for Zone {
    const PATH: &'static str = "/1.3/zone";
    const ENVELOPES: [&'static str; 2] = ["zones", "zone"];
    const HEADS: &'static [&'static str] = &["ID", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.description.clone()]
    }
}
