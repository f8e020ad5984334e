//! `kannas account`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Output, Run, secret_of};
use crate::body::{Body, YesNo};
use crate::exit::Failure;
use crate::noun::Row;
use crate::session::Session;
use crate::table::clean;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the accounts there are
    List,
    Create(Create),
}

/// Make an account
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name to log in with
    name: String,

    /// File with the new account's password; /dev/stdin takes a line from there
    #[arg(long, value_name = "FILE")]
    new_password_file: PathBuf,

    /// Make it an administrator: of hosts and accounts, not of others' networks
    #[arg(long)]
    admin: bool,
}

#[derive(Deserialize)]
struct Account {
    username: String,
    admin: String,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List => session.list::<Account>(&[]),
            Self::Create(create) => create.run(session),
        }
    }
}

impl Create {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let wish = Body::default()
            .with("username", Some(&self.name))
            .with("password", Some(secret_of(&self.new_password_file)?))
            .with("admin", self.admin.then_some(YesNo::Yes));
        let answer = session.client.post(Account::PATH, &json!({"account": Value::from(wish)}))?;
        let made = session.client.within(answer, &["account"])?;
        match session.output {
            Output::Json => session.json(&made),
            Output::Table => {
                let made: Account = crate::noun::read(made)?;
                Ok(writeln!(session.shell.out, "made account {}", clean(&made.username))?)
            }
        }
    }
}

impl Row for Account {
    const PATH: &'static str = "/kannas/v1/accounts";
    const ENVELOPES: [&'static str; 2] = ["accounts", "account"];
    const HEADS: &'static [&'static str] = &["NAME", "ADMIN"];

    fn cells(&self) -> Vec<String> {
        vec![self.username.clone(), self.admin.clone()]
    }
}
