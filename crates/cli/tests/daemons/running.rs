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
        let data = dir.path().join("data");
        let arguments = ["server", "--listen", "127.0.0.1:0", "--agent-listen", "127.0.0.1:0"];
        let mut command = kannas(&arguments);
        command.args(["--log-format", "json", "--data-dir", text(&data)]).args(flags);
        command.env("RUST_LOG", "trace");
        let process = Process::start("server", command, &dir.path().join("log")).unwrap();
        let mut it = Self { process, api: SocketAddr::from(([0; 4], 0)), dir };
        it.api = eventually(SOON, "the server listens", || it.listening()).unwrap();
        it
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn listening(&self) -> Option<SocketAddr> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("\"listening\""))?;
        let line: Value = serde_json::from_str(line).ok()?;
        line["api"].as_str()?.parse().ok()
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.dir.path().join("data/admin-password")
    }
}
