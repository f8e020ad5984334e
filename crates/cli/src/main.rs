//! The binary `kannas`.

use std::io;
use std::process::ExitCode;

use cli::Shell;

fn main() -> ExitCode {
    // Not locked: the log goes to stderr too, from other threads.
    let mut shell = Shell { out: &mut io::stdout(), err: &mut io::stderr() };
    ExitCode::from(cli::run(std::env::args_os(), &mut shell))
}
