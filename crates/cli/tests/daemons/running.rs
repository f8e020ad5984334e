//! A server in a process of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lab::{Process, eventually};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{kannas, text};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server in a folder of its own, its log in lines of JSON.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) api: SocketAddr,
    dir: TempDir,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let process = run(&dir, flags);
        let mut it = Self { process, api: SocketAddr::from(([0; 4], 0)), dir };
        it.api = eventually(SOON, "the server listens", || listening(&it.log())).unwrap();
        it
    }

    /// After it has ended; its log begins anew.
    pub(crate) fn start_again(&mut self) {
        fs::remove_file(self.dir.path().join("log")).unwrap();
        self.process = run(&self.dir, &[]);
        self.api = eventually(SOON, "the server listens", || listening(&self.log())).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.dir.path().join("data/admin-password")
    }
}

fn run(dir: &TempDir, flags: &[&str]) -> Process {
    let data = dir.path().join("data");
    let arguments = ["server", "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"];
    let mut command = kannas(&arguments);
    command.args(["--log-format", "json", "--data-dir", text(&data)]).args(flags);
    command.env("RUST_LOG", "trace");
    Process::start("server", command, &dir.path().join("log")).unwrap()
}

/// Where the server of that log listens.
pub(crate) fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("\"listening\""))?;
    let line: Value = serde_json::from_str(line).ok()?;
    line["api"].as_str()?.parse().ok()
}
