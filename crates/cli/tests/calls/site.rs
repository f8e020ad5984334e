//! A server of a test's own, in this process, with agents as wanted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lab::eventually;
use serde_json::Value;
use server::{Addresses, Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::kannas::{Said, kannas};
use crate::kernel::Fake;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Site {
    pub(crate) addresses: Addresses,
    dir: TempDir,
    /// Dropped, it ends the server and the agents.
    runtime: Runtime,
}

impl Site {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let password = dir.path().join("admin");
        fs::write(&password, "the admins password\n").unwrap();
        let data = dir.path().join("data");
        let [data, password] = [&data, &password].map(|path| path.to_str().unwrap());
        let config: server::Config = configured(&[
            ("listen", "127.0.0.1:0"),
            ("agent-listen", "127.0.0.1:0"),
            ("data-dir", data),
            ("admin-password-file", password),
        ]);
        let server = runtime.block_on(Server::start(&config)).unwrap();
        let addresses = server.addresses();
        runtime.spawn(server.serve(std::future::pending()));
        Self { addresses, dir, runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addresses.api)
    }

    /// A file that is not there yet.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Flags to call as `user`, whose password is in the file of that name.
    pub(crate) fn flags(&self, user: &str) -> Vec<String> {
        let file = self.file(user).to_str().unwrap().to_owned();
        let flags = ["--url", &self.url(), "--username", user, "--password-file", &file];
        flags.map(str::to_owned).to_vec()
    }

    /// Runs a command as the administrator.
    pub(crate) fn kannas(&self, arguments: &[&str]) -> Said {
        self.kannas_as("admin", arguments)
    }

    pub(crate) fn kannas_as(&self, user: &str, arguments: &[&str]) -> Said {
        let own = arguments.iter().map(|it| (*it).to_owned());
        kannas(&own.chain(self.flags(user)).collect::<Vec<_>>())
    }

    /// The JSON that a command must print.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.kannas(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&said.ok()).unwrap()
    }

    pub(crate) fn make_account(&self, name: &str) {
        let file = self.file(name);
        fs::write(&file, format!("{name}s own password\n")).unwrap();
        let file = file.to_str().unwrap();
        self.kannas(&["account", "create", name, "--new-password-file", file]).ok();
    }

    /// A router and a network on it, both of this name.
    pub(crate) fn make_routed(&self, name: &str, zone: &str, address: &str) -> String {
        self.kannas(&["router", "create", name]).ok();
        let place = ["--zone", zone, "--address", address, "--router", name];
        let made = self.json(&[&["network", "create", name], &place[..]].concat());
        made["uuid"].as_str().unwrap().to_owned()
    }

    /// A host whose kernel refuses every step while `broken`; back when it is
    /// live.
    pub(crate) fn join(&self, name: &str, zone: &str, number: u8, broken: &Arc<AtomicBool>) {
        let token = self.kannas(&["host", "token", "--zone", zone]).ok();
        let (server, state) = (format!("https://{}", self.addresses.agents), self.file(name));
        let config: agent::Config = configured(&[
            ("server", &server),
            ("join", token.trim_end()),
            ("zone", zone),
            ("name", name),
            ("underlay", &format!("192.0.2.{number}")),
            ("state-dir", state.to_str().unwrap()),
        ]);
        let kernel = Fake::new(broken);
        self.runtime.spawn(agent::run_on(config, move || Ok(kernel), std::future::pending()));
        let is_live = || {
            let hosts = self.json(&["host", "list"]);
            let mut hosts = hosts.as_array().unwrap().iter();
            hosts.any(|host| host["name"] == name && host["live"] == true).then_some(())
        };
        eventually(SOON, "the host is live", is_live).unwrap();
    }
}

/// What these flags give, all others at their defaults.
fn configured<C: clap::Args>(flags: &[(&str, &str)]) -> C {
    let flags = flags.iter().map(|(flag, value)| format!("--{flag}={value}"));
    let command = C::augment_args(clap::Command::new("test"));
    let matches = command.get_matches_from(std::iter::once("test".to_owned()).chain(flags));
    C::from_arg_matches(&matches).unwrap()
}
