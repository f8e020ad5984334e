//! Where the server is and who calls it: flags of every noun.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use ureq::http::Uri;

use crate::Shell;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::trust;

/// Not a flag: others on the machine can read the command line.
const PASSWORD: &str = "KANNAS_PASSWORD";

const HEADING: &str = "Server options";

#[derive(Debug, Args)]
pub(crate) struct Access {
    /// Where the server's HTTP API is
    #[arg(
        long,
        env = "KANNAS_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        global = true,
        help_heading = HEADING
    )]
    url: String,

    /// Account to call as
    #[arg(
        long,
        env = "KANNAS_USERNAME",
        value_name = "NAME",
        default_value = "admin",
        global = true,
        help_heading = HEADING
    )]
    username: String,

    /// File with the password; without it the password is in the environment,
    /// KANNAS_PASSWORD
    #[arg(
        long,
        env = "KANNAS_PASSWORD_FILE",
        value_name = "FILE",
        global = true,
        help_heading = HEADING
    )]
    password_file: Option<PathBuf>,

    /// File with certificates of authorities, in PEM, one of which vouches for
    /// an https server; without it one that browsers trust
    #[arg(
        long,
        env = "KANNAS_CA_FILE",
        value_name = "FILE",
        global = true,
        help_heading = HEADING
    )]
    ca_file: Option<PathBuf>,

    /// Form of the output
    #[arg(
        short,
        long,
        value_name = "FORM",
        value_enum,
        default_value_t,
        global = true,
        help_heading = HEADING
    )]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// As the API has it, without its envelope
    Json,
}

/// Commands that are calls of the API.
#[derive(Debug, Args)]
pub(crate) struct Calls<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    access: Access,
}

/// What a command does, once it is known where and as whom.
pub(crate) trait Run {
    /// # Errors
    /// Why it did not.
    fn run(self, session: &mut Session<'_, '_>) -> Result<(), Failure>;
}

impl<C: Subcommand + Run> Calls<C> {
    pub(crate) fn run(self, shell: &mut Shell<'_>) -> Result<(), Failure> {
        self.access.run(self.command, shell)
    }
}

impl Access {
    pub(crate) fn run(self, command: impl Run, shell: &mut Shell<'_>) -> Result<(), Failure> {
        let at: Base = self.url.parse()?;
        let roots = trust::roots(self.ca_file.as_deref())?;
        let client = Client::new(&at, roots, &self.username, &self.password()?);
        command.run(&mut Session { client, output: self.output, shell })
    }

    fn password(&self) -> Result<String, Failure> {
        if let Some(path) = &self.password_file {
            return secret_of(path);
        }
        match std::env::var(PASSWORD) {
            Ok(password) => Ok(password),
            Err(std::env::VarError::NotPresent) => Err(Failure::usage(format!(
                "no password for {}: set {PASSWORD} or KANNAS_PASSWORD_FILE, or give \
                 --password-file",
                self.username
            ))),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Failure::usage(format!("{PASSWORD} is not UTF-8")))
            }
        }
    }
}

/// What is in the file, less the end of its line.
///
/// # Errors
/// It cannot be read, or is empty.
pub(crate) fn secret_of(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read the password in {shown}"));
    let text = text.map_err(|error| Failure::new(Exit::Usage, error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    if password.is_empty() {
        return Err(Failure::usage(format!("the password file {shown} is empty")));
    }
    Ok(password.to_owned())
}

/// What the paths of calls are put behind.
#[derive(Debug)]
pub(crate) struct Base {
    text: String,
    pub(crate) is_loopback: bool,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Base {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        // Not shown again: there may be a password in it.
        if text.contains('@') {
            return Err(Failure::usage("--url is to be without credentials: see --username"));
        }
        let bad = || Failure::usage(format!("--url {text} is not of the form http://HOST[:PORT]"));
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().filter(|s| matches!(*s, "http" | "https"));
        let (scheme, authority) = scheme.zip(uri.authority()).ok_or_else(bad)?;
        if authority.host().is_empty() || uri.query().is_some() {
            return Err(bad());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let path = uri.path().trim_end_matches('/');
        Ok(Self { text: format!("{scheme}://{authority}{path}"), is_loopback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_is_http_with_a_host_and_without_credentials() {
        for (text, want, is_loopback) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("https://kannas.example/", "https://kannas.example", false),
            ("http://[::1]:1/api/", "http://[::1]:1/api", true),
            ("http://localhost", "http://localhost", true),
        ] {
            let base: Base = text.parse().unwrap();
            assert_eq!((&*base.text, base.is_loopback), (want, is_loopback));
        }
        for bad in ["", "kannas.example", "ftp://a", "http://", "http://a?b", "http://a b", "/x"] {
            let failure = bad.parse::<Base>().unwrap_err();
            assert_eq!(failure.code(), 2, "{bad}");
        }
        let failure = "http://eve:secret@a".parse::<Base>().unwrap_err().to_string();
        assert!(!failure.contains("secret"), "{failure}");
    }
}
