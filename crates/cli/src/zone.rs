//! `kannas zone`.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Output, Run};
use crate::body::Body;
use crate::encryption::{Encrypt, Keys};
use crate::exit::Failure;
use crate::noun::Row;
use crate::session::Session;
use crate::table::clean;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the zones there are
    List,
    Add(Add),
    Encrypt(Encrypt),
    Keys(Keys),
    /// Delete zones of your own that nothing is in (for administrators)
    Delete {
        /// Id
        #[arg(required = true)]
        zones: Vec<String>,
    },
}

/// Add a zone of your own to the public ones (for administrators)
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Id to name it by, like fi-hel1
    id: String,

    /// What it is, for people [default: its id]
    #[arg(long)]
    description: Option<String>,
}

/// Where zones are made and deleted.
const OWN: &str = "/kannas/v1/zones";

#[derive(Deserialize)]
struct Zone {
    id: String,
    description: String,
    public: String,
    /// Nothing of a server that encrypts nothing.
    #[serde(default)]
    encrypted_with: Vec<String>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List => session.list::<Zone>(&[]),
            Self::Add(add) => add.run(session),
            Self::Encrypt(encrypt) => encrypt.run(session),
            Self::Keys(keys) => keys.run(session),
            Self::Delete { zones } => {
                let mut all = zones.iter();
                all.try_for_each(|id| session.delete_at("zone", OWN, id))
            }
        }
    }
}

impl Add {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let wish = Body::default().with("id", Some(self.id)).with("description", self.description);
        let answer = session.client.post(OWN, &json!({"zone": Value::from(wish)}))?;
        let made = session.client.within(answer, &["zone"])?;
        match session.output {
            Output::Json => session.json(&made),
            Output::Table => {
                let made: Zone = crate::noun::read(made)?;
                Ok(writeln!(session.shell.out, "added zone {}", clean(&made.id))?)
            }
        }
    }
}

impl Row for Zone {
    const PATH: &'static str = "/1.3/zone";
    const ENVELOPES: [&'static str; 2] = ["zones", "zone"];
    const HEADS: &'static [&'static str] = &["ID", "DESCRIPTION", "PUBLIC", "ENCRYPTED WITH"];

    fn cells(&self) -> Vec<String> {
        let encrypted = self.encrypted_with.join(", ");
        vec![self.id.clone(), self.description.clone(), self.public.clone(), encrypted]
    }
}
