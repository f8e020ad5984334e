//! The binary `kannas`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use cli::Shell;
use mimalloc::MiMalloc;

/// The store's thread makes what the others drop, which glibc's allocator is
/// slow at (docs/decisions/0003).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` in mimalloc.h: milliseconds until memory that is
/// free goes back to the system, which is looked at when other memory is asked
/// for or freed.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// An agent shares its machine with those whose packets it moves, and rests for
/// minutes after it has had a lot (docs/decisions/0019).
#[expect(unsafe_code, reason = "an option of the allocator")]
fn give_back_at_once() {
    // SAFETY: no other thread runs yet, which is all that it asks for.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "agent") {
        give_back_at_once();
    }
    // Not locked: the log goes to stderr too, from other threads.
    let progress = io::stderr().is_terminal();
    let mut shell = Shell { out: &mut io::stdout(), err: &mut io::stderr(), progress };
    ExitCode::from(cli::run(std::env::args_os(), &mut shell))
}
