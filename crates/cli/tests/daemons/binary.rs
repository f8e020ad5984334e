//! Runs `kannas` as a program.

use std::path::Path;
use std::process::{Command, Output};

/// With nothing of our own environment but the path.
pub(crate) fn kannas(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kannas"));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
}

/// Exit code and the one line of stderr, of a command that must fail at once.
#[track_caller]
pub(crate) fn failure(mut command: Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(stdout, b"", "{stderr}");
    let (line, rest) = stderr.split_once('\n').unwrap();
    assert_eq!(rest, "", "{stderr}");
    (status.code().unwrap(), line.to_owned())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
