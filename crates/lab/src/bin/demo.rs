//! Two hosts on this machine, one peering, real packets. Needs root; all packets stay in namespaces made for it.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use lab::demo::{FAMILY, Interrupt, Options, run};
use lab::{netns, site};
use nix::sys::signal::{SigSet, Signal};

#[derive(Parser)]
#[command(
    about = "Peers two networks on two hosts made of namespaces, and sends packets. Needs root."
)]
struct Arguments {
    /// Leave it running at the end, with lines to try, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// As a shell has it: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Arguments { keep } = Arguments::parse();
    let interrupt = Arc::new(Interrupt::default());
    if let Err(error) = listen(&interrupt) {
        return fail(&error);
    }
    let mut out = io::stdout();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = out.is_terminal() && !no_color;
    match run(Options { keep, colours }, &interrupt, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt.came() => ExitCode::from(INTERRUPTED),
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "\ndemo: {error:#}");
    ExitCode::FAILURE
}

/// The first signal asks the demo to end; the second does not wait for it.
fn listen(interrupt: &Arc<Interrupt>) -> anyhow::Result<()> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    // Before there are threads: they inherit it.
    signals.thread_block()?;
    let interrupt = Arc::clone(interrupt);
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            interrupt.raise();
        }
        if signals.wait().is_ok() {
            // Server and agents end with us.
            let _ = site::sweep(&netns::prefix(FAMILY));
            std::process::exit(INTERRUPTED.into());
        }
    });
    Ok(())
}
