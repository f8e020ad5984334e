//! The binary `kannas`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use cli::Shell;
use mimalloc::MiMalloc;

/// The store's thread makes what the others drop, which glibc's allocator is
/// slow at (docs/decisions/0003).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // Not locked: the log goes to stderr too, from other threads.
    let progress = io::stderr().is_terminal();
    let mut shell = Shell { out: &mut io::stdout(), err: &mut io::stderr(), progress };
    ExitCode::from(cli::run(std::env::args_os(), &mut shell))
}
