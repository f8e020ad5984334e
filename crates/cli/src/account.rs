//! `kannas account`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Output, Run, secret_of};
use crate::body::{Body, YesNo};
use crate::exit::Failure;
use crate::noun::Row;
use crate::session::{Session, segment};
use crate::table::clean;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the accounts there are
    List,
    Create(Create),
    Limit(Limit),
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

/// Say what one account may have, where that is not as for all
///
/// What is not given is as for all again.
#[derive(Debug, Args)]
pub(crate) struct Limit {
    /// Name of the account
    name: String,

    /// Networks
    #[arg(long, value_name = "NUMBER")]
    networks: Option<u32>,

    /// Network peerings
    #[arg(long, value_name = "NUMBER")]
    peerings: Option<u32>,

    /// Routers
    #[arg(long, value_name = "NUMBER")]
    routers: Option<u32>,

    /// Requests in a second; 0 sets no limit
    #[arg(long, value_name = "NUMBER")]
    requests: Option<u32>,

    /// Requests at once after a pause
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    burst: Option<u32>,
}

#[derive(Deserialize)]
struct Account {
    username: String,
    admin: String,
    limits: BTreeMap<String, u32>,
}

impl Run for Command {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        match self {
            Self::List => session.list::<Account>(&[]),
            Self::Create(create) => create.run(session),
            Self::Limit(limit) => limit.run(session),
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

impl Limit {
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure> {
        let wish = Body::default()
            .with("networks", self.networks)
            .with("network_peerings", self.peerings)
            .with("routers", self.routers)
            .with("requests", self.requests)
            .with("burst", self.burst);
        let path = format!("{}/{}/limits", Account::PATH, segment(&self.name));
        let answer = session.client.put(&path, &json!({"limits": Value::from(wish)}))?;
        let it = session.client.within(answer, &["account"])?;
        match session.output {
            Output::Json => session.json(&it),
            Output::Table => {
                let it: Account = crate::noun::read(it)?;
                let [name, limits] = [&it.username, &it.limits()].map(|text| clean(text));
                Ok(writeln!(session.shell.out, "limits of {name}: {limits}")?)
            }
        }
    }
}

impl Account {
    /// Empty where all is as for all.
    fn limits(&self) -> String {
        let own = self.limits.iter().map(|(name, limit)| format!("{name} {limit}"));
        own.collect::<Vec<_>>().join(", ")
    }
}

impl Row for Account {
    const PATH: &'static str = "/kannas/v1/accounts";
    const ENVELOPES: [&'static str; 2] = ["accounts", "account"];
    const HEADS: &'static [&'static str] = &["NAME", "ADMIN", "LIMITS"];

    fn cells(&self) -> Vec<String> {
        vec![self.username.clone(), self.admin.clone(), self.limits()]
    }
}
